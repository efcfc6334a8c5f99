/**
 * What an engine is to the rest of the library. One file (or folder) per engine implements this; the
 * registry (registry.ts) probes and chooses. Models, operations and training never ask which one runs.
 */
import type { FrameCache } from "./frame_cache.ts";

/** Names a user can ask for. `reference` is the slow float64 engine the others are checked against. */
export type BackendName = "cuda" | "tensorflow" | "webgpu" | "wasm" | "cpu" | "reference";

/** Choices of `--backend`. */
export type BackendChoice = BackendName | "auto";

/** What a probe found out, without starting the engine in this process. */
export interface ProbeResult {
  /** Engine that was probed. */
  readonly name: BackendName;
  /** True when `start` is expected to succeed. */
  readonly available: boolean;
  /** Whether `auto` may choose it (a software GPU adapter, for example, may not). */
  readonly automatic: boolean;
  /** Versions, device name, memory: `"relaxed SIMD, 2 threads"`. */
  readonly detail: string;
  /** When unavailable or not automatic: why, and what command would enable it. */
  readonly hint?: string;
}

/** Options of starting an engine; each engine reads what concerns it. */
export interface EngineOptions {
  /** Worker threads (wasm). Default: RECVAE_THREADS if readable, else the available cores. */
  readonly threads?: number;
}

/** Sizes that decide how many frames one kernel call should take. */
export interface ChunkRequest {
  /** Voxels of one volume. */
  readonly voxels: number;
  /** Subjects per batch, B. */
  readonly batch: number;
  /** Frames available, T. */
  readonly frames: number;
  /** Float32 values kept per volume during one forward and backward pass. */
  readonly valuesPerVolume: number;
}

/** A started engine: TensorFlow.js calls go to it until another one is selected. */
export interface ActiveEngine {
  /** Name it was chosen by. */
  readonly name: BackendName;
  /** Name under which TensorFlow.js knows it (contains no `_`). */
  readonly tfName: string;
  /** Worker threads used, 1 where the notion does not apply. */
  readonly threads: number;
  /** Human-readable device line. */
  readonly detail: string;
  /** Frames to process per kernel call for a problem of this size, at least 1. */
  framesPerChunk(request: ChunkRequest): number;
  /** Frames kept in the engine's memory; absent where the host's memory is the engine's. */
  readonly frameCache?: FrameCache;
  /** Memory held by tensors, and by the engine in total, in bytes. */
  memory(): { readonly used: number; readonly reserved: number };
  /** True once its device is gone for good; choosing the engine again then starts it anew. Absent: never. */
  lost?(): boolean;
  /** Stops workers and gives memory back; the engine can be started again. */
  stop(): Promise<void>;
}

/** An engine that can be probed and started. */
export interface Engine {
  /** Name to choose it by. */
  readonly name: BackendName;
  /** Looks, within about two seconds and without side effects. */
  probe(): Promise<ProbeResult>;
  /**
   * Registers the kernels (once) and makes this engine the current one of TensorFlow.js.
   *
   * @throws {BackendError} when it cannot be started; the message says what would enable it.
   */
  start(options?: EngineOptions): Promise<ActiveEngine>;
}
