/**
 * Sparse linear maps along up to three axes, as kernels every engine provides: place p of an axis is a weighted sum of
 * a few places of the source ("taps"), and the axes multiply. Padding by reflection, unfolding for a
 * convolution, up-sampling and average pooling are choices of taps; the gradient of each is the transposed map.
 * Max pooling takes the largest tap instead of the sum.
 *
 * A tensor is `[samples, places of three axes, inner]`, the inner values contiguous; everything is summed in the order of
 * the taps, so the result has the same bits for any number of threads.
 */
import type { tf } from "../deps/tfjs.ts";
import { runKernel } from "./kernel_calls.ts";

/** Names under which engines register the kernels. */
export const TAP_KERNEL = {
  sum: "RecvaeTapSum",
  maximum: "RecvaeTapMaximum",
  maximumGradient: "RecvaeTapMaximumGradient",
} as const;

/** The taps of one axis: P places of the result, Q of the source. */
export interface AxisTaps {
  /** P + 1 numbers: the taps of place p are numbers first[p] … first[p + 1] − 1. */
  readonly first: Int32Array;
  /** Place of the source that each tap reads, 0 … Q − 1. */
  readonly source: Int32Array;
  /** Factor of each tap. */
  readonly weight: Float64Array;
  /** Where each of the Q places begins in a sample of the source, in values; the three axes add up. */
  readonly at: Int32Array;
  /** Where each of the P places begins in a sample of the result, in values; the three axes add up. */
  readonly to: Int32Array;
}

/** A map of three axes; unused ones have one place and one tap. */
export interface TapMap {
  readonly axes: readonly [AxisTaps, AxisTaps, AxisTaps];
  readonly samples: number;
  /** Values per place. */
  readonly inner: number;
  /** Shape of the source. */
  readonly inputShape: readonly number[];
  /** Shape of the result. */
  readonly outputShape: readonly number[];
}

/**
 * y[n, p, c] = Σ over taps of the three axes of (product of their weights)·x[n, sources, c]; 0 where there are none.
 *
 * @param x float32, shape `map.inputShape`.
 * @param map The taps.
 * @returns Shape `map.outputShape`.
 */
export function runTapSum(x: tf.Tensor, map: TapMap): tf.Tensor {
  return runKernel(TAP_KERNEL.sum, { x }, map)[0];
}

/** Result of {@link runTapMaximum}, both of shape `map.outputShape`. */
export interface TapMaximum {
  /** The largest tap; NaN if one is. */
  readonly y: tf.Tensor;
  /** Sum of the three weights of the (first) largest tap, which tells it apart from the others of its place. */
  readonly winner: tf.Tensor;
}

/** The largest of all taps of each place, which has at least one; weights number the taps (below 2²⁴). */
export function runTapMaximum(x: tf.Tensor, map: TapMap): TapMaximum {
  const [y, winner] = runKernel(TAP_KERNEL.maximum, { x }, map);
  return { y, winner };
}

/**
 * Gradient of {@link runTapMaximum}: dx[n, q, c] = Σ dy over the places whose winner is q.
 *
 * @param dy Shape of the forward result.
 * @param winner Of the forward pass.
 * @param transposed The forward map, {@link transposedMap}.
 */
export function runTapMaximumGradient(
  dy: tf.Tensor,
  winner: tf.Tensor,
  transposed: TapMap,
): tf.Tensor {
  return runKernel(TAP_KERNEL.maximumGradient, { x: dy, winner }, transposed)[0];
}

const transposes = new WeakMap<TapMap, TapMap>();

/** The map from results to sources with the same weights: the gradient of {@link runTapSum}. */
export function transposedMap(map: TapMap): TapMap {
  const known = transposes.get(map);
  if (known !== undefined) return known;
  const [z, y, x] = map.axes;
  const transposed: TapMap = {
    ...map,
    axes: [transposedAxis(z), transposedAxis(y), transposedAxis(x)],
    inputShape: map.outputShape,
    outputShape: map.inputShape,
  };
  transposes.set(map, transposed);
  return transposed;
}

function transposedAxis({ first, source, weight, at, to }: AxisTaps): AxisTaps {
  const counts = new Int32Array(at.length + 1);
  for (const q of source) counts[q + 1]++;
  for (let q = 0; q < at.length; q++) counts[q + 1] += counts[q];
  const next = counts.slice();
  const places = new Int32Array(source.length);
  const weights = new Float64Array(source.length);
  for (let p = 0; p < to.length; p++) {
    for (let t = first[p]; t < first[p + 1]; t++) {
      const position = next[source[t]]++;
      places[position] = p;
      weights[position] = weight[t];
    }
  }
  return { first: counts, source: places, weight: weights, at: to, to: at };
}

/** An axis of one place that reads the one place of the source. */
export function identityAxis(): AxisTaps {
  return listedAxis([[0]], { length: 1, step: 0 });
}

/** One tap: a place of the source, or one with a weight other than 1. */
export type Tap = number | readonly [source: number, weight: number];

/**
 * An axis from the taps of each of its places.
 *
 * @param lists Taps by place.
 * @param sides `length` Q of the source and `step`, values from one place to the next on both sides; `to` where the
 * places of the result begin, if not in steps.
 */
export function listedAxis(
  lists: readonly (readonly Tap[])[],
  sides: { readonly length: number; readonly step: number; readonly to?: Int32Array },
): AxisTaps {
  let taps = 0;
  for (const list of lists) taps += list.length;
  const first = new Int32Array(lists.length + 1);
  const source = new Int32Array(taps);
  const weight = new Float64Array(taps).fill(1);
  for (let p = 0, t = 0; p < lists.length; p++) {
    for (const tap of lists[p]) {
      if (typeof tap === "number") source[t] = tap;
      else {
        source[t] = tap[0];
        weight[t] = tap[1];
      }
      t++;
    }
    first[p + 1] = t;
  }
  const { length, step, to = multiples(lists.length, step) } = sides;
  return { first, source, weight, at: multiples(length, step), to };
}

/** 0, step, 2·step, … */
export function multiples(count: number, step: number): Int32Array {
  const numbers = new Int32Array(count);
  for (let i = 0; i < count; i++) numbers[i] = i * step;
  return numbers;
}

/** Values per sample on the two sides of a map. */
export function sampleValues({ axes, inner }: TapMap): { input: number; output: number } {
  return {
    input: axes.reduce((product, { at }) => product * at.length, inner),
    output: axes.reduce((product, { to }) => product * to.length, inner),
  };
}
