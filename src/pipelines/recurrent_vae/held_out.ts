/**
 * Scoring subjects that were not trained on [recurrent-vae §6.4]: their offsets z are fitted with all weights fixed,
 * then the reconstruction error is measured.
 *
 * Two objectives, because the reference's hardly moves z: `"original"` is the mean over all elements of
 * (x − r)² under plain SGD, whose gradient is about 1e-5 at full size, so that 100 steps at the default rate change
 * z by about 1e-6. `"training"` (the default) is scaled as in training, Σ(x − r)²/(2·M·T), under Adam.
 */
import type { NdArray } from "../../base/arrays.ts";
import {
  array,
  callback,
  checkOptions,
  choice,
  integer,
  number,
  other,
  record,
} from "../../base/fields.ts";
import type { FrameBatch } from "../../base/frames.ts";
import { RandomStream } from "../../base/random.ts";
import { toHost, toTensor } from "../../backends/tensors.ts";
import { tf } from "../../deps/tfjs.ts";
import { offsetPenaltyGradient } from "../../models/recurrent_vae/losses/penalties.ts";
import { sizeOf } from "../../parameters/entry.ts";
import { initialStateOf } from "../../models/recurrent_vae/config.ts";
import { broadcastState, frameBatchOf, resolveNoise } from "../../models/recurrent_vae/inputs.ts";
import type { RecurrentVae } from "../../models/recurrent_vae/model.ts";
import {
  DEFAULT_MEMORY_BUDGET,
  FORWARD_OPTIONS,
  GRADIENT_OPTIONS,
} from "../../models/recurrent_vae/model_options.ts";
import { OffsetFitting } from "../../models/recurrent_vae/offset_fitting.ts";
import { createOptimiser } from "../../training/optimisers.ts";

/** Options of {@link evaluateHeldOut}. */
export interface HeldOutOptions {
  /** State before the first frame, `[D]`, `[1, D]` or `[M, D]`. Default: the configuration's. */
  readonly initialState?: NdArray;
  /** See the head of this module. Default `"training"`. */
  readonly objective?: "training" | "original";
  /** Updates of z. Default 100. 0 scores z as it starts. */
  readonly innerSteps?: number;
  /** Their step size. Default 0.05 with `"training"` (Adam), 1e-3 with `"original"` (SGD). */
  readonly innerLr?: number;
  /** Scale of the random start. Default 1. */
  readonly innerSigZ?: number;
  /** Weight of λ·Σ|z|/M. Default 0. */
  readonly lambdaZ?: number;
  /** Start of z: drawn, zero, or given `[M, D]`. Default: drawn with `"original"`, zero with `"training"`. */
  readonly start?: "random" | "zeros" | NdArray;
  /** Seeds the start and the noise. Default: the configuration's. */
  readonly seed?: number;
  /** Noise `[T, M, D]` of an inner step (`innerSteps` for the final pass) instead of drawn numbers. */
  readonly noise?: (step: number) => NdArray;
  /** Frames per kernel call. Default: the engine's choice. */
  readonly framesPerChunk?: number;
  /** Bytes of volumes kept on the engine between steps. */
  readonly memoryBudget?: number;
}

/** Options there are. */
const HELD_OUT_OPTIONS = record<HeldOutOptions>({
  initialState: FORWARD_OPTIONS.fields.initialState,
  objective: choice(["training", "original"]),
  innerSteps: integer({ least: 0 }),
  innerLr: number({ above: 0 }),
  innerSigZ: number({ least: 0 }),
  lambdaZ: number({ least: 0 }),
  start: other(
    '"random", "zeros" or an array { data, shape } of shape [M, D]',
    (value) => value === "random" || value === "zeros" || array("").accepts(value),
  ),
  seed: integer(),
  noise: callback(),
  framesPerChunk: FORWARD_OPTIONS.fields.framesPerChunk,
  memoryBudget: GRADIENT_OPTIONS.fields.memoryBudget,
});

/** Result of {@link evaluateHeldOut}. */
export interface HeldOutResult {
  /** Mean of (x − r)² over all elements with the fitted z. Training's loss1 is V/(2·σ_x²) times as large. */
  readonly reconMse: number;
  /** The same with z = 0 and the same noise: what fitting z gained. */
  readonly zeroOffsetMse: number;
  /** Fitted offsets `[M, D]`. */
  readonly zTest: NdArray;
  /** Sampled states of the final pass `[M, T, D]`. */
  readonly hTest: NdArray;
  /** Mean squared error before each inner step and at the end. */
  readonly mseHistory: readonly number[];
}

/**
 * Fits offsets for held-out subjects and scores the reconstruction. Weights, buffers and the model's mode
 * are as before afterwards, also after an error.
 *
 * @param model Trained.
 * @param volumes `[M, T, Z, Y, X]`, or a batch whose subject rows are ignored.
 * @throws {ShapeError} with fewer than `tolTime` frames; the message contains "timepoints".
 * @throws {ConfigError} for options out of range.
 * @example
 * ```ts ignore
 * const { reconMse, zeroOffsetMse } = await evaluateHeldOut(model, batch, { innerSteps: 50 });
 * ```
 */
export async function evaluateHeldOut(
  model: RecurrentVae,
  volumes: NdArray | FrameBatch,
  options: HeldOutOptions = {},
): Promise<HeldOutResult> {
  checkOptions(options, HELD_OUT_OPTIONS, { doing: "Cannot evaluate held-out subjects" });
  const batch = "shape" in volumes ? frameBatchOf(volumes) : volumes;
  const plan = planFitting(model, batch, options);
  const fitting = await OffsetFitting.start(model, batch, {
    initialState: broadcastState(
      options.initialState ??
        { data: initialStateOf(model.config), shape: [model.config.latentDim] },
      plan.subjects,
      model.config.latentDim,
    ),
    framesPerChunk: model.framesPerChunk(batch, options.framesPerChunk),
    memoryBudget: options.memoryBudget ?? DEFAULT_MEMORY_BUDGET,
  });
  const start = toTensor(plan.start.data, plan.start.shape);
  const z = tf.variable(start);
  start.dispose();
  try {
    const mseHistory = await descend(fitting, z, plan);
    const noise = plan.noise(plan.steps);
    const final = await fitting.evaluate(z, { noise });
    const zeros = tf.zerosLike(z);
    const baseline = await fitting.evaluate(zeros, { noise });
    zeros.dispose();
    return {
      reconMse: final.squaredError / plan.elements,
      zeroOffsetMse: baseline.squaredError / plan.elements,
      zTest: { data: await toHost(z), shape: plan.start.shape },
      hTest: final.states,
      mseHistory: [...mseHistory, final.squaredError / plan.elements],
    };
  } finally {
    z.dispose();
    fitting.dispose();
  }
}

type Plan = ReturnType<typeof planFitting>;

function planFitting(model: RecurrentVae, batch: FrameBatch, options: HeldOutOptions) {
  const { tolTime, latentDim, seed } = model.config;
  const { objective = "training", innerSteps: steps = 100, lambdaZ = 0 } = options;
  const original = objective === "original";
  const learningRate = options.innerLr ?? (original ? 1e-3 : 0.05);
  const subjects = batch.subjects.length;
  const elements = subjects * tolTime * sizeOf(model.config.spatialShape);
  const stream = RandomStream.fromSeed(options.seed ?? seed).split("held-out");
  const runs = Array.from({ length: subjects }, (_, m) => m);
  const size = { subjects: runs, frames: tolTime, dim: latentDim };
  return {
    steps,
    learningRate,
    subjects,
    elements,
    lambdaZ,
    optimiser: original ? "sgd" as const : "adam" as const,
    gradientScale: original ? 1 / elements : 1 / (2 * subjects * tolTime),
    start: startingOffsets(options, { original, stream, shape: [subjects, latentDim] }),
    noise: (step: number) =>
      resolveNoise(options.noise?.(step) ?? stream.split("noise").split(step), size),
  };
}

function startingOffsets(
  options: HeldOutOptions,
  { original, stream, shape }: { original: boolean; stream: RandomStream; shape: number[] },
): NdArray {
  const start = options.start ?? (original ? "random" : "zeros");
  if (typeof start !== "string") {
    return { data: broadcastState(start, shape[0], shape[1]), shape };
  }
  const sigma = options.innerSigZ ?? 1;
  const drawn = stream.split("start").normals(shape[0] * shape[1]);
  return { data: start === "zeros" ? drawn.fill(0) : drawn.map((v) => v * sigma), shape };
}

/** The inner updates; mean squared error before each. */
async function descend(fitting: OffsetFitting, z: tf.Variable, plan: Plan): Promise<number[]> {
  const { gradientScale, elements, lambdaZ, subjects } = plan;
  const optimiser = createOptimiser(plan.optimiser, new Map([["z", z]]));
  const history: number[] = [];
  try {
    for (let step = 0; step < plan.steps; step++) {
      const noise = plan.noise(step);
      const { squaredError, gradient } = await fitting.evaluate(z, { noise, gradientScale });
      history.push(squaredError / elements);
      const total = tf.tidy(() =>
        lambdaZ > 0
          ? tf.add(gradient!, offsetPenaltyGradient(z, lambdaZ / subjects))
          : gradient!.clone()
      );
      optimiser.step(new Map([["z", total]]), plan.learningRate);
      tf.dispose([gradient!, total]);
    }
  } finally {
    optimiser.dispose();
  }
  return history;
}
