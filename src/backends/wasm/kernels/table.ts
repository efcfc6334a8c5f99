/** All kernels of the wasm engine, and their registration with TensorFlow.js. */
import { tf } from "../../../deps/tfjs.ts";
import type { WasmBackend } from "../backend.ts";
import { counted } from "../kernel_profile.ts";
import { ATTENTION_KERNELS } from "./attention.ts";
import { CELL_KERNELS } from "./cells.ts";
import { CONVOLUTION_KERNELS } from "./convolution.ts";
import { ELEMENTWISE_KERNELS } from "./elementwise.ts";
import type { Inputs, Kernel, KernelTable } from "./kernel.ts";
import { LAYOUT_KERNELS } from "./layout.ts";
import { LINEAR_KERNELS } from "./linear.ts";
import { NORM_KERNELS } from "./norm.ts";
import { RECURRENCE_KERNELS } from "./recurrence.ts";
import { PART_KERNELS } from "./parts.ts";
import { REDUCE_KERNELS } from "./reduce.ts";
import { ROW_KERNELS } from "./rows.ts";
import { TANH_ERROR_KERNELS } from "./tanh_error.ts";
import { TAP_KERNELS } from "./taps.ts";
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
  ...PART_KERNELS,
  ...ROW_KERNELS,
  ...TAP_KERNELS,
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
    const { kernelName, kernelFunc } = config;
    if (kernelName in KERNELS) continue;
    tf.registerKernel({
      ...config,
      backendName,
      kernelFunc: (call) => counted(kernelName, true, () => kernelFunc(call)),
    });
  }
  for (const [kernelName, kernel] of Object.entries(KERNELS)) {
    const fallback = stock.get(kernelName)?.kernelFunc;
    const kernelFunc = withFallback(kernelName, kernel, fallback);
    tf.registerKernel({ kernelName, backendName, kernelFunc });
  }
}

function withFallback(
  name: string,
  kernel: Kernel,
  fallback: tf.KernelFunc | undefined,
): tf.KernelFunc {
  return (call) => {
    const backend = call.backend as WasmBackend;
    const ours = () =>
      backend.scoped(() => kernel({ inputs: call.inputs as Inputs, attrs: call.attrs, backend }));
    return counted(name, false, ours) ?? counted(name, true, () => fallback!(call));
  };
}
