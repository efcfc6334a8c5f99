/** A table of shares of variance, and in words which method wins and by how much. */
import type { ExplainedShare } from "./variance_explained.ts";

/** One method of a comparison. */
export interface ComparedMethod {
  /** As in the table and in a sentence: `"PCA with 10 components"`. */
  readonly name: string;
  readonly share: ExplainedShare;
  /** Whether it has seen the runs it is scored on; such a row is marked and never wins. */
  readonly seen?: boolean;
}

/** Methods that predict the same thing; the model under test is the first. */
export interface Comparison {
  /** What is predicted: `"reconstruction of each frame"`. */
  readonly title: string;
  readonly methods: readonly ComparedMethod[];
}

/** Differences below this many percentage points are called none: they are within rounding of the table. */
const EVEN = 0.05;

/**
 * The table as lines: a row a method, best first behind the model's own, over all runs and for each run.
 *
 * @param comparisons See {@link Comparison}.
 * @param runs Names of the runs, as many as each share has; up to four are shown.
 */
export function comparisonTable(
  comparisons: readonly Comparison[],
  runs: readonly string[],
): string[] {
  const shown = runs.length > 1 && runs.length <= 4 ? runs : [];
  const label =
    Math.max(...comparisons.flatMap(({ methods }) => methods.map(({ name }) => name.length))) + 2;
  const width = Math.max(9, ...shown.map((name) => name.length + 2));
  const cell = (value: number) => percent(value).padStart(width);
  const lines = [
    `  ${"".padEnd(label + 2)}${["all", ...shown].map((name) => name.padStart(width)).join("")}`,
  ];
  for (const { title, methods } of comparisons) {
    lines.push(`  ${title}`);
    for (const { name, share, seen } of inOrder(methods)) {
      const cells = [share.share, ...shown.map((_, run) => share.runs[run])].map(cell).join("");
      lines.push(`    ${(name + (seen ? " *" : "")).padEnd(label)}${cells}`);
    }
  }
  if (comparisons.some(({ methods }) => methods.some(({ seen }) => seen))) {
    lines.push("  * has seen the held-out run.");
  }
  return lines;
}

/** The first stays first, the others by what they explain. */
function inOrder([model, ...others]: readonly ComparedMethod[]): readonly ComparedMethod[] {
  return [model, ...others.toSorted((a, b) => b.share.share - a.share.share)];
}

/** Which method wins a comparison. */
export interface Verdict {
  /** The model's rank is first, even with the best of the others, or behind it. */
  readonly outcome: "wins" | "even" | "loses";
  /** A sentence: who wins, by how many points, and how that differs from run to run. */
  readonly sentence: string;
}

/**
 * Says in words who wins.
 *
 * @param comparison The model first; methods that have seen the runs do not count.
 * @param unit What the shares are of: `"run"`, `"fold"`.
 */
export function verdictOf({ title, methods }: Comparison, unit: string): Verdict {
  const [model, ...others] = methods.filter(({ seen }) => !seen);
  const best = others.reduce((a, b) => b.share.share > a.share.share ? b : a);
  const points = 100 * (model.share.share - best.share.share);
  const differences = model.share.runs.map((share, run) => 100 * (share - best.share.runs[run]));
  const spread = spreadWords(points < 0 ? differences.map((d) => -d) : differences, unit);
  const subject = `${title[0].toUpperCase()}${title.slice(1)}`;
  if (Math.abs(points) < EVEN) {
    return {
      outcome: "even",
      sentence: `${subject}: ${model.name} and ${best.name} are even${spread}.`,
    };
  }
  const [winner, loser] = points > 0 ? [model, best] : [best, model];
  return {
    outcome: points > 0 ? "wins" : "loses",
    sentence: `${subject}: ${winner.name} wins, ${
      Math.abs(points).toFixed(1)
    } points ahead of ${loser.name}${spread}.`,
  };
}

/** `" (0.3 to 0.9 by run)"`; nothing for a single one. */
function spreadWords(differences: readonly number[], unit: string): string {
  if (differences.length < 2) return "";
  const show = (value: number) => (Object.is(Number(value.toFixed(1)), -0) ? 0 : value).toFixed(1);
  const [least, most] = [Math.min(...differences), Math.max(...differences)];
  const range = show(least) === show(most)
    ? `${show(least)} in every ${unit}`
    : `${show(least)} to ${show(most)} by ${unit}`;
  return ` (${range})`;
}

function percent(share: number): string {
  return Number.isFinite(share) ? `${(100 * share).toFixed(1)} %` : "n/a";
}
