/** What a run of the training loop knows about itself: metrics, and the state it can go on from. */
import type { NdArray, NumericArray } from "../base/arrays.ts";
import type { StepPosition } from "../base/batches.ts";
import type { EarlyStoppingState } from "./early_stopping.ts";
import type { OptimiserState } from "./optimiser.ts";
import type { NamedArrays } from "./weight_holder.ts";

/**
 * Means of an epoch over its batches, unweighted by their size, `learningRate` (the step size of its last update), and
 * whatever validation adds. With several phases the terms are `"<phase>.<term>"`, `loss` is the sum of the phases' losses,
 * and `learningRate` is the schedule's, before the phases' factors.
 */
export type EpochMetrics = Readonly<Record<string, number>> & {
  /** 0-based epoch. */
  readonly epoch: number;
  /** Mean loss. */
  readonly loss: number;
};

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
  /** Slots and step count; of the first phase, where there are several. */
  readonly optimiser: OptimiserState;
  /** Those of the further phases, by name. */
  readonly phases?: ReadonlyMap<string, OptimiserState>;
  /** What the latest validation of the unfinished epoch gave, with validation by steps. */
  readonly validation?: Readonly<Record<string, number>>;
  /** Best value so far; null when nothing watches. */
  readonly earlyStopping: EarlyStoppingState | null;
  /** Weights of the best epoch, where they are kept and the model holds later ones. */
  readonly bestWeights?: NamedArrays;
  /** Weights to go on from, where the model holds those of an earlier, the best epoch. */
  readonly lastWeights?: NamedArrays;
  /** The model's own, e.g. the trajectory buffer. */
  readonly model: ReadonlyMap<string, NdArray<NumericArray>>;
}
