/** Bringing columns to mean 0 and standard deviation 1 by rows that a method is fitted to. */
import type { FloatArray } from "../base/arrays.ts";

/** A scaling of columns. */
export interface ColumnScaling {
  readonly mean: Float64Array;
  /** 1 for columns that are constant. */
  readonly deviation: Float64Array;
  /**
   * Scales rows, those it was fitted to or others.
   *
   * @param rows `[M, C]` row-major.
   * @returns `[M, C]`.
   */
  apply(rows: FloatArray): Float64Array;
}

/**
 * Fits a scaling: to training rows only, or what is tested on has been seen.
 *
 * @param rows `[N, C]` row-major, N ≥ 1.
 * @param columns C.
 */
export function standardise(rows: FloatArray, columns: number): ColumnScaling {
  const count = rows.length / columns;
  const mean = new Float64Array(columns);
  const deviation = new Float64Array(columns);
  for (let i = 0; i < rows.length; i++) mean[i % columns] += rows[i] / count;
  for (let i = 0; i < rows.length; i++) {
    deviation[i % columns] += (rows[i] - mean[i % columns]) ** 2 / count;
  }
  for (let c = 0; c < columns; c++) {
    const root = Math.sqrt(deviation[c]);
    // What rounding leaves of a constant column is no variation.
    deviation[c] = root > 1e-12 * Math.abs(mean[c]) ? root : 1;
  }
  return {
    mean,
    deviation,
    apply: (values) =>
      Float64Array.from(values, (value, i) => (value - mean[i % columns]) / deviation[i % columns]),
  };
}
