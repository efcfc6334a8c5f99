/**
 * What a worker thread does: instantiate the module on the shared memory, then take slices of jobs.
 *
 * {@link runWorker} is sent to the worker as source text (a worker made from text needs no permission,
 * one made from a file does), so it must not refer to anything outside itself.
 */
import type { KernelExport, WorkerStart } from "./control.ts";

/** The worker's program. Returns when the pool asks it to stop or a kernel failed. */
export function runWorker(start: WorkerStart): void {
  const { control, words } = start;
  // deno-lint-ignore no-explicit-any -- Atomics.pause is newer than the type declarations.
  const pause: () => void = (Atomics as any).pause ?? (() => {});

  function report(error: unknown): void {
    const text = String((error as Error)?.message ?? error).slice(0, start.failureTextLength);
    if (Atomics.compareExchange(control, words.failure, 0, start.thread + 1) === 0) {
      for (let i = 0; i < text.length; i++) control[words.failureText + i] = text.charCodeAt(i);
      Atomics.store(control, words.failureLength, text.length);
    }
  }

  function takeSlices(kernels: KernelExport[]): void {
    const kernel = kernels[control[words.kernel]];
    const parameters = control[words.parameters];
    const slices = control[words.slices];
    const grab = control[words.slicesPerGrab];
    const scratch = control[words.scratch] + start.thread * control[words.scratchStride];
    for (;;) {
      const begin = Atomics.add(control, words.next, grab);
      if (begin >= slices) return;
      kernel(parameters, begin, Math.min(begin + grab, slices), scratch);
    }
  }

  /** Waits until the gate differs from `seen`, first spinning, then asleep. */
  function awaitGate(seen: number): void {
    const deadline = performance.now() + start.spinTime;
    do {
      for (let i = 0; i < 32; i++) {
        if (Atomics.load(control, words.gate) !== seen) return;
        pause();
      }
    } while (performance.now() < deadline);
    Atomics.add(control, words.sleepers, 1);
    Atomics.wait(control, words.gate, seen);
    Atomics.sub(control, words.sleepers, 1);
  }

  function work(kernels: KernelExport[]): void {
    let seen = 0;
    for (;;) {
      awaitGate(seen);
      if (Atomics.load(control, words.stop) !== 0) return;
      seen = Atomics.load(control, words.gate);
      if ((seen & 1) === 0) continue;
      Atomics.add(control, words.active, 1);
      let failed = false;
      seen = Atomics.load(control, words.gate);
      try {
        if (seen & 1) takeSlices(kernels);
      } catch (error) {
        failed = true;
        report(error);
      }
      const left = Atomics.sub(control, words.active, 1) - 1;
      if (left === 0 && Atomics.load(control, words.mainSleeps) !== 0) {
        Atomics.notify(control, words.active);
      }
      if (failed) return;
    }
  }

  try {
    const instance = new WebAssembly.Instance(start.module, { env: { memory: start.memory } });
    const stackPointer = instance.exports.__stack_pointer as WebAssembly.Global | undefined;
    if (stackPointer !== undefined) stackPointer.value = start.stackTop;
    Atomics.add(control, words.ready, 1);
    work(Object.values(instance.exports) as unknown as KernelExport[]);
  } catch (error) {
    report(error);
  }
}

/** Source text of a worker that runs {@link runWorker} on its `workerData`. */
export function workerSource(): string {
  return `(${runWorker.toString()})(require("node:worker_threads").workerData)`;
}
