/**
 * Training steps by tape of one model of `bench:tape` on the wasm engine, in a process of its own.
 *
 *   deno run --allow-read --allow-env bench/tape_step.ts MODEL THREADS
 *
 * First prints a line of JSON, {@link TapeGreeting}; then, for every line of standard input, runs steps for a tenth of a
 * second and prints {"ms": milliseconds of one, "loss", "rss_mib_peak"}.
 */
import { profileKernels } from "../src/backends/wasm/kernel_profile.ts";
import { selectBackend } from "../src/backends/registry.ts";
import { peakResidentMebibytes } from "../src/deps/node_process.ts";
import { tf } from "../src/deps/tfjs.ts";
import { createOptimiser, tapeGradients } from "../src/training/mod.ts";
import { milliseconds } from "./measurements.ts";
import { linesOf } from "./peers/child_lines.ts";
import { buildModel, type ModelKind, MODELS, type ModelSizes } from "./tape_models.ts";

/** Steps before anything is measured: V8 compiles on the way. */
const WARM_UP = 5;
/** Steps of a profile, and least milliseconds of an answer. */
const PROFILED = 10;
const LEAST_MS = 100;

/** Time of a step by what it is spent in. */
export interface StepProfile {
  /** Milliseconds of one step while profiled. */
  readonly ms: number;
  /** Shares of it: kernels of ours, JavaScript kernels; the rest is the tape, memory and waiting between kernels. */
  readonly own: number;
  readonly javascript: number;
  /** Calls of kernels in a step. */
  readonly calls: number;
  /** The longest kernels with their shares. */
  readonly kernels: readonly (readonly [name: string, share: number])[];
}

/** The first line of the process. */
export interface TapeGreeting {
  /** Numbers that are trained. */
  readonly parameters: number;
  /** Of a step, in the direct sum. */
  readonly multiplyAdds: number;
  readonly profile: StepProfile;
}

/** A model being trained. */
export interface TapeTraining {
  /** One step, complete when it returns; gives the loss. */
  step(): Promise<number>;
  /** Multiply–adds of the last step. */
  multiplyAdds(): number;
  readonly parameters: number;
  dispose(): void;
}

/**
 * Prepares steps: forward, backward by the tape, AdamW.
 *
 * @param kind Of the model.
 * @param sizes Its own by default.
 */
export function prepareTraining(kind: ModelKind, sizes?: ModelSizes): TapeTraining {
  const { layers, loss, dispose } = buildModel(kind, sizes);
  const { variables } = layers;
  const optimiser = createOptimiser("adamw", variables);
  let steps = 0;
  return {
    async step() {
      layers.begin(steps++);
      const { losses, gradients } = await tapeGradients(variables, () => ({ loss: loss() }));
      optimiser.step(gradients, 1e-4);
      tf.dispose([...gradients.values()]);
      return losses.loss;
    },
    multiplyAdds: () => layers.multiplyAdds,
    parameters: [...variables.values()].reduce((sum, { size }) => sum + size, 0),
    dispose() {
      optimiser.dispose();
      dispose();
    },
  };
}

async function profileOf(training: TapeTraining): Promise<StepProfile> {
  let ms = 0;
  const { uses } = await profileKernels(async () => {
    ms = await milliseconds(async () => {
      for (let i = 0; i < PROFILED; i++) await training.step();
    });
  });
  const sum = (of: (use: typeof uses[number]) => number) =>
    uses.reduce((total, use) => total + of(use), 0);
  return {
    ms: ms / PROFILED,
    own: sum((use) => use.ms - use.fallbackMs) / ms,
    javascript: sum((use) => use.fallbackMs) / ms,
    calls: sum((use) => use.calls) / PROFILED,
    kernels: uses.slice(0, 6).map((use) => [use.name, use.ms / ms]),
  };
}

async function main([name, threads]: readonly string[]): Promise<void> {
  const kind = MODELS.find((model) => model.name === name)!;
  const engine = await selectBackend("wasm", { threads: Number(threads) });
  const training = prepareTraining(kind);
  for (let i = 0; i < WARM_UP; i++) await training.step();
  const profile = await profileOf(training);
  const { parameters } = training;
  const greeting = { parameters, multiplyAdds: training.multiplyAdds(), profile };
  console.log(JSON.stringify(greeting satisfies TapeGreeting));
  for await (const _ of linesOf(Deno.stdin.readable)) {
    let [steps, ms, loss] = [0, 0, 0];
    for (; ms < LEAST_MS; steps++) {
      ms += await milliseconds(async () => void (loss = await training.step()));
    }
    console.log(JSON.stringify({ ms: ms / steps, loss, rss_mib_peak: peakResidentMebibytes() }));
  }
  training.dispose();
  await engine.stop();
}

if (import.meta.main) await main(Deno.args);
