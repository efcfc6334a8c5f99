/**
 * Where the time of the wasm engine goes, by kernel: in kernels of ours, or in the JavaScript ones of TensorFlow.js that
 * stand in for what has none. For tests and measurements; costs one comparison a kernel while nobody asks.
 */

/** Calls and milliseconds of one kernel. */
export interface KernelUse {
  /** Name that TensorFlow.js knows it by. */
  readonly name: string;
  /** Calls in all, and those that the JavaScript kernel answered. */
  calls: number;
  fallbackCalls: number;
  /** Milliseconds in all, and those in the JavaScript kernel. */
  ms: number;
  fallbackMs: number;
}

/** What ran between the start and the end of a {@link profileKernels}. */
export interface KernelProfile {
  /** By kernel, the longest first. */
  readonly uses: readonly KernelUse[];
  /** Share of the kernels' time that was spent in JavaScript, 0 … 1. */
  readonly fallbackShare: number;
}

let current: Map<string, KernelUse> | null = null;

/**
 * Counts the kernels that `run` calls on the wasm engine.
 *
 * @param run What to measure; not nested.
 */
export async function profileKernels(run: () => void | Promise<void>): Promise<KernelProfile> {
  const uses = new Map<string, KernelUse>();
  current = uses;
  try {
    await run();
  } finally {
    current = null;
  }
  const sorted = [...uses.values()].sort((a, b) => b.ms - a.ms);
  const total = sorted.reduce((sum, { ms }) => sum + ms, 0);
  const fallback = sorted.reduce((sum, { fallbackMs }) => sum + fallbackMs, 0);
  return { uses: sorted, fallbackShare: total === 0 ? 0 : fallback / total };
}

/**
 * Runs a kernel and, while somebody profiles, counts it.
 *
 * @param name Of the kernel.
 * @param isFallback Whether it is JavaScript.
 * @param kernel The kernel; null when it leaves the case to the JavaScript kernel.
 */
export function counted<Result>(name: string, isFallback: boolean, kernel: () => Result): Result {
  const uses = current;
  if (uses === null) return kernel();
  const start = performance.now();
  const result = kernel();
  const ms = performance.now() - start;
  const use = uses.get(name) ?? { name, calls: 0, fallbackCalls: 0, ms: 0, fallbackMs: 0 };
  uses.set(name, use);
  use.ms += ms;
  if (isFallback) {
    use.fallbackMs += ms;
    use.fallbackCalls++;
  }
  if (result !== null) use.calls++;
  return result;
}
