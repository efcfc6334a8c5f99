/** One use of a GPU, from opening the device to giving it back. */
import { BackendError, ConfigError } from "../../base/errors.ts";
import { readEnvironment } from "../../deps/environment.ts";
import { tf } from "../../deps/tfjs.ts";
import { loadWebGpuPackage, WEBGPU_PACKAGE } from "../../deps/tfjs_webgpu.ts";
import { framesWithinBudget } from "../chunking.ts";
import type { ActiveEngine } from "../engine.ts";
import { FrameCache } from "../frame_cache.ts";
import { describeAdapter, findAdapter, openDevice, summaryLine } from "./adapter.ts";
import { registerGpuKernels } from "./kernels.ts";

/** Name known to TensorFlow.js (which splits kernel names at `_`). */
const TF_NAME = "recvae-webgpu";

/**
 * The one matrix product of the stock backend that is always used. Left alone it picks, for products with a long
 * inner axis (2000 and more) and columns in fours, a variant that splits that axis and gives wrong sums.
 */
const PACKED_MATMUL = 3;

/** Memory to count on unless RECVAE_GPU_MEMORY (GiB) says otherwise: WebGPU does not tell how much there is. */
const USUAL_BYTES = 4 * 2 ** 30;

/** The same for software adapters, which take it from the machine and gain nothing from more. */
const SOFTWARE_BYTES = 2 ** 30;

/** Shares of that memory: activations of one chunk (which take about as much again for gradients), frames kept. */
const CHUNK_SHARE = 0.25;
const FRAMES_SHARE = 0.4;

/**
 * Opens the GPU and makes it the current backend of TensorFlow.js.
 *
 * @throws {BackendError} when there is none or it cannot be opened, or the package cannot be fetched.
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
  const memoryBytes = memoryBudget(summary.software ? SOFTWARE_BYTES : USUAL_BYTES);
  // A software adapter's memory is the host's: keeping frames a second time gains nothing.
  const frameCache = summary.software ? undefined : new FrameCache(FRAMES_SHARE * memoryBytes);
  await loadPackage();
  const { DeviceBackend } = await import("./device_backend.ts"); // extends a class of the package
  const device = await openDevice(adapter);
  const backend = new DeviceBackend(device, adapter.info, memoryBytes);
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
    frameCache,
    framesPerChunk(request) {
      const frameBytes = 4 * request.voxels * request.batch;
      const bindable = Math.max(1, Math.floor(summary.maxBindingBytes / Math.max(1, frameBytes)));
      return Math.min(bindable, framesWithinBudget(request, CHUNK_SHARE * memoryBytes));
    },
    memory() {
      const { numBytesUsed, numBytesAllocated } = backend.bufferManager;
      return { used: numBytesUsed, reserved: numBytesAllocated };
    },
    lost: () => backend.lost,
    stop() {
      frameCache?.clear();
      if (tf.findBackend(TF_NAME) === backend) removeBackend(TF_NAME);
      backend.close();
      return Promise.resolve();
    },
  };
}

/** Fetches the package at the first use; says so in a sentence where that cannot be done. */
async function loadPackage(): Promise<void> {
  try {
    await loadWebGpuPackage();
  } catch {
    throw new BackendError(
      "webgpu",
      `Cannot start engine webgpu: found no ${WEBGPU_PACKAGE} on this machine and could not fetch it; ` +
        `run "deno cache ${WEBGPU_PACKAGE}" once with a network, or choose --backend wasm`,
    );
  }
}

/** RECVAE_GPU_MEMORY in bytes where it may be read, else `usual`. */
function memoryBudget(usual: number): number {
  const text = readEnvironment("RECVAE_GPU_MEMORY");
  if (text === undefined || text === "") return usual;
  const gibibytes = Number(text);
  if (gibibytes > 0 && Number.isFinite(gibibytes)) return gibibytes * 2 ** 30;
  throw new ConfigError(
    "RECVAE_GPU_MEMORY",
    `Cannot use RECVAE_GPU_MEMORY: found "${text}", needs a number of GiB above 0; leave it out for ` +
      `${usual / 2 ** 30}`,
  );
}

function removeBackend(name: string): void {
  if (tf.findBackendFactory(name) != null) tf.removeBackend(name);
}
