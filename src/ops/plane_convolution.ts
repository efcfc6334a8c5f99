/**
 * Convolutions in one and two spatial axes and their gradients, as a matrix product of unfolded windows or on the direct
 * kernels of the 3-D convolutions; {@link chooseConvolution} decides.
 *
 * Unfolded, every window of x is a row `[kernel·Ci]`, written by one kernel whatever stride, dilation and padding
 * are; its transpose folds a gradient back. The direct kernels need no such copy, but know zero padding and
 * dilation 1 only.
 */
import {
  runConv3d,
  runConv3dFilterGradient,
  runConv3dInputGradient,
  type Triple,
} from "../backends/kernel_contract.ts";
import {
  listedAxis,
  runTapSum,
  type Tap,
  type TapMap,
  transposedMap,
} from "../backends/tap_contract.ts";
import { tf } from "../deps/tfjs.ts";
import { type PaddingMode, placeInside } from "./padding.ts";
import { rememberedMap, threeAxes } from "./tap_maps.ts";

/** Everything that decides a convolution of `[B, …, Ci]` with `[…, Ci, Co]`; one number per spatial axis. */
export interface PlaneSizes {
  readonly samples: number;
  readonly input: readonly number[];
  readonly kernel: readonly number[];
  readonly output: readonly number[];
  readonly stride: readonly number[];
  readonly dilation: readonly number[];
  readonly padding: readonly number[];
  readonly mode: PaddingMode;
  /** Ci and Co. */
  readonly channels: readonly [input: number, output: number];
}

/** A convolution y = C(x, w) and its two gradients, none of them on the tape. */
export interface PlaneConvolution {
  /** x `[B, …, Ci]`, filter `[…, Ci, Co]` → `[B, …, Co]`. */
  forward(x: tf.Tensor, filter: tf.Tensor): tf.Tensor;
  /** dy `[B, …, Co]`, filter → dx. */
  inputGradient(dy: tf.Tensor, filter: tf.Tensor): tf.Tensor;
  /** x, dy → gradient in the filter. */
  filterGradient(x: tf.Tensor, dy: tf.Tensor): tf.Tensor;
}

/** Most bytes of unfolded windows at a time; more samples are taken in runs. */
const UNFOLDED_BYTES = 32 * 2 ** 20;

/** Product of numbers. */
export function product(numbers: readonly number[]): number {
  return numbers.reduce((result, n) => result * n, 1);
}

/**
 * The faster of the two ways, pass by pass. Measured on the wasm engine, one thread, 32 sequences of 128 and 4 planes of
 * 32×32 places, kernels of 1 to 7, strides 1 and 2 (direct ÷ unfolded time):
 *
 * | channels | forward | input gradient | filter gradient |
 * | --- | --- | --- | --- |
 * | 1 → 16 | 0.5–1.0 | 1.1–4.2 | 0.9–1.3 |
 * | 3 → 32 | 0.9–1.5 | 1.8–3.7 | 2.0–7.0 |
 * | 8 → 8 | 0.4–1.7 | 1.0–2.4 | 0.3–0.5 |
 * | 16 → 16 and 16 → 32 | 0.7–2.3 | 0.9–2.6 | 0.3–1.3 |
 * | 16 → 1 and 32 → 3 | 0.6–1.4 | 0.3–1.3 | 1.1–4.7 |
 * | 32 → 32 | 1.3–1.6 | 1.0–1.8 | 0.7–1.1 |
 * | 64 → 64 to 256 → 256 | 1.3–4.0 | 1.1–4.5 | 0.9–6.3 |
 * | any, kernel 1 | 1.5–4.3 | 1.7–3.5 | 0.7–3.9 |
 *
 * @param sizes Of the convolution.
 */
export function chooseConvolution(sizes: PlaneSizes): PlaneConvolution {
  const unfolded = unfoldedConvolution(sizes);
  const { kernel, dilation, mode, channels: [ci, co] } = sizes;
  const known = mode === "zero" && dilation.every((n) => n === 1) && kernel.some((k) => k > 1);
  if (!known) return unfolded;
  const direct = directConvolution(sizes);
  const inFours = ci % 4 === 0 && co % 4 === 0;
  return {
    forward: (ci === 1 || co < 8 ? direct : unfolded).forward,
    inputGradient: (co < 8 ? direct : unfolded).inputGradient,
    filterGradient: (inFours && ci * co <= 512 ? direct : unfolded).filterGradient,
  };
}

/**
 * Windows as rows, then matrix products.
 *
 * @param sizes Of the convolution.
 */
export function unfoldedConvolution(sizes: PlaneSizes): PlaneConvolution {
  const { samples, input, kernel, output, channels: [ci, co] } = sizes;
  const columns = product(kernel) * ci;
  const rows = product(output);
  const matrix = (filter: tf.Tensor) => tf.reshape(filter, [columns, co]);
  const flat = (y: tf.Tensor) => tf.reshape(y, [y.shape[0] * rows, co]);
  const runs = runsOfSamples(samples, 4 * rows * columns);
  const unfold = (x: tf.Tensor) => unfolded(x, sizes);
  const fold = (windows: tf.Tensor, n: number) =>
    isMatrix(sizes)
      ? tf.reshape(windows, [n, ...input, ci])
      : runTapSum(windows, transposedMap(unfoldMap(n, sizes)));
  return {
    forward: (x, filter) =>
      tf.tidy(() => {
        if (samples === 0) return tf.zeros([0, ...output, co]);
        const parts = runs.map((run) => tf.matMul(unfold(samplesOf(x, run)), matrix(filter)));
        return tf.reshape(joined(parts), [samples, ...output, co]);
      }),
    inputGradient: (dy, filter) =>
      tf.tidy(() => {
        if (samples === 0) return tf.zeros([0, ...input, ci]);
        return joined(runs.map((run) => {
          const windows = tf.matMul(flat(samplesOf(dy, run)), matrix(filter), false, true);
          return fold(windows, run[1] - run[0]);
        }));
      }),
    filterGradient: (x, dy) =>
      tf.tidy(() => {
        if (samples === 0) return tf.zeros([...kernel, ci, co]);
        const sums = runs.map((run) =>
          tf.matMul(unfold(samplesOf(x, run)), flat(samplesOf(dy, run)), true, false)
        );
        return tf.reshape(sums.reduce((a, b) => tf.add(a, b)), [...kernel, ci, co]);
      }),
  };
}

/**
 * The direct kernels of the 3-D convolutions on volumes of one plane.
 *
 * @param sizes Zero padding, dilation 1.
 */
export function directConvolution(sizes: PlaneSizes): PlaneConvolution {
  const { samples, input, kernel, stride, padding, channels: [ci, co] } = sizes;
  const geometry = { stride: volume(stride, 1), padding: volume(padding, 0) };
  const five = (x: tf.Tensor, channels: number) =>
    tf.reshape(x, [samples, ...volume(x.shape.slice(1, -1), 1), channels]);
  const weights = (filter: tf.Tensor) => tf.reshape(filter, [...volume(kernel, 1), ci, co]);
  return {
    forward: (x, filter) =>
      tf.tidy(() => {
        const y = runConv3d(five(x, ci), weights(filter), null, geometry);
        return tf.reshape(y, [samples, ...sizes.output, co]);
      }),
    inputGradient: (dy, filter) =>
      tf.tidy(() => {
        const attributes = { ...geometry, inputSize: volume(input, 1) };
        const dx = runConv3dInputGradient(five(dy, co), weights(filter), attributes);
        return tf.reshape(dx, [samples, ...input, ci]);
      }),
    filterGradient: (x, dy) =>
      tf.tidy(() => {
        const attributes = { ...geometry, kernel: volume(kernel, 1) };
        const gradient = runConv3dFilterGradient(five(x, ci), five(dy, co), attributes);
        return tf.reshape(gradient, [...kernel, ci, co]);
      }),
  };
}

/** One or two numbers as three, `filler` in front. */
function volume(numbers: readonly number[], filler: number): Triple {
  return numbers.length === 1 ? [filler, filler, numbers[0]] : [filler, numbers[0], numbers[1]];
}

/** Whether x is its own matrix of windows. */
function isMatrix({ kernel, stride, padding }: PlaneSizes): boolean {
  return [...kernel, ...stride].every((n) => n === 1) && padding.every((n) => n === 0);
}

/** x `[n, …, Ci]` → the windows `[n·positions, kernel·Ci]`. */
function unfolded(x: tf.Tensor, sizes: PlaneSizes): tf.Tensor {
  if (isMatrix(sizes)) return tf.reshape(x, [x.shape[0] * product(sizes.output), -1]);
  return runTapSum(x, unfoldMap(x.shape[0], sizes));
}

/** The map from x to its windows. */
function unfoldMap(samples: number, sizes: PlaneSizes): TapMap {
  return rememberedMap(["windows", samples, sizes], () => newUnfoldMap(samples, sizes));
}

/** Places of an axis are pairs (output, tap of the kernel), which stand apart in the result. */
function newUnfoldMap(samples: number, sizes: PlaneSizes): TapMap {
  const { input, kernel, output, stride, dilation, padding, mode, channels: [ci] } = sizes;
  const columns = product(kernel) * ci;
  const axes = input.map((length, a) => {
    const lists: Tap[][] = [];
    const to: number[] = [];
    const outputStep = product(output.slice(a + 1)) * columns;
    const tapStep = product(kernel.slice(a + 1)) * ci;
    for (let o = 0; o < output[a]; o++) {
      for (let k = 0; k < kernel[a]; k++) {
        const place = placeInside(o * stride[a] + k * dilation[a] - padding[a], length, mode);
        lists.push(place < 0 ? [] : [place]);
        to.push(o * outputStep + k * tapStep);
      }
    }
    const step = product(input.slice(a + 1)) * ci;
    return listedAxis(lists, { length, step, to: new Int32Array(to) });
  });
  return {
    axes: threeAxes(axes),
    samples,
    inner: ci,
    inputShape: [samples, ...input, ci],
    outputShape: [samples * product(output), columns],
  };
}

/** Runs of samples whose windows take at most {@link UNFOLDED_BYTES}. */
function runsOfSamples(samples: number, bytesPerSample: number): [first: number, end: number][] {
  const most = Math.max(1, Math.floor(UNFOLDED_BYTES / bytesPerSample));
  const count = Math.ceil(samples / most);
  return Array.from({ length: count }, (_, i) => [
    Math.floor(i * samples / count),
    Math.floor((i + 1) * samples / count),
  ]);
}

function samplesOf(x: tf.Tensor, [first, end]: readonly [number, number]): tf.Tensor {
  if (first === 0 && end === x.shape[0]) return x;
  const rest = x.shape.slice(1);
  return tf.slice(x, [first, ...rest.map(() => 0)], [end - first, ...rest]);
}

function joined(parts: tf.Tensor[]): tf.Tensor {
  return parts.length === 1 ? parts[0] : tf.concat(parts, 0);
}
