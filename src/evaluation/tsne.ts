/**
 * t-distributed stochastic neighbour embedding into the plane, exact and in float64. Source: L. van der Maaten, G. Hinton,
 * JMLR 9:2579, 2008.
 */
import type { NdArray } from "../base/arrays.ts";
import { ConfigError } from "../base/errors.ts";
import { RandomStream } from "../base/random.ts";
import { fitPca } from "../linalg/pca.ts";

/** Options of {@link tsne}. */
export interface TsneOptions {
  /** Effective number of neighbours; default 30, at most (N − 1)/3. */
  readonly perplexity?: number;
  /** Default 1000. */
  readonly iterations?: number;
  /** Factor on P in the first 250 iterations; default 12. */
  readonly exaggeration?: number;
  /** Default max(N/48, 50). */
  readonly learningRate?: number;
  /** Of the tiny noise beside the principal axes; default 2208. */
  readonly seed?: number;
}

/** Most rows: every iteration looks at all pairs. */
export const MOST_TSNE_ROWS = 5000;

/** A map of rows. */
export interface TsneResult {
  /** `[N, 2]`. */
  readonly map: NdArray<Float64Array>;
  /** Divergence that is left, nats. */
  readonly cost: number;
}

/**
 * Maps rows so that near ones stay near.
 *
 * @param rows `[N, D]`, 4 … 5,000 rows.
 * @param options See {@link TsneOptions}.
 * @throws {ConfigError} for fewer or more rows.
 */
export async function tsne(rows: NdArray, options: TsneOptions = {}): Promise<TsneResult> {
  const [count] = rows.shape;
  if (count < 4 || count > MOST_TSNE_ROWS) {
    throw new ConfigError(
      "rows",
      `Cannot map ${count} rows, needs 4 to ${MOST_TSNE_ROWS}; take a sample of them`,
    );
  }
  const { iterations = 1000, exaggeration = 12, seed = 2208 } = options;
  const perplexity = Math.min(options.perplexity ?? 30, (count - 1) / 3);
  const learningRate = options.learningRate ?? Math.max(count / 48, 50);
  const joint = jointProbabilities(conditionalProbabilities(rows, perplexity).probabilities);
  const y = await principalStart(rows, seed);
  const [velocity, gain] = [new Float64Array(2 * count), new Float64Array(2 * count).fill(1)];
  for (let step = 0; step < iterations; step++) {
    const early = step < 250;
    const { gradient } = tsneGradient(joint, y, early ? exaggeration : 1);
    const momentum = early ? 0.5 : 0.8;
    for (let i = 0; i < y.length; i++) {
      const turned = gradient[i] * velocity[i] < 0;
      gain[i] = Math.max(0.01, turned ? gain[i] + 0.2 : gain[i] * 0.8);
      velocity[i] = momentum * velocity[i] - learningRate * gain[i] * gradient[i];
      y[i] += velocity[i];
    }
    // Long maps let signals and timers in.
    if (step % 20 === 0) await Promise.resolve();
  }
  return { map: { data: y, shape: [count, 2] }, cost: tsneGradient(joint, y, 1).cost };
}

/** The first two principal scores, scaled to a deviation of 1e-4. */
async function principalStart(rows: NdArray, seed: number): Promise<Float64Array> {
  const { data, shape: [count, D] } = rows;
  const read = (i: number) => data.subarray(i * D, (i + 1) * D);
  const pca = await fitPca({ rows: count, columns: D, read }, Math.min(2, D, count - 1));
  const y = new Float64Array(2 * count);
  const noise = RandomStream.fromSeed(seed);
  for (let i = 0; i < count; i++) {
    const scores = pca.transform(read(i));
    y[2 * i] = scores[0];
    y[2 * i + 1] = scores[1] ?? noise.normal();
  }
  let square = 0;
  for (let i = 0; i < count; i++) square += y[2 * i] ** 2 / count;
  const scale = 1e-4 / (Math.sqrt(square) || 1);
  return y.map((value) => value * scale);
}

/**
 * p(j | i), with the width of each row's kernel such that the entropy is ln perplexity.
 *
 * @param rows `[N, D]`.
 * @param perplexity Above 1.
 * @returns `[N, N]`, zeros on the diagonal, and the precision of each row.
 */
export function conditionalProbabilities(
  { data, shape: [count, D] }: NdArray,
  perplexity: number,
): { readonly probabilities: Float64Array; readonly precisions: Float64Array } {
  const probabilities = new Float64Array(count * count);
  const precisions = new Float64Array(count);
  const squares = new Float64Array(count);
  for (let i = 0; i < count; i++) {
    for (let j = 0; j < count; j++) {
      let sum = 0;
      for (let d = 0; d < D; d++) sum += (data[i * D + d] - data[j * D + d]) ** 2;
      squares[j] = sum;
    }
    const row = probabilities.subarray(i * count, (i + 1) * count);
    precisions[i] = fitPrecision(squares, row, { i, wanted: Math.log(perplexity) });
  }
  return { probabilities, precisions };
}

function fitPrecision(
  squares: Float64Array,
  row: Float64Array,
  { i, wanted }: { readonly i: number; readonly wanted: number },
): number {
  let [beta, low, high] = [1, 0, Infinity];
  const least = squares.reduce((m, value, j) => (j === i ? m : Math.min(m, value)), Infinity);
  for (let step = 0; step < 200; step++) {
    let [sum, weighted] = [0, 0];
    squares.forEach((square, j) => {
      row[j] = j === i ? 0 : Math.exp(-beta * (square - least));
      sum += row[j];
      weighted += row[j] * (square - least);
    });
    for (let j = 0; j < row.length; j++) row[j] /= sum;
    const surplus = Math.log(sum) + (beta * weighted) / sum - wanted;
    if (Math.abs(surplus) < 1e-13) break;
    if (surplus > 0) low = beta;
    else high = beta;
    beta = high === Infinity ? beta * 2 : (low + high) / 2;
  }
  return beta;
}

/**
 * (p(j | i) + p(i | j))/2N.
 *
 * @param conditional `[N, N]`.
 */
export function jointProbabilities(conditional: Float64Array): Float64Array {
  const count = Math.sqrt(conditional.length);
  return conditional.map((value, k) => {
    const [i, j] = [Math.floor(k / count), k % count];
    return (value + conditional[j * count + i]) / (2 * count);
  });
}

/**
 * The divergence of the map's similarities from the rows', and its gradient in the map.
 *
 * @param joint `[N, N]`.
 * @param y `[N, 2]`.
 * @param exaggeration Factor on `joint` in the gradient.
 */
export function tsneGradient(
  joint: Float64Array,
  y: Float64Array,
  exaggeration = 1,
): { readonly gradient: Float64Array; readonly cost: number } {
  const count = y.length / 2;
  const kernel = new Float64Array(count * count);
  let total = 0;
  for (let i = 0; i < count; i++) {
    for (let j = 0; j < i; j++) {
      const [dx, dy] = [y[2 * i] - y[2 * j], y[2 * i + 1] - y[2 * j + 1]];
      const value = 1 / (1 + dx * dx + dy * dy);
      kernel[i * count + j] = kernel[j * count + i] = value;
      total += 2 * value;
    }
  }
  const gradient = new Float64Array(2 * count);
  let cost = 0;
  for (let i = 0; i < count; i++) {
    for (let j = 0; j < count; j++) {
      const k = kernel[i * count + j];
      const p = joint[i * count + j];
      const q = k / total;
      const pull = 4 * (exaggeration * p - q) * k;
      gradient[2 * i] += pull * (y[2 * i] - y[2 * j]);
      gradient[2 * i + 1] += pull * (y[2 * i + 1] - y[2 * j + 1]);
      if (p > 0 && q > 0) cost += p * Math.log(p / q);
    }
  }
  return { gradient, cost };
}
