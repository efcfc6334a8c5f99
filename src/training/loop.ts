/**
 * The training loop (spec 6.1), for any {@link Trainable}: batches, watchdog, clipping, optimiser, epoch
 * ends, metrics, callbacks, early stopping, the best epoch, divergence, interruption and exact resumption.
 */
import type { NdArray, NumericArray } from "../base/arrays.ts";
import type { BatchLoader, StepPosition } from "../base/batches.ts";
import { DivergenceError } from "../base/errors.ts";
import {
  callback,
  checkOptions,
  choice,
  flag,
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
import type { NamedArrays } from "./weight_holder.ts";

/**
 * Means of an epoch over its batches, unweighted by their size, `learningRate` (the step size of its last update), and
 * whatever validation adds.
 */
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
  /** Best value so far; null when nothing watches. */
  readonly earlyStopping: EarlyStoppingState | null;
  /** Weights of the best epoch, where they are kept and the model holds later ones. */
  readonly bestWeights?: NamedArrays;
  /** Weights to go on from, where the model holds those of an earlier, the best epoch. */
  readonly lastWeights?: NamedArrays;
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
  /** Further metrics of an epoch, e.g. held-out scores. */
  readonly validate?: (epoch: number) => Promise<Readonly<Record<string, number>>>;
  /** Ends the run after the batch in progress. */
  readonly signal?: AbortSignal;
  /** State to go on from; the model must hold the weights that were saved with it. */
  readonly resumeFrom?: TrainingState;
}

/** Options there are. */
export const LOOP_OPTIONS = record<LoopOptions>({
  epochs: integer({ least: 1 }),
  optimiser: other("an optimiser (see createOptimiser)", hasMethod("step")),
  schedule: other("a schedule (see createSchedule)", hasMethod("rateAt")),
  clipNorm: number({ above: 0, most: Infinity }),
  earlyStopping: EARLY_STOPPING_OPTIONS,
  keepBest: flag(),
  onDivergence: choice(["throw", "end"]),
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
export type EndReason = "completed" | "early-stopping" | "callback" | "interrupted" | "diverged";

/** Result of a run. */
export interface LoopResult {
  /** Why the run ended. */
  readonly ended: EndReason;
  /** Metrics of every epoch with at least one batch. */
  readonly metrics: readonly EpochMetrics[];
  /** Rows of the last batch, null if there never was one. */
  readonly lastIndex: readonly number[] | null;
  /** 0-based epoch at whose end the model's weights stood; null in the middle of an epoch and before the first. */
  readonly weightsOf: number | null;
  /** What ended a run that diverged. */
  readonly divergence?: DivergenceError;
  /** Copies the training state to the host. */
  state(): Promise<TrainingState>;
}

/**
 * Trains.
 *
 * @param trainable The model in training. @param loader Batches by epoch. @param options See there.
 * @throws {DivergenceError} when a loss, gradient or weight is not finite; before a loss or gradient of that
 *   kind touches a weight. See `onDivergence`.
 */
export async function runTraining<Batch extends SubjectBatch>(
  trainable: Trainable<Batch>,
  loader: BatchLoader<Batch>,
  options: LoopOptions,
): Promise<LoopResult> {
  const run = new Run(trainable, loader, options);
  const ended = await run.toTheEnd();
  const { metrics, lastIndex, weightsOf, divergence } = run;
  return {
    ended,
    metrics,
    lastIndex,
    weightsOf,
    ...(divergence ? { divergence } : {}),
    state: () => run.state(),
  };
}

/** Everything a run can go back to. */
interface WholeEpoch {
  readonly weights: NamedArrays;
  readonly state: TrainingState;
}

/** One run: its position and what has been added up so far. */
class Run<Batch extends SubjectBatch> {
  metrics: EpochMetrics[];
  lastIndex: readonly number[] | null;
  divergence?: DivergenceError;
  readonly #trainable: Trainable<Batch>;
  readonly #loader: BatchLoader<Batch>;
  readonly #options: LoopOptions;
  readonly #earlyStopping: EarlyStopping | null;
  readonly #keepBest: boolean;
  /** The last whole epoch, and the one before. */
  #wholeEpochs: readonly WholeEpoch[] = [];
  #bestWeights: NamedArrays | null = null;
  #lastWeights: NamedArrays | null = null;
  #position: StepPosition;
  #totals: Record<string, number>;
  #stopAsked = false;

  constructor(trainable: Trainable<Batch>, loader: BatchLoader<Batch>, options: LoopOptions) {
    checkOptions(options, LOOP_OPTIONS, { doing: "Cannot train" });
    const { resumeFrom, earlyStopping } = options;
    this.#trainable = trainable;
    this.#loader = loader;
    this.#options = options;
    this.#keepBest = (options.keepBest ?? earlyStopping !== undefined) &&
      trainable.exportWeights !== undefined;
    const watching = earlyStopping ?? (this.#keepBest ? { patience: Infinity } : undefined);
    this.#earlyStopping = watching ? new EarlyStopping(watching) : null;
    this.#position = { epoch: 0, batch: 0 };
    this.#totals = {};
    this.metrics = [];
    this.lastIndex = null;
    if (resumeFrom) this.#takeState(resumeFrom);
  }

  async toTheEnd(): Promise<EndReason> {
    await this.#resumeWeights();
    await this.#rememberEpoch();
    let ended: EndReason;
    try {
      ended = await this.#trainEpochs();
    } catch (error) {
      if (!(error instanceof DivergenceError)) throw error;
      this.#goBack();
      if (this.#options.onDivergence !== "end") throw error;
      this.divergence = error;
      ended = "diverged";
    }
    if (ended !== "interrupted") await this.#takeBestWeights();
    return ended;
  }

  /** Epoch at whose end the model's weights stood. */
  get weightsOf(): number | null {
    if (this.#lastWeights) return this.#earlyStopping!.state.bestEpoch;
    const { epoch, batch } = this.#position;
    return batch === 0 && epoch > 0 ? epoch - 1 : null;
  }

  async #trainEpochs(): Promise<EndReason> {
    while (this.#position.epoch < this.#options.epochs) {
      const { epoch, batch } = this.#position;
      if (batch === 0 && this.#earlyStopping?.isOver(epoch - 1)) return "early-stopping";
      if (!await this.#trainEpoch(epoch)) return "interrupted";
      const ended = await this.#finishEpoch(epoch);
      if (ended) return ended;
    }
    return "completed";
  }

  /** After a resumption: the model holds the weights to go on from, and the best ones are at hand. */
  async #resumeWeights(): Promise<void> {
    const { bestWeights, lastWeights } = this.#options.resumeFrom ?? {};
    if (this.#keepBest) {
      const modelHoldsBest = lastWeights !== undefined || this.#lastIsBest();
      this.#bestWeights = bestWeights ??
        (modelHoldsBest ? await this.#trainable.exportWeights!() : null);
    }
    if (lastWeights) this.#trainable.importWeights?.(lastWeights);
  }

  /** Copies what is needed to go back to this moment, where the model exports its weights. */
  async #rememberEpoch(): Promise<void> {
    const weights = await this.#trainable.exportWeights?.();
    if (!weights) return;
    this.#wholeEpochs = [{ weights, state: await this.state() }, ...this.#wholeEpochs.slice(0, 1)];
  }

  #goBack(): void {
    const [last, before = last] = this.#wholeEpochs;
    if (!last) return;
    const { epoch, batch } = this.#position;
    const { position } = last.state;
    const nothingWorked = position.epoch === epoch && position.batch === batch;
    const { weights, state } = nothingWorked ? before : last;
    this.#trainable.importWeights!(weights);
    this.#takeState(state);
    this.#bestWeights = state.bestWeights ??
      (this.#keepBest && this.#lastIsBest() ? weights : null);
  }

  /** The best epoch's weights go into the model, the last ones are kept for a resumption. */
  async #takeBestWeights(): Promise<void> {
    if (!this.#bestWeights || this.#lastIsBest()) return;
    this.#lastWeights = await this.#trainable.exportWeights!();
    this.#trainable.importWeights!(this.#bestWeights);
  }

  #lastIsBest(): boolean {
    const { epoch, batch } = this.#position;
    return batch === 0 && this.#earlyStopping?.state.bestEpoch === epoch - 1;
  }

  #takeState(state: TrainingState): void {
    this.#position = state.position;
    this.#totals = { ...state.totals };
    this.metrics = [...state.metrics];
    this.lastIndex = state.lastIndex;
    this.#options.optimiser.loadState(state.optimiser);
    this.#trainable.importState?.(state.model);
    if (state.earlyStopping) this.#earlyStopping?.restore(state.earlyStopping);
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
      ...this.#otherWeights(),
    };
  }

  /** The best or the last weights, whichever the model does not hold. */
  #otherWeights(): Pick<TrainingState, "bestWeights" | "lastWeights"> {
    if (this.#lastWeights) return { lastWeights: this.#lastWeights };
    if (!this.#bestWeights || this.#lastIsBest()) return {};
    return { bestWeights: this.#bestWeights };
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
    const { epoch } = position;
    const learningRate = schedule.rateAt({ epoch, step: optimiser.stepCount });
    const update = { learningRate, clipNorm, made: optimiser.stepCount };
    const where = { ...position, subjects };
    const outcome = await this.#trainable.computeGradients(batch, position);
    const { gradients } = outcome;
    const losses: Readonly<Record<string, number>> = { ...outcome.losses };
    try {
      checkLosses(losses, { ...where, update });
      const squaredNorms = await checkTensors(gradients, { ...where, update });
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
    const { optimiser, schedule, clipNorm } = this.#options;
    const made = optimiser.stepCount;
    const learningRate = schedule.rateAt({ epoch, step: Math.max(0, made - 1) });
    await checkTensors(this.#trainable.variables, {
      epoch,
      batch: Math.max(0, batches - 1),
      subjects: this.lastIndex ?? [],
      update: { learningRate, clipNorm, made },
    }, { what: "weight" });
    await this.#trainable.endEpoch?.(epoch);
    const totals = this.#totals;
    this.#totals = {};
    this.#position = { epoch: epoch + 1, batch: 0 };
    if (batches === 0) return null;
    const means = Object.entries(totals).map(([name, sum]) => [name, sum / batches]);
    const metrics = {
      epoch,
      ...Object.fromEntries(means),
      learningRate,
      ...await this.#options.validate?.(epoch),
    } as EpochMetrics;
    this.metrics.push(metrics);
    const early = this.#earlyStopping?.update(metrics, epoch);
    await this.#rememberEpoch();
    if (early?.improved && this.#keepBest) this.#bestWeights = this.#wholeEpochs[0].weights;
    const controls = { state: () => this.state(), stop: () => void (this.#stopAsked = true) };
    for (const callback of this.#options.callbacks ?? []) await callback(epoch, metrics, controls);
    if (early?.stop) return "early-stopping";
    return this.#stopAsked ? "callback" : null;
  }
}
