/** Knows the best epoch by a monitored metric, and ends training when the metric no longer improves. */
import { ConfigError } from "../base/errors.ts";
import { checkOptions, integer, nullable, number, other, record, text } from "../base/fields.ts";

/** Options of {@link EarlyStopping}. */
export interface EarlyStoppingOptions {
  /**
   * Epochs without improvement after which training stops, at least 1; Infinity only watches. Only an epoch that has the
   * metric can end training.
   */
  readonly patience: number;
  /** An improvement is a decrease by more than this, at least 0; default 0. */
  readonly minDelta?: number;
  /** Name of the metric, smaller is better; default `"loss"`. */
  readonly monitor?: string;
  /**
   * First epoch (0-based) that counts; default 0. Epochs before it have losses of another weighting, say, that are no
   * measure for later ones.
   */
  readonly from?: number;
}

/** Options there are. */
export const EARLY_STOPPING_OPTIONS = record<EarlyStoppingOptions>({
  patience: other(
    "a whole number of at least 1",
    (value) => value === Infinity || (Number.isSafeInteger(value) && value as number >= 1),
  ),
  minDelta: number({ least: 0 }),
  monitor: text(),
  from: integer({ least: 0 }),
}, ["patience"]);

/** What is known so far; goes into the checkpoint. */
export interface EarlyStoppingState {
  /** Smallest value seen, null before the first. */
  readonly best: number | null;
  /** Epoch of that value, null before the first. */
  readonly bestEpoch: number | null;
}

/** Fields there are. */
export const EARLY_STOPPING_STATE = record<EarlyStoppingState>({
  best: nullable(number()),
  bestEpoch: nullable(integer({ least: 0 })),
}, ["best", "bestEpoch"]);

/** Watches one metric from epoch to epoch. */
export class EarlyStopping {
  readonly #patience: number;
  readonly #minDelta: number;
  readonly #monitor: string;
  readonly #from: number;
  #state: EarlyStoppingState = { best: null, bestEpoch: null };

  /**
   * Starts with nothing seen.
   *
   * @throws {ConfigError} when an option is out of range.
   */
  constructor(options: EarlyStoppingOptions) {
    checkOptions(options, EARLY_STOPPING_OPTIONS, { doing: "Cannot stop early" });
    const { patience, minDelta = 0, monitor = "loss", from = 0 } = options;
    this.#patience = patience;
    this.#minDelta = minDelta;
    this.#monitor = monitor;
    this.#from = from;
  }

  /**
   * Takes note of one epoch.
   *
   * @param metrics Values of the epoch by name.
   * @param epoch 0-based.
   * @returns Whether the metric improved, and whether training should stop.
   * @throws {ConfigError} when the monitored metric is missing.
   */
  update(
    metrics: Readonly<Record<string, number>>,
    epoch: number,
  ): { readonly improved: boolean; readonly stop: boolean } {
    const value = metrics[this.#monitor];
    if (value === undefined) {
      throw new ConfigError(
        "monitor",
        `Cannot stop early: found no metric "${this.#monitor}", needs one of ${
          Object.keys(metrics).join(", ")
        }`,
      );
    }
    const { best } = this.#state;
    const improved = epoch >= this.#from && Number.isFinite(value) &&
      (best === null || value < best - this.#minDelta);
    if (improved) this.#state = { best: value, bestEpoch: epoch };
    return { improved, stop: this.isOver(epoch) };
  }

  /**
   * Whether training should have stopped by the end of an epoch.
   *
   * @param epoch 0-based, the last one that was trained.
   */
  isOver(epoch: number): boolean {
    const { bestEpoch } = this.#state;
    return bestEpoch !== null && epoch - bestEpoch >= this.#patience;
  }

  /** Name of the metric. */
  get monitor(): string {
    return this.#monitor;
  }

  /** State for a checkpoint. */
  get state(): EarlyStoppingState {
    return this.#state;
  }

  /** Goes on from a checkpoint's state. */
  restore(state: EarlyStoppingState): void {
    this.#state = { best: state.best, bestEpoch: state.bestEpoch };
  }
}
