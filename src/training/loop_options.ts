/** Options of the training loop, and what its callbacks are told. */
import {
  callback,
  choice,
  flag,
  integer,
  isRecord,
  list,
  number,
  object,
  other,
  record,
} from "../base/fields.ts";
import { EARLY_STOPPING_OPTIONS, type EarlyStoppingOptions } from "./early_stopping.ts";
import type { Optimiser } from "./optimiser.ts";
import type { LearningRateSchedule } from "./schedules.ts";
import type { UpdatePosition } from "./trainable.ts";
import type { EpochMetrics, TrainingState } from "./training_state.ts";

/** What is known after an update. */
export interface BatchReport extends UpdatePosition {
  /** Rows of the batch. */
  readonly rows: readonly number[];
  /** The same where rows are subjects. */
  readonly subjects: readonly number[];
  /** Which of several phases made the update. */
  readonly phase?: string;
  /** Loss terms by name. */
  readonly losses: Readonly<Record<string, number>>;
  /** Joint norm of all gradients, before clipping. */
  readonly gradientNorm: number;
  /** Step size of the update, the phase's factor included. */
  readonly learningRate: number;
  /** Updates made so far by its optimiser, this one included. */
  readonly step: number;
}

/** Called after each epoch. `controls` takes snapshots for checkpoints and can end the run. */
export type EpochCallback = (
  epoch: number,
  metrics: EpochMetrics,
  controls: RunControls,
) => void | Promise<void>;

/** What a callback can do. */
export interface RunControls {
  /** Copies the training state to the host. */
  state(): Promise<TrainingState>;
  /** Ends the run after this epoch. */
  stop(): void;
}

/** Options of the loop. */
export interface LoopOptions {
  /** Epochs of the whole run, those before a resumption included. Default: as many as `steps` takes. */
  readonly epochs?: number;
  /**
   * Ends the run after this many batches, counted by the first phase's optimiser as schedules count them, those before a
   * resumption included. An epoch that this cuts short is measured and told to the callbacks as it is; the state stays in
   * the middle of it, so that a resumed run with more steps goes on in it. Default: no limit.
   */
  readonly steps?: number;
  /** Updates the variables; with several phases one for each, by the phase's name. */
  readonly optimiser: Optimiser | Readonly<Record<string, Optimiser>>;
  /** Step size over time. */
  readonly schedule: LearningRateSchedule;
  /** Largest joint gradient norm of an update; default: no clipping. */
  readonly clipNorm?: number;
  /** Ends training when a metric no longer improves. Default: never. */
  readonly earlyStopping?: EarlyStoppingOptions;
  /**
   * Ends with the weights of the epoch in which the metric of `earlyStopping` (`"loss"` without it) was best, instead
   * of the last epoch's. Default: whenever `earlyStopping` is given.
   */
  readonly keepBest?: boolean;
  /**
   * When a number is not finite, the model, the optimiser and the state go back to the end of the last good epoch (where
   * the model can export its weights): the last whole one, or the one before if the very first batch after it was bad, so
   * that training can go on from there with other settings. Then the error is thrown (`"throw"`, the default) or the run ends as
   * `"diverged"` with the error in its result (`"end"`).
   */
  readonly onDivergence?: "throw" | "end";
  /** Called after every epoch with at least one batch, in this order. */
  readonly callbacks?: readonly EpochCallback[];
  /** Called after every update. */
  readonly onBatch?: (report: BatchReport) => void;
  /**
   * Further metrics of an epoch, e.g. held-out scores.
   *
   * @param epoch 0-based.
   */
  readonly validate?: (epoch: number) => Promise<Readonly<Record<string, number>>>;
  /**
   * Validates at the end of every k-th epoch (a number), or after every k-th step: an epoch then has the values of its
   * latest validation. Early stopping and `keepBest` pass over epochs that lack the metric they watch. Default: 1 epoch.
   */
  readonly validateEvery?: number | StepInterval;
  /** Ends the run after the batch in progress. */
  readonly signal?: AbortSignal;
  /** State to go on from; the model must hold the weights that were saved with it. */
  readonly resumeFrom?: TrainingState;
}

/** A number of steps. */
export interface StepInterval {
  /** Batches from one time to the next, at least 1. */
  readonly steps: number;
}

/** Options there are. */
export const LOOP_OPTIONS = record<LoopOptions>({
  epochs: integer({ least: 1 }),
  steps: integer({ least: 1 }),
  optimiser: other(
    "an optimiser (see createOptimiser), or one for each phase by name",
    isOptimiser,
  ),
  schedule: other("a schedule (see createSchedule)", hasMethod("rateAt")),
  clipNorm: number({ above: 0, most: Infinity }),
  earlyStopping: EARLY_STOPPING_OPTIONS,
  keepBest: flag(),
  onDivergence: choice(["throw", "end"]),
  callbacks: list(callback()),
  onBatch: callback(),
  validate: callback(),
  validateEvery: other("a whole number of epochs above 0, or { steps } with one", isInterval),
  signal: other("an AbortSignal", (value) => value instanceof AbortSignal),
  resumeFrom: object("a training state"),
}, ["optimiser", "schedule"]);

function hasMethod(name: string): (value: unknown) => boolean {
  return (value) => typeof (value as Record<string, unknown> | null)?.[name] === "function";
}

/** Whether a value is one optimiser, not one for each phase. */
export function isOneOptimiser(value: LoopOptions["optimiser"]): value is Optimiser {
  return hasMethod("step")(value);
}

function isOptimiser(value: unknown): boolean {
  if (hasMethod("step")(value)) return true;
  return isRecord(value) && Object.keys(value).length > 0 &&
    Object.values(value).every(hasMethod("step"));
}

function isInterval(value: unknown): boolean {
  if (!isRecord(value)) return isCount(value);
  return isCount(value.steps) && Object.keys(value).length === 1;
}

function isCount(value: unknown): boolean {
  return Number.isSafeInteger(value) && value as number >= 1;
}
