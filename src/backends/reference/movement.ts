/** Kernels that move values without computing: reshape, transpose, slice, join, tile, pad, gather, scatter. */
import { BackendError } from "../../base/errors.ts";
import { tf } from "../../deps/tfjs.ts";
import { mirrorMaps, type MirrorPadAttributes } from "../mirror_pad.ts";
import { tapSum } from "../scalar/taps.ts";
import type { Call, Kernel, KernelTable } from "./kernel_table.ts";
import { denseStrides, emptyLike, readView, sizeOf, type View, writeView } from "./views.ts";

/** The stock kernels that move values. */
export const MOVEMENT: KernelTable = {
  Identity: ({ inputs: { x }, backend }) => backend.alias(x, x.shape),
  Reshape: ({ inputs: { x }, attrs, backend }) =>
    backend.alias(x, tf.util.inferFromImplicitShape(attrs.shape, sizeOf(x.shape))),
  ExpandDims: ({ inputs: { input }, attrs, backend }) => {
    const shape = input.shape.slice();
    shape.splice(attrs.dim < 0 ? input.shape.length + attrs.dim + 1 : attrs.dim, 0, 1);
    return backend.alias(input, shape);
  },
  Transpose: view((shape, { perm }) => permuted(shape, perm)),
  Reverse: view((shape, { dims }) => {
    const axes = tf.util.parseAxisParam(dims, [...shape]);
    const steps = denseStrides(shape);
    const strides = steps.map((step, axis) => axes.includes(axis) ? -step : step);
    const offset = axes.reduce((sum, axis) => sum + steps[axis] * (shape[axis] - 1), 0);
    return { shape, offset, strides };
  }),
  Slice: view((shape, { begin, size }) => {
    const [from, lengths] = tf.slice_util.parseSliceParams(
      { shape, rank: shape.length } as unknown as tf.TensorInfo & { rank: number },
      begin,
      size,
    );
    return box(shape, from, lengths);
  }),
  Tile: tile,
  StridedSlice: stridedSlice,
  SplitV: splitAlong,
  Unpack: unpack,
  Concat: concat,
  Pack: pack,
  PadV2: pad,
  MirrorPad: mirrorPad,
  GatherV2: gather,
  GatherNd: gatherNd,
  ScatterNd: scatterNd,
  UnsortedSegmentSum: segmentSum,
  OneHot: oneHot,
};

/** A kernel that copies one view of its input. */
function view(of: (shape: readonly number[], attrs: Call["attrs"]) => View): Kernel {
  return ({ inputs: { x }, attrs, backend }) => {
    const chosen = of(x.shape, attrs);
    return backend.output(readView(backend.values(x), chosen), chosen.shape, x.dtype);
  };
}

function permuted(shape: readonly number[], order: readonly number[]): View {
  const strides = denseStrides(shape);
  return {
    shape: order.map((axis) => shape[axis]),
    offset: 0,
    strides: order.map((axis) => strides[axis]),
  };
}

/** The box of `size` that starts at `begin` in a dense array of `shape`. */
function box(shape: readonly number[], begin: readonly number[], size: readonly number[]): View {
  const strides = denseStrides(shape);
  const offset = begin.reduce((sum, start, axis) => sum + start * strides[axis], 0);
  return { shape: size, offset, strides };
}

/** Every axis becomes two, (repeats, length), the first with step 0. */
function tile({ inputs: { x }, attrs, backend }: Call): tf.TensorInfo {
  const repeats: number[] = attrs.reps;
  const strides = denseStrides(x.shape);
  const values = readView(backend.values(x), {
    shape: x.shape.flatMap((n, axis) => [repeats[axis], n]),
    offset: 0,
    strides: strides.flatMap((step) => [0, step]),
  });
  return backend.output(values, x.shape.map((n, axis) => n * repeats[axis]), x.dtype);
}

function stridedSlice({ inputs: { x }, attrs, backend }: Call): tf.TensorInfo {
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
  const steps = denseStrides(x.shape);
  const size = tf.slice_util.computeOutShape(plan.begin, plan.end, plan.strides)
    .map((n) => Math.max(0, n));
  const values = readView(backend.values(x), {
    ...box(x.shape, plan.begin, size),
    strides: steps.map((step, axis) => step * plan.strides[axis]),
  });
  return backend.output(values, plan.finalShape, x.dtype);
}

function splitAlong({ inputs: { x }, attrs, backend }: Call): tf.TensorInfo[] {
  const axis = tf.util.parseAxisParam(attrs.axis, x.shape)[0];
  const sizes: number[] = tf.backend_util.prepareSplitSize(
    { shape: x.shape } as tf.Tensor,
    attrs.numOrSizeSplits,
    axis,
  );
  const begin = x.shape.map(() => 0);
  return sizes.map((length) => {
    const size = x.shape.map((n, a) => a === axis ? length : n);
    const part = readView(backend.values(x), box(x.shape, begin, size));
    begin[axis] += length;
    return backend.output(part, size, x.dtype);
  });
}

function unpack({ inputs: { value }, attrs, backend }: Call): tf.TensorInfo[] {
  const axis = attrs.axis < 0 ? attrs.axis + value.shape.length : attrs.axis;
  const size = value.shape.map((n, a) => a === axis ? 1 : n);
  const shape = value.shape.filter((_, a) => a !== axis);
  return Array.from({ length: value.shape[axis] }, (_, i) => {
    const begin = value.shape.map((_, a) => a === axis ? i : 0);
    const part = readView(backend.values(value), box(value.shape, begin, size));
    return backend.output(part, shape, value.dtype);
  });
}

function concat({ inputs, attrs, backend }: Call): tf.TensorInfo {
  const tensors = Object.values(inputs);
  const axis = tf.util.parseAxisParam(attrs.axis, tensors[0].shape)[0];
  return joined({ inputs, attrs, backend }, tensors.map((t) => t.shape), axis);
}

function pack({ inputs, attrs, backend }: Call): tf.TensorInfo {
  const rank = Object.values(inputs)[0].shape.length;
  const axis = attrs.axis < 0 ? attrs.axis + rank + 1 : attrs.axis;
  const shapes = Object.values(inputs).map(({ shape }) => shape.toSpliced(axis, 0, 1));
  return joined({ inputs, attrs, backend }, shapes, axis);
}

/** The inputs, seen with `shapes`, one behind the other along `axis`. */
function joined({ inputs, backend }: Call, shapes: number[][], axis: number): tf.TensorInfo {
  const tensors = Object.values(inputs);
  const total = shapes.reduce((sum, shape) => sum + shape[axis], 0);
  const out = shapes[0].map((n, a) => a === axis ? total : n);
  const target = emptyLike(backend.values(tensors[0]), sizeOf(out));
  const begin = out.map(() => 0);
  tensors.forEach((tensor, i) => {
    writeView(target, backend.values(tensor), box(out, begin, shapes[i]));
    begin[axis] += shapes[i][axis];
  });
  return backend.output(target, out, tensors[0].dtype);
}

function pad({ inputs: { x }, attrs, backend }: Call): tf.TensorInfo {
  const paddings: [number, number][] = attrs.paddings;
  const out = x.shape.map((n, axis) => paddings[axis][0] + n + paddings[axis][1]);
  const values = backend.values(x);
  const target = emptyLike(values, sizeOf(out)).fill(attrs.constantValue);
  writeView(target, values, box(out, paddings.map(([before]) => before), x.shape));
  return backend.output(target, out, x.dtype);
}

function mirrorPad({ inputs: { x }, attrs, backend }: Call): tf.TensorInfo {
  let values = backend.floats(x);
  let shape: readonly number[] = x.shape;
  for (const map of mirrorMaps(x.shape, attrs as MirrorPadAttributes)) {
    const padded = new Float64Array(sizeOf(map.outputShape));
    tapSum(padded, values, map);
    [values, shape] = [padded, map.outputShape];
  }
  return backend.output(values, shape, x.dtype);
}

function gather({ inputs: { x, indices }, attrs, backend }: Call): tf.TensorInfo {
  const axis = tf.util.parseAxisParam(attrs.axis, x.shape)[0];
  const { batchSize, outerSize, dimSize, sliceSize, outputShape } = tf.backend_util.segment_util
    .collectGatherOpShapeInfo(x as tf.Tensor, indices as tf.Tensor, axis, attrs.batchDims ?? 0);
  const rows = backend.values(indices);
  const perBatch = rows.length / batchSize;
  const values = backend.values(x);
  const target = emptyLike(values, sizeOf(outputShape));
  let position = 0;
  for (let batch = 0; batch < batchSize; batch++) {
    for (let outer = 0; outer < outerSize; outer++) {
      for (let i = 0; i < perBatch; i++) {
        const row = checkedIndex(rows[batch * perBatch + i], dimSize);
        const start = ((batch * outerSize + outer) * dimSize + row) * sliceSize;
        target.set(values.subarray(start, start + sliceSize), position);
        position += sliceSize;
      }
    }
  }
  return backend.output(target, outputShape, x.dtype);
}

function gatherNd({ inputs: { params, indices }, backend }: Call): tf.TensorInfo {
  const [shape, count, sliceSize, strides] = tf.backend_util.prepareAndValidate(
    params as tf.Tensor,
    indices as tf.Tensor,
  );
  const rank = indices.shape[indices.shape.length - 1];
  const places = backend.values(indices);
  const values = backend.values(params);
  const target = emptyLike(values, count * sliceSize);
  for (let i = 0; i < count; i++) {
    let row = 0;
    for (let r = 0; r < rank; r++) {
      row += checkedIndex(places[i * rank + r], params.shape[r]) * strides[r];
    }
    target.set(values.subarray(row * sliceSize, (row + 1) * sliceSize), i * sliceSize);
  }
  return backend.output(target, shape, params.dtype);
}

/** Updates that meet in one place are added. */
function scatterNd({ inputs: { indices, updates }, attrs, backend }: Call): tf.TensorInfo {
  const { sliceRank, numUpdates, sliceSize, strides } = tf.backend_util.calculateShapes(
    updates,
    indices,
    attrs.shape,
  );
  const places = backend.values(indices);
  const values = backend.values(updates);
  const target = emptyLike(values, sizeOf(attrs.shape));
  for (let i = 0; i < numUpdates; i++) {
    let row = 0;
    for (let r = 0; r < sliceRank; r++) {
      row += checkedIndex(places[i * sliceRank + r], attrs.shape[r]) * strides[r];
    }
    for (let k = 0; k < sliceSize; k++) target[row * sliceSize + k] += values[i * sliceSize + k];
  }
  return backend.output(target, attrs.shape, updates.dtype);
}

/** Rows of x with equal segment are added; negative segments are dropped. */
function segmentSum({ inputs: { x, segmentIds }, attrs, backend }: Call): tf.TensorInfo {
  const segments = backend.values(segmentIds);
  const values = backend.values(x);
  const inner = sizeOf(x.shape.slice(segmentIds.shape.length));
  const target = emptyLike(values, attrs.numSegments * inner);
  segments.forEach((segment: number, row: number) => {
    if (segment < 0) return;
    const start = checkedIndex(segment, attrs.numSegments) * inner;
    for (let k = 0; k < inner; k++) target[start + k] += values[row * inner + k];
  });
  return backend.output(
    target,
    [attrs.numSegments, ...x.shape.slice(segmentIds.shape.length)],
    x.dtype,
  );
}

function oneHot({ inputs: { indices }, attrs, backend }: Call): tf.TensorInfo {
  const { depth, onValue, offValue, dtype } = attrs;
  const places = backend.values(indices);
  const target = new Float64Array(places.length * depth).fill(offValue);
  places.forEach((place: number, i: number) => {
    if (place >= 0 && place < depth) target[i * depth + place] = onValue;
  });
  return backend.output(target, [...indices.shape, depth], dtype);
}

function checkedIndex(index: number, length: number): number {
  if (index >= 0 && index < length) return index;
  throw new BackendError(
    "reference",
    `Gathering or scattering rows: index is ${index}, needs 0 … ${length - 1}`,
  );
}
