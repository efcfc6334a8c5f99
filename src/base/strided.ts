/** Arrays whose axes lie in memory in any order or with gaps, brought into row-major order. */
import type { FloatArray, NumericArray } from "./arrays.ts";

/** Where a tensor's elements lie in its storage; strides and offset count elements. */
export interface StridedView {
  /** Element at index 0, 0, …. */
  readonly offset: number;
  /** Lengths of the axes. */
  readonly shape: readonly number[];
  /** Elements from one index to the next, per axis. */
  readonly strides: readonly number[];
}

/** Whether the elements lie in row-major order without gaps (axes of length 1 may have any stride). */
export function isContiguous(shape: readonly number[], strides: readonly number[]): boolean {
  let due = 1;
  for (let axis = shape.length - 1; axis >= 0; axis--) {
    if (shape[axis] === 0) return true;
    if (shape[axis] !== 1 && strides[axis] !== due) return false;
    due *= shape[axis];
  }
  return true;
}

/**
 * Copies a strided view into row-major order.
 *
 * @param storage The elements.
 * @param view Must lie inside the storage (not checked here).
 * @returns As many elements as the shape's product, of the storage's type.
 */
export function gatherStrided<A extends NumericArray>(storage: A, view: StridedView): A {
  const { offset, shape, strides } = view;
  const count = shape.reduce((product, n) => product * n, 1);
  const from = storage as unknown as Float32Array;
  const to = new (from.constructor as Float32ArrayConstructor)(count);
  const index = new Array<number>(shape.length).fill(0);
  let position = offset;
  for (let i = 0; i < count; i++) {
    to[i] = from[position];
    for (let axis = shape.length - 1; axis >= 0; axis--) {
      position += strides[axis];
      if (++index[axis] < shape[axis]) break;
      position -= strides[axis] * shape[axis];
      index[axis] = 0;
    }
  }
  return to as unknown as A;
}

/** Elements from one index to the next, per axis, of a row-major array. */
export function rowMajorStrides(shape: readonly number[]): number[] {
  const strides = new Array<number>(shape.length);
  let stride = 1;
  for (let axis = shape.length - 1; axis >= 0; axis--) {
    strides[axis] = stride;
    stride *= shape[axis];
  }
  return strides;
}

/** `[A, B, …]` → `[B, A, …]`, row-major. */
export function swapLeadingAxes(values: FloatArray, first: number, second: number): FloatArray {
  const width = values.length / (first * second);
  const result = values.slice() as FloatArray;
  for (let a = 0; a < first; a++) {
    for (let b = 0; b < second; b++) {
      const from = (a * second + b) * width;
      result.set(values.subarray(from, from + width), (b * first + a) * width);
    }
  }
  return result;
}
