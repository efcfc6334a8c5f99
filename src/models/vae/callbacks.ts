/** What can be done while an estimator is being fitted. */
import {
  EarlyStopping as Watch,
  type EarlyStoppingOptions,
} from "../../training/early_stopping.ts";
import type { BaseEstimator } from "./base_estimator.ts";

/** Values by name, e.g. `"val/loss"`. */
export type LoggedMetrics = Readonly<Record<string, number>>;

/** Metrics of an epoch. */
export interface EpochEnd {
  /** 0-based epoch within this `fit`. */
  readonly epoch: number;
  /** `train/…`: means over the batches; `val/…`: means over the validation samples, where there was a validation. */
  readonly metrics: LoggedMetrics;
  /** Ends training after this epoch. */
  stop(): void;
}

/** A callback; every method may be left out. */
export interface EstimatorCallback {
  /** Before the first batch. */
  onFitStart?(estimator: BaseEstimator): void | Promise<void>;
  /** Every `logEveryNSteps` steps, with the values of the last step. */
  onLog?(
    estimator: BaseEstimator,
    at: { readonly step: number; readonly metrics: LoggedMetrics },
  ): void;
  /** After every epoch and its validation. */
  onEpochEnd?(estimator: BaseEstimator, end: EpochEnd): void | Promise<void>;
  /** After training. */
  onFitEnd?(estimator: BaseEstimator): void | Promise<void>;
}

/** Ends training when a metric no longer falls. */
export class EarlyStopping implements EstimatorCallback {
  readonly #options: EarlyStoppingOptions;
  #watch: Watch;

  /**
   * Makes one.
   *
   * @param options `monitor`, default `"val/loss"`; `patience`, default 3; see `EarlyStoppingOptions`.
   */
  constructor(options: Partial<EarlyStoppingOptions> = {}) {
    this.#options = { monitor: "val/loss", patience: 3, ...options };
    this.#watch = new Watch(this.#options);
  }

  onFitStart(): void {
    this.#watch = new Watch(this.#options);
  }

  onEpochEnd(_: BaseEstimator, { epoch, metrics, stop }: EpochEnd): void {
    if (this.#watch.update(metrics, epoch).stop) stop();
  }
}

/** Saves the estimator whenever a metric is better than ever before. */
export class ModelCheckpoint implements EstimatorCallback {
  /** Value at the last save; null before the first. */
  best: number | null = null;

  /**
   * Makes one.
   *
   * @param folder Where to.
   * @param options `monitor`, smaller is better; default `"val/loss"`.
   */
  constructor(
    readonly folder: string,
    private readonly options: { readonly monitor?: string } = {},
  ) {}

  async onEpochEnd(estimator: BaseEstimator, { metrics }: EpochEnd): Promise<void> {
    const value = metrics[this.options.monitor ?? "val/loss"];
    if (value === undefined || (this.best !== null && value >= this.best)) return;
    await estimator.save(this.folder);
    this.best = value;
  }
}
