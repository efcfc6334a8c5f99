/**
 * One use of a GPU, from opening the device to giving it back. Imported only when the engine is started,
 * because it loads the WebGPU package.
 */
import { BackendError } from "../../base/errors.ts";
import { tf } from "../../deps/tfjs.ts";
import { framesWithinBudget } from "../chunking.ts";
import type { ActiveEngine } from "../engine.ts";
import { describeAdapter, findAdapter, openDevice, summaryLine } from "./adapter.ts";
import { DeviceBackend } from "./device_backend.ts";
import { registerGpuKernels } from "./kernels.ts";

/** Name known to TensorFlow.js (which splits kernel names at `_`). */
const TF_NAME = "recvae-webgpu";

/**
 * The one matrix product of the stock backend that is always used. Left alone it picks, for products with a long
 * inner axis (2000 and more) and columns in fours, a variant that splits that axis and gives wrong sums.
 */
const PACKED_MATMUL = 3;

/** Activations of one chunk. WebGPU does not tell how much memory a GPU has; any has this much. */
const CHUNK_BYTES = 2 * 2 ** 30;

/** The same for software adapters, which share the memory of the machine and gain nothing from more. */
const SOFTWARE_CHUNK_BYTES = 256 * 2 ** 20;

/**
 * Opens the GPU and makes it the current backend of TensorFlow.js.
 *
 * @throws {BackendError} when there is none or it cannot be opened.
 */
export async function startSession(): Promise<ActiveEngine> {
  const adapter = await findAdapter();
  if (adapter === null) {
    throw new BackendError(
      "webgpu",
      "Cannot start engine webgpu: found no GPU adapter, needs a Vulkan, Metal or DirectX 12 driver; " +
        "install one (on Debian: mesa-vulkan-drivers), or choose --backend wasm",
    );
  }
  const summary = describeAdapter(adapter);
  const budget = summary.software ? SOFTWARE_CHUNK_BYTES : CHUNK_BYTES;
  const device = await openDevice(adapter);
  const backend = new DeviceBackend(device, adapter.info, 2 * budget);
  removeBackend("webgpu"); // the stock factory cannot open a device here, and must not be tried
  removeBackend(TF_NAME);
  registerGpuKernels(TF_NAME);
  tf.env().set("WEBGPU_MATMUL_PROGRAM_TYPE", PACKED_MATMUL);
  tf.registerBackend(TF_NAME, () => backend, 0);
  if (!await tf.setBackend(TF_NAME)) {
    throw new BackendError(
      "webgpu",
      "Cannot start engine webgpu: TensorFlow.js refused the backend",
    );
  }
  return {
    name: "webgpu",
    tfName: TF_NAME,
    threads: 1,
    detail: summaryLine(summary),
    framesPerChunk(request) {
      const frameBytes = 4 * request.voxels * request.batch;
      const bindable = Math.max(1, Math.floor(summary.maxBindingBytes / Math.max(1, frameBytes)));
      return Math.min(bindable, framesWithinBudget(request, budget));
    },
    memory() {
      const { numBytesUsed, numBytesAllocated } = backend.bufferManager;
      return { used: numBytesUsed, reserved: numBytesAllocated };
    },
    stop() {
      if (tf.findBackend(TF_NAME) === backend) removeBackend(TF_NAME);
      backend.close();
      return Promise.resolve();
    },
  };
}

function removeBackend(name: string): void {
  if (tf.findBackendFactory(name) != null) tf.removeBackend(name);
}
