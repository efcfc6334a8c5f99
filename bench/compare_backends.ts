/**
 * Trains the same three epochs on every engine of this machine and prints how far apart they are.
 *
 *   deno task bench:compare
 *   deno task bench:compare --backends cpu,webgpu --json
 *
 * Each engine is compared with the float64 reference and with the engine it differs from most. Exit code 1
 * when two engines disagree by more than 5e-6 in a loss or 1e-4 in F.
 */
import type { BackendName } from "../src/backends/engine.ts";
import { probeBackend } from "../src/backends/registry.ts";
import { type Option } from "../src/pipelines/option_table.ts";
import { parseOptions } from "../src/cli/options.ts";
import { digits, textTable } from "./measurements.ts";
import {
  LOSS_TOLERANCE,
  lossDifference,
  type TrainingOutcome,
  trainOn,
  TRANSITION_TOLERANCE,
  transitionDifference,
  USUAL_PROBLEM,
} from "./training_agreement.ts";

const OPTIONS = [
  { name: "backends", kind: "text", help: "" },
  { name: "json", kind: "flag", help: "" },
  { name: "child", kind: "text", help: "" },
] as const satisfies readonly Option[];

/** Engines compared by default; `cuda` takes the place of `tensorflow` where there is a GPU. */
const ENGINES: readonly BackendName[] = [
  "reference",
  "cpu",
  "wasm",
  "webgpu",
  "tensorflow",
  "cuda",
];

/** One engine beside the others. */
interface Comparison {
  readonly outcome: TrainingOutcome;
  /** Differences from the reference, and the largest from any engine in float32. */
  readonly loss: number;
  readonly transition: number;
  readonly worstLoss: number;
  readonly worstTransition: number;
}

function compare(outcome: TrainingOutcome, all: readonly TrainingOutcome[]): Comparison {
  const reference = all[0];
  const others = all.filter((other) => other !== outcome);
  const worst = (difference: (a: TrainingOutcome, b: TrainingOutcome) => number) =>
    Math.max(0, ...others.map((other) => difference(outcome, other)));
  return {
    outcome,
    loss: lossDifference(outcome, reference),
    transition: transitionDifference(outcome, reference),
    worstLoss: worst(lossDifference),
    worstTransition: worst(transitionDifference),
  };
}

function tableOf(comparisons: readonly Comparison[]): string {
  const first = comparisons[0].outcome.backend;
  return textTable(
    [
      "engine",
      "last loss",
      `loss - ${first}`,
      `F - ${first}`,
      "worst loss",
      "worst F",
      "s",
      "device",
    ],
    comparisons.map(({ outcome, loss, transition, worstLoss, worstTransition }) => [
      outcome.backend,
      outcome.losses[outcome.losses.length - 1].toPrecision(9),
      loss.toExponential(1),
      transition.toExponential(1),
      worstLoss.toExponential(1),
      worstTransition.toExponential(1),
      digits(outcome.milliseconds / 1000),
      outcome.detail,
    ]),
  );
}

/** Trains in a process of its own: native libraries of two engines need not get on with each other. */
async function trainInChild(name: BackendName): Promise<TrainingOutcome> {
  const { code, stdout } = await new Deno.Command(Deno.execPath(), {
    args: ["run", "--quiet", "--no-lock", "-A", import.meta.url, "--child", name],
    stderr: "inherit",
  }).output();
  if (code !== 0) throw new Error(`training on ${name} ended with status ${code}`);
  const lines = new TextDecoder().decode(stdout).trim().split("\n");
  return JSON.parse(lines[lines.length - 1]);
}

async function main(args: readonly string[]): Promise<number> {
  const { values } = parseOptions(args, OPTIONS);
  if (values.child) {
    const outcome = await trainOn(values.child as BackendName, USUAL_PROBLEM);
    console.log(JSON.stringify({ ...outcome, transition: Array.from(outcome.transition) }));
    return 0;
  }
  const names = values.backends ? values.backends.split(",") as BackendName[] : ENGINES;
  const outcomes: TrainingOutcome[] = [];
  for (const name of names) {
    const { available, hint, detail } = await probeBackend(name);
    if (available) outcomes.push(await trainInChild(name));
    else console.error(`SKIPPED ${name}: ${hint ?? detail}`);
  }
  if (outcomes.length === 0) return 1;
  const comparisons = outcomes.map((outcome) => compare(outcome, outcomes));
  if (values.json) {
    const plain = comparisons.map(({ outcome, loss, transition, worstLoss, worstTransition }) => ({
      ...outcome,
      difference: { loss, transition, worstLoss, worstTransition },
    }));
    console.log(JSON.stringify(plain));
  } else {
    const { spatialShape, frames, subjects, epochs } = USUAL_PROBLEM;
    console.log(
      `${epochs} epochs, ${subjects} subjects of ${frames} frames of ${spatialShape.join("x")}; ` +
        "differences relative\n",
    );
    console.log(tableOf(comparisons));
  }
  const agree = comparisons.every(({ worstLoss, worstTransition }) =>
    worstLoss <= LOSS_TOLERANCE && worstTransition <= TRANSITION_TOLERANCE
  );
  if (!agree) {
    console.error(
      `engines disagree by more than ${LOSS_TOLERANCE} in a loss or ${TRANSITION_TOLERANCE} in F`,
    );
  }
  return agree ? 0 : 1;
}

if (import.meta.main) Deno.exit(await main(Deno.args));
