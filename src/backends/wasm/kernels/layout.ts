/** Kernels of TensorFlow.js that only move values, on `wasm/elementwise/copy.cpp`. */
import { tf } from "../../../deps/tfjs.ts";
import type { WasmBackend } from "../backend.ts";
import { isMovable, type Kernel, type KernelCall, type KernelTable, sizeOf } from "./kernel.ts";
import { copy, stridesOf } from "./strided_copy.ts";

const reshape: Kernel = ({ inputs: { x }, attrs, backend }: KernelCall<{ shape: number[] }>) => {
  if (x.dtype === "complex64") return null;
  const shape = tf.util.inferFromImplicitShape(attrs.shape, sizeOf(x.shape));
  if (sizeOf(shape) !== sizeOf(x.shape)) return null; // The CPU kernel throws the message users know.
  return backend.alias(x, shape);
};

const identity: Kernel = ({ inputs: { x }, backend }) => backend.alias(x);

const slice: Kernel = (
  { inputs: { x }, attrs, backend }: KernelCall<{ begin: number[]; size: number[] }>,
) => {
  if (!isMovable(x)) return null;
  const [begin, size] = tf.slice_util.parseSliceParams(x as tf.Tensor, attrs.begin, attrs.size);
  tf.slice_util.assertParamsValid(x, begin, size);
  const y = backend.output(size, x.dtype);
  const strides = stridesOf(x.shape);
  const start = begin.reduce((sum, at, axis) => sum + at * strides[axis], 0);
  if (sizeOf(size) > 0) {
    copy(backend, {
      from: backend.addressOf(x) + 4 * start,
      to: y.address,
      size,
      fromStride: strides,
      toStride: stridesOf(size),
    });
  }
  return y.info;
};

const concat: Kernel = ({ inputs, attrs, backend }: KernelCall<{ axis: number }>) =>
  joined(backend, Object.values(inputs), attrs);

/** Tensors of one shape along a new axis. */
const pack: Kernel = ({ inputs, attrs, backend }: KernelCall<{ axis: number }>) => {
  const parts = Object.values(inputs);
  if (parts.some((part) => part.shape.join() !== parts[0].shape.join())) return null;
  const [axis] = tf.util.parseAxisParam(attrs.axis, [1, ...parts[0].shape]);
  const shape = [...parts[0].shape.slice(0, axis), 1, ...parts[0].shape.slice(axis)];
  return joined(backend, parts.map((part) => ({ ...part, shape })), { axis });
};

/** The slices along an axis, without it. */
const unpack: Kernel = ({ inputs: { value }, attrs, backend }: KernelCall<{ axis: number }>) => {
  if (!isMovable(value)) return null;
  const [axis] = tf.util.parseAxisParam(attrs.axis, value.shape);
  const strides = stridesOf(value.shape);
  const size = value.shape.map((n, a) => a === axis ? 1 : n);
  const shape = value.shape.filter((_, a) => a !== axis);
  return Array.from({ length: value.shape[axis] }, (_, i) => {
    const y = backend.output(shape, value.dtype);
    if (sizeOf(size) > 0) {
      copy(backend, {
        from: backend.addressOf(value) + 4 * i * strides[axis],
        to: y.address,
        size,
        fromStride: strides,
        toStride: stridesOf(size),
      });
    }
    return y.info;
  });
};

function joined(
  backend: WasmBackend,
  parts: readonly tf.TensorInfo[],
  attrs: { axis: number },
): tf.TensorInfo | null {
  if (parts.some((part) => !isMovable(part) || part.dtype !== parts[0].dtype)) return null;
  const [axis] = tf.util.parseAxisParam(attrs.axis, parts[0].shape);
  const shape = tf.backend_util.computeOutShape(parts.map((part) => part.shape), axis);
  const y = backend.output(shape, parts[0].dtype as "float32" | "int32");
  const strides = stridesOf(shape);
  let at = 0;
  for (const part of parts) {
    if (sizeOf(part.shape) > 0) {
      copy(backend, {
        from: backend.addressOf(part),
        to: y.address + 4 * at * strides[axis],
        size: part.shape,
        fromStride: stridesOf(part.shape),
        toStride: strides,
      });
    }
    at += part.shape[axis];
  }
  return y.info;
}

const transpose: Kernel = ({ inputs: { x }, attrs, backend }: KernelCall<{ perm: number[] }>) => {
  if (!isMovable(x)) return null;
  const shape = attrs.perm.map((axis) => x.shape[axis]);
  const y = backend.output(shape, x.dtype);
  const strides = stridesOf(x.shape);
  if (sizeOf(shape) > 0) {
    copy(backend, {
      from: backend.addressOf(x),
      to: y.address,
      size: shape,
      fromStride: attrs.perm.map((axis) => strides[axis]),
      toStride: stridesOf(shape),
    });
  }
  return y.info;
};

const pad: Kernel = (
  { inputs: { x }, attrs, backend }: KernelCall<
    { paddings: [number, number][]; constantValue: number }
  >,
) => {
  if (!isMovable(x)) return null;
  const { paddings, constantValue } = attrs;
  const shape = x.shape.map((n, axis) => paddings[axis][0] + n + paddings[axis][1]);
  const y = backend.output(shape, x.dtype);
  const { memory } = backend.runtime;
  const count = sizeOf(shape);
  const view = x.dtype === "int32"
    ? memory.integerView(y.address, count)
    : memory.floatView(y.address, count);
  view.fill(constantValue);
  const strides = stridesOf(shape);
  const start = paddings.reduce((sum, [before], axis) => sum + before * strides[axis], 0);
  if (sizeOf(x.shape) > 0) {
    copy(backend, {
      from: backend.addressOf(x),
      to: y.address + 4 * start,
      size: x.shape,
      fromStride: stridesOf(x.shape),
      toStride: strides,
    });
  }
  return y.info;
};

/** Kernels of this file by the name of TensorFlow.js. */
export const LAYOUT_KERNELS: KernelTable = {
  [tf.Identity]: identity,
  [tf.Reshape]: reshape,
  [tf.Slice]: slice,
  [tf.Concat]: concat,
  [tf.Pack]: pack,
  [tf.Unpack]: unpack,
  [tf.Transpose]: transpose,
  [tf.PadV2]: pad,
};
