/** Autoregressive models of many series at once: each series from its own past, by least squares. */
import { ConfigError } from "../base/errors.ts";
import { LuDecomposition, Matrix } from "../deps/ml_matrix.ts";

/** Series of one recording. */
export interface SeriesBlock {
  /** `[T, N]`. */
  readonly values: Float32Array;
  /** T. */
  readonly length: number;
}

/** x_t ≈ Σ_k a_k·x_{t−k} for every series. */
export interface Autoregression {
  /** p. */
  readonly order: number;
  /** `[p, N]`: a_1 of all series, then a_2, … */
  readonly coefficients: Float64Array;
}

/**
 * Fits an autoregressive model to every series over several recordings, without an intercept (the series are centred).
 *
 * @param blocks Recordings of the same series.
 * @param options `series`: N; `order`: p, at least 0.
 * @throws {ConfigError} when no recording is longer than the order.
 */
export function fitAutoregression(
  blocks: readonly SeriesBlock[],
  { series, order }: { readonly series: number; readonly order: number },
): Autoregression {
  if (order > 0 && !blocks.some(({ length }) => length > order)) {
    throw new ConfigError(
      "order",
      `Cannot fit an autoregressive model of order ${order}: no recording has more than ${order} volumes`,
    );
  }
  const coefficients = new Float64Array(order * series);
  for (let n = 0; n < series && order > 0; n++) {
    const products = laggedProducts(blocks, { series, order, n });
    const right = Array.from({ length: order }, (_, k) => products[0][k + 1]);
    // A trace of a ridge keeps constant series solvable.
    const left = products.slice(1).map((row, i) =>
      row.slice(1).map((value, j) => value + (i === j ? 1e-9 * (1 + value) : 0))
    );
    const solution = new LuDecomposition(new Matrix(left)).solve(Matrix.columnVector(right));
    for (let k = 0; k < order; k++) coefficients[k * series + n] = solution.get(k, 0);
  }
  return { order, coefficients };
}

/** Σ_t x_{t−i}·x_{t−j} over complete windows. */
function laggedProducts(
  blocks: readonly SeriesBlock[],
  { series, order, n }: { series: number; order: number; n: number },
): number[][] {
  const products = Array.from({ length: order + 1 }, () => new Array(order + 1).fill(0));
  for (const { values, length } of blocks) {
    for (let t = order; t < length; t++) {
      for (let i = 0; i <= order; i++) {
        const x = values[(t - i) * series + n];
        for (let j = i; j <= order; j++) products[i][j] += x * values[(t - j) * series + n];
      }
    }
  }
  for (let i = 0; i <= order; i++) for (let j = 0; j < i; j++) products[i][j] = products[j][i];
  return products;
}

/**
 * What a model predicts for every volume from those before it; what lies before the beginning counts as 0.
 *
 * @param model The model.
 * @param block `[T, N]`.
 * @returns `[T, N]`.
 */
export function predictAutoregression(
  { order, coefficients }: Autoregression,
  { values, length }: SeriesBlock,
): Float32Array {
  const series = values.length / length;
  const predicted = new Float32Array(values.length);
  for (let t = 0; t < length; t++) {
    for (let k = 1; k <= Math.min(order, t); k++) {
      for (let n = 0; n < series; n++) {
        predicted[t * series + n] += coefficients[(k - 1) * series + n] *
          values[(t - k) * series + n];
      }
    }
  }
  return predicted;
}
