/** Copies between strided layouts of a few axes, on `wasm/elementwise/copy.cpp`. */
import type { WasmBackend } from "../backend.ts";
import { ParameterLayout } from "../parameters.ts";
import { AXES } from "./kernel.ts";

/** Mirror of CopyParams. */
const COPY = new ParameterLayout({
  from: "int",
  to: "int",
  ...axisFields("size"),
  ...axisFields("fromStride"),
  ...axisFields("toStride"),
});

function axisFields(name: string): Record<string, "int"> {
  return Object.fromEntries(Array.from({ length: AXES }, (_, a) => [`${name}${a}`, "int"]));
}

/** A copy between two strided layouts; addresses in bytes, strides in values. */
export interface StridedCopy {
  readonly from: number;
  readonly to: number;
  readonly size: readonly number[];
  readonly fromStride: readonly number[];
  readonly toStride: readonly number[];
}

/** Runs a copy of at most {@link AXES} axes, after merging those that are contiguous on both sides. */
export function copy(backend: WasmBackend, task: StridedCopy): void {
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

/** Whether a copy has at most {@link AXES} axes after merging those that are contiguous on both sides. */
export function fitsCopy(task: Omit<StridedCopy, "from" | "to">): boolean {
  return mergedAxes(task).length <= AXES;
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

/** Strides of a row-major array, in values. */
export function stridesOf(shape: readonly number[]): number[] {
  const strides = new Array<number>(shape.length);
  for (let axis = shape.length - 1, stride = 1; axis >= 0; axis--) {
    strides[axis] = stride;
    stride *= shape[axis];
  }
  return strides;
}
