/** Kernels of TensorFlow.js that cut, repeat and mirror tensors, as strided copies and taps. */
import { tf } from "../../../deps/tfjs.ts";
import { mirrorMaps, type MirrorPadAttributes } from "../../mirror_pad.ts";
import type { WasmBackend } from "../backend.ts";
import { isMovable, type Kernel, type KernelCall, type KernelTable, sizeOf } from "./kernel.ts";
import { copy, fitsCopy, stridesOf } from "./strided_copy.ts";
import { tapSum } from "./taps.ts";

/** A box of a tensor, read with any strides: element (i0, i1, …) stands at offset + Σ i·strides. */
interface Box {
  readonly size: readonly number[];
  readonly offset: number;
  readonly strides: readonly number[];
}

/** A tensor of `shape` with the values of a box of x, or null where the box has too many axes. */
function copied(
  backend: WasmBackend,
  x: tf.TensorInfo & { dtype: "float32" | "int32" },
  task: Box & { readonly shape: readonly number[] },
): tf.TensorInfo | null {
  const { size, offset, strides, shape } = task;
  const toStride = stridesOf(size);
  if (!fitsCopy({ size, fromStride: strides, toStride })) return null;
  const y = backend.output(shape, x.dtype);
  if (sizeOf(size) > 0) {
    const from = backend.addressOf(x) + 4 * offset;
    copy(backend, { from, to: y.address, size, fromStride: strides, toStride });
  }
  return y.info;
}

const split: Kernel = (
  { inputs: { x }, attrs, backend }: KernelCall<
    { axis: number; numOrSizeSplits: number | number[] }
  >,
) => {
  if (!isMovable(x)) return null;
  const [axis] = tf.util.parseAxisParam(attrs.axis, x.shape);
  const lengths = tf.backend_util.prepareSplitSize(x as tf.Tensor, attrs.numOrSizeSplits, axis);
  const strides = stridesOf(x.shape);
  let begin = 0;
  return lengths.map((length) => {
    const size = x.shape.map((n, a) => a === axis ? length : n);
    const part = copied(backend, x, { size, offset: begin * strides[axis], strides, shape: size });
    begin += length;
    return part!;
  });
};

/** Attributes of the stock kernel; masks are bit fields over axes. */
interface StridedSliceAttributes {
  readonly begin: number[];
  readonly end: number[];
  readonly strides: number[];
  readonly beginMask: number;
  readonly endMask: number;
  readonly ellipsisMask: number;
  readonly newAxisMask: number;
  readonly shrinkAxisMask: number;
}

const stridedSlice: Kernel = (
  { inputs: { x }, attrs, backend }: KernelCall<StridedSliceAttributes>,
) => {
  if (!isMovable(x)) return null;
  const plan = tf.slice_util.sliceInfo(
    x.shape,
    attrs.begin,
    attrs.end,
    attrs.strides,
    attrs.beginMask,
    attrs.endMask,
    attrs.ellipsisMask,
    attrs.newAxisMask,
    attrs.shrinkAxisMask,
  );
  const steps = stridesOf(x.shape);
  const size = tf.slice_util.computeOutShape(plan.begin, plan.end, plan.strides)
    .map((n) => Math.max(0, n));
  return copied(backend, x, {
    size,
    offset: plan.begin.reduce((sum, at, axis) => sum + at * steps[axis], 0),
    strides: steps.map((step, axis) => step * plan.strides[axis]),
    shape: plan.finalShape,
  });
};

/** Every axis becomes two, (repeats, length), the first with step 0. */
const tile: Kernel = ({ inputs: { x }, attrs, backend }: KernelCall<{ reps: number[] }>) => {
  if (!isMovable(x)) return null;
  return copied(backend, x, {
    size: x.shape.flatMap((n, axis) => [attrs.reps[axis], n]),
    offset: 0,
    strides: stridesOf(x.shape).flatMap((step) => [0, step]),
    shape: x.shape.map((n, axis) => n * attrs.reps[axis]),
  });
};

const reverse: Kernel = ({ inputs: { x }, attrs, backend }: KernelCall<{ dims: number[] }>) => {
  if (!isMovable(x)) return null;
  const axes = tf.util.parseAxisParam(attrs.dims, x.shape);
  const steps = stridesOf(x.shape);
  return copied(backend, x, {
    size: x.shape,
    offset: axes.reduce((sum, axis) => sum + steps[axis] * Math.max(0, x.shape[axis] - 1), 0),
    strides: steps.map((step, axis) => axes.includes(axis) ? -step : step),
    shape: x.shape,
  });
};

const mirrorPad: Kernel = (
  { inputs: { x }, attrs, backend }: KernelCall<MirrorPadAttributes>,
) => {
  if (x.dtype !== "float32") return null;
  return mirrorMaps(x.shape, attrs).reduce((source, map) => {
    const padded = tapSum(backend, source, map);
    backend.disposeData(source.dataId);
    return padded;
  }, backend.alias(x));
};

/** Kernels of this file by the name of TensorFlow.js. */
export const PART_KERNELS: KernelTable = {
  [tf.SplitV]: split,
  [tf.StridedSlice]: stridedSlice,
  [tf.Tile]: tile,
  [tf.Reverse]: reverse,
  [tf.MirrorPad]: mirrorPad,
};
