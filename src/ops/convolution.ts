/** 1-D and 2-D convolutions, channels last, with their gradients (cross-correlation, as in PyTorch). */
import { ConfigError, ShapeError } from "../base/errors.ts";
import { tf } from "../deps/tfjs.ts";
import { conv3dBiasGradient } from "./conv3d.ts";
import { runDifferentiable } from "./differentiable.ts";
import { type PaddingMode, requireRoom } from "./padding.ts";
import { chooseConvolution, type PlaneConvolution, type PlaneSizes } from "./plane_convolution.ts";
import { requireShape } from "./shape_checks.ts";
import { type PerAxis, perAxis } from "./tap_maps.ts";

/** Geometry of a convolution in one or two axes; a pair is in tensor order `[Y, X]`. */
export interface PlaneGeometry {
  /** Step between outputs, at least 1. Default 1. */
  readonly stride?: PerAxis;
  /** Step between the taps of the kernel, at least 1. Default 1. */
  readonly dilation?: PerAxis;
  /** Places outside on both sides of each axis, at least 0. Default 0. */
  readonly padding?: PerAxis;
}

/** Options of {@link conv1d} and {@link conv2d}. */
export interface ConvolutionOptions extends PlaneGeometry {
  /** `[Co]`, added to every place; none by default. */
  readonly bias?: tf.Tensor | null;
  /** What stands outside: "zero" (default), "reflect" (padding below each length) or "replicate". */
  readonly paddingMode?: PaddingMode;
}

/** Options of {@link convTranspose1d} and {@link convTranspose2d}; outside are zeros. */
export interface ConvolutionTransposeOptions extends PlaneGeometry {
  /** `[Co]`, added to every place; none by default. */
  readonly bias?: tf.Tensor | null;
  /** Further places at the end of each axis, below the stride; default 0. */
  readonly outputPadding?: PerAxis;
}

/**
 * y[b, o, co] = bias[co] + Σ_{k, ci} filter[k, ci, co]·x[b, stride·o + dilation·k − padding, ci]. Differentiable in x,
 * filter and bias.
 *
 * @param x `[B, L, Ci]` float32; B may be 0.
 * @param filter `[k, Ci, Co]`.
 * @param options Bias and geometry.
 * @returns `[B, L', Co]`, L' = ⌊(L + 2·padding − dilation·(k − 1) − 1)/stride⌋ + 1.
 * @throws {ShapeError} when shapes do not fit together or the kernel is longer than the padded x.
 * @throws {ConfigError} for a bad stride, dilation or padding.
 */
export function conv1d(
  x: tf.Tensor,
  filter: tf.Tensor,
  options: ConvolutionOptions = {},
): tf.Tensor {
  return convolve(SEQUENCE, { x, filter, options });
}

/**
 * The same in two axes: x `[B, Y, X, Ci]`, filter `[ky, kx, Ci, Co]`. Differentiable in x, filter and bias.
 *
 * @param x `[B, Y, X, Ci]` float32; B may be 0.
 * @param filter `[ky, kx, Ci, Co]`.
 * @param options Bias and geometry.
 * @returns `[B, Y', X', Co]`, lengths as those of {@link conv1d}.
 * @throws {ShapeError} when shapes do not fit together or the kernel is larger than the padded x.
 * @throws {ConfigError} for a bad stride, dilation or padding.
 */
export function conv2d(
  x: tf.Tensor,
  filter: tf.Tensor,
  options: ConvolutionOptions = {},
): tf.Tensor {
  return convolve(PLANE, { x, filter, options });
}

/**
 * Transposed 1-D convolution: y[b, stride·i + dilation·k − padding, co] += filter[k, co, ci]·x[b, i, ci], the input
 * gradient of the convolution with the same filter. Differentiable in x, filter and bias.
 *
 * @param x `[B, L', Ci]` float32; B may be 0.
 * @param filter `[k, Co, Ci]`, that of the convolution it inverts.
 * @param options Bias and geometry.
 * @returns `[B, L, Co]`, L = (L' − 1)·stride − 2·padding + dilation·(k − 1) + outputPadding + 1.
 * @throws {ShapeError} when shapes do not fit together or nothing would be left of y.
 * @throws {ConfigError} for a bad stride, dilation, padding or output padding.
 */
export function convTranspose1d(
  x: tf.Tensor,
  filter: tf.Tensor,
  options: ConvolutionTransposeOptions = {},
): tf.Tensor {
  return convolveTransposed(SEQUENCE, { x, filter, options });
}

/**
 * Transposed 2-D convolution, as {@link convTranspose1d} in two axes. Differentiable in x, filter and bias.
 *
 * @param x `[B, Y', X', Ci]` float32; B may be 0.
 * @param filter `[ky, kx, Co, Ci]`.
 * @param options Bias and geometry.
 * @returns `[B, Y, X, Co]`.
 * @throws {ShapeError} when shapes do not fit together or nothing would be left of y.
 * @throws {ConfigError} for a bad stride, dilation, padding or output padding.
 */
export function convTranspose2d(
  x: tf.Tensor,
  filter: tf.Tensor,
  options: ConvolutionTransposeOptions = {},
): tf.Tensor {
  return convolveTransposed(PLANE, { x, filter, options });
}

/** How tensors of one number of axes are called in messages. */
interface Words {
  readonly axes: number;
  readonly x: string;
  readonly kernel: string;
}

const SEQUENCE: Words = { axes: 1, x: "L", kernel: "k" };
const PLANE: Words = { axes: 2, x: "Y, X", kernel: "ky, kx" };

interface Call<Options> {
  readonly x: tf.Tensor;
  readonly filter: tf.Tensor;
  readonly options: Options;
}

function convolve(words: Words, { x, filter, options }: Call<ConvolutionOptions>): tf.Tensor {
  const doing = "Convolving";
  const { axes } = words;
  requireFilter(doing, words, { filter, channels: "Ci, Co" });
  const [ci, co] = filter.shape.slice(axes);
  requireShape(doing, "x", {
    shape: x.shape,
    pattern: [-1, ...free(axes), ci],
    words: `[B, ${words.x}, Ci]`,
  });
  const geometry = resolve(doing, axes, options);
  const mode = options.paddingMode ?? "zero";
  const [input, kernel] = [x.shape.slice(1, -1), filter.shape.slice(0, axes)];
  requireRoom(doing, mode, { lengths: input, padding: geometry.padding });
  const output = outputLengths(input, kernel, geometry);
  if (output.some((n) => n < 1)) {
    throw new ShapeError(
      `${doing}: x has spatial lengths [${input.join(", ")}], needs at least [${
        kernel.map((k, a) => geometry.dilation[a] * (k - 1) + 1 - 2 * geometry.padding[a])
          .join(", ")
      }] for this kernel; pad more, or use a smaller kernel`,
      input,
      "a padded x at least as long as the kernel",
    );
  }
  const sizes = { samples: x.shape[0], input, kernel, output, ...geometry, mode };
  return onTape({ x, filter, bias: options.bias ?? null }, {
    doing,
    channels: co,
    ...rolesOf(chooseConvolution({ ...sizes, channels: [ci, co] })),
  });
}

function convolveTransposed(
  words: Words,
  { x, filter, options }: Call<ConvolutionTransposeOptions>,
): tf.Tensor {
  const doing = "Transposed convolution";
  const { axes } = words;
  requireFilter(doing, words, { filter, channels: "Co, Ci" });
  const [co, ci] = filter.shape.slice(axes);
  requireShape(doing, "x", {
    shape: x.shape,
    pattern: [-1, ...free(axes), ci],
    words: `[B, ${words.x}, Ci]`,
  });
  const geometry = resolve(doing, axes, options);
  const { stride, dilation, padding } = geometry;
  const given = options.outputPadding;
  const extra = perAxis(doing, "outputPadding", { given, otherwise: 0, axes, least: 0 });
  if (extra.some((n, a) => n >= stride[a])) {
    throw new ConfigError(
      "outputPadding",
      `${doing}: outputPadding is [${extra.join(", ")}], needs values below the stride [${
        stride.join(", ")
      }]`,
    );
  }
  const [from, kernel] = [x.shape.slice(1, -1), filter.shape.slice(0, axes)];
  const lengths = from.map((n, a) =>
    (n - 1) * stride[a] - 2 * padding[a] + dilation[a] * (kernel[a] - 1) + extra[a] + 1
  );
  if (lengths.some((n) => n < 1)) {
    throw new ShapeError(
      `${doing}: x has spatial lengths [${from.join(", ")}], which makes lengths of [${
        lengths.join(", ")
      }], needs at least 1; pad less`,
      from,
      "an x long enough for its padding",
    );
  }
  const convolution = chooseConvolution({
    samples: x.shape[0],
    input: lengths,
    kernel,
    output: from,
    ...geometry,
    mode: "zero",
    channels: [co, ci],
  });
  return onTape({ x, filter, bias: options.bias ?? null }, {
    doing,
    channels: co,
    ...transposedRoles(convolution),
  });
}

/** What the tape needs of an operation that is linear in x and in the filter. */
interface Roles {
  forward(x: tf.Tensor, filter: tf.Tensor): tf.Tensor;
  towardsX(dy: tf.Tensor, filter: tf.Tensor): tf.Tensor;
  towardsFilter(x: tf.Tensor, dy: tf.Tensor): tf.Tensor;
}

function rolesOf(convolution: PlaneConvolution): Roles {
  return {
    forward: convolution.forward,
    towardsX: convolution.inputGradient,
    towardsFilter: convolution.filterGradient,
  };
}

/** The input gradient as forward pass: input and output exchange their roles. */
function transposedRoles(convolution: PlaneConvolution): Roles {
  return {
    forward: convolution.inputGradient,
    towardsX: convolution.forward,
    towardsFilter: (x, dy) => convolution.filterGradient(dy, x),
  };
}

function onTape(
  { x, filter, bias }: { x: tf.Tensor; filter: tf.Tensor; bias: tf.Tensor | null },
  roles: Roles & { readonly doing: string; readonly channels: number },
): tf.Tensor {
  if (bias) {
    requireShape(roles.doing, "bias", {
      shape: bias.shape,
      pattern: [roles.channels],
      words: "[Co]",
    });
  }
  return runDifferentiable(bias ? [x, filter, bias] : [x, filter], {
    forward([input, weights, offset], save) {
      save([input, weights]);
      const y = roles.forward(input, weights);
      return offset && y.size > 0 ? tf.add(y, offset) : y;
    },
    gradient(dy, [input, weights]) {
      const gradients = [roles.towardsX(dy, weights), roles.towardsFilter(input, dy)];
      return bias ? [...gradients, conv3dBiasGradient(dy)] : gradients;
    },
  });
}

type Geometry = Pick<PlaneSizes, "stride" | "dilation" | "padding">;

function resolve(doing: string, axes: number, options: PlaneGeometry): Geometry {
  const spell = (field: "stride" | "dilation" | "padding", least: number) =>
    perAxis(doing, field, { given: options[field], otherwise: least, axes, least });
  return {
    stride: spell("stride", 1),
    dilation: spell("dilation", 1),
    padding: spell("padding", 0),
  };
}

/** ⌊(n + 2·padding − dilation·(k − 1) − 1)/stride⌋ + 1 per axis. */
function outputLengths(
  input: readonly number[],
  kernel: readonly number[],
  { stride, dilation, padding }: Geometry,
): number[] {
  return input.map((n, a) =>
    Math.floor((n + 2 * padding[a] - dilation[a] * (kernel[a] - 1) - 1) / stride[a]) + 1
  );
}

function requireFilter(
  doing: string,
  { axes, kernel }: Words,
  { filter, channels }: { filter: tf.Tensor; channels: string },
): void {
  requireShape(doing, "filter", {
    shape: filter.shape,
    pattern: [...free(axes), -1, -1],
    words: `[${kernel}, ${channels}]`,
  });
}

function free(axes: number): number[] {
  return new Array<number>(axes).fill(-1);
}
