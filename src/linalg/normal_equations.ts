/** Small symmetric systems of linear regression. */
import { LuDecomposition, Matrix } from "../deps/ml_matrix.ts";

/**
 * Solves (A + λ·I)·X = B by LU with row pivoting.
 *
 * @param gram A, `[size, size]` row-major, symmetric.
 * @param cross B, `[size, columns]` row-major.
 * @param shape `size`, and λ ≥ 0, default 0.
 * @returns X, `[size, columns]` row-major; null when the system is singular.
 */
export function solveNormalEquations(
  gram: Float64Array,
  cross: Float64Array,
  { size, penalty = 0 }: { readonly size: number; readonly penalty?: number },
): Float64Array | null {
  const matrix = Matrix.from1DArray(size, size, Array.from(gram));
  for (let i = 0; i < size; i++) matrix.set(i, i, matrix.get(i, i) + penalty);
  const lu = new LuDecomposition(matrix);
  if (lu.isSingular()) return null;
  const solution = lu.solve(Matrix.from1DArray(size, cross.length / size, Array.from(cross)));
  return Float64Array.from(solution.to1DArray());
}

/** The transpose of a matrix `[rows, columns]`, row-major. */
export function transposed(matrix: Float64Array, rows: number): Float64Array {
  const columns = matrix.length / rows;
  const result = new Float64Array(matrix.length);
  for (let i = 0; i < rows; i++) {
    for (let j = 0; j < columns; j++) result[j * rows + i] = matrix[i * columns + j];
  }
  return result;
}
