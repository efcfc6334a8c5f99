/** Kernels of TensorFlow.js that only move values, on `wasm/elementwise/copy.cpp`. */
import { tf } from "../../../deps/tfjs.ts";
import type { WasmBackend } from "../backend.ts";
import { ParameterLayout } from "../parameters.ts";
import { type Kernel, type KernelCall, type KernelTable, sizeOf } from "./kernel.ts";

const AXES = 6;

/** Mirror of CopyParams. */
const COPY = new ParameterLayout({
  from: "int",
  to: "int",
  ...axisFields("size"),
  ...axisFields("fromStride"),
  ...axisFields("toStride"),
});

/** Mirror of GatherParams. */
const GATHER = new ParameterLayout({
  from: "int",
  index: "int",
  to: "int",
  outer: "int",
  axis: "int",
  count: "int",
  inner: "int",
});

function axisFields(name: string): Record<string, "int"> {
  return Object.fromEntries(Array.from({ length: AXES }, (_, a) => [`${name}${a}`, "int"]));
}

/** A copy between two strided layouts; addresses in bytes, strides in values. */
interface StridedCopy {
  readonly from: number;
  readonly to: number;
  readonly size: readonly number[];
  readonly fromStride: readonly number[];
  readonly toStride: readonly number[];
}

/** Runs a copy after merging axes that are contiguous on both sides; false when too many axes are left. */
function copy(backend: WasmBackend, task: StridedCopy): void {
  const axes = mergedAxes(task);
  const values: Record<string, number> = { from: task.from, to: task.to };
  for (let a = 0; a < AXES; a++) {
    const axis = axes[a - AXES + axes.length];
    values[`size${a}`] = axis?.size ?? 1;
    values[`fromStride${a}`] = axis?.fromStride ?? 0;
    values[`toStride${a}`] = axis?.toStride ?? 0;
  }
  backend.launch("u32_copy", COPY, values);
}

interface Axis {
  size: number;
  fromStride: number;
  toStride: number;
}

function mergedAxes({ size, fromStride, toStride }: Omit<StridedCopy, "from" | "to">): Axis[] {
  const axes: Axis[] = [];
  for (let a = 0; a < size.length; a++) {
    if (size[a] === 1) continue;
    const axis = { size: size[a], fromStride: fromStride[a], toStride: toStride[a] };
    const last = axes[axes.length - 1];
    const contiguous = last !== undefined && last.fromStride === axis.fromStride * axis.size &&
      last.toStride === axis.toStride * axis.size;
    if (contiguous) axes[axes.length - 1] = { ...axis, size: last.size * axis.size };
    else axes.push(axis);
  }
  return axes.length > 0 ? axes : [{ size: 1, fromStride: 1, toStride: 1 }];
}

/** Tensors of four-byte numbers with few enough axes. */
function isMovable(x: tf.TensorInfo): x is tf.TensorInfo & { dtype: "float32" | "int32" } {
  return (x.dtype === "float32" || x.dtype === "int32") && x.shape.length <= AXES;
}

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

const concat: Kernel = ({ inputs, attrs, backend }: KernelCall<{ axis: number }>) => {
  const parts = Object.values(inputs);
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
};

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

/** Rows picked by int32 indices, without batch axes; other cases are left to the CPU kernel. */
const gather: Kernel = (
  { inputs: { x, indices }, attrs, backend }: KernelCall<{ axis: number; batchDims: number }>,
) => {
  if (!isMovable(x) || indices.dtype !== "int32" || (attrs.batchDims ?? 0) !== 0) return null;
  const [axis] = tf.util.parseAxisParam(attrs.axis, x.shape);
  const length = x.shape[axis];
  const picked = backend.data.get(indices.dataId).values as Int32Array;
  if (picked.some((index) => index < 0 || index >= length)) return null;
  const [before, after] = [x.shape.slice(0, axis), x.shape.slice(axis + 1)];
  const y = backend.output([...before, ...indices.shape, ...after], x.dtype);
  backend.launch("u32_gather", GATHER, {
    from: backend.addressOf(x),
    index: backend.addressOf(indices),
    to: y.address,
    outer: sizeOf(before),
    axis: length,
    count: sizeOf(indices.shape),
    inner: sizeOf(after),
  });
  return y.info;
};

/** Kernels of this file by the name of TensorFlow.js. */
export const LAYOUT_KERNELS: KernelTable = {
  [tf.Identity]: identity,
  [tf.Reshape]: reshape,
  [tf.Slice]: slice,
  [tf.Concat]: concat,
  [tf.Transpose]: transpose,
  [tf.PadV2]: pad,
  [tf.GatherV2]: gather,
};

/** Strides of a row-major array, in values. */
function stridesOf(shape: readonly number[]): number[] {
  const strides = new Array<number>(shape.length);
  for (let axis = shape.length - 1, stride = 1; axis >= 0; axis--) {
    strides[axis] = stride;
    stride *= shape[axis];
  }
  return strides;
}
