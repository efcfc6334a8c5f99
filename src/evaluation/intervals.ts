/** Means with their spread and interval. */
import type { RandomStream } from "../base/random.ts";

/** Several results of one kind. */
export interface Spread {
  readonly count: number;
  readonly mean: number;
  /** Standard deviation, divisor count − 1; NaN of a single one. */
  readonly deviation: number;
  readonly least: number;
  readonly most: number;
}

/** Mean, standard deviation and range; NaN without values. */
export function spreadOf(values: readonly number[]): Spread {
  const count = values.length;
  const mean = values.reduce((a, b) => a + b, 0) / count;
  const squares = values.reduce((sum, value) => sum + (value - mean) ** 2, 0);
  return {
    count,
    mean,
    deviation: Math.sqrt(squares / (count - 1)),
    least: count === 0 ? NaN : Math.min(...values),
    most: count === 0 ? NaN : Math.max(...values),
  };
}

/** How {@link bootstrapInterval} draws. */
export interface BootstrapOptions {
  readonly random: RandomStream;
  /** Default 1000. */
  readonly samples?: number;
  /** Default 0.95. */
  readonly level?: number;
}

/**
 * Interval of a statistic by drawing units with replacement (percentiles of the bootstrap).
 *
 * @param units How many there are.
 * @param statistic Computes it for some of them, given by number, repeated ones included; a NaN is left out.
 * @param options See {@link BootstrapOptions}.
 * @returns Lower and upper end; NaN when the statistic is never a number.
 */
export function bootstrapInterval(
  units: number,
  statistic: (drawn: Int32Array) => number,
  { random, samples = 1000, level = 0.95 }: BootstrapOptions,
): readonly [number, number] {
  const found: number[] = [];
  for (let sample = 0; sample < samples; sample++) {
    const value = statistic(Int32Array.from({ length: units }, () => random.integer(units)));
    if (!Number.isNaN(value)) found.push(value);
  }
  found.sort((a, b) => a - b);
  const at = (share: number) => {
    if (found.length === 0) return NaN;
    const place = share * (found.length - 1);
    const [below, above] = [found[Math.floor(place)], found[Math.ceil(place)]];
    return below + (place - Math.floor(place)) * (above - below);
  };
  return [at((1 - level) / 2), at((1 + level) / 2)];
}
