/** Kernels of TensorFlow.js that pick, add up and mark rows by int32 indices. */
import { tf } from "../../../deps/tfjs.ts";
import { identityAxis, multiples } from "../../tap_contract.ts";
import type { WasmBackend } from "../backend.ts";
import { ParameterLayout } from "../parameters.ts";
import { isMovable, type Kernel, type KernelCall, type KernelTable, sizeOf } from "./kernel.ts";
import { tapSum } from "./taps.ts";

/** Mirror of GatherParams. */
const GATHER = new ParameterLayout({
  from: "int",
  index: "int",
  to: "int",
  batches: "int",
  outer: "int",
  axis: "int",
  count: "int",
  inner: "int",
});

/** Values of an int32 tensor, or null for other kinds. */
function integersOf(backend: WasmBackend, x: tf.TensorInfo): Int32Array | null {
  const values = x.dtype === "int32" ? backend.data.get(x.dataId).values : null;
  return values instanceof Int32Array ? values : null;
}

/** Rows picked along an axis; an index outside is left to the CPU kernel, which throws. */
const gather: Kernel = (
  { inputs: { x, indices }, attrs, backend }: KernelCall<{ axis: number; batchDims: number }>,
) => {
  const picked = integersOf(backend, indices);
  if (!isMovable(x) || picked === null) return null;
  const [axis] = tf.util.parseAxisParam(attrs.axis, x.shape);
  if (picked.some((index) => index < 0 || index >= x.shape[axis])) return null;
  const { batchSize, outerSize, dimSize, sliceSize, outputShape } = tf.backend_util.segment_util
    .collectGatherOpShapeInfo(x as tf.Tensor, indices as tf.Tensor, axis, attrs.batchDims ?? 0);
  const y = backend.output(outputShape, x.dtype);
  backend.launch("u32_gather", GATHER, {
    from: backend.addressOf(x),
    index: backend.addressOf(indices),
    to: y.address,
    batches: batchSize,
    outer: batchSize * outerSize,
    axis: dimSize,
    count: picked.length / Math.max(1, batchSize),
    inner: sliceSize,
  });
  return y.info;
};

/** Rows of x with equal segment, added in order; segments outside 0 … numSegments − 1 are dropped. */
const segmentSum: Kernel = (
  { inputs: { x, segmentIds }, attrs, backend }: KernelCall<{ numSegments: number }>,
) => {
  const segments = integersOf(backend, segmentIds);
  if (x.dtype !== "float32" || segments === null) return null;
  const inner = sizeOf(x.shape.slice(segmentIds.shape.length));
  const shape = [attrs.numSegments, ...x.shape.slice(segmentIds.shape.length)];
  return rowSums(backend, x, { targets: segments, inner, shape });
};

/** Updates that meet in one place are added. */
const scatter: Kernel = (
  { inputs: { indices, updates }, attrs, backend }: KernelCall<{ shape: number[] }>,
) => {
  const places = integersOf(backend, indices);
  if (updates.dtype !== "float32" || places === null) return null;
  const { sliceRank, numUpdates, sliceSize, strides } = tf.backend_util.calculateShapes(
    updates,
    indices,
    attrs.shape,
  );
  const targets = new Int32Array(numUpdates);
  for (let i = 0; i < numUpdates; i++) {
    for (let r = 0; r < sliceRank; r++) targets[i] += places[i * sliceRank + r] * strides[r];
  }
  for (let i = 0; i < places.length; i++) {
    if (places[i] < 0 || places[i] >= attrs.shape[i % sliceRank]) return null; // The CPU kernel says why.
  }
  return rowSums(backend, updates, { targets, inner: sliceSize, shape: attrs.shape });
};

interface RowSums {
  /** Row of the result that each row of x is added to; outside its rows it is dropped. */
  readonly targets: Int32Array;
  /** Values per row. */
  readonly inner: number;
  readonly shape: readonly number[];
}

function rowSums(backend: WasmBackend, x: tf.TensorInfo, task: RowSums): tf.TensorInfo {
  const { targets, inner, shape } = task;
  const rows = inner === 0 ? 0 : sizeOf(shape) / inner;
  const first = new Int32Array(rows + 1);
  const inside = (row: number) => row >= 0 && row < rows;
  for (const row of targets) if (inside(row)) first[row + 1]++;
  for (let row = 0; row < rows; row++) first[row + 1] += first[row];
  const source = new Int32Array(first[rows]);
  const next = first.slice();
  targets.forEach((row, i) => {
    if (inside(row)) source[next[row]++] = i;
  });
  const axis = {
    first,
    source,
    weight: new Float64Array(source.length).fill(1),
    at: multiples(targets.length, inner),
    to: multiples(rows, inner),
  };
  return tapSum(backend, x, {
    axes: [identityAxis(), identityAxis(), axis],
    samples: 1,
    inner,
    inputShape: x.shape,
    outputShape: shape,
  });
}

const oneHot: Kernel = (
  { inputs: { indices }, attrs, backend }: KernelCall<
    { depth: number; onValue: number; offValue: number; dtype: tf.DataType }
  >,
) => {
  const { depth, onValue, offValue, dtype } = attrs;
  const places = integersOf(backend, indices);
  if ((dtype !== "float32" && dtype !== "int32") || places === null) return null;
  const y = backend.output([...indices.shape, depth], dtype);
  const { memory } = backend.runtime;
  const values = dtype === "int32"
    ? memory.integerView(y.address, places.length * depth)
    : memory.floatView(y.address, places.length * depth);
  values.fill(offValue);
  places.forEach((place, i) => {
    if (place >= 0 && place < depth) values[i * depth + place] = onValue;
  });
  return y.info;
};

/** Kernels of this file by the name of TensorFlow.js. */
export const ROW_KERNELS: KernelTable = {
  [tf.GatherV2]: gather,
  [tf.UnsortedSegmentSum]: segmentSum,
  [tf.ScatterNd]: scatter,
  [tf.OneHot]: oneHot,
};
