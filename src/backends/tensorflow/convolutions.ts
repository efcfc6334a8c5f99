/**
 * The convolution and its gradients composed of TensorFlow's own kernels: explicit zero padding, then
 * "valid" ([recurrent-vae §13]: "same" pads the wrong side for odd sizes).
 */
import { ShapeError } from "../../base/errors.ts";
import { tf } from "../../deps/tfjs.ts";
import { runKernel } from "../kernel_calls.ts";
import type { ConvAttributes, Triple } from "../kernel_contract.ts";

/**
 * y = convolution of x (kernel contract, `runConv3d`).
 *
 * @param inputs Tensors.
 * @param attributes Geometry.
 */
export function conv3d(
  inputs: { x: tf.Tensor; filter: tf.Tensor; bias?: tf.Tensor },
  attributes: ConvAttributes,
): tf.Tensor {
  const { x, filter, bias } = inputs;
  const output = outputSize(spatial(x.shape, 1), spatial(filter.shape, 0), attributes);
  const shape = [x.shape[0], ...output, channels(filter)];
  if (isEmpty(shape)) return tf.zeros(shape);
  const [y] = runKernel("Conv3D", { x: padded(x, attributes.padding), filter }, {
    strides: [...attributes.stride],
    pad: "valid",
    dataFormat: "NDHWC",
    dilations: [1, 1, 1],
  });
  return bias ? tf.add(y, bias) : y;
}

/**
 * dx from dy (kernel contract, `runConv3dInputGradient`).
 *
 * @param inputs Tensors.
 * @param attributes Geometry.
 */
export function conv3dInputGradient(
  { dy, filter }: { dy: tf.Tensor; filter: tf.Tensor },
  attributes: ConvAttributes & { readonly inputSize: Triple },
): tf.Tensor {
  const { inputSize, padding } = attributes;
  requireOutput(dy.shape, outputSize(inputSize, spatial(filter.shape, 0), attributes));
  const shape = [dy.shape[0], ...inputSize, filter.shape[3] as number];
  if (isEmpty(shape) || isEmpty(dy.shape)) return tf.zeros(shape);
  const around = inputSize.map((n, axis) => n + 2 * padding[axis]);
  const [dx] = runKernel("Conv3DBackpropInputV2", { dy, filter }, {
    strides: [...attributes.stride],
    pad: "valid",
    inputShape: [shape[0], ...around, shape[4]],
  });
  return padding.some((p) => p > 0) ? tf.slice(dx, [0, ...padding, 0], shape) : dx;
}

/**
 * dw from x and dy (kernel contract, `runConv3dFilterGradient`).
 *
 * @param inputs Tensors.
 * @param attributes Geometry.
 */
export function conv3dFilterGradient(
  { x, dy }: { x: tf.Tensor; dy: tf.Tensor },
  attributes: ConvAttributes & { readonly kernel: Triple },
): tf.Tensor {
  requireOutput(dy.shape, outputSize(spatial(x.shape, 1), attributes.kernel, attributes));
  const shape = [...attributes.kernel, channels(x), channels(dy)];
  if (isEmpty(dy.shape) || isEmpty(x.shape)) return tf.zeros(shape);
  const [dFilter] = runKernel(
    "Conv3DBackpropFilterV2",
    { x: padded(x, attributes.padding), dy },
    { strides: [...attributes.stride], pad: "valid", filterShape: shape },
  );
  return dFilter;
}

function padded(x: tf.Tensor, padding: Triple): tf.Tensor {
  if (padding.every((p) => p === 0)) return x;
  return tf.pad(x, [[0, 0], ...padding.map((p): [number, number] => [p, p]), [0, 0]]);
}

function outputSize(input: Triple, kernel: Triple, { stride, padding }: ConvAttributes): number[] {
  return input.map((n, a) =>
    Math.max(0, Math.floor((n + 2 * padding[a] - kernel[a]) / stride[a]) + 1)
  );
}

function requireOutput(shape: readonly number[], needed: readonly number[]): void {
  if (needed.every((n, axis) => n === shape[axis + 1])) return;
  throw new ShapeError(
    `Differentiating a convolution: dy has spatial size [${shape.slice(1, 4)}], needs [${needed}]`,
    shape,
    `[${needed}]`,
  );
}

function spatial(shape: readonly number[], at: number): Triple {
  return [shape[at], shape[at + 1], shape[at + 2]];
}

/** Length of the last of five axes. */
function channels(tensor: tf.Tensor): number {
  return tensor.shape[4] as number;
}

function isEmpty(shape: readonly number[]): boolean {
  return shape.some((n) => n === 0);
}
