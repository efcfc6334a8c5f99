/**
 * The training loop (spec 6.1), for any {@link Trainable}: batches, watchdog, clipping, optimiser, epoch
 * ends, metrics, callbacks, early stopping, interruption and exact resumption.
 */
import type { NdArray, NumericArray } from "../base/arrays.ts";
import type { BatchLoader, StepPosition } from "../base/batches.ts";
import {
  callback,
  checkOptions,
  integer,
  list,
  number,
  object,
  other,
  record,
} from "../base/fields.ts";
import { tf } from "../deps/tfjs.ts";
import { clipGradients } from "./clipping.ts";
import {
  EARLY_STOPPING_OPTIONS,
  EarlyStopping,
  type EarlyStoppingOptions,
  type EarlyStoppingState,
} from "./early_stopping.ts";
import type { Optimiser, OptimiserState } from "./optimiser.ts";
import type { LearningRateSchedule } from "./schedules.ts";
import type { SubjectBatch, Trainable } from "./trainable.ts";
import { checkLosses, checkTensors } from "./watchdog.ts";

/** Means of an epoch over its batches, unweighted by their size, and whatever validation adds. */
export type EpochMetrics = Readonly<Record<string, number>> & {
  /** 0-based epoch. */
  readonly epoch: number;
  /** Mean loss. */
  readonly loss: number;
};

/** What is known after a batch. */
export interface BatchReport extends StepPosition {
  /** Rows of its subjects. */
  readonly subjects: readonly number[];
  /** Loss terms by name. */
  readonly losses: Readonly<Record<string, number>>;
  /** Joint norm of all gradients, before clipping. */
  readonly gradientNorm: number;
  /** Step size of the update. */
  readonly learningRate: number;
  /** Updates made so far, this one included. */
  readonly step: number;
}

/** Everything beside the weights that a run needs to go on as if it had never stopped. */
export interface TrainingState {
  /** Next batch to process; `batch` is 0 at the start of an epoch. */
  readonly position: StepPosition;
  /** Metrics of all finished epochs. */
  readonly metrics: readonly EpochMetrics[];
  /** Sums of the loss terms over the batches of the unfinished epoch. */
  readonly totals: Readonly<Record<string, number>>;
  /** Rows of the last batch, null before the first. */
  readonly lastIndex: readonly number[] | null;
  /** Slots and step count. */
  readonly optimiser: OptimiserState;
  /** Best value so far; null without early stopping. */
  readonly earlyStopping: EarlyStoppingState | null;
  /** The model's own, e.g. the trajectory buffer. */
  readonly model: ReadonlyMap<string, NdArray<NumericArray>>;
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
  /** Epochs of the whole run, those before a resumption included. */
  readonly epochs: number;
  /** Updates the variables. */
  readonly optimiser: Optimiser;
  /** Step size over time. */
  readonly schedule: LearningRateSchedule;
  /** Largest joint gradient norm; default: no clipping. */
  readonly clipNorm?: number;
  /** Ends training when a metric no longer improves. Default: never. */
  readonly earlyStopping?: EarlyStoppingOptions;
  /** Called after every epoch with at least one batch, in this order. */
  readonly callbacks?: readonly EpochCallback[];
  /** Called after every update. */
  readonly onBatch?: (report: BatchReport) => void;
  /** Further metrics of an epoch, e.g. held-out scores. */
  readonly validate?: (epoch: number) => Promise<Readonly<Record<string, number>>>;
  /** Ends the run after the batch in progress. */
  readonly signal?: AbortSignal;
  /** State to go on from; the model must hold the weights of the same moment. */
  readonly resumeFrom?: TrainingState;
}

/** Options there are. */
export const LOOP_OPTIONS = record<LoopOptions>({
  epochs: integer({ least: 1 }),
  optimiser: other("an optimiser (see createOptimiser)", hasMethod("step")),
  schedule: other("a schedule (see createSchedule)", hasMethod("rateAt")),
  clipNorm: number({ above: 0, most: Infinity }),
  earlyStopping: EARLY_STOPPING_OPTIONS,
  callbacks: list(callback()),
  onBatch: callback(),
  validate: callback(),
  signal: other("an AbortSignal", (value) => value instanceof AbortSignal),
  resumeFrom: object("a training state"),
}, ["epochs", "optimiser", "schedule"]);

function hasMethod(name: string): (value: unknown) => boolean {
  return (value) => typeof (value as Record<string, unknown> | null)?.[name] === "function";
}

/** Why a run ended. */
export type EndReason = "completed" | "early-stopping" | "callback" | "interrupted";

/** Result of a run. */
export interface LoopResult {
  /** Why the run ended. */
  readonly ended: EndReason;
  /** Metrics of every epoch with at least one batch. */
  readonly metrics: readonly EpochMetrics[];
  /** Rows of the last batch, null if there never was one. */
  readonly lastIndex: readonly number[] | null;
  /** Copies the training state to the host. */
  state(): Promise<TrainingState>;
}

/**
 * Trains.
 *
 * @param trainable The model in training. @param loader Batches by epoch. @param options See there.
 * @throws {DivergenceError} when a loss, gradient or weight is not finite; before a loss or gradient of that
 *   kind touches a weight.
 */
export async function runTraining<Batch extends SubjectBatch>(
  trainable: Trainable<Batch>,
  loader: BatchLoader<Batch>,
  options: LoopOptions,
): Promise<LoopResult> {
  const run = new Run(trainable, loader, options);
  const ended = await run.toTheEnd();
  return { ended, metrics: run.metrics, lastIndex: run.lastIndex, state: () => run.state() };
}

/** One run: its position and what has been added up so far. */
class Run<Batch extends SubjectBatch> {
  readonly metrics: EpochMetrics[];
  lastIndex: readonly number[] | null;
  readonly #trainable: Trainable<Batch>;
  readonly #loader: BatchLoader<Batch>;
  readonly #options: LoopOptions;
  readonly #earlyStopping: EarlyStopping | null;
  #position: StepPosition;
  #totals: Record<string, number>;
  #stopAsked = false;

  constructor(trainable: Trainable<Batch>, loader: BatchLoader<Batch>, options: LoopOptions) {
    checkOptions(options, LOOP_OPTIONS, { doing: "Cannot train" });
    const { resumeFrom } = options;
    this.#trainable = trainable;
    this.#loader = loader;
    this.#options = options;
    this.#earlyStopping = options.earlyStopping ? new EarlyStopping(options.earlyStopping) : null;
    this.#position = resumeFrom?.position ?? { epoch: 0, batch: 0 };
    this.#totals = { ...resumeFrom?.totals };
    this.metrics = [...resumeFrom?.metrics ?? []];
    this.lastIndex = resumeFrom?.lastIndex ?? null;
    if (resumeFrom) {
      options.optimiser.loadState(resumeFrom.optimiser);
      trainable.importState?.(resumeFrom.model);
      if (resumeFrom.earlyStopping) this.#earlyStopping?.restore(resumeFrom.earlyStopping);
    }
  }

  async toTheEnd(): Promise<EndReason> {
    while (this.#position.epoch < this.#options.epochs) {
      const { epoch } = this.#position;
      if (!await this.#trainEpoch(epoch)) return "interrupted";
      const ended = await this.#finishEpoch(epoch);
      if (ended) return ended;
    }
    return "completed";
  }

  async state(): Promise<TrainingState> {
    return {
      position: this.#position,
      metrics: [...this.metrics],
      totals: { ...this.#totals },
      lastIndex: this.lastIndex,
      optimiser: await this.#options.optimiser.state(),
      earlyStopping: this.#earlyStopping?.state ?? null,
      model: this.#trainable.exportState?.() ?? new Map(),
    };
  }

  /** The batches of an epoch that are still to do; false when interrupted. */
  async #trainEpoch(epoch: number): Promise<boolean> {
    await this.#trainable.beginEpoch?.(epoch);
    let index = 0;
    for await (const batch of this.#loader.batches(epoch)) {
      if (this.#options.signal?.aborted) return false;
      if (index++ < this.#position.batch) continue;
      await this.#trainBatch(batch, this.#position);
      this.#position = { epoch, batch: index };
    }
    return !this.#options.signal?.aborted;
  }

  async #trainBatch(batch: Batch, position: StepPosition): Promise<void> {
    const { optimiser, schedule, clipNorm } = this.#options;
    const { subjects } = batch;
    const where = { ...position, subjects };
    const outcome = await this.#trainable.computeGradients(batch, position);
    const { gradients } = outcome;
    const losses: Readonly<Record<string, number>> = { ...outcome.losses };
    try {
      checkLosses(losses, where);
      const squaredNorms = await checkTensors(gradients, where);
      const learningRate = schedule.rateAt({ epoch: position.epoch, step: optimiser.stepCount });
      const gradientNorm = clipNorm === undefined
        ? Math.sqrt(squaredNorms.reduce((sum, value) => sum + value, 0))
        : clipGradients(gradients, { maxNorm: clipNorm, squaredNorms });
      optimiser.step(gradients, learningRate);
      for (const [name, value] of Object.entries(losses)) {
        this.#totals[name] = (this.#totals[name] ?? 0) + value;
      }
      this.lastIndex = [...subjects];
      this.#options.onBatch?.({
        ...where,
        losses,
        gradientNorm,
        learningRate,
        step: optimiser.stepCount,
      });
    } finally {
      tf.dispose([...gradients.values()]);
    }
  }

  /** Epoch end: the model's own update, weights checked, metrics, callbacks. */
  async #finishEpoch(epoch: number): Promise<EndReason | null> {
    const batches = this.#position.batch;
    const last = { epoch, batch: Math.max(0, batches - 1), subjects: this.lastIndex ?? [] };
    await checkTensors(this.#trainable.variables, last, { what: "weight" });
    await this.#trainable.endEpoch?.(epoch);
    const totals = this.#totals;
    this.#totals = {};
    this.#position = { epoch: epoch + 1, batch: 0 };
    if (batches === 0) return null;
    const means = Object.entries(totals).map(([name, sum]) => [name, sum / batches]);
    const metrics = {
      epoch,
      ...Object.fromEntries(means),
      ...await this.#options.validate?.(epoch),
    } as EpochMetrics;
    this.metrics.push(metrics);
    const early = this.#earlyStopping?.update(metrics, epoch);
    const controls = { state: () => this.state(), stop: () => void (this.#stopAsked = true) };
    for (const callback of this.#options.callbacks ?? []) await callback(epoch, metrics, controls);
    if (early?.stop) return "early-stopping";
    return this.#stopAsked ? "callback" : null;
  }
}
