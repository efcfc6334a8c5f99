/**
 * The training loop [recurrent-vae §6.1], for any {@link Trainable}: batches, watchdog, clipping, optimiser, epoch
 * ends, metrics, callbacks, early stopping, the best epoch, divergence, interruption and exact resumption.
 */
import {
  type Batch,
  type BatchSource,
  namedRows,
  rowsOf,
  type StepPosition,
} from "../base/batches.ts";
import { ConfigError, DivergenceError } from "../base/errors.ts";
import { checkOptions } from "../base/fields.ts";
import { EarlyStopping } from "./early_stopping.ts";
import { LOOP_OPTIONS, type LoopOptions } from "./loop_options.ts";
import { PhaseUpdates } from "./phase_updates.ts";
import type { PhasedTrainable, Trainable, TrainableHooks } from "./trainable.ts";
import type { EpochMetrics, TrainingState } from "./training_state.ts";
import type { NamedArrays } from "./weight_holder.ts";

export { LOOP_OPTIONS } from "./loop_options.ts";
export type {
  BatchReport,
  EpochCallback,
  LoopOptions,
  RunControls,
  StepInterval,
} from "./loop_options.ts";
export type { EpochMetrics, TrainingState } from "./training_state.ts";

/** Why a run ended. */
export type EndReason = "completed" | "early-stopping" | "callback" | "interrupted" | "diverged";

/** Result of a run. */
export interface LoopResult {
  /** Why the run ended. */
  readonly ended: EndReason;
  /** Metrics of every epoch with at least one batch; last, those of an epoch that `steps` cut short. */
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
 * @param trainable The model in training, of one phase or several.
 * @param loader Batches by epoch.
 * @param options See there.
 * @throws {ConfigError} when options and model do not fit together.
 * @throws {DivergenceError} when a loss, gradient or weight is not finite; before a loss or gradient of that
 *   kind touches a weight. See `onDivergence`.
 */
export async function runTraining<B extends Batch>(
  trainable: Trainable<B> | PhasedTrainable<B>,
  loader: BatchSource<B>,
  options: LoopOptions,
): Promise<LoopResult> {
  const run = new Run(trainable, loader, options);
  const ended = await run.toTheEnd();
  const { metrics, partMetrics, lastIndex, weightsOf, divergence } = run;
  return {
    ended,
    metrics: partMetrics ? [...metrics, partMetrics] : metrics,
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
class Run<B extends Batch> {
  metrics: EpochMetrics[];
  /** Of an epoch that the limit of steps cut short. */
  partMetrics?: EpochMetrics;
  divergence?: DivergenceError;
  readonly #trainable: TrainableHooks;
  readonly #phases: PhaseUpdates<B>;
  readonly #loader: BatchSource<B>;
  readonly #options: LoopOptions;
  readonly #earlyStopping: EarlyStopping | null;
  readonly #keepBest: boolean;
  /** The last whole epoch, and the one before. */
  #wholeEpochs: readonly WholeEpoch[] = [];
  #bestWeights: NamedArrays | null = null;
  #lastWeights: NamedArrays | null = null;
  #position: StepPosition;
  #lastBatch: Batch | null = null;
  #totals: Record<string, number>;
  /** What the latest validation of the unfinished epoch gave. */
  #validation: TrainingState["validation"];
  #stopAsked = false;

  constructor(
    trainable: Trainable<B> | PhasedTrainable<B>,
    loader: BatchSource<B>,
    options: LoopOptions,
  ) {
    checkOptions(options, LOOP_OPTIONS, { doing: "Cannot train" });
    if (options.epochs === undefined && options.steps === undefined) {
      throw new ConfigError(
        "epochs",
        "Cannot train: epochs and steps are undefined, needs one of them; give for example epochs: 30",
      );
    }
    const { resumeFrom, earlyStopping } = options;
    this.#trainable = trainable;
    this.#phases = new PhaseUpdates(trainable, options);
    this.#loader = loader;
    this.#options = options;
    this.#keepBest = (options.keepBest ?? earlyStopping !== undefined) &&
      trainable.exportWeights !== undefined;
    const watching = earlyStopping ?? (this.#keepBest ? { patience: Infinity } : undefined);
    this.#earlyStopping = watching ? new EarlyStopping(watching) : null;
    this.#position = { epoch: 0, batch: 0 };
    this.#totals = {};
    this.metrics = [];
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

  /** Rows of the last batch. */
  get lastIndex(): readonly number[] | null {
    return this.#lastBatch && rowsOf(this.#lastBatch);
  }

  /** Epoch at whose end the model's weights stood. */
  get weightsOf(): number | null {
    if (this.#lastWeights) return this.#earlyStopping!.state.bestEpoch;
    const { epoch, batch } = this.#position;
    return batch === 0 && epoch > 0 ? epoch - 1 : null;
  }

  async #trainEpochs(): Promise<EndReason> {
    const { epochs = Infinity } = this.#options;
    while (this.#position.epoch < epochs) {
      const { epoch, batch } = this.#position;
      if (batch === 0) {
        if (this.#earlyStopping?.isOver(this.#lastWatched())) return "early-stopping";
        if (!this.#stepsRemain()) return "completed";
      }
      const trained = await this.#trainEpoch(epoch);
      if (trained === "interrupted") return "interrupted";
      if (trained === "cut short") return await this.#finishPart(epoch);
      const ended = await this.#finishEpoch(epoch);
      if (ended) return ended;
    }
    return "completed";
  }

  #stepsRemain(): boolean {
    return this.#phases.step < (this.#options.steps ?? Infinity);
  }

  /** The last epoch whose metrics say what early stopping watches; −1 when there is none. */
  #lastWatched(): number {
    const { monitor } = this.#earlyStopping!;
    return this.metrics.findLast((metrics) => monitor in metrics)?.epoch ?? -1;
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
    this.#lastBatch = state.lastIndex && { subjects: state.lastIndex };
    this.#validation = state.validation;
    this.#phases.loadStates(state);
    this.#trainable.importState?.(state.model);
    if (state.earlyStopping) this.#earlyStopping?.restore(state.earlyStopping);
  }

  async state(): Promise<TrainingState> {
    return {
      position: this.#position,
      metrics: [...this.metrics],
      totals: { ...this.#totals },
      lastIndex: this.lastIndex,
      ...await this.#phases.states(),
      earlyStopping: this.#earlyStopping?.state ?? null,
      ...(this.#validation ? { validation: this.#validation } : {}),
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

  /** The batches of an epoch that are still to do, as far as signal and limit allow. */
  async #trainEpoch(epoch: number): Promise<"whole" | "interrupted" | "cut short"> {
    const { signal } = this.#options;
    await this.#trainable.beginEpoch?.(epoch);
    let index = 0;
    for await (const batch of this.#loader.batches(epoch)) {
      if (signal?.aborted) return "interrupted";
      if (index++ < this.#position.batch) continue;
      if (!this.#stepsRemain()) return "cut short";
      await this.#trainBatch(batch, this.#position);
      this.#position = { epoch, batch: index };
      if (this.#validatesNow()) this.#validation = await this.#options.validate?.(epoch);
    }
    return signal?.aborted ? "interrupted" : "whole";
  }

  async #trainBatch(batch: B, position: StepPosition): Promise<void> {
    const { schedule, onBatch } = this.#options;
    const { epoch } = position;
    const learningRate = schedule.rateAt({ epoch, step: this.#phases.step, metrics: this.metrics });
    const settings = { position, learningRate, describe: this.#describe(), onBatch };
    const losses = await this.#phases.run(batch, settings);
    for (const [name, value] of Object.entries(losses)) {
      this.#totals[name] = (this.#totals[name] ?? 0) + value;
    }
    this.#lastBatch = namedRows(batch);
  }

  #describe(): ((row: number) => string) | undefined {
    const loader = this.#loader;
    return loader.describe && ((row) => loader.describe!(row));
  }

  /** Whether a validation by steps is due after the batch. */
  #validatesNow(): boolean {
    const { validateEvery } = this.#options;
    return typeof validateEvery === "object" && this.#phases.step % validateEvery.steps === 0;
  }

  /** Epoch end: the model's own update, weights checked, metrics, callbacks. */
  async #finishEpoch(epoch: number): Promise<EndReason | null> {
    const batches = this.#position.batch;
    await this.#checkWeights(epoch);
    const learningRate = this.#lastRate(epoch);
    await this.#trainable.endEpoch?.(epoch);
    const totals = this.#totals;
    this.#totals = {};
    this.#position = { epoch: epoch + 1, batch: 0 };
    if (batches === 0) return this.#afterNothing(epoch);
    const validation = await this.#validate(epoch);
    this.#validation = undefined;
    const metrics = this.#metricsOf(epoch, { totals, batches, learningRate, validation });
    this.metrics.push(metrics);
    const watched = validation !== undefined || this.#options.validateEvery === undefined ||
      (this.#earlyStopping?.monitor ?? "") in metrics;
    const early = watched ? this.#earlyStopping?.update(metrics, epoch) : undefined;
    await this.#rememberEpoch();
    if (early?.improved && this.#keepBest) this.#bestWeights = this.#wholeEpochs[0].weights;
    await this.#callBack(epoch, metrics);
    if (early?.stop) return "early-stopping";
    return this.#stopAsked ? "callback" : null;
  }

  /** An epoch cut short by the limit of steps: metrics and callbacks, and the state stays where it is. */
  async #finishPart(epoch: number): Promise<EndReason> {
    await this.#checkWeights(epoch);
    this.partMetrics = this.#metricsOf(epoch, {
      totals: this.#totals,
      batches: this.#position.batch,
      learningRate: this.#lastRate(epoch),
      validation: this.#validation,
    });
    await this.#callBack(epoch, this.partMetrics);
    return "completed";
  }

  /** Without a limit of epochs, one without batches would be followed by others for ever. */
  #afterNothing(epoch: number): null {
    if (this.#options.epochs !== undefined) return null;
    throw new ConfigError(
      "steps",
      `Cannot train for ${this.#options.steps} steps: epoch ${
        epoch + 1
      } has no batches; needs at least one`,
    );
  }

  async #checkWeights(epoch: number): Promise<void> {
    const made = this.#phases.made;
    const update = { learningRate: this.#lastRate(epoch), clipNorm: this.#phases.clipNorm, made };
    const batch = Math.max(0, this.#position.batch - 1);
    const rows = this.#lastBatch ?? { subjects: [] };
    await this.#phases.checkWeights({ epoch, batch, ...rows, describe: this.#describe(), update });
  }

  /** Step size of the last update. */
  #lastRate(epoch: number): number {
    const step = Math.max(0, this.#phases.step - 1);
    return this.#options.schedule.rateAt({ epoch, step, metrics: this.metrics });
  }

  /** What validation adds to an epoch; undefined when none was due. */
  async #validate(epoch: number): Promise<TrainingState["validation"]> {
    const { validate, validateEvery = 1 } = this.#options;
    if (typeof validateEvery === "object") return this.#validation;
    return (epoch + 1) % validateEvery === 0 ? await validate?.(epoch) : undefined;
  }

  #metricsOf(
    epoch: number,
    { totals, batches, learningRate, validation }: {
      readonly totals: Readonly<Record<string, number>>;
      readonly batches: number;
      readonly learningRate: number;
      readonly validation: TrainingState["validation"];
    },
  ): EpochMetrics {
    const means = Object.entries(totals).map(([name, sum]) => [name, sum / batches]);
    return { epoch, ...Object.fromEntries(means), learningRate, ...validation } as EpochMetrics;
  }

  async #callBack(epoch: number, metrics: EpochMetrics): Promise<void> {
    const controls = { state: () => this.state(), stop: () => void (this.#stopAsked = true) };
    for (const callback of this.#options.callbacks ?? []) await callback(epoch, metrics, controls);
  }
}
