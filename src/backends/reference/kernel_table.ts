/** What a kernel of the reference engine looks like, and how a table of them is registered. */
import { tf } from "../../deps/tfjs.ts";
import type { Float64Backend } from "./float64_backend.ts";

/** What a kernel is called with. */
export interface Call {
  readonly inputs: Readonly<Record<string, tf.TensorInfo>>;
  // deno-lint-ignore no-explicit-any -- every kernel of TensorFlow.js has attributes of its own shape
  readonly attrs: Readonly<Record<string, any>>;
  readonly backend: Float64Backend;
}

/** A kernel: new tensors from tensors. */
export type Kernel = (call: Call) => tf.TensorInfo | tf.TensorInfo[];

/** Kernels by TensorFlow.js kernel name. */
export type KernelTable = Readonly<Record<string, Kernel>>;

/** Registers a table for a backend, leaving out what is registered already. */
export function registerTable(table: KernelTable, backendName: string): void {
  for (const [kernelName, kernel] of Object.entries(table)) {
    if (tf.getKernel(kernelName, backendName) != null) continue;
    tf.registerKernel({
      kernelName,
      backendName,
      kernelFunc: (call) => kernel(call as unknown as Call),
    });
  }
}
