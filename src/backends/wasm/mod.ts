/**
 * The `wasm` engine: kernels in WebAssembly with SIMD on all cores, tensors in one shared memory.
 *
 * Needs no permission and no toolchain: the kernel modules are committed (`wasm/dist`) and loaded as part
 * of the module graph, workers are made from text. Two builds exist, with and without relaxed SIMD; the
 * host's features decide.
 */
import { BackendError } from "../../base/errors.ts";
import { tf } from "../../deps/tfjs.ts";
import { framesWithinBudget } from "../chunking.ts";
import type { ActiveEngine, Engine, EngineOptions, ProbeResult } from "../engine.ts";
import { WasmBackend } from "./backend.ts";
import { hasRelaxedSimd, hasSharedMemory } from "./features.ts";
import { registerKernels } from "./kernels/table.ts";
import { KernelRuntime } from "./runtime.ts";
import { chooseThreads } from "./threads.ts";

/** Activations of one chunk: enough frames to amortise weights, few enough to stay small. */
const CHUNK_BYTES = 64 * 2 ** 20;

/** Name under which TensorFlow.js knows the backend (no `_`: its registry splits there). */
const TF_NAME = "recvae-wasm";

/** Options of {@link startWasm} beyond those of every engine; for tests and measurements. */
export interface WasmOptions extends EngineOptions {
  /** Kernel module to use. Default: relaxed SIMD where the host has it. */
  readonly build?: "relaxed" | "simd128";
  /** Limit of the memory in 64 KiB pages. Default: 4 GiB. */
  readonly maximumPages?: number;
}

/** The engine; see the head of this module. */
export const engine: Engine = { name: "wasm", probe, start: startWasm };

function probe(): Promise<ProbeResult> {
  if (!hasSharedMemory()) {
    return Promise.resolve({
      name: "wasm",
      available: false,
      automatic: false,
      detail: "no shared memory",
      hint: "this host offers no shared WebAssembly memory; use --backend cpu",
    });
  }
  return Promise.resolve({
    name: "wasm",
    available: true,
    automatic: true,
    detail: describe(hasRelaxedSimd(), chooseThreads(undefined)),
  });
}

/**
 * Starts the engine and makes it TensorFlow.js' current backend. A running one is stopped first if options
 * differ, so tensors on it are lost then.
 *
 * @param options Threads, and for tests the build and the memory limit.
 * @throws {BackendError} when the host refuses memory or module.
 * @throws {ConfigError} on a bad thread count.
 */
export async function startWasm(options: WasmOptions = {}): Promise<ActiveEngine> {
  const threads = chooseThreads(options.threads);
  const relaxed = options.build === undefined ? hasRelaxedSimd() : options.build === "relaxed";
  const { module } = relaxed
    ? await import("./module_relaxed.js")
    : await import("./module_simd128.js");
  const { maximumPages } = options;
  const runtime = new KernelRuntime({ module, threads, maximumPages });
  if (tf.findBackendFactory(TF_NAME) != null) tf.removeBackend(TF_NAME);
  registerKernels(TF_NAME);
  tf.registerBackend(TF_NAME, () => new WasmBackend(runtime));
  if (!await tf.setBackend(TF_NAME)) {
    throw new BackendError("wasm", "Cannot start engine wasm: TensorFlow.js refused its backend");
  }
  return activeEngine(runtime, describe(relaxed, threads));
}

function activeEngine(runtime: KernelRuntime, detail: string): ActiveEngine {
  return {
    name: "wasm",
    tfName: TF_NAME,
    threads: runtime.threads,
    detail,
    framesPerChunk: (request) => framesWithinBudget(request, CHUNK_BYTES),
    memory() {
      const { used, reserved } = runtime.memory.statistics();
      return { used, reserved };
    },
    async stop() {
      await runtime.stop();
      const backend = tf.findBackend(TF_NAME);
      if (backend instanceof WasmBackend && backend.runtime === runtime) {
        tf.removeBackend(TF_NAME);
      }
    },
  };
}

function describe(relaxed: boolean, threads: number): string {
  return `${relaxed ? "relaxed SIMD" : "SIMD128"}, ${threads} thread${threads === 1 ? "" : "s"}`;
}
