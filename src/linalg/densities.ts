/** Normal and kernel densities in log space, float64: in 32 dimensions the densities themselves under- and overflow. */
import type { NdArray } from "../base/arrays.ts";
import { ConfigError } from "../base/errors.ts";
import type { RandomStream } from "../base/random.ts";

/** A density that can be drawn from. */
export interface Density {
  /** ln p at each row of `[N, D]`. */
  logDensity(rows: NdArray): Float64Array;
  /** Draws `[count, D]`. */
  sample(count: number, random: RandomStream): NdArray<Float64Array>;
}

/** A normal distribution. */
export class Gaussian implements Density {
  /** `[D]`. */
  readonly mean: Float64Array;
  /** `[D, D]` row-major. */
  readonly covariance: Float64Array;
  /** Lower triangle L of covariance = L·Lᵀ, `[D, D]`. */
  readonly factor: Float64Array;

  /**
   * Makes it.
   *
   * @param mean `[D]`.
   * @param covariance `[D, D]`, positive definite.
   * @throws {ConfigError} when it is not.
   */
  constructor(mean: Float64Array, covariance: Float64Array) {
    this.mean = mean;
    this.covariance = covariance;
    this.factor = choleskyFactor(covariance, mean.length);
  }

  logDensity({ data, shape: [count] }: NdArray): Float64Array {
    const D = this.mean.length;
    let constant = (D * Math.log(2 * Math.PI)) / 2;
    for (let d = 0; d < D; d++) constant += Math.log(this.factor[d * D + d]);
    const solved = new Float64Array(D);
    return Float64Array.from({ length: count }, (_, i) => {
      let sum = 0;
      for (let r = 0; r < D; r++) {
        let value = data[i * D + r] - this.mean[r];
        for (let c = 0; c < r; c++) value -= this.factor[r * D + c] * solved[c];
        solved[r] = value / this.factor[r * D + r];
        sum += solved[r] ** 2;
      }
      return -sum / 2 - constant;
    });
  }

  sample(count: number, random: RandomStream): NdArray<Float64Array> {
    const D = this.mean.length;
    const data = new Float64Array(count * D);
    for (let i = 0; i < count; i++) {
      const z = random.normals64(D);
      for (let r = 0; r < D; r++) {
        let value = this.mean[r];
        for (let c = 0; c <= r; c++) value += this.factor[r * D + c] * z[c];
        data[i * D + r] = value;
      }
    }
    return { data, shape: [count, D] };
  }
}

function choleskyFactor(matrix: Float64Array, size: number): Float64Array {
  const L = new Float64Array(size * size);
  for (let r = 0; r < size; r++) {
    for (let c = 0; c <= r; c++) {
      let value = matrix[r * size + c];
      for (let k = 0; k < c; k++) value -= L[r * size + k] * L[c * size + k];
      if (r > c) {
        L[r * size + c] = value / L[c * size + c];
        continue;
      }
      if (!(value > 0)) {
        throw new ConfigError(
          "covariance",
          `Cannot make a normal distribution: the covariance of ${size} values is not positive definite; ` +
            "shrink it, or give more samples",
        );
      }
      L[r * size + r] = Math.sqrt(value);
    }
  }
  return L;
}

/** Mean and covariance of samples. */
export interface Moments {
  readonly mean: Float64Array;
  readonly covariance: Float64Array;
}

/**
 * Mean and covariance (divided by N − 1) of the rows of `[N, D]`, N at least 2.
 *
 * @param rows The samples.
 */
export function momentsOf({ data, shape: [count, D] }: NdArray): Moments {
  const mean = new Float64Array(D);
  for (let i = 0; i < count * D; i++) mean[i % D] += data[i] / count;
  const covariance = new Float64Array(D * D);
  for (let i = 0; i < count; i++) {
    for (let r = 0; r < D; r++) {
      const a = (data[i * D + r] - mean[r]) / (count - 1);
      for (let c = 0; c <= r; c++) covariance[r * D + c] += a * (data[i * D + c] - mean[c]);
    }
  }
  for (let r = 0; r < D; r++) {
    for (let c = 0; c < r; c++) covariance[c * D + r] = covariance[r * D + c];
  }
  return { mean, covariance };
}

/**
 * A covariance drawn towards its diagonal, so that it stays positive definite with few samples.
 *
 * @param covariance `[D, D]`.
 * @param share 0 leaves it, 1 keeps the diagonal alone.
 */
export function shrunkCovariance(covariance: Float64Array, share: number): Float64Array {
  const D = Math.sqrt(covariance.length);
  const floor = 1e-9 * Math.max(...covariance.filter((_, i) => i % (D + 1) === 0), 1e-12);
  return covariance.map((value, i) => (i % (D + 1) === 0 ? value + floor : value * (1 - share)));
}

/** A kernel density with normal kernels, all of one width, or of one covariance. */
export class KernelDensity implements Density {
  readonly #seeds: Float64Array;
  readonly #count: number;
  readonly #kernel: Gaussian;

  /**
   * Makes it.
   *
   * @param seeds `[N, D]`.
   * @param kernel Its deviation, or its covariance `[D, D]`.
   * @throws {ConfigError} for a deviation that is not above 0 or a covariance that is not positive definite.
   */
  constructor(seeds: NdArray, kernel: number | Float64Array) {
    const [count, D] = seeds.shape;
    const covariance = typeof kernel === "number"
      ? Float64Array.from({ length: D * D }, (_, i) => i % (D + 1) === 0 ? kernel ** 2 : 0)
      : kernel;
    this.#seeds = Float64Array.from(seeds.data);
    this.#count = count;
    this.#kernel = new Gaussian(new Float64Array(D), covariance);
  }

  logDensity(rows: NdArray): Float64Array {
    return this.#logDensity(rows, () => -1);
  }

  /** ln p at each seed, with the seed's own kernel left out. */
  logDensityAtSeeds(): Float64Array {
    const D = this.#kernel.mean.length;
    return this.#logDensity({ data: this.#seeds, shape: [this.#count, D] }, (i) => i);
  }

  #logDensity({ data, shape: [rows] }: NdArray, leftOut: (i: number) => number): Float64Array {
    const D = this.#kernel.mean.length;
    const differences = new Float64Array(this.#count * D);
    return Float64Array.from({ length: rows }, (_, i) => {
      for (let k = 0; k < differences.length; k++) {
        differences[k] = data[i * D + (k % D)] - this.#seeds[k];
      }
      const own = leftOut(i);
      const logs = this.#kernel.logDensity({ data: differences, shape: [this.#count, D] })
        .filter((_, s) => s !== own);
      return logSumExp(logs) - Math.log(logs.length);
    });
  }

  sample(count: number, random: RandomStream): NdArray<Float64Array> {
    const D = this.#kernel.mean.length;
    const noise = this.#kernel.sample(count, random.split("kernel")).data;
    const which = random.split("seeds");
    for (let i = 0; i < count; i++) {
      const seed = which.integer(this.#count);
      for (let d = 0; d < D; d++) noise[i * D + d] += this.#seeds[seed * D + d];
    }
    return { data: noise, shape: [count, D] };
  }
}

function logSumExp(logs: Float64Array): number {
  const most = logs.reduce((a, b) => Math.max(a, b), -Infinity);
  if (most === -Infinity) return -Infinity;
  return most + Math.log(logs.reduce((sum, value) => sum + Math.exp(value - most), 0));
}

/**
 * 0.9·min(s, IQR/1.349)/N^0.2, with deviation s (N − 1) and interquartile range over all entries together.
 *
 * @param seeds `[N, D]`.
 */
export function pooledSilverman(seeds: NdArray): number {
  const data = Float64Array.from(seeds.data);
  const [count] = seeds.shape;
  const n = data.length;
  const mean = data.reduce((sum, value) => sum + value, 0) / n;
  const deviation = Math.sqrt(
    data.reduce((sum, value) => sum + (value - mean) ** 2, 0) / (n - 1),
  );
  const range = quantile(data, 0.75) - quantile(data, 0.25);
  // The interquartile range of a normal distribution, in deviations.
  const perDeviation = 2 * 0.6744897501960817;
  return (0.9 * Math.min(deviation, range / perDeviation)) / count ** 0.2;
}

/**
 * A quantile, linear between order statistics.
 *
 * @param values Any order.
 * @param share 0 … 1.
 */
export function quantile(values: ArrayLike<number>, share: number): number {
  const sorted = Float64Array.from(values).sort();
  const place = share * (sorted.length - 1);
  const low = Math.floor(place);
  const high = Math.min(low + 1, sorted.length - 1);
  return sorted[low] + (sorted[high] - sorted[low]) * (place - low);
}

/**
 * The covariance of a kernel shaped like the samples: factor²·N^(−2/(D + 4))·covariance, Scott's rule with a factor.
 *
 * @param seeds `[N, D]`.
 * @param factor Default 1.
 */
export function scottCovariance(seeds: NdArray, factor = 1): Float64Array {
  const [count, D] = seeds.shape;
  const { covariance } = momentsOf(seeds);
  const share = count < D + 2 ? 0.5 : 0;
  const width = (factor * count ** (-1 / (D + 4))) ** 2;
  return shrunkCovariance(covariance, share).map((value) => value * width);
}
