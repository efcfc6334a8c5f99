/** How well planted dynamics are found again: R² of the true states from a model's, and errors of eigenvalues. */
import type { NdArray } from "../base/arrays.ts";
import { ShapeError } from "../base/errors.ts";
import type { Eigenvalue } from "../linalg/eigenvalues.ts";
import { solveNormalEquations } from "../linalg/normal_equations.ts";
import { nearest } from "./reported_dynamics.ts";

/**
 * R² of each true state regressed, with intercept, on the states of a model over all frames.
 *
 * @param truth True states `[n, K]`.
 * @param states A model's states of the same frames `[n, D]`.
 * @returns `[K]`.
 * @throws {ShapeError} when the numbers of frames differ.
 */
export function latentRecovery(truth: NdArray, states: NdArray): Float64Array {
  const [n, K] = truth.shape;
  const [found, D] = states.shape;
  if (found !== n) {
    throw new ShapeError(
      `Cannot compare states: found ${found} frames, needs ${n} as the true states have`,
      states.shape,
      `[${n}, D]`,
    );
  }
  const x = centred(states), y = centred(truth);
  const [gram, cross] = [new Float64Array(D * D), new Float64Array(D * K)];
  const total = new Float64Array(K);
  for (let row = 0; row < n; row++) {
    for (let i = 0; i < D; i++) {
      for (let j = 0; j < D; j++) gram[i * D + j] += x[row * D + i] * x[row * D + j];
      for (let k = 0; k < K; k++) cross[i * K + k] += x[row * D + i] * y[row * K + k];
    }
    for (let k = 0; k < K; k++) total[k] += y[row * K + k] ** 2;
  }
  const weights = solveNormalEquations(gram, cross, { size: D }) ?? new Float64Array(D * K);
  // Σŷ² = Σ weights·cross for a least-squares fit.
  return total.map((sum, k) => {
    let explained = 0;
    for (let i = 0; i < D; i++) explained += weights[i * K + k] * cross[i * K + k];
    return explained / sum;
  });
}

/**
 * |λ̂ − λ|/|λ| of each planted eigenvalue in the upper half plane against the nearest one found.
 *
 * @param planted Eigenvalues of the true transition.
 * @param found Eigenvalues of the fitted one.
 */
export function eigenvalueErrors(
  planted: readonly Eigenvalue[],
  found: readonly Eigenvalue[],
): number[] {
  return planted.filter(({ imaginary }) => imaginary >= 0).map((value) => {
    const { real, imaginary } = nearest(value, found);
    return Math.hypot(real - value.real, imaginary - value.imaginary) / value.modulus;
  });
}

function centred({ data, shape: [n, width] }: NdArray): Float64Array {
  const mean = new Float64Array(width);
  data.forEach((value: number, i: number) => mean[i % width] += value / n);
  return Float64Array.from(data, (value, i) => value - mean[i % width]);
}
