/** Average and max pooling over windows in one to three spatial axes, with gradients. */
import {
  runTapMaximum,
  runTapMaximumGradient,
  type Tap,
  transposedMap,
} from "../backends/tap_contract.ts";
import { ConfigError, ShapeError } from "../base/errors.ts";
import type { tf } from "../deps/tfjs.ts";
import { runDifferentiable } from "./differentiable.ts";
import {
  applyTaps,
  type PerAxis,
  perAxis,
  rememberedMap,
  spatialLengths,
  spatialMap,
  type TapLists,
} from "./tap_maps.ts";

/** Windows of a pooling. */
export interface PoolingOptions {
  /** Length of the windows, at least 1. */
  readonly kernel: PerAxis;
  /** Step between windows, at least 1; default the kernel. */
  readonly stride?: PerAxis;
  /** Places outside on both sides of each axis, at most half the kernel; default 0. */
  readonly padding?: PerAxis;
}

/** Options of {@link averagePool}. */
export interface AveragePoolOptions extends PoolingOptions {
  /** Whether places outside count as zeros (the default, as in PyTorch); otherwise the mean of those inside. */
  readonly countPadding?: boolean;
}

/**
 * Mean of each window. Differentiable.
 *
 * @param x `[B, L, C]`, `[B, Y, X, C]` or `[B, Z, Y, X, C]` float32.
 * @param options Windows.
 * @returns Each spatial length ⌊(n + 2·padding − kernel)/stride⌋ + 1.
 * @throws {ConfigError} for a bad kernel, stride or padding.
 * @throws {ShapeError} when x has other axes or is smaller than a window.
 */
export function averagePool(x: tf.Tensor, options: AveragePoolOptions): tf.Tensor {
  const { countPadding = true } = options;
  const sizes = windowSizes("Average pooling", x, options);
  const map = rememberedMap(["average", x.shape, sizes, countPadding], () => {
    const lists = sizes.map((axis) =>
      insideWindows(axis).map((inside) =>
        inside.map(({ place }): Tap => [place, 1 / (countPadding ? axis.kernel : inside.length)])
      )
    );
    return spatialMap(x.shape, lists);
  });
  return applyTaps(x, map);
}

/**
 * Largest value of each window; places outside do not take part. A NaN in a window is its result. The gradient goes to
 * the first of equal values. Differentiable.
 *
 * @param x `[B, L, C]`, `[B, Y, X, C]` or `[B, Z, Y, X, C]` float32.
 * @param options Windows.
 * @returns Each spatial length ⌊(n + 2·padding − kernel)/stride⌋ + 1.
 * @throws {ConfigError} for a bad kernel, stride or padding.
 * @throws {ShapeError} when x has other axes or is smaller than a window.
 */
export function maxPool(x: tf.Tensor, options: PoolingOptions): tf.Tensor {
  const sizes = windowSizes("Max pooling", x, options);
  const map = rememberedMap(["largest", x.shape, sizes], () => {
    // The weights number the taps of a window: kernels of the axes behind multiply.
    const lists = sizes.map((axis, a): TapLists => {
      const step = sizes.slice(a + 1).reduce((product, { kernel }) => product * kernel, 1);
      return insideWindows(axis).map((inside) =>
        inside.map(({ place, tap }): Tap => [place, tap * step])
      );
    });
    return spatialMap(x.shape, lists);
  });
  return runDifferentiable([x], {
    forward([source], save) {
      const { y, winner } = runTapMaximum(source, map);
      save([winner]);
      return y;
    },
    gradient: (dy, [winner]) => [runTapMaximumGradient(dy, winner, transposedMap(map))],
  });
}

/** The windows of one axis. */
interface AxisWindows {
  readonly length: number;
  readonly kernel: number;
  readonly stride: number;
  readonly padding: number;
  /** Number of windows. */
  readonly count: number;
}

/** By window: the places inside, and which tap of the window each is. */
function insideWindows(axis: AxisWindows): { place: number; tap: number }[][] {
  return Array.from({ length: axis.count }, (_, o) => {
    const inside: { place: number; tap: number }[] = [];
    for (let tap = 0; tap < axis.kernel; tap++) {
      const place = o * axis.stride - axis.padding + tap;
      if (place >= 0 && place < axis.length) inside.push({ place, tap });
    }
    return inside;
  });
}

function windowSizes(doing: string, x: tf.Tensor, options: PoolingOptions): AxisWindows[] {
  const lengths = spatialLengths(doing, x);
  const axes = lengths.length;
  const kernel = perAxis(doing, "kernel", { given: options.kernel, otherwise: 1, axes, least: 1 });
  const given = options.stride ?? kernel;
  const stride = perAxis(doing, "stride", { given, otherwise: 1, axes, least: 1 });
  const padding = perAxis(doing, "padding", {
    given: options.padding,
    otherwise: 0,
    axes,
    least: 0,
  });
  if (padding.some((n, a) => 2 * n > kernel[a])) {
    throw new ConfigError(
      "padding",
      `${doing}: padding is [${padding.join(", ")}] with windows of [${kernel.join(", ")}], ` +
        "needs at most half a window, so that none lies outside",
    );
  }
  return lengths.map((length, a) => {
    const count = Math.floor((length + 2 * padding[a] - kernel[a]) / stride[a]) + 1;
    if (count < 1) {
      throw new ShapeError(
        `${doing}: x has shape [${x.shape.join(", ")}], needs spatial lengths of at least ` +
          `[${kernel.map((k, i) => k - 2 * padding[i]).join(", ")}] for windows of [${
            kernel.join(", ")
          }]`,
        x.shape,
        "spatial lengths of at least a window",
      );
    }
    return { length, kernel: kernel[a], stride: stride[a], padding: padding[a], count };
  });
}
