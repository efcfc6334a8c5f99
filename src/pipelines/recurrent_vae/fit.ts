/**
 * Training the recurrent VAE: `fit` with the reference's defaults and order of operations [recurrent-vae §6.1], and
 * what it lacks (optimisers, schedules, clipping, early stopping, interruption, resumption).
 */
import type { NdArray } from "../../base/arrays.ts";
import type { BatchLoader } from "../../base/batches.ts";
import type { DivergenceError } from "../../base/errors.ts";
import {
  callback,
  checkOptions,
  integer,
  number,
  other,
  pickOptions,
  record,
} from "../../base/fields.ts";
import type { FrameBatch } from "../../base/frames.ts";
import type { RecurrentVae } from "../../models/recurrent_vae/model.ts";
import {
  RecurrentTraining,
  SESSION_OPTIONS,
  type SessionOptions,
} from "../../models/recurrent_vae/training_session.ts";
import {
  type EndReason,
  type EpochMetrics,
  LOOP_OPTIONS,
  type LoopOptions,
  runTraining,
  type TrainingState,
} from "../../training/loop.ts";
import { createOptimiser, type Optimiser, type OptimiserKind } from "../../training/optimisers.ts";
import { createSchedule } from "../../training/schedules.ts";

/** Options of {@link fit}; whatever is absent comes from the model's configuration. */
export interface FitOptions extends SessionOptions, Partial<Omit<LoopOptions, "optimiser">> {
  /** Step size of the default schedule (constant). Default: the configuration's. */
  readonly learningRate?: number;
  /** An optimiser over `model.variables`, or a name. Default `"sgd"`: no momentum, no decay. */
  readonly optimiser?: Optimiser | OptimiserKind;
  /** Every how many epochs a line is logged and the loss enters the history. Default 1. */
  readonly logEvery?: number;
  /** Receives lines such as `[epoch 1/3] mean_loss=… (recon=…, temporal=…, z_l1=…)`. Default: nobody. */
  readonly log?: (line: string) => void;
}

/** Options there are. */
const FIT_OPTIONS = record<FitOptions>({
  ...SESSION_OPTIONS.fields,
  ...LOOP_OPTIONS.fields,
  learningRate: number({ above: 0 }),
  optimiser: other("an optimiser or the name of one"), // createOptimiser and the loop look at it
  logEvery: integer({ least: 1 }),
  log: callback(),
});

/** Result of {@link fit}. */
export interface FitResult {
  /** Mean loss of every `logEvery`-th epoch. */
  readonly trainLossHistory: readonly number[];
  /** Trajectory buffer H `[N, T, D]`. */
  readonly allHHistory: NdArray;
  /** Rows of the last batch, null if there never was one. */
  readonly lastIndex: readonly number[] | null;
  /** All metrics of every epoch. */
  readonly metrics: readonly EpochMetrics[];
  /** Why the run ended. */
  readonly ended: EndReason;
  /** 0-based epoch at whose end the model's weights stood; null in the middle of an epoch and before the first. */
  readonly weightsOf: number | null;
  /** What ended a run that diverged, with `onDivergence: "end"`. */
  readonly divergence?: DivergenceError;
  /** Copies the training state to the host, for a checkpoint. */
  state(): Promise<TrainingState>;
}

/**
 * Trains a model in place, alternating gradient steps with the ridge update of F once per epoch. Gradients
 * are those of full back-propagation through time, computed by the time-parallel step [recurrent-vae §12].
 *
 * @param model Left in training mode.
 * @param loader Batches by epoch.
 * @param options See {@link FitOptions}.
 * @throws {DivergenceError} when a loss, gradient or weight is not finite; the model is then as the last good epoch left
 *   it (as it was given, in the first).
 * @throws {ShapeError} when a batch does not fit the model; too few frames say "timepoints".
 * @example
 * ```ts ignore
 * const { trainLossHistory } = await fit(model, loader, { optimiser: "adamw", learningRate: 1e-3, epochs: 30 });
 * ```
 */
export async function fit(
  model: RecurrentVae,
  loader: BatchLoader<FrameBatch>,
  options: FitOptions = {},
): Promise<FitResult> {
  checkOptions(options, FIT_OPTIONS, { doing: "Cannot train" });
  const { config } = model;
  const epochs = options.epochs ?? config.epochs;
  const learningRate = options.learningRate ?? config.learningRate;
  const logEvery = options.logEvery ?? 1;
  const session = new RecurrentTraining(model, pickOptions(options, SESSION_OPTIONS));
  const given = options.optimiser ?? "sgd";
  const optimiser = typeof given === "string" ? createOptimiser(given, model.variables) : given;
  try {
    const result = await runTraining(session, loader, {
      ...pickOptions(options as LoopOptions, LOOP_OPTIONS),
      epochs,
      optimiser,
      schedule: options.schedule ?? createSchedule("constant", { learningRate, epochs }),
      callbacks: [
        (epoch, metrics) => {
          if (epoch % logEvery === 0) options.log?.(epochLine(metrics, epochs));
        },
        ...options.callbacks ?? [],
      ],
    });
    const finalState = typeof given === "string" ? await result.state() : null;
    const { metrics, lastIndex, ended, weightsOf, divergence } = result;
    return {
      trainLossHistory: metrics.filter(({ epoch }) => epoch % logEvery === 0)
        .map(({ loss }) => loss),
      allHHistory: session.states,
      lastIndex,
      metrics,
      ended,
      weightsOf,
      ...(divergence ? { divergence } : {}),
      state: () => finalState ? Promise.resolve(finalState) : result.state(),
    };
  } finally {
    if (typeof given === "string") optimiser.dispose();
  }
}

function epochLine(metrics: EpochMetrics, epochs: number): string {
  const show = (name: string) => (metrics[name] ?? NaN).toFixed(4);
  return `[epoch ${metrics.epoch + 1}/${epochs}] mean_loss=${show("loss")} (recon=${
    show("loss1")
  }, ` +
    `temporal=${show("loss2")}, z_l1=${show("lossZ")})`;
}
