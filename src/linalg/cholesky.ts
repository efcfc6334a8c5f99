/** Cholesky factors of small symmetric matrices, in float64. */
import type { FloatArray } from "../base/arrays.ts";

/**
 * A = L·Lᵀ.
 *
 * @param matrix A, `[size, size]` row-major, symmetric.
 * @param size Rows.
 * @returns L, lower triangle, `[size, size]`; null when A is not positive definite.
 */
export function cholesky(matrix: FloatArray, size: number): Float64Array | null {
  const lower = new Float64Array(size * size);
  for (let i = 0; i < size; i++) {
    for (let j = 0; j <= i; j++) {
      let sum = matrix[i * size + j];
      for (let k = 0; k < j; k++) sum -= lower[i * size + k] * lower[j * size + k];
      if (i !== j) lower[i * size + j] = sum / lower[j * size + j];
      else if (sum > 0) lower[i * size + i] = Math.sqrt(sum);
      else return null;
    }
  }
  return lower;
}

/**
 * L⁻¹ of a lower triangle with a diagonal without zeros.
 *
 * @param lower L, `[size, size]` row-major.
 * @param size Rows.
 */
export function lowerInverse(lower: Float64Array, size: number): Float64Array {
  const inverse = new Float64Array(size * size);
  for (let column = 0; column < size; column++) {
    for (let i = column; i < size; i++) {
      let sum = i === column ? 1 : 0;
      for (let k = column; k < i; k++) sum -= lower[i * size + k] * inverse[k * size + column];
      inverse[i * size + column] = sum / lower[i * size + i];
    }
  }
  return inverse;
}
