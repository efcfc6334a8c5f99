/**
 * The one loop behind convolution and transposed convolution: every output voxel gathers the source
 * voxels that its taps reach. Scalar, float64 sums, channels last.
 *
 * Loop order: sample, output row (z, y), taps z and y, block of four output channels (four sums in registers),
 * x along the row, tap x, source channel. Source and weights are float64 copies, so that the inner loop sees one array type whatever the
 * engine stores and converts nothing; a voxel is read by many taps, the copy is made once.
 */
import type { FloatArray } from "../../base/arrays.ts";
import type { AxisTaps } from "./axis_taps.ts";

/** Channels computed together; remaining channels are computed one by one. */
const BLOCK = 4;

/** Tap tables of the three axes in tensor order z, y, x. */
export type VolumeTaps = readonly [AxisTaps, AxisTaps, AxisTaps];

/** Sizes of one gathering convolution. */
export interface GatherPlan {
  readonly samples: number;
  readonly taps: VolumeTaps;
  /** Source volume `[Z, Y, X]`. */
  readonly sourceSize: readonly [number, number, number];
  readonly sourceChannels: number;
  readonly outputChannels: number;
  /** Filter lengths `[kz, ky, kx]`. */
  readonly kernel: readonly [number, number, number];
}

/**
 * Rearranges a filter `[kz, ky, kx, a, b]` for the gather loop: blocks of four output channels, each
 * `[tap, source channel, 4]`, then the remaining channels, each `[tap, source channel]`.
 *
 * @param filter Values of the filter.
 * @param sizes `taps` = kz·ky·kx. `transposed` false: source a, output b. True: source b, output a.
 */
export function packFilter(
  filter: FloatArray,
  sizes: { taps: number; source: number; output: number; transposed: boolean },
): Float64Array {
  const { taps, source, output, transposed } = sizes;
  const packed = new Float64Array(filter.length);
  const at = transposed
    ? (tap: number, s: number, o: number) => (tap * output + o) * source + s
    : (tap: number, s: number, o: number) => (tap * source + s) * output + o;
  let position = 0;
  for (let start = 0; start < output;) {
    const width = start + BLOCK <= output ? BLOCK : 1;
    for (let tap = 0; tap < taps; tap++) {
      for (let s = 0; s < source; s++) {
        for (let o = start; o < start + width; o++) packed[position++] = filter[at(tap, s, o)];
      }
    }
    start += width;
  }
  return packed;
}

/**
 * out[n, o, co] = bias[co] + Σ over taps and source channels of source · weight.
 *
 * @param out `[samples, output voxels, outputChannels]`, overwritten.
 * @param source `[samples, source voxels, sourceChannels]`.
 * @param rest `weights` from {@link packFilter}, `bias` of length outputChannels or null.
 */
export function gatherConvolution(
  out: FloatArray,
  source: FloatArray,
  rest: { plan: GatherPlan; weights: Float64Array; bias: FloatArray | null },
): void {
  const { plan, weights } = rest;
  const bias = new Float64Array(plan.outputChannels);
  if (rest.bias) bias.set(rest.bias);
  const [z, y, x] = plan.taps;
  const sourceLength = volume(plan.sourceSize) * plan.sourceChannels;
  const rowLength = x.length * plan.outputChannels;
  const sample = new Float64Array(sourceLength);
  const row = new Float64Array(rowLength);
  let position = 0;
  for (let n = 0; n < plan.samples; n++) {
    sample.set(source.subarray(n * sourceLength, (n + 1) * sourceLength));
    for (let oz = 0; oz < z.length; oz++) {
      for (let oy = 0; oy < y.length; oy++) {
        gatherRow(row, sample, { plan, weights, bias, oz, oy });
        out.set(row, position);
        position += rowLength;
      }
    }
  }
}

interface RowTask {
  readonly plan: GatherPlan;
  readonly weights: Float64Array;
  readonly bias: Float64Array;
  readonly oz: number;
  readonly oy: number;
}

/** Computes one row of output voxels: one pass along the row for every pair of z and y taps. */
function gatherRow(row: Float64Array, sample: Float64Array, task: RowTask): void {
  const { plan, weights, bias, oz, oy } = task;
  const { sourceChannels, outputChannels, kernel: [, ky, kx] } = plan;
  const [z, y] = plan.taps;
  const [, sourceY, sourceX] = plan.sourceSize;
  const blockWeights = volume(plan.kernel) * sourceChannels;
  for (let start = 0; start < row.length; start += outputChannels) row.set(bias, start);
  for (let tz = z.first[oz]; tz < z.first[oz + 1]; tz++) {
    for (let ty = y.first[oy]; ty < y.first[oy + 1]; ty++) {
      const sourceRow = (z.source[tz] * sourceY + y.source[ty]) * sourceX;
      const firstTap = (z.tap[tz] * ky + y.tap[ty]) * kx;
      const pass = { plan, sample, weights, source: sourceRow * sourceChannels };
      let channel = 0;
      for (; channel + BLOCK <= outputChannels; channel += BLOCK) {
        const weight = channel * blockWeights + firstTap * sourceChannels * BLOCK;
        addToFour(row, channel, { ...pass, weight });
      }
      for (; channel < outputChannels; channel++) {
        const weight = channel * blockWeights + firstTap * sourceChannels;
        addToOne(row, channel, { ...pass, weight });
      }
    }
  }
}

/** One pass along a row of output voxels. */
interface Pass {
  readonly plan: GatherPlan;
  readonly sample: Float64Array;
  readonly weights: Float64Array;
  /** Position of the source row. */
  readonly source: number;
  /** Position of the weights of tap x = 0. */
  readonly weight: number;
}

/** Adds to four neighbouring channels, from `channel` on, of every voxel of the row. */
function addToFour(row: Float64Array, channel: number, pass: Pass): void {
  const { sample, weights, plan: { sourceChannels, outputChannels, taps } } = pass;
  const { first, tap, source, length } = taps[2];
  for (let ox = 0, at = channel; ox < length; ox++, at += outputChannels) {
    let s0 = row[at], s1 = row[at + 1], s2 = row[at + 2], s3 = row[at + 3];
    for (let t = first[ox], tapEnd = first[ox + 1]; t < tapEnd; t++) {
      let i = pass.source + source[t] * sourceChannels;
      let w = pass.weight + tap[t] * sourceChannels * BLOCK;
      for (const end = i + sourceChannels; i < end; i++, w += BLOCK) {
        const value = sample[i];
        s0 += value * weights[w];
        s1 += value * weights[w + 1];
        s2 += value * weights[w + 2];
        s3 += value * weights[w + 3];
      }
    }
    row[at] = s0;
    row[at + 1] = s1;
    row[at + 2] = s2;
    row[at + 3] = s3;
  }
}

/** Adds to one channel of every voxel of the row. */
function addToOne(row: Float64Array, channel: number, pass: Pass): void {
  const { sample, weights, plan: { sourceChannels, outputChannels, taps } } = pass;
  const { first, tap, source, length } = taps[2];
  for (let ox = 0, at = channel; ox < length; ox++, at += outputChannels) {
    // Four sums, so that one addition need not wait for the last.
    let s0 = row[at], s1 = 0, s2 = 0, s3 = 0;
    for (let t = first[ox], tapEnd = first[ox + 1]; t < tapEnd; t++) {
      let i = pass.source + source[t] * sourceChannels;
      let w = pass.weight + tap[t] * sourceChannels;
      const end = i + sourceChannels;
      for (; i + 4 <= end; i += 4, w += 4) {
        s0 += sample[i] * weights[w];
        s1 += sample[i + 1] * weights[w + 1];
        s2 += sample[i + 2] * weights[w + 2];
        s3 += sample[i + 3] * weights[w + 3];
      }
      for (; i < end; i++, w++) s0 += sample[i] * weights[w];
    }
    row[at] = (s0 + s1) + (s2 + s3);
  }
}

function volume(size: readonly [number, number, number]): number {
  return size[0] * size[1] * size[2];
}
