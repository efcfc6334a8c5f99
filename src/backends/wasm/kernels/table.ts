/** All kernels of the wasm engine, and their registration with TensorFlow.js. */
import { tf } from "../../../deps/tfjs.ts";
import type { WasmBackend } from "../backend.ts";
import { ATTENTION_KERNELS } from "./attention.ts";
import { CELL_KERNELS } from "./cells.ts";
import { CONVOLUTION_KERNELS } from "./convolution.ts";
import { ELEMENTWISE_KERNELS } from "./elementwise.ts";
import type { Inputs, Kernel, KernelTable } from "./kernel.ts";
import { LAYOUT_KERNELS } from "./layout.ts";
import { LINEAR_KERNELS } from "./linear.ts";
import { NORM_KERNELS } from "./norm.ts";
import { RECURRENCE_KERNELS } from "./recurrence.ts";
import { REDUCE_KERNELS } from "./reduce.ts";
import { TANH_ERROR_KERNELS } from "./tanh_error.ts";
import { UPDATE_KERNELS } from "./update.ts";

/** Kernels of ours by the name TensorFlow.js knows them by. */
export const KERNELS: KernelTable = {
  ...CONVOLUTION_KERNELS,
  ...NORM_KERNELS,
  ...TANH_ERROR_KERNELS,
  ...RECURRENCE_KERNELS,
  ...LINEAR_KERNELS,
  ...ATTENTION_KERNELS,
  ...CELL_KERNELS,
  ...UPDATE_KERNELS,
  ...ELEMENTWISE_KERNELS,
  ...REDUCE_KERNELS,
  ...LAYOUT_KERNELS,
};

/**
 * Registers every kernel for the backend `backendName`: ours, and the CPU kernel of TensorFlow.js for every
 * name or case that has none. A second call does nothing.
 */
export function registerKernels(backendName: string): void {
  if (tf.getKernelsForBackend(backendName).length > 0) return;
  const stock = new Map(
    tf.getKernelsForBackend("cpu").map((config) => [config.kernelName, config]),
  );
  for (const config of stock.values()) {
    if (!(config.kernelName in KERNELS)) tf.registerKernel({ ...config, backendName });
  }
  for (const [kernelName, kernel] of Object.entries(KERNELS)) {
    const fallback = stock.get(kernelName)?.kernelFunc;
    tf.registerKernel({ kernelName, backendName, kernelFunc: scoped(kernel, fallback) });
  }
}

function scoped(kernel: Kernel, fallback: tf.KernelFunc | undefined): tf.KernelFunc {
  return (call) => {
    const backend = call.backend as WasmBackend;
    const result = backend.scoped(() =>
      kernel({ inputs: call.inputs as Inputs, attrs: call.attrs, backend })
    );
    if (result !== null) return result;
    return fallback!(call);
  };
}
