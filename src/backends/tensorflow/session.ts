/** Loading native TensorFlow into this process, once, and making it the backend of TensorFlow.js. */
import { BackendError } from "../../base/errors.ts";
import { fileExists } from "../../deps/node_fs.ts";
import { howToGrant, isGranted } from "../../deps/permissions.ts";
import { tf } from "../../deps/tfjs.ts";
import {
  loadTensorFlowAddon,
  loadTensorFlowPackage,
  setNativeVariable,
  type TensorFlowBackend,
} from "../../deps/tfjs_node.ts";
import { framesWithinBudget } from "../chunking.ts";
import type { ActiveEngine, EngineOptions } from "../engine.ts";
import { addonPath, INSTALL_COMMAND } from "./addon.ts";
import { registerCompositions } from "./kernels.ts";

/** The two names of this engine: on a GPU, and on whatever there is. */
export type TensorFlowName = "cuda" | "tensorflow";

/** Name known to TensorFlow.js; the kernels of tfjs-node insist on it. */
const TF_NAME = "tensorflow";

/** Activations of one chunk. Compositions keep about three copies of a volume at a time beside these. */
const CHUNK_BYTES = 512 * 2 ** 20;
const GPU_CHUNK_BYTES = 2 * 2 ** 30;

/** Native TensorFlow in this process. */
export interface LoadedTensorFlow {
  readonly version: string;
  /** True when it sees a GPU that it can use. */
  readonly gpu: boolean;
  createBackend(): TensorFlowBackend;
}

/**
 * Names the permissions that are missing, without asking for them.
 *
 * @param name On a GPU a variable has to be set, lest products are rounded to TensorFloat-32.
 * @returns A hint, or null when nothing is missing.
 */
export function missingPermission(name: TensorFlowName): string | null {
  const needed = name === "cuda" ? ["ffi", "read", "env"] as const : ["ffi", "read"] as const;
  const missing = needed.filter((permission) => !isGranted(permission));
  if (missing.length === 0) return null;
  const flags = missing.map((permission) => `--allow-${permission}`).join(" ");
  return `native TensorFlow is loaded as a library; ${howToGrant(flags)}`;
}

/**
 * Loads TensorFlow. What was loaded once stays: a process cannot change its mind about the GPU.
 *
 * @throws {BackendError} when a permission or the addon is missing, or the addon does not load.
 */
export async function loadTensorFlow(
  name: TensorFlowName,
  options: EngineOptions = {},
): Promise<LoadedTensorFlow> {
  const hint = missingPermission(name);
  if (hint !== null) throw new BackendError(name, `Cannot load TensorFlow: ${hint}`);
  const { folder, createBackend } = await loadTensorFlowPackage();
  const path = addonPath(folder);
  if (!fileExists(path)) {
    throw new BackendError(
      name,
      `Cannot load TensorFlow: its addon is not built, needs ${path}; run "${INSTALL_COMMAND}"`,
    );
  }
  setNativeVariable("TF_CPP_MIN_LOG_LEVEL", "2");
  // Products in full float32: TensorFloat-32, the default on NVIDIA GPUs since 2020, keeps 10 bits.
  setNativeVariable("NVIDIA_TF32_OVERRIDE", "0");
  if (options.threads) setNativeVariable("TF_NUM_INTRAOP_THREADS", String(options.threads));
  if (name === "tensorflow") setNativeVariable("CUDA_VISIBLE_DEVICES", "-1");
  try {
    const addon = loadTensorFlowAddon(path);
    return {
      version: addon.TF_Version,
      gpu: addon.isUsingGpuDevice(),
      createBackend: () => createBackend(addon),
    };
  } catch (error) {
    throw new BackendError(
      name,
      `Cannot load TensorFlow: ${(error as Error).message}; build the addon again with ` +
        `"${INSTALL_COMMAND}", it belongs to one TensorFlow version in one place`,
    );
  }
}

/**
 * Starts the engine.
 *
 * @param name `"cuda"` insists on a GPU.
 * @param options Threads.
 * @throws {BackendError} when it cannot be started.
 */
export async function startSession(
  name: TensorFlowName,
  options: EngineOptions,
): Promise<ActiveEngine> {
  const { version, gpu, createBackend } = await loadTensorFlow(name, options);
  if (name === "cuda" && !gpu) {
    throw new BackendError(
      "cuda",
      `Cannot start engine cuda: TensorFlow ${version} sees no GPU, needs one with its CUDA libraries; ` +
        "choose --backend tensorflow for the CPU",
    );
  }
  if (tf.findBackendFactory(TF_NAME) == null) {
    tf.registerBackend(TF_NAME, () => createBackend() as unknown as tf.KernelBackend, 0);
  }
  registerCompositions(TF_NAME);
  if (!await tf.setBackend(TF_NAME)) {
    throw new BackendError(name, `Cannot start engine ${name}: TensorFlow.js refused the backend`);
  }
  const budget = gpu ? GPU_CHUNK_BYTES : CHUNK_BYTES;
  return {
    name,
    tfName: TF_NAME,
    threads: gpu ? 1 : options.threads ?? navigator.hardwareConcurrency,
    detail: detailLine(version, gpu),
    framesPerChunk: (request) => framesWithinBudget(request, budget),
    memory() {
      const used = tf.memory().numBytes;
      return { used, reserved: used };
    },
    stop() {
      if (tf.findBackendFactory(TF_NAME) != null) tf.removeBackend(TF_NAME);
      return Promise.resolve();
    },
  };
}

/** `"TensorFlow 2.21.0, CPU"`. */
export function detailLine(version: string, gpu: boolean): string {
  return `TensorFlow ${version}, ${gpu ? "GPU" : "CPU"}`;
}
