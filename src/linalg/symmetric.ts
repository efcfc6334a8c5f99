/** Eigenvalues and eigenvectors of real symmetric matrices, in float64. */
import type { FloatArray } from "../base/arrays.ts";
import { EigenvalueDecomposition, Matrix } from "../deps/ml_matrix.ts";

/** Eigenpairs of a symmetric matrix of size n. */
export interface SymmetricEigen {
  /** n eigenvalues, largest first. */
  readonly values: Float64Array;
  /** `[n, n]` row-major: row k is the unit eigenvector of `values[k]`. */
  readonly vectors: Float64Array;
}

/**
 * Decomposes a symmetric matrix.
 *
 * @param matrix `[size, size]` row-major, finite; the caller vouches for the symmetry.
 * @param size n ≥ 1.
 */
export function symmetricEigen(matrix: FloatArray, size: number): SymmetricEigen {
  const rows = Matrix.from1DArray(size, size, Array.from(matrix));
  const { realEigenvalues, eigenvectorMatrix } = new EigenvalueDecomposition(rows, {
    assumeSymmetric: true,
  });
  const order = realEigenvalues.map((_, k) => k)
    .sort((a, b) => realEigenvalues[b] - realEigenvalues[a]);
  const vectors = new Float64Array(size * size);
  order.forEach((column, k) => {
    for (let i = 0; i < size; i++) vectors[k * size + i] = eigenvectorMatrix.get(i, column);
  });
  return { values: Float64Array.from(order, (k) => realEigenvalues[k]), vectors };
}

/** Eigenvalues only, largest first; arguments as for {@link symmetricEigen}. */
export function symmetricEigenvalues(matrix: FloatArray, size: number): Float64Array {
  return symmetricEigen(matrix, size).values;
}
