/**
 * Loads a kernel module on a few threads with nothing of the library in between: what the kernels are
 * checked and timed with while they are being written (bench_conv3d.ts). The library's own pool is
 * src/backends/wasm.
 */

/** Words of the control block at the start of the arena. */
const CONTROL = { generation: 0, kernel: 1, params: 2, slices: 3, next: 4, running: 5 } as const;

const STACK_BYTES = 65536;

/** Looks at the control block before a thread goes to sleep: the kernels of an operation follow closely. */
const SPINS = 5000;

const WORKER = `
self.onmessage = ({ data: { module, memory, control, stack, scratch, names } }) => {
  const instance = new WebAssembly.Instance(module, { env: { memory } });
  instance.exports.__stack_pointer.value = stack;
  const words = new Int32Array(memory.buffer, control, 16);
  const pause = Atomics.pause ?? (() => {});
  self.postMessage("ready");
  for (let seen = 0;;) {
    for (let spins = ${SPINS}; spins > 0 && Atomics.load(words, 0) === seen; --spins) pause();
    Atomics.wait(words, 0, seen);
    seen = Atomics.load(words, 0);
    const kernel = words[1], params = words[2], slices = words[3];
    if (kernel < 0) return;
    const run = instance.exports[names[kernel]];
    for (let slice; (slice = Atomics.add(words, 4, 1)) < slices;) run(params, slice, slice + 1, scratch);
    Atomics.sub(words, 5, 1);
    Atomics.notify(words, 5);
  }
};`;

// deno-lint-ignore no-explicit-any -- Atomics.pause is newer than the type declarations.
const pause: () => void = (Atomics as any).pause ?? (() => {});

type Kernel = (...args: number[]) => number;

/** A kernel module on `threads` threads, the calling one included. */
export class Harness {
  readonly exports: Record<string, Kernel>;
  readonly memory: WebAssembly.Memory;
  readonly #threads: number;
  readonly #names: string[];
  readonly #control: number;
  readonly #scratch: number;
  readonly #words: Int32Array;
  readonly #workers: Worker[] = [];
  #top: number;

  private constructor(
    instance: WebAssembly.Instance,
    memory: WebAssembly.Memory,
    threads: number,
    scratchBytes: number,
  ) {
    this.exports = instance.exports as Record<string, Kernel>;
    this.memory = memory;
    this.#threads = threads;
    this.#names = Object.keys(instance.exports);
    this.#top = (instance.exports.__heap_base as WebAssembly.Global).value;
    this.#control = this.allocate(64);
    this.#words = new Int32Array(memory.buffer, this.#control, 16);
    this.#scratch = this.allocate(scratchBytes * threads);
  }

  /** Compiles `bytes`, starts the workers and reserves `megabytes` of memory. */
  static async start(
    bytes: BufferSource,
    { threads = 1, megabytes = 1024, scratchBytes = 16 << 20 }: {
      threads?: number;
      megabytes?: number;
      scratchBytes?: number;
    },
  ): Promise<Harness> {
    const module = await WebAssembly.compile(bytes);
    const memory = new WebAssembly.Memory({
      initial: megabytes * 16,
      maximum: 65536,
      shared: true,
    });
    const instance = new WebAssembly.Instance(module, { env: { memory } });
    const harness = new Harness(instance, memory, threads, scratchBytes);
    const url = URL.createObjectURL(new Blob([WORKER], { type: "text/javascript" }));
    for (let t = 1; t < threads; ++t) {
      const worker = new Worker(url, { type: "module" });
      const ready = new Promise((done) => worker.onmessage = done);
      const stack = harness.allocate(STACK_BYTES) + STACK_BYTES;
      const scratch = harness.#scratch + t * scratchBytes;
      const control = harness.#control;
      worker.postMessage({ module, memory, control, stack, scratch, names: harness.#names });
      harness.#workers.push(worker);
      await ready;
    }
    URL.revokeObjectURL(url);
    return harness;
  }

  /** Reserves bytes (64-byte aligned, after what was reserved before) and returns their address. */
  allocate(bytes: number): number {
    const at = this.#top;
    this.#top += Math.ceil(bytes / 64) * 64 + 64;
    if (this.#top > this.memory.buffer.byteLength) throw new RangeError("the arena is too small");
    return at;
  }

  /** Forgets everything reserved after `mark`; without an argument, returns the present mark. */
  release(mark?: number): number {
    if (mark !== undefined) this.#top = mark;
    return this.#top;
  }

  /** A float32 view of memory. */
  floats(address: number, length: number): Float32Array {
    return new Float32Array(this.memory.buffer, address, length);
  }

  /** Runs kernel `name` over all its slices on all threads; nothing when the module has no such kernel. */
  runKernel(
    name: string,
    params: number,
    slices = this.exports[`${name}__slices`]?.(params),
  ): void {
    const kernel = this.exports[name];
    if (!kernel || !slices) return;
    const words = this.#words;
    words[CONTROL.kernel] = this.#names.indexOf(name);
    words[CONTROL.params] = params;
    words[CONTROL.slices] = slices;
    words[CONTROL.next] = 0;
    words[CONTROL.running] = this.#threads - 1;
    Atomics.add(words, CONTROL.generation, 1);
    Atomics.notify(words, CONTROL.generation);
    for (let slice; (slice = Atomics.add(words, CONTROL.next, 1)) < slices;) {
      kernel(params, slice, slice + 1, this.#scratch);
    }
    for (let spins = SPINS; spins > 0 && Atomics.load(words, CONTROL.running) > 0; --spins) pause();
    for (let left; (left = Atomics.load(words, CONTROL.running)) > 0;) {
      Atomics.wait(words, CONTROL.running, left);
    }
  }

  /** Runs an operation: its prepare, main and finish kernels. */
  runOperation(name: string, params: number): void {
    this.runKernel(`${name}_prepare`, params);
    this.runKernel(name, params);
    this.runKernel(`${name}_finish`, params);
  }

  /** Ends the workers: each is woken to return, since a worker asleep in a wait keeps the process alive. */
  stop(): void {
    this.#words[CONTROL.kernel] = -1;
    Atomics.add(this.#words, CONTROL.generation, 1);
    Atomics.notify(this.#words, CONTROL.generation);
    for (const worker of this.#workers) worker.terminate();
  }
}
