/** Block statistics in plain loops, with bounds on what float32 makes of them. */
import type { NdArray } from "../../src/base/arrays.ts";
import { sumTolerance, UNIT_ROUNDOFF as u } from "./rounding.ts";

/** Shape of x and its blocks. */
export interface NormSizes {
  readonly shape: readonly number[];
  readonly sampleGroups: number;
  readonly channelGroups: number;
}

/** Statistics of one block and their permitted errors. */
export interface Statistic {
  /** Values in the block. */
  readonly count: number;
  readonly mean: number;
  readonly variance: number;
  readonly meanError: number;
  readonly varianceError: number;
}

/** Block (row-major in `[S, K]`) and channel of a position in x. */
export function blockOf(position: number, sizes: NormSizes): { block: number; channel: number } {
  const channels = sizes.shape[sizes.shape.length - 1];
  const total = sizes.shape.reduce((product, n) => product * n, 1);
  const channel = position % channels;
  const s = Math.floor(position / (total / sizes.sampleGroups));
  const k = Math.floor(channel / (channels / sizes.channelGroups));
  return { block: s * sizes.channelGroups + k, channel };
}

/**
 * Statistics of every block. The mean errs like a sum of n terms of one sign: δm = t(n)·mean|x|. The variance errs like
 * a sum of n terms of its own, by the square of the mean's error, and as if the values had been rounded once more:
 * δv = (t(n) + 4u)·v + δm² + 2σ·2u·mean|x|. The last term is what a backward stable method does that joins the
 * statistics of parts; a variance from E[x²] − E[x]² errs by the far larger u·E[x²].
 */
export function statisticsOf(x: NdArray<Float64Array>, sizes: NormSizes): Statistic[] {
  const blocks = Array.from(
    { length: sizes.sampleGroups * sizes.channelGroups },
    () => [] as number[],
  );
  x.data.forEach((value, position) => blocks[blockOf(position, sizes).block].push(value));
  return blocks.map((values) => {
    const count = values.length;
    const average = (of: (v: number) => number) =>
      count === 0 ? 0 : values.reduce((sum, v) => sum + of(v), 0) / count;
    const mean = average((v) => v);
    const variance = average((v) => (v - mean) ** 2);
    const meanError = sumTolerance(count) * average(Math.abs) + 1e-37;
    const inputRounding = 2 * u * average(Math.abs);
    const varianceError = (sumTolerance(count) + 4 * u) * variance + meanError ** 2 +
      2 * Math.sqrt(variance) * inputRounding + 1e-37;
    return { count, mean, variance, meanError, varianceError };
  });
}
