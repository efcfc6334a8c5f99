/** The comparison with linear methods as a person reads it: the table, who wins, and what to change when the model does not. */
import { comparisonTable, type Verdict, verdictOf } from "../../evaluation/comparison_words.ts";
import { comparisonsOf, type HeldOutComparison } from "./comparison.ts";
import type { RunConfig } from "./run_config.ts";
import { uniqueStems } from "./scan_names.ts";

/**
 * Table and words.
 *
 * @param comparison Of a run's held-out scans.
 * @param config Of the run: what could be changed.
 */
export function comparisonLines(comparison: HeldOutComparison, config: RunConfig): string[] {
  const { runs } = comparison;
  const names = shortNames(uniqueStems(runs.map((id) => ({ id, label: "" }))));
  const tables = comparisonsOf(comparison);
  const verdicts = tables.map((table) => verdictOf(table, "run"));
  return [
    `Variance explained in ${
      runs.length === 1 ? "the held-out run" : `the ${runs.length} held-out runs`
    }, inside the ` +
    "mask, about the mean of the training frames:",
    ...comparisonTable(tables, names),
    ...verdicts.map(({ sentence }) => `  ${sentence}`),
    ...adviceLines(verdicts, config),
  ];
}

/** The parts of BIDS names in which they differ, at a glance; long ones are cut. */
function shortNames(stems: readonly string[]): string[] {
  const parts = stems.map((stem) => stem.split("_"));
  return parts.map((own, n) => {
    const differ = own.filter((part) => !parts.every((other) => other.includes(part)));
    const name = differ.join("_") || stems[n];
    return name.length > 16 ? `${name.slice(0, 15)}…` : name;
  });
}

function adviceLines([reconstruction, ahead]: readonly Verdict[], config: RunConfig): string[] {
  if (reconstruction.outcome !== "loses" && ahead.outcome !== "loses") return [];
  const what = reconstruction.outcome !== "loses"
    ? "predicts no better than a linear method"
    : ahead.outcome === "loses"
    ? "is worse than a linear method"
    : "reconstructs no better than a linear method";
  return [
    `  This model ${what} here: use the linear one, or change ${remedy(config)} (docs/science.md).`,
  ];
}

function remedy({ training, model }: RunConfig): string {
  return training.preset === "default"
    ? `--epochs (it is ${model.epochs}; fewer where training fits much better than held-out runs) or ` +
      "--learning-rate (lower)"
    : "to the default preset (--preset default)";
}
