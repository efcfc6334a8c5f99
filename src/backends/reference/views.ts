/**
 * Strided views of row-major arrays: slicing, transposing, broadcasting, tiling, reversing, padding and
 * joining are all "walk a box of one shape with these strides".
 */
import type { Values } from "./float64_backend.ts";

/** A box of `shape` inside an array: element (i0, i1, …) stands at offset + Σ i·strides. */
export interface View {
  readonly shape: readonly number[];
  readonly offset: number;
  /** Step per axis; 0 repeats, negative runs backwards. */
  readonly strides: readonly number[];
}

/** Number of elements of a shape. */
export function sizeOf(shape: readonly number[]): number {
  return shape.reduce((product, n) => product * n, 1);
}

/** Strides of a dense row-major array. */
export function denseStrides(shape: readonly number[]): number[] {
  const strides = new Array<number>(shape.length).fill(1);
  for (let axis = shape.length - 2; axis >= 0; axis--) {
    strides[axis] = strides[axis + 1] * shape[axis + 1];
  }
  return strides;
}

/** A zeroed array of the same kind. */
export function emptyLike(values: Values, length: number): Values {
  if (values instanceof Float64Array) return new Float64Array(length);
  return values instanceof Int32Array ? new Int32Array(length) : new Uint8Array(length);
}

/** Copies the elements of a view into a dense array. */
export function readView(values: Values, view: View): Values {
  const result = emptyLike(values, sizeOf(view.shape));
  walk(view, (position, index) => {
    result[index] = values[position];
  });
  return result;
}

/** Copies a dense array into the elements of a view of `target`. */
export function writeView(target: Values, values: Values, view: View): void {
  walk(view, (position, index) => {
    target[position] = values[index];
  });
}

/** Calls `visit(position in the array, row-major index in the box)` for every element. */
function walk(view: View, visit: (position: number, index: number) => void): void {
  const { shape, strides } = view;
  const total = sizeOf(shape);
  const index = new Int32Array(shape.length);
  let position = view.offset;
  for (let count = 0; count < total; count++) {
    visit(position, count);
    for (let axis = shape.length - 1; axis >= 0; axis--) {
      position += strides[axis];
      if (++index[axis] < shape[axis]) break;
      position -= strides[axis] * shape[axis];
      index[axis] = 0;
    }
  }
}

/** The view that repeats `shape` to `target` by the rules of broadcasting. */
export function broadcastView(shape: readonly number[], target: readonly number[]): View {
  const missing = target.length - shape.length;
  const own = denseStrides(shape);
  const strides = target.map((_, axis) =>
    axis < missing || shape[axis - missing] === 1 ? 0 : own[axis - missing]
  );
  return { shape: target, offset: 0, strides };
}
