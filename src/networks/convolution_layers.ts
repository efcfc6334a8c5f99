/** Convolutions of images with one, two or three axes as layers. */
import type { tf } from "../deps/tfjs.ts";
import type { Triple } from "../backends/kernel_contract.ts";
import { ConfigError } from "../base/errors.ts";
import { conv3d } from "../ops/conv3d.ts";
import { convTranspose3d } from "../ops/conv_transpose3d.ts";
import { conv1d, conv2d, convTranspose1d, convTranspose2d } from "../ops/convolution.ts";
import { reflectPad } from "../ops/padding.ts";
import { convolutionEntries } from "../parameters/layers.ts";
import type { Layer } from "./layers.ts";
import { requireImage } from "./sample_shape.ts";

/** A number for all axes, or one for each in PyTorch's order `[X, Y, Z]`. */
export type PerImageAxis = number | readonly number[];

/** Options of {@link convolution}. */
export interface ConvolutionLayerOptions {
  /** 1 … 7; default 3. */
  readonly kernel?: PerImageAxis;
  /** 1 … 3; default 1. */
  readonly stride?: PerImageAxis;
  /** Places outside on both sides; default 1. */
  readonly padding?: PerImageAxis;
  /** What stands there: `"zero"` (default) or `"reflect"`. */
  readonly paddingMode?: "zero" | "reflect";
}

/** Options of {@link transposedConvolution}. */
export interface TransposedLayerOptions extends Omit<ConvolutionLayerOptions, "paddingMode"> {
  /** Further places at the end of each axis, below the stride; default 0. */
  readonly outputPadding?: PerImageAxis;
}

/**
 * A convolution with bias: `NAME.weight` `[O, I, kx, ky, kz]`, `NAME.bias`.
 *
 * @param channels O.
 * @param options Geometry.
 * @throws {ConfigError} when nothing would be left of the image.
 */
export function convolution(channels: number, options: ConvolutionLayerOptions = {}): Layer {
  return (name, input) => {
    requireImage(name, input);
    const [inputs, ...extent] = input.axes;
    const { kernel, stride, padding, memory } = geometryOf(name, extent.length, options);
    const reflect = options.paddingMode === "reflect";
    const lengths = extent.map((n, a) =>
      Math.floor((n + 2 * padding[a] - kernel[a]) / stride[a]) + 1
    );
    requireRoom(name, extent, lengths);
    const forward = (x: tf.Tensor, filter: tf.Tensor, bias: tf.Tensor) => {
      if (extent.length < 3) {
        const run = extent.length === 1 ? conv1d : conv2d;
        return run(x, filter, { bias, ...memory, paddingMode: reflect ? "reflect" : "zero" });
      }
      const padded = reflect ? reflectPad(x, { before: memory.padding, after: memory.padding }) : x;
      const around = reflect ? 0 : triple(memory.padding);
      return conv3d(padded, filter, { bias, stride: triple(memory.stride), padding: around });
    };
    return {
      entries: convolutionEntries(name, { axes: [channels, inputs, ...kernel] }),
      output: { axes: [channels, ...lengths], flat: false },
      kind: `convolution ${inFew(kernel)}, stride ${inFew(stride)}`,
      forward: (x, { tensor }) => forward(x, tensor(`${name}.weight`), tensor(`${name}.bias`)),
    };
  };
}

/**
 * A transposed convolution with bias: `NAME.weight` `[I, O, kx, ky, kz]`, `NAME.bias`.
 *
 * @param channels O.
 * @param options Geometry.
 * @throws {ConfigError} when nothing would be left of the image.
 */
export function transposedConvolution(
  channels: number,
  options: TransposedLayerOptions = {},
): Layer {
  return (name, input) => {
    requireImage(name, input);
    const [inputs, ...extent] = input.axes;
    const { kernel, stride, padding, memory } = geometryOf(name, extent.length, options);
    const extra = perImageAxis(name, "outputPadding", {
      given: options.outputPadding ?? 0,
      axes: extent.length,
      range: [0, 2],
    });
    const lengths = extent.map((n, a) =>
      (n - 1) * stride[a] - 2 * padding[a] + kernel[a] + extra[a]
    );
    requireRoom(name, extent, lengths);
    const outputPadding = extra.toReversed();
    const forward = (x: tf.Tensor, filter: tf.Tensor, bias: tf.Tensor) => {
      if (extent.length < 3) {
        const run = extent.length === 1 ? convTranspose1d : convTranspose2d;
        return run(x, filter, { bias, ...memory, outputPadding });
      }
      return convTranspose3d(x, filter, {
        bias,
        stride: triple(memory.stride),
        padding: triple(memory.padding),
        outputPadding: triple(outputPadding),
      });
    };
    return {
      entries: convolutionEntries(name, { axes: [inputs, channels, ...kernel], transposed: true }),
      output: { axes: [channels, ...lengths], flat: false },
      kind: `transposed convolution ${inFew(kernel)}, stride ${inFew(stride)}`,
      forward: (x, { tensor }) => forward(x, tensor(`${name}.weight`), tensor(`${name}.bias`)),
    };
  };
}

/** Every axis spelt out, in PyTorch's order and in memory's. */
function geometryOf(name: string, axes: number, options: ConvolutionLayerOptions) {
  const { kernel = 3, stride = 1, padding = 1 } = options;
  const spelt = {
    kernel: perImageAxis(name, "kernel", { given: kernel, axes, range: [1, 7] }),
    stride: perImageAxis(name, "stride", { given: stride, axes, range: [1, 3] }),
    padding: perImageAxis(name, "padding", { given: padding, axes, range: [0, 6] }),
  };
  const memory = { stride: spelt.stride.toReversed(), padding: spelt.padding.toReversed() };
  return { ...spelt, memory };
}

function perImageAxis(
  name: string,
  field: string,
  { given, axes, range: [least, most] }: {
    readonly given: PerImageAxis;
    readonly axes: number;
    readonly range: readonly [number, number];
  },
): number[] {
  const values = typeof given === "number" ? new Array<number>(axes).fill(given) : [...given];
  const fits = values.length === axes &&
    values.every((n) => Number.isInteger(n) && n >= least && n <= most);
  if (fits) return values;
  throw new ConfigError(
    field,
    `Cannot make the network: ${name} has a ${field} of [${values}], needs ${axes} whole numbers from ${least} to ${most}`,
  );
}

function requireRoom(name: string, extent: readonly number[], lengths: readonly number[]): void {
  if (lengths.every((n) => n >= 1)) return;
  throw new ConfigError(
    "layers",
    `Cannot make the network: ${name} makes [${lengths}] places of [${extent}], needs at least one along every axis; ` +
      "use a smaller kernel or fewer levels",
  );
}

function inFew(values: readonly number[]): string {
  return new Set(values).size === 1 ? String(values[0]) : values.join("×");
}

function triple([z, y, x]: readonly number[]): Triple {
  return [z, y, x];
}
