/** Ridge regression of any targets on any columns, in float64. */
import type { FloatArray } from "../base/arrays.ts";
import { ConfigError, ShapeError } from "../base/errors.ts";
import { solvePositiveDefinite } from "./positive_definite.ts";

/** A fitted linear map y ≈ b + W·x. */
export interface LinearFit {
  /** W, `[Q, P]` row-major. */
  readonly weights: Float64Array;
  /** b, `[Q]`. */
  readonly intercept: Float64Array;
}

/** The problem of {@link fitRidge}. */
export interface RidgeProblem {
  /** P, columns of `rows`. */
  readonly columns: number;
  /** Y, `[N, Q]` row-major. */
  readonly targets: FloatArray;
  /** λ ≥ 0 of λ·‖W‖²; the intercept is free. */
  readonly penalty: number;
}

/**
 * Minimises Σ‖y − b − W·x‖² + λ·‖W‖².
 *
 * @param rows X, `[N, P]` row-major.
 * @param problem See {@link RidgeProblem}.
 * @throws {ShapeError} when rows and targets do not have the same number N.
 * @throws {ConfigError} for a negative penalty.
 * @throws {SingularMatrixError} when the columns are dependent and λ is 0.
 */
export function fitRidge(
  rows: FloatArray,
  { columns: P, targets, penalty }: RidgeProblem,
): LinearFit {
  const N = rows.length / P;
  const Q = targets.length / N;
  if (!Number.isInteger(N) || N < 1 || !Number.isInteger(Q) || Q < 1) {
    throw new ShapeError(
      `Cannot fit a ridge regression: found ${rows.length} values in rows of ${P} and ${targets.length} targets, ` +
        "needs as many targets as rows",
      [rows.length, targets.length],
      `[N, ${P}] and [N, Q]`,
    );
  }
  if (!(penalty >= 0)) {
    throw new ConfigError(
      "penalty",
      `Cannot fit a ridge regression: penalty is ${penalty}, needs a number of at least 0`,
    );
  }
  const [mean, targetMean] = [columnMeans(rows, P), columnMeans(targets, Q)];
  const gram = new Float64Array(P * P);
  const cross = new Float64Array(P * Q);
  for (let n = 0; n < N; n++) {
    for (let i = 0; i < P; i++) {
      const x = rows[n * P + i] - mean[i];
      for (let j = 0; j <= i; j++) gram[i * P + j] += x * (rows[n * P + j] - mean[j]);
      for (let q = 0; q < Q; q++) cross[i * Q + q] += x * (targets[n * Q + q] - targetMean[q]);
    }
  }
  for (let i = 0; i < P; i++) gram[i * P + i] += penalty;
  const solved = solvePositiveDefinite(gram, cross, P);
  const weights = new Float64Array(Q * P);
  const intercept = targetMean.slice();
  for (let q = 0; q < Q; q++) {
    for (let i = 0; i < P; i++) {
      weights[q * P + i] = solved[i * Q + q];
      intercept[q] -= solved[i * Q + q] * mean[i];
    }
  }
  return { weights, intercept };
}

function columnMeans(rows: FloatArray, columns: number): Float64Array {
  const count = rows.length / columns;
  const mean = new Float64Array(columns);
  for (let i = 0; i < rows.length; i++) mean[i % columns] += rows[i] / count;
  return mean;
}
