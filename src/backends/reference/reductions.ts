/** Reductions and row-wise kernels in float64. */
import { tf } from "../../deps/tfjs.ts";
import type { Float64Backend, Values } from "./float64_backend.ts";
import type { Call, Kernel, KernelTable } from "./kernel_table.ts";
import { denseStrides, readView, sizeOf } from "./views.ts";

/** The stock reductions, and softmax. */
export const REDUCTIONS: KernelTable = {
  Sum: reduction((row) => sum(row), (dtype) => dtype === "bool" ? "int32" : dtype),
  Mean: reduction((row) => sum(row) / row.length, () => "float32"),
  Max: reduction((row) => fold(row, -Infinity, (most, v) => most > v || isNaN(most) ? most : v)),
  Min: reduction((row) => fold(row, Infinity, (least, v) => least < v || isNaN(least) ? least : v)),
  Prod: reduction((row) => fold(row, 1, (product, v) => product * v)),
  All: reduction((row) => Number(row.every((v) => v !== 0))),
  Any: reduction((row) => Number(row.some((v) => v !== 0))),
  ArgMax: reduction((row) => best(row, (a, b) => a > b), () => "int32"),
  ArgMin: reduction((row) => best(row, (a, b) => a < b), () => "int32"),
  Softmax: softmax,
};

function reduction(
  of: (row: Values) => number,
  dtypeOf: (dtype: string) => string = (dtype) => dtype,
): Kernel {
  return ({ inputs: { x }, attrs, backend }) => {
    const axes = tf.util.parseAxisParam(attrs.axis ?? attrs.reductionIndices, x.shape);
    const { rows, outer, length } = rowsOf(backend, x, axes);
    const result = new Float64Array(sizeOf(outer));
    for (let i = 0; i < result.length; i++) {
      result[i] = of(rows.subarray(i * length, (i + 1) * length));
    }
    const shape = attrs.keepDims ? x.shape.map((n, axis) => axes.includes(axis) ? 1 : n) : outer;
    return backend.output(result, shape, dtypeOf(x.dtype));
  };
}

/** The tensor as rows along the reduced axes: `[...outer, length]`. */
function rowsOf(
  backend: Float64Backend,
  x: tf.TensorInfo,
  axes: readonly number[],
): { rows: Values; outer: number[]; length: number } {
  const all = x.shape.map((_, axis) => axis);
  const kept = all.filter((axis) => !axes.includes(axis));
  const order = [...kept, ...all.filter((axis) => axes.includes(axis))];
  const strides = denseStrides(x.shape);
  const values = backend.values(x);
  const ordered = order.every((axis, i) => axis === i);
  const rows = ordered ? values : readView(values, {
    shape: order.map((axis) => x.shape[axis]),
    offset: 0,
    strides: order.map((axis) => strides[axis]),
  });
  const outer = kept.map((axis) => x.shape[axis]);
  return { rows, outer, length: sizeOf(axes.map((axis) => x.shape[axis])) };
}

function sum(row: Values): number {
  return fold(row, 0, (total, v) => total + v);
}

function fold(row: Values, start: number, join: (soFar: number, value: number) => number): number {
  let result = start;
  for (let i = 0; i < row.length; i++) result = join(result, row[i]);
  return result;
}

function best(row: Values, better: (a: number, b: number) => boolean): number {
  let index = 0;
  for (let i = 1; i < row.length; i++) if (better(row[i], row[index])) index = i;
  return index;
}

function softmax({ inputs: { logits }, backend }: Call): tf.TensorInfo {
  const values = backend.values(logits);
  const length = logits.shape[logits.shape.length - 1];
  const result = new Float64Array(values.length);
  for (let start = 0; start < values.length; start += length) {
    const row = values.subarray(start, start + length);
    const largest = fold(row, -Infinity, Math.max);
    let total = 0;
    for (let i = 0; i < length; i++) total += result[start + i] = Math.exp(row[i] - largest);
    for (let i = 0; i < length; i++) result[start + i] /= total;
  }
  return backend.output(result, logits.shape, logits.dtype);
}
