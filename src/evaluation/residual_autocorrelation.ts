/**
 * φ_v = Σ e_t·e_{t−1} / Σ e_{t−1}² of residuals e = x − x̂ over pairs of frames that follow each other in a run: the AR(1)
 * coefficient of each voxel's noise, by which a prediction one step ahead is corrected. 0 where a voxel has no residual.
 */
import type { FloatArray } from "../base/arrays.ts";

/** Gathers φ frame by frame; also the AR(1) coefficients of frames themselves, with x̂ = x̄. */
export class ResidualAutocorrelation {
  readonly #before: Float64Array;
  readonly #products: Float64Array;
  readonly #squares: Float64Array;
  #last = -Infinity;
  #run = -1;

  /** @param voxels V. */
  constructor(voxels: number) {
    [this.#before, this.#products, this.#squares] = [0, 1, 2].map(() => new Float64Array(voxels));
  }

  /**
   * Adds an observed frame; frames of a run come in their order.
   *
   * @param x Frame `[V]`.
   * @param prediction x̂ `[V]`.
   * @param place Run and frame: frames that follow each other there are a pair.
   */
  add(
    x: FloatArray,
    prediction: FloatArray,
    { run, t }: { readonly run: number; readonly t: number },
  ): void {
    const follows = run === this.#run && t === this.#last + 1;
    for (let v = 0; v < this.#before.length; v++) {
      const residual = x[v] - prediction[v];
      if (follows) {
        this.#products[v] += residual * this.#before[v];
        this.#squares[v] += this.#before[v] * this.#before[v];
      }
      this.#before[v] = residual;
    }
    this.#run = run;
    this.#last = t;
  }

  /** φ `[V]`. */
  result(): Float64Array {
    return this.#products.map((sum, v) => this.#squares[v] > 0 ? sum / this.#squares[v] : 0);
  }
}
