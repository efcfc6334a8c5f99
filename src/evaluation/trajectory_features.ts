/** What characterises one recording: numbers made of its states over time, or of its time series. */
import type { FloatArray } from "../base/arrays.ts";
import { fitRidge } from "../linalg/ridge_regression.ts";

/** Numbers with their names. */
export interface NamedNumbers {
  readonly names: readonly string[];
  readonly values: readonly number[];
}

/** Correlations nearer to ±1 than this are taken for it. */
const MOST_CORRELATION = 1 - 1e-6;

/**
 * Moments, covariance and dynamics of a trajectory: of each dimension the mean and the log standard deviation, of each pair
 * the correlation (Fisher's z), and the matrix F of the centred states' regression on their predecessors (a penalty of
 * one hundredth of their variance).
 *
 * @param states `[T, D]` row-major, T ≥ 2.
 * @param dimensions D.
 * @returns 2D + D(D−1)/2 + D² numbers.
 */
export function trajectoryFeatures(states: FloatArray, dimensions: number): NamedNumbers {
  const D = dimensions;
  const frames = states.length / D;
  const { mean, covariance } = momentsOf(states, D);
  const variance = (d: number) => covariance[d * D + d];
  const total = Array.from({ length: D }, (_, d) => variance(d)).reduce((a, b) => a + b, 0);
  // A dimension that does not move has the logarithm of a small number, not −∞.
  const floor = Math.max(1e-12 * total / D, 1e-30);
  const centred = Float64Array.from(states, (value, i) => value - mean[i % D]);
  const { weights } = fitRidge(centred.subarray(0, (frames - 1) * D), {
    columns: D,
    targets: centred.subarray(D),
    penalty: Math.max(0.01 * frames * total / D, 1e-30),
  });
  const all = Array.from({ length: D }, (_, d) => d);
  const pairs = pairsOf(D);
  return {
    names: [
      ...all.map((d) => `mean ${d + 1}`),
      ...all.map((d) => `log sd ${d + 1}`),
      ...pairs.map(([i, j]) => `correlation ${i + 1},${j + 1}`),
      ...all.flatMap((i) => all.map((j) => `F ${i + 1},${j + 1}`)),
    ],
    values: [
      ...mean,
      ...all.map((d) => Math.log(Math.max(variance(d), floor)) / 2),
      ...pairs.map(([i, j]) => fisher(covariance[i * D + j], variance(i) * variance(j))),
      ...weights,
    ],
  };
}

/**
 * Functional connectivity: the correlation of every pair of series (Fisher's z).
 *
 * @param series `[T, P]` row-major.
 * @param count P.
 * @returns P(P−1)/2 numbers; 0 for a constant series.
 */
export function connectivity(series: FloatArray, count: number): NamedNumbers {
  const { covariance } = momentsOf(series, count);
  const pairs = pairsOf(count);
  return {
    names: pairs.map(([i, j]) => `correlation ${i + 1},${j + 1}`),
    values: pairs.map(([i, j]) =>
      fisher(covariance[i * count + j], covariance[i * count + i] * covariance[j * count + j])
    ),
  };
}

function pairsOf(count: number): (readonly [number, number])[] {
  return Array.from({ length: count }, (_, i) => i)
    .flatMap((i) => Array.from({ length: i }, (_, j) => [i, j] as const));
}

function fisher(covariance: number, variances: number): number {
  if (!(variances > 0)) return 0;
  const correlation = covariance / Math.sqrt(variances);
  return Math.atanh(Math.max(-MOST_CORRELATION, Math.min(MOST_CORRELATION, correlation)));
}

/** Mean `[D]` and covariance `[D, D]`, divisor T. */
function momentsOf(rows: FloatArray, D: number) {
  const frames = rows.length / D;
  const mean = new Float64Array(D);
  const covariance = new Float64Array(D * D);
  for (let i = 0; i < rows.length; i++) mean[i % D] += rows[i] / frames;
  for (let t = 0; t < frames; t++) {
    for (let i = 0; i < D; i++) {
      const x = (rows[t * D + i] - mean[i]) / frames;
      for (let j = 0; j <= i; j++) covariance[i * D + j] += x * (rows[t * D + j] - mean[j]);
    }
  }
  for (let i = 0; i < D; i++) {
    for (let j = 0; j < i; j++) covariance[j * D + i] = covariance[i * D + j];
  }
  return { mean, covariance };
}
