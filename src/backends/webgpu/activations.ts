/** Activations, softmax and dropout with their gradients on the GPU (activation_contract.ts). */
import type { tf } from "../../deps/tfjs.ts";
import type {
  ActivationAttributes,
  DropoutAttributes,
  SoftmaxAttributes,
} from "../activation_contract.ts";
import { activationSlopes, activationValues, dropoutValues } from "./activation_shader.ts";
import type { DeviceBackend } from "./device_backend.ts";
import { bindValues, type BoundItems, splitItems } from "./parts.ts";
import { WORKGROUP } from "./row_units.ts";
import { softmaxGradientRows, softmaxRows } from "./softmax_shader.ts";

/**
 * y = f(x).
 *
 * @param backend Of the device.
 * @param inputs x.
 * @param attributes Which activation.
 */
export function activation(
  backend: DeviceBackend,
  { x }: { readonly x: tf.TensorInfo },
  { activation, alpha }: ActivationAttributes,
): tf.TensorInfo {
  const y = backend.allocate(x.shape);
  forEachPart(backend, [x, y], 1, ([from, to], [first, end]) =>
    backend.dispatch({
      shader: activationValues(activation),
      buffers: [from, to],
      uniforms: { xBase: from.base, yBase: to.base, work: end - first, alpha },
      workgroups: Math.ceil((end - first) / WORKGROUP),
    }));
  return y;
}

/**
 * dx = dy·f′(x).
 *
 * @param backend Of the device.
 * @param inputs dy and x.
 * @param attributes Which activation.
 */
export function activationGradient(
  backend: DeviceBackend,
  { dy, x }: { readonly dy: tf.TensorInfo; readonly x: tf.TensorInfo },
  { activation, alpha }: ActivationAttributes,
): tf.TensorInfo {
  const dx = backend.allocate(x.shape);
  forEachPart(backend, [dy, x, dx], 1, ([gradient, from, to], [first, end]) =>
    backend.dispatch({
      shader: activationSlopes(activation),
      buffers: [gradient, from, to],
      uniforms: {
        dyBase: gradient.base,
        xBase: from.base,
        dxBase: to.base,
        work: end - first,
        alpha,
      },
      workgroups: Math.ceil((end - first) / WORKGROUP),
    }));
  return dx;
}

/**
 * Softmax over the last axis, or its logarithm.
 *
 * @param backend Of the device.
 * @param inputs x.
 * @param attributes Kind.
 */
export function softmax(
  backend: DeviceBackend,
  { x }: { readonly x: tf.TensorInfo },
  { logarithmic }: SoftmaxAttributes,
): tf.TensorInfo {
  const y = backend.allocate(x.shape);
  const columns = x.shape[x.shape.length - 1];
  forEachPart(backend, [x, y], columns, ([from, to], [first, end]) =>
    backend.dispatch({
      shader: softmaxRows(logarithmic),
      buffers: [from, to],
      uniforms: { rows: end - first, columns, xBase: from.base, yBase: to.base },
      workgroups: end - first,
    }));
  return y;
}

/**
 * Gradient of {@link softmax}.
 *
 * @param backend Of the device.
 * @param inputs dy and y.
 * @param attributes Kind.
 */
export function softmaxGradient(
  backend: DeviceBackend,
  { dy, y }: { readonly dy: tf.TensorInfo; readonly y: tf.TensorInfo },
  { logarithmic }: SoftmaxAttributes,
): tf.TensorInfo {
  const dx = backend.allocate(y.shape);
  const columns = y.shape[y.shape.length - 1];
  forEachPart(
    backend,
    [dy, y, dx],
    columns,
    ([gradient, value, to], [first, end]) =>
      backend.dispatch({
        shader: softmaxGradientRows(logarithmic),
        buffers: [gradient, value, to],
        uniforms: {
          rows: end - first,
          columns,
          dyBase: gradient.base,
          yBase: value.base,
          dxBase: to.base,
        },
        workgroups: end - first,
      }),
  );
  return dx;
}

/**
 * y[i] = scale·x[i] or 0.
 *
 * @param backend Of the device.
 * @param inputs x.
 * @param attributes Stream, threshold, factor.
 */
export function dropout(
  backend: DeviceBackend,
  { x }: { readonly x: tf.TensorInfo },
  { identity, threshold, scale }: DropoutAttributes,
): tf.TensorInfo {
  const y = backend.allocate(x.shape);
  const [key0, key1, upper0, upper1] = identity;
  const values = sizeOf(x);
  const limits = backend.bindingLimits;
  // Whole Philox blocks of four values; the last may be cut short.
  for (const [first, end] of splitItems(Math.ceil(values / 4), [4], limits)) {
    const range = [4 * first, Math.min(4 * end, values)] as const;
    const [from, to] = [x, y].map((tensor) => bindValues(tensor, range, limits));
    backend.dispatch({
      shader: dropoutValues(),
      buffers: [from, to],
      uniforms: {
        xBase: from.base,
        yBase: to.base,
        work: range[1] - range[0],
        firstBlock: first,
        key0,
        key1,
        upper0,
        upper1,
        threshold,
        scale,
      },
      workgroups: Math.ceil((end - first) / WORKGROUP),
    });
  }
  return y;
}

/** Calls `visit` for every run of items, of `width` values, that can be bound in all tensors of one shape. */
function forEachPart(
  backend: DeviceBackend,
  tensors: readonly tf.TensorInfo[],
  width: number,
  visit: (parts: readonly BoundItems[], range: readonly [first: number, end: number]) => void,
): void {
  const limits = backend.bindingLimits;
  const items = width === 0 ? 0 : sizeOf(tensors[0]) / width;
  for (const [first, end] of splitItems(items, [width], limits)) {
    const range = [first * width, end * width] as const;
    visit(tensors.map((tensor) => bindValues(tensor, range, limits)), [first, end]);
  }
}

function sizeOf({ shape }: tf.TensorInfo): number {
  return shape.reduce((product, n) => product * n, 1);
}
