/** What a kernel of the wasm engine is to TensorFlow.js' registry. */
import type { tf } from "../../../deps/tfjs.ts";
import type { WasmBackend } from "../backend.ts";

/** Inputs by name; optional ones may be missing. */
export type Inputs = Readonly<Record<string, tf.TensorInfo>>;

/** Arguments of a kernel, with its attributes typed. */
export interface KernelCall<Attributes = unknown> {
  readonly inputs: Inputs;
  readonly attrs: Attributes;
  readonly backend: WasmBackend;
}

/** One result, several, or null: "not a case of mine, use the CPU kernel of TensorFlow.js". */
export type KernelResult = tf.TensorInfo | tf.TensorInfo[] | null;

// deno-lint-ignore no-explicit-any -- each kernel knows its attributes; the registry does not.
type AnyCall = KernelCall<any>;

/** Computes results in the shared memory. */
export type Kernel = (call: AnyCall) => KernelResult;

/** Kernels by the name TensorFlow.js knows them by. */
export type KernelTable = Readonly<Record<string, Kernel>>;

/** Product of the sizes of a shape, 1 for a scalar. */
export function sizeOf(shape: readonly number[]): number {
  let size = 1;
  for (const n of shape) size *= n;
  return size;
}

/** Most axes that a movement of values can have. */
export const AXES = 6;

/** Whether x holds four-byte numbers on few enough axes to be moved by our kernels. */
export function isMovable(x: tf.TensorInfo): x is tf.TensorInfo & { dtype: "float32" | "int32" } {
  return (x.dtype === "float32" || x.dtype === "int32") && x.shape.length <= AXES;
}
