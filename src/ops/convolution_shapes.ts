/** Geometry options of convolutions and the shape checks they share. */
import type { Triple } from "../backends/kernel_contract.ts";
import { ConfigError, ShapeError } from "../base/errors.ts";
import type { tf } from "../deps/tfjs.ts";

/** Stride and zero padding; a number stands for all three axes, a triple is in tensor order `[Z, Y, X]`. */
export interface ConvGeometry {
  /** Step between outputs, at least 1. Default 1. */
  readonly stride?: number | Triple;
  /** Zeros on both sides of each axis, at least 0. Default 0. */
  readonly padding?: number | Triple;
}

/** {@link ConvGeometry} with every axis spelt out. */
export interface ResolvedGeometry {
  /** Step between outputs, each at least 1. */
  readonly stride: Triple;
  /** Zeros on both sides of each axis, each at least 0. */
  readonly padding: Triple;
}

/**
 * Spells out a geometry.
 *
 * @param geometry Options as given.
 * @throws {ConfigError} when a value is not an integer in range.
 */
export function resolveGeometry(geometry: ConvGeometry): ResolvedGeometry {
  return {
    stride: triple("stride", geometry.stride ?? 1, 1),
    padding: triple("padding", geometry.padding ?? 0, 0),
  };
}

/**
 * Spells out one value per axis.
 *
 * @param field Name for the error.
 * @param value A number for all axes, or `[Z, Y, X]`.
 * @param minimum Smallest legal value.
 * @throws {ConfigError} when a value is not an integer of at least `minimum`.
 */
export function triple(field: string, value: number | Triple, minimum: number): Triple {
  const values: Triple = typeof value === "number" ? [value, value, value] : value;
  if (values.length !== 3 || values.some((v) => !Number.isInteger(v) || v < minimum)) {
    throw new ConfigError(
      field,
      `Convolving: ${field} is [${values}], needs three integers of at least ${minimum} ` +
        "in the order z, y, x",
    );
  }
  return values;
}

/**
 * Spatial output size of a convolution, per axis floor((n + 2·padding − kernel)/stride) + 1 [recurrent-vae §3.1].
 *
 * @param inputSize `[Z, Y, X]`.
 * @param kernel `[kz, ky, kx]`.
 * @param geometry Stride and padding.
 * @throws {ShapeError} when the padded input is smaller than the kernel.
 */
export function convOutputSize(
  inputSize: Triple,
  kernel: Triple,
  geometry: ConvGeometry = {},
): Triple {
  const { stride, padding } = resolveGeometry(geometry);
  const size = inputSize.map((n, a) =>
    Math.floor((n + 2 * padding[a] - kernel[a]) / stride[a]) + 1
  );
  if (size.some((n) => n < 1)) {
    throw new ShapeError(
      `Convolving a volume of [${inputSize}] with a kernel of [${kernel}]: the padded volume is ` +
        `smaller than the kernel; needs at least [${kernel.map((k, a) => k - 2 * padding[a])}]`,
      inputSize,
      "a padded volume at least as large as the kernel",
    );
  }
  return size as unknown as Triple;
}

/**
 * Spatial output size of a transposed convolution with PyTorch's output_padding, per axis
 * (n − 1)·stride − 2·padding + kernel + outputPadding.
 *
 * @param size `[Z', Y', X']` of the input.
 * @param kernel `[kz, ky, kx]`.
 * @param geometry Stride, padding, and `outputPadding` in 0 … stride − 1 (default 0).
 * @throws {ConfigError} when outputPadding is not below the stride.
 */
export function convTransposeOutputSize(
  size: Triple,
  kernel: Triple,
  geometry: ConvGeometry & { readonly outputPadding?: number | Triple } = {},
): Triple {
  const { stride, padding } = resolveGeometry(geometry);
  const extra = triple("outputPadding", geometry.outputPadding ?? 0, 0);
  if (extra.some((e, a) => e >= stride[a])) {
    throw new ConfigError(
      "outputPadding",
      `Transposed convolution: outputPadding is [${extra}], needs values below stride [${stride}]`,
    );
  }
  return size.map((n, a) =>
    (n - 1) * stride[a] - 2 * padding[a] + kernel[a] + extra[a]
  ) as unknown as Triple;
}

/** Axes 1, 2, 3 of a `[N, Z, Y, X, C]` tensor. */
export function spatialSize(tensor: tf.Tensor): Triple {
  return [tensor.shape[1] ?? 0, tensor.shape[2] ?? 0, tensor.shape[3] ?? 0];
}

/** Axes 0, 1, 2 of a `[kz, ky, kx, in, out]` filter. */
export function kernelSize(filter: tf.Tensor): Triple {
  return [filter.shape[0], filter.shape[1] ?? 0, filter.shape[2] ?? 0];
}
