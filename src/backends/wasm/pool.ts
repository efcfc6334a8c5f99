/**
 * The worker pool: runs one kernel at a time on all threads, the calling thread included.
 *
 * Workers start with the first job that has more than one slice, spin a little between jobs, sleep when
 * none comes, and never keep the process alive. A kernel that fails on any thread ends the pool with a
 * {@link BackendError}; the next job starts a new one. The protocol is described in `control.ts`.
 */
import { BackendError } from "../../base/errors.ts";
import { Worker } from "../../deps/node_worker_threads.ts";
import {
  CONTROL,
  CONTROL_WORDS,
  FAILURE_TEXT_LENGTH,
  type KernelExport,
  type WorkerStart,
} from "./control.ts";
import { workerSource } from "./worker.ts";

/**
 * How long a worker looks at the gate before it falls asleep, in milliseconds: longer than most gaps between
 * the kernels of a training step. Waking a sleeper costs the main thread about 40 µs and as much again passes
 * before it works.
 */
const WORKER_SPIN_TIME = 0.2;
/** Looks at the count of active workers before the main thread falls asleep. */
const MAIN_SPINS = 4000;
/** Grabs per thread that a job is divided into at most: balance against traffic on the counter. */
const GRABS_PER_THREAD = 32;
/** Longest time without any worker finishing a slice before they are taken for dead, in milliseconds. */
const SILENCE_LIMIT = 60_000;

// deno-lint-ignore no-explicit-any -- Atomics.pause is newer than the type declarations.
const pause: () => void = (Atomics as any).pause ?? (() => {});

/** One kernel call: every slice of `0 … slices−1` is done exactly once, by whichever thread comes. */
export interface Job {
  /** Position of the kernel among the module's exports. */
  readonly kernel: number;
  /** Address of its parameters. */
  readonly parameters: number;
  readonly slices: number;
  /** Address of the scratch of thread 0; thread t has `scratch + t·scratchStride`. */
  readonly scratch: number;
  readonly scratchStride: number;
}

/** What the pool needs to run kernels. */
export interface PoolOptions {
  readonly module: WebAssembly.Module;
  readonly memory: WebAssembly.Memory;
  /** The main thread's kernels, in the order of the module's exports. */
  readonly kernels: readonly KernelExport[];
  /** Threads in all, the calling one included; at least 1. */
  readonly threads: number;
  /** Address of the top of the stack of thread t, for t ≥ 1. */
  readonly stackTop: (thread: number) => number;
}

/** Threads that take slices of one job after another. */
export class WorkerPool {
  readonly #options: PoolOptions;
  #control: Int32Array<SharedArrayBuffer> | null = null;
  #workers: Worker[] = [];

  /** @param options See {@link PoolOptions}. Nothing is started yet. */
  constructor(options: PoolOptions) {
    this.#options = options;
  }

  /** Threads in all, the calling one included. */
  get threads(): number {
    return this.#options.threads;
  }

  /** Workers that have started and wait for jobs or run one. */
  get readyWorkers(): number {
    return this.#control === null ? 0 : Atomics.load(this.#control, CONTROL.ready);
  }

  /**
   * Runs a job to its end.
   *
   * @throws {BackendError} when the kernel failed on any thread, or a worker died. Results are undefined
   * then, the pool can be used again.
   */
  run(job: Job): void {
    if (job.slices <= 0) return;
    if (job.slices === 1 || this.#options.threads === 1) {
      this.#runHere(job);
      return;
    }
    const control = this.#control ?? this.#start();
    this.#open(control, job);
    let error: unknown = null;
    try {
      this.#takeSlices(control, job);
    } catch (caught) {
      error = caught;
    }
    Atomics.add(control, CONTROL.gate, 1);
    this.#awaitWorkers(control);
    if (error !== null) this.#fail(0, (error as Error).message);
    const failed = Atomics.load(control, CONTROL.failure);
    if (failed !== 0) this.#fail(failed - 1, failureText(control));
  }

  /** Starts the workers now instead of with the first job, and does not wait for them. */
  start(): void {
    if (this.#options.threads > 1 && this.#control === null) this.#start();
  }

  /** Ends the workers; resolves when they are gone. A later job starts new ones. */
  async stop(): Promise<void> {
    const workers = this.#release();
    await Promise.all(workers.map((worker) => {
      worker.ref();
      return worker.terminate();
    }));
  }

  #runHere(job: Job): void {
    try {
      this.#options.kernels[job.kernel](job.parameters, 0, job.slices, job.scratch);
    } catch (error) {
      throw kernelFailed(0, (error as Error).message);
    }
  }

  #start(): Int32Array<SharedArrayBuffer> {
    const { module, memory, threads, stackTop } = this.#options;
    const control = new Int32Array(new SharedArrayBuffer(CONTROL_WORDS * 4));
    const source = workerSource();
    try {
      for (let thread = 1; thread < threads; thread++) {
        const workerData: WorkerStart = {
          module,
          memory,
          control,
          thread,
          stackTop: stackTop(thread),
          spinTime: WORKER_SPIN_TIME,
          words: CONTROL,
          failureTextLength: FAILURE_TEXT_LENGTH,
        };
        // Without `env` the variables of this process would be copied, for which the host asks its user.
        const worker = new Worker(source, { eval: true, workerData, env: {} });
        worker.on("error", (error: Error) => reportDeath(control, thread, error.message));
        worker.unref();
        this.#workers.push(worker);
      }
    } catch (error) {
      this.#release();
      throw new BackendError(
        "wasm",
        `Cannot start ${threads - 1} worker threads (${
          (error as Error).message
        }); start the wasm ` +
          `engine with threads: 1`,
      );
    }
    this.#control = control;
    return control;
  }

  #open(control: Int32Array, job: Job): void {
    const grabs = this.#options.threads * GRABS_PER_THREAD;
    control[CONTROL.kernel] = job.kernel;
    control[CONTROL.parameters] = job.parameters;
    control[CONTROL.slices] = job.slices;
    control[CONTROL.slicesPerGrab] = Math.max(1, Math.floor(job.slices / grabs));
    control[CONTROL.scratch] = job.scratch;
    control[CONTROL.scratchStride] = job.scratchStride;
    Atomics.store(control, CONTROL.next, 0);
    Atomics.add(control, CONTROL.gate, 1);
    if (Atomics.load(control, CONTROL.sleepers) > 0) Atomics.notify(control, CONTROL.gate);
  }

  #takeSlices(control: Int32Array, job: Job): void {
    const kernel = this.#options.kernels[job.kernel];
    const grab = control[CONTROL.slicesPerGrab];
    for (;;) {
      const begin = Atomics.add(control, CONTROL.next, grab);
      if (begin >= job.slices) return;
      kernel(job.parameters, begin, Math.min(begin + grab, job.slices), job.scratch);
    }
  }

  /** Returns when no worker is inside the job any more. */
  #awaitWorkers(control: Int32Array<SharedArrayBuffer>): void {
    for (let i = 0; i < MAIN_SPINS; i++) {
      if (Atomics.load(control, CONTROL.active) === 0) return;
      pause();
    }
    Atomics.store(control, CONTROL.mainSleeps, 1);
    for (;;) {
      const active = Atomics.load(control, CONTROL.active);
      if (active === 0) break;
      if (Atomics.wait(control, CONTROL.active, active, SILENCE_LIMIT) === "timed-out") {
        reportDeath(control, 0, `${active} workers did not answer for ${SILENCE_LIMIT / 1000} s`);
        break;
      }
    }
    Atomics.store(control, CONTROL.mainSleeps, 0);
  }

  #fail(thread: number, message: string): never {
    this.#release();
    throw kernelFailed(thread, message);
  }

  /** Tells the workers to leave and forgets them. */
  #release(): Worker[] {
    const workers = this.#workers;
    const control = this.#control;
    this.#workers = [];
    this.#control = null;
    if (control !== null) {
      Atomics.store(control, CONTROL.stop, 1);
      Atomics.add(control, CONTROL.gate, 2);
      Atomics.notify(control, CONTROL.gate);
    }
    return workers;
  }
}

/** Notes a failure in the control words, unless one is noted already. `thread` −1 … counts from 0. */
function reportDeath(control: Int32Array, thread: number, message: string): void {
  if (Atomics.compareExchange(control, CONTROL.failure, 0, thread + 1) !== 0) return;
  const text = message.slice(0, FAILURE_TEXT_LENGTH);
  for (let i = 0; i < text.length; i++) control[CONTROL.failureText + i] = text.charCodeAt(i);
  Atomics.store(control, CONTROL.failureLength, text.length);
}

function failureText(control: Int32Array): string {
  const length = Atomics.load(control, CONTROL.failureLength);
  return String.fromCharCode(
    ...control.subarray(CONTROL.failureText, CONTROL.failureText + length),
  );
}

function kernelFailed(thread: number, message: string): BackendError {
  return new BackendError(
    "wasm",
    `A kernel failed on thread ${thread} of the wasm engine: ${message}; its results are lost, the ` +
      `engine starts new workers with the next operation`,
  );
}
