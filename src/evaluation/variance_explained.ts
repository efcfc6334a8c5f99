/** R² = 1 − Σ(x − x̂)²/Σ(x − x̄)² over frames and voxels, for each run and for all, fed frame by frame. */
import type { FloatArray } from "../base/arrays.ts";
import { ShapeError } from "../base/errors.ts";

/** Shares of variance explained; NaN where nothing varies. */
export interface ExplainedShare {
  /** Over all runs: sums, not the mean of the runs. */
  readonly share: number;
  /** Of each run. */
  readonly runs: readonly number[];
}

/** Gathers the squared errors of one method. */
export class VarianceExplained {
  readonly #mean: FloatArray;
  readonly #errors: number[] = [];
  readonly #totals: number[] = [];

  /** @param mean x̄, mean of the training frames `[V]`. */
  constructor(mean: FloatArray) {
    this.#mean = mean;
  }

  /**
   * Scores one frame.
   *
   * @param x Frame `[V]`.
   * @param prediction What the method says it is, `[V]`.
   * @param run Number of its run.
   * @throws {ShapeError} when a length differs from the mean's.
   */
  add(x: FloatArray, prediction: FloatArray, run: number): void {
    const mean = this.#mean;
    if (x.length !== mean.length || prediction.length !== mean.length) {
      throw new ShapeError(
        `Cannot score a frame: found ${x.length} and ${prediction.length} voxels, needs ${mean.length} of both`,
        [x.length, prediction.length],
        `${mean.length} voxels`,
      );
    }
    let error = 0, total = 0;
    for (let v = 0; v < mean.length; v++) {
      error += (x[v] - prediction[v]) ** 2;
      total += (x[v] - mean[v]) ** 2;
    }
    this.#errors[run] = (this.#errors[run] ?? 0) + error;
    this.#totals[run] = (this.#totals[run] ?? 0) + total;
  }

  /** The shares so far. */
  result(): ExplainedShare {
    const sum = (values: readonly number[]) => values.reduce((a, b) => a + b, 0);
    const share = (error: number, total: number) => total > 0 ? 1 - error / total : NaN;
    return {
      share: share(sum(this.#errors), sum(this.#totals)),
      runs: this.#errors.map((error, run) => share(error, this.#totals[run])),
    };
  }
}
