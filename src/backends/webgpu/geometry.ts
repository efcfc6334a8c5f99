/**
 * Sizes of a convolution as the shaders take them, and the choice between tuned and general variants.
 */
import { ShapeError } from "../../base/errors.ts";
import type { tf } from "../../deps/tfjs.ts";
import type { ConvAttributes, Triple } from "../kernel_contract.ts";

/** A convolution from `[N, ...input, inputChannels]` to `[N, ...output, outputChannels]`. */
export interface ConvGeometry {
  readonly samples: number;
  readonly input: Triple;
  readonly output: Triple;
  readonly kernel: Triple;
  readonly stride: Triple;
  readonly padding: Triple;
  readonly inputChannels: number;
  readonly outputChannels: number;
}

/**
 * Works out the geometry.
 *
 * @param sizes Shapes as the kernel contract gives them.
 * @param attributes Stride and padding.
 */
export function convGeometry(
  sizes: {
    samples: number;
    input: Triple;
    kernel: Triple;
    inputChannels: number;
    outputChannels: number;
  },
  attributes: ConvAttributes,
): ConvGeometry {
  const { stride, padding } = attributes;
  const length = (a: 0 | 1 | 2) =>
    Math.max(0, Math.floor((sizes.input[a] + 2 * padding[a] - sizes.kernel[a]) / stride[a]) + 1);
  return { ...sizes, stride, padding, output: [length(0), length(1), length(2)] };
}

/**
 * Checks the shape of a gradient against the geometry it belongs to.
 *
 * @throws {ShapeError} when they differ.
 */
export function requireOutputShape(geometry: ConvGeometry, shape: readonly number[]): void {
  const needed = [geometry.samples, ...geometry.output, geometry.outputChannels];
  if (needed.some((size, axis) => size !== shape[axis])) {
    throw new ShapeError(
      `Differentiating a convolution: dy has shape [${shape}], needs [${needed}]`,
      shape,
      `[${needed}]`,
    );
  }
}

/** True for the model's geometry: kernel 4, stride 2 on every axis (any padding). */
export function isHalving(geometry: ConvGeometry): boolean {
  return geometry.kernel.every((k) => k === 4) && geometry.stride.every((s) => s === 2);
}

/**
 * Spatial part of a shape.
 *
 * @param tensor Of rank 5.
 * @param at First spatial axis.
 */
export function spatialSize(tensor: tf.TensorInfo, at: number): Triple {
  return [tensor.shape[at], tensor.shape[at + 1], tensor.shape[at + 2]];
}

/**
 * Voxels times channels.
 *
 * @param size Spatial size.
 * @param channels Channel count.
 */
export function valuesPerSample(size: Triple, channels: number): number {
  return size[0] * size[1] * size[2] * channels;
}

/** Uniforms every convolution shader has. */
export const GEOMETRY_FIELDS = {
  samples: "u32",
  inZ: "u32",
  inY: "u32",
  inX: "u32",
  outZ: "u32",
  outY: "u32",
  outX: "u32",
  padZ: "u32",
  padY: "u32",
  padX: "u32",
} as const;

/**
 * Values for {@link GEOMETRY_FIELDS}.
 *
 * @param geometry Sizes.
 * @param samples Of this run.
 */
export function geometryValues(geometry: ConvGeometry, samples: number) {
  const { input, output, padding } = geometry;
  return {
    samples,
    inZ: input[0],
    inY: input[1],
    inX: input[2],
    outZ: output[0],
    outY: output[1],
    outX: output[2],
    padZ: padding[0],
    padY: padding[1],
    padX: padding[2],
  };
}

/** Further uniforms of the general shaders, which take any geometry. */
export const GENERAL_FIELDS = {
  ...GEOMETRY_FIELDS,
  kernelZ: "u32",
  kernelY: "u32",
  kernelX: "u32",
  strideZ: "u32",
  strideY: "u32",
  strideX: "u32",
  inChannels: "u32",
  outChannels: "u32",
} as const;

/**
 * Values for {@link GENERAL_FIELDS}.
 *
 * @param geometry Sizes.
 * @param samples Of this run.
 */
export function generalValues(geometry: ConvGeometry, samples: number) {
  const { kernel, stride } = geometry;
  return {
    ...geometryValues(geometry, samples),
    kernelZ: kernel[0],
    kernelY: kernel[1],
    kernelX: kernel[2],
    strideZ: stride[0],
    strideY: stride[1],
    strideX: stride[2],
    inChannels: geometry.inputChannels,
    outChannels: geometry.outputChannels,
  };
}
