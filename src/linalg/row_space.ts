/**
 * Coordinates of rows in the space they span. A linear method with a penalty on the length of its weights gives the
 * same predictions in these coordinates as on the columns themselves, so that many columns cost no more than there are rows.
 */
import type { FloatArray } from "../base/arrays.ts";
import { symmetricEigen } from "./symmetric.ts";

/** Rows in r ≤ min(rows, columns) coordinates. */
export interface RowSpace {
  /** r. */
  readonly rank: number;
  /** `[rows, r]` row-major: the rows times an orthonormal basis of their span. */
  readonly coordinates: Float64Array;
  /**
   * Coordinates of other rows; what lies outside the span is lost, as it is to any method fitted inside.
   *
   * @param others `[M, columns]` row-major.
   * @returns `[M, r]`.
   */
  project(others: FloatArray): Float64Array;
}

/**
 * Finds the span of some rows. Rows with no more columns than there are rows stay as they are.
 *
 * @param rows `[rows, columns]` row-major, finite.
 * @param columns Values in a row, at least 1.
 */
export function rowSpace(rows: FloatArray, columns: number): RowSpace {
  const count = rows.length / columns;
  if (columns <= count) {
    const copy = (values: FloatArray) => Float64Array.from(values);
    return { rank: columns, coordinates: copy(rows), project: copy };
  }
  const { values, vectors } = symmetricEigen(products(rows, rows, columns), count);
  const floor = count * Number.EPSILON * Math.max(values[0], Number.MIN_VALUE);
  const rank = values.filter((value) => value > floor).length;
  // With rows = U·S·Vᵀ: coordinates of other rows are others·V = (others·rowsᵀ)·U/S.
  const onto = (gram: Float64Array) => {
    const many = gram.length / count;
    const found = new Float64Array(many * rank);
    for (let m = 0; m < many; m++) {
      for (let k = 0; k < rank; k++) {
        let sum = 0;
        for (let i = 0; i < count; i++) sum += gram[m * count + i] * vectors[k * count + i];
        found[m * rank + k] = sum / Math.sqrt(values[k]);
      }
    }
    return found;
  };
  return {
    rank,
    coordinates: onto(products(rows, rows, columns)),
    project: (others) => onto(products(others, rows, columns)),
  };
}

/** A·Bᵀ `[rows of A, rows of B]`. */
function products(a: FloatArray, b: FloatArray, columns: number): Float64Array {
  const [rows, others] = [a.length / columns, b.length / columns];
  const result = new Float64Array(rows * others);
  for (let i = 0; i < rows; i++) {
    for (let j = 0; j < others; j++) {
      let sum = 0;
      for (let c = 0; c < columns; c++) sum += a[i * columns + c] * b[j * columns + c];
      result[i * others + j] = sum;
    }
  }
  return result;
}
