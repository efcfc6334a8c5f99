/** Symmetric positive definite systems, in float64. */
import { SingularMatrixError } from "../base/errors.ts";

/**
 * Solves A·X = B by Cholesky's factorisation A = L·Lᵀ.
 *
 * @param matrix A, `[size, size]` row-major; only its lower triangle is read. Overwritten by L.
 * @param right B, `[size, columns]` row-major. Overwritten by X.
 * @param size n ≥ 1.
 * @returns `right`.
 * @throws {SingularMatrixError} when A is not positive definite in float64.
 */
export function solvePositiveDefinite(
  matrix: Float64Array,
  right: Float64Array,
  size: number,
): Float64Array {
  factorise(matrix, size);
  const columns = right.length / size;
  for (let c = 0; c < columns; c++) {
    for (let i = 0; i < size; i++) {
      let sum = right[i * columns + c];
      for (let k = 0; k < i; k++) sum -= matrix[i * size + k] * right[k * columns + c];
      right[i * columns + c] = sum / matrix[i * size + i];
    }
    for (let i = size - 1; i >= 0; i--) {
      let sum = right[i * columns + c];
      for (let k = i + 1; k < size; k++) sum -= matrix[k * size + i] * right[k * columns + c];
      right[i * columns + c] = sum / matrix[i * size + i];
    }
  }
  return right;
}

/** L in the lower triangle of `matrix`. */
function factorise(matrix: Float64Array, size: number): void {
  for (let j = 0; j < size; j++) {
    let pivot = matrix[j * size + j];
    const scale = Math.abs(pivot);
    for (let k = 0; k < j; k++) pivot -= matrix[j * size + k] ** 2;
    if (!(pivot > size * Number.EPSILON * scale)) {
      throw new SingularMatrixError(
        `Cannot solve a system of ${size} equations: it is not positive definite (pivot ${
          pivot.toExponential(1)
        }), needs independent columns or a penalty above 0`,
      );
    }
    const diagonal = Math.sqrt(pivot);
    matrix[j * size + j] = diagonal;
    for (let i = j + 1; i < size; i++) {
      let sum = matrix[i * size + j];
      for (let k = 0; k < j; k++) sum -= matrix[i * size + k] * matrix[j * size + k];
      matrix[i * size + j] = sum / diagonal;
    }
  }
}
