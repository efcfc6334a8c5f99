/**
 * A loaded kernel module: its memory, its threads, and `launch`, which runs one operation (up to three
 * kernels with barriers between them, see `wasm/kernel.h`).
 */
import { BackendError } from "../../base/errors.ts";
import type { KernelExport } from "./control.ts";
import { SharedMemory } from "./memory.ts";
import type { FieldValues, ParameterLayout } from "./parameters.ts";
import { WorkerPool } from "./pool.ts";

const PAGE = 65536;
/** Stack of each worker; kernels keep little on it. */
const STACK_BYTES = 65536;
/** Room for the largest parameter struct. */
const PARAMETER_BYTES = 1024;

type SizeFunction = (parameters: number) => number;

/** One kernel of an operation. */
interface Phase {
  readonly kernel: number;
  readonly slices: SizeFunction;
}

interface Operation {
  readonly phases: readonly Phase[];
  readonly scratch: SizeFunction | null;
  readonly workspace: SizeFunction | null;
}

/** Options of {@link KernelRuntime}. */
export interface RuntimeOptions {
  readonly module: WebAssembly.Module;
  /** Threads in all, the calling one included. */
  readonly threads: number;
  /** Limit of the memory in 64 KiB pages. Default: 4 GiB. */
  readonly maximumPages?: number;
}

/** The kernels, ready to run. */
export class KernelRuntime {
  readonly memory: SharedMemory;
  readonly #pool: WorkerPool;
  readonly #exports: Readonly<Record<string, WebAssembly.ExportValue>>;
  readonly #names: readonly string[];
  readonly #operations = new Map<string, Operation>();
  readonly #parameters: number;

  /**
   * Instantiates the module; workers start later, with the first large job.
   *
   * @throws {BackendError} when the host refuses the memory or the module.
   */
  constructor(options: RuntimeOptions) {
    const { module, threads } = options;
    this.memory = new SharedMemory({
      modulePages: modulePages(module),
      maximumPages: options.maximumPages,
    });
    this.#exports = instantiate(module, this.memory.memory).exports;
    this.#names = Object.keys(this.#exports);
    this.#parameters = this.memory.allocate(PARAMETER_BYTES, "kernel parameters");
    const stacks = this.memory.allocate(STACK_BYTES * threads, "thread stacks");
    this.#pool = new WorkerPool({
      module,
      memory: this.memory.memory,
      kernels: Object.values(this.#exports) as unknown as KernelExport[],
      threads,
      stackTop: (thread) => stacks + STACK_BYTES * (thread + 1),
    });
  }

  /** Threads in all. */
  get threads(): number {
    return this.#pool.threads;
  }

  /** Workers that run at the moment; 0 before the first large job. */
  get readyWorkers(): number {
    return this.#pool.readyWorkers;
  }

  /**
   * Runs an operation on all threads and returns when it is done.
   *
   * @param name Name of the operation, e.g. `"f32_conv3d_forward"`.
   * @param layout Layout of its parameters.
   * @param values Their values; a `workspace` field is filled in.
   * @throws {BackendError} out of memory, or a kernel failed.
   */
  launch<Name extends string>(
    name: string,
    layout: ParameterLayout<Name>,
    values: FieldValues<Name>,
  ): void {
    const operation = this.#operations.get(name) ?? this.#resolve(name);
    const parameters = this.#parameters;
    const { memory } = this;
    layout.write(values, {
      integers: memory.integers,
      floats: memory.floats,
      address: parameters,
    });
    const scratchBytes = roundUp(operation.scratch?.(parameters) ?? 0);
    const workspaceBytes = roundUp(operation.workspace?.(parameters) ?? 0);
    const total = scratchBytes * this.threads + workspaceBytes;
    const block = total > 0 ? memory.allocate(total, `the workspace of kernel ${name}`) : 0;
    try {
      if (workspaceBytes > 0) {
        memory.integers[(parameters >> 2) + layout.indexOf("workspace")] = block;
      }
      for (const { kernel, slices } of operation.phases) {
        this.#pool.run({
          kernel,
          parameters,
          slices: slices(parameters),
          scratch: block + workspaceBytes,
          scratchStride: scratchBytes,
        });
      }
    } finally {
      if (block > 0) memory.free(block);
    }
  }

  /** Whether the module has an operation of this name. */
  has(name: string): boolean {
    return this.#names.includes(name);
  }

  /** Ends the workers; a later launch starts new ones. */
  stop(): Promise<void> {
    return this.#pool.stop();
  }

  #resolve(name: string): Operation {
    if (!this.has(name)) {
      throw new BackendError(
        "wasm",
        `Cannot run kernel ${name}: found no such export, needs a module built from these sources; ` +
          `run "deno task build:wasm"`,
      );
    }
    const sizeFunction = (suffix: string): SizeFunction | null => {
      const found = this.#exports[name + suffix];
      return typeof found === "function" ? found as unknown as SizeFunction : null;
    };
    const phases: Phase[] = [];
    for (const suffix of ["_prepare", "", "_finish"]) {
      const kernel = this.#names.indexOf(name + suffix);
      const slices = sizeFunction(`${suffix}__slices`);
      if (kernel >= 0 && slices !== null) phases.push({ kernel, slices });
    }
    const operation = {
      phases,
      scratch: sizeFunction("__scratch"),
      workspace: sizeFunction("__workspace"),
    };
    this.#operations.set(name, operation);
    return operation;
  }
}

function instantiate(module: WebAssembly.Module, memory: WebAssembly.Memory): WebAssembly.Instance {
  try {
    return new WebAssembly.Instance(module, { env: { memory } });
  } catch (cause) {
    throw new BackendError(
      "wasm",
      `Cannot start the wasm engine: the host refused its kernel module ` +
        `(${(cause as Error).message}); choose the cpu engine`,
    );
  }
}

/** Pages that the module's own stack and data take from address 0: found on a throw-away instance. */
function modulePages(module: WebAssembly.Module): number {
  const memory = new WebAssembly.Memory({ initial: 16, maximum: 16, shared: true });
  const { __heap_base } = instantiate(module, memory).exports;
  return Math.ceil((__heap_base as WebAssembly.Global).value / PAGE);
}

/** Rounds up to a cache line, so that threads do not share one. */
function roundUp(bytes: number): number {
  return Math.ceil(bytes / 64) * 64;
}
