/** The multiply–add peak of the machine: what a kernel that never leaves its registers reaches, now. */
import { Harness } from "../wasm/harness.ts";

/** Rounds of a slice: 96 floating-point operations each, about 10 ms. */
const ROUNDS = 4_000_000;

const MODULE = new URL("../wasm/dist/recvae.relaxed.wasm", import.meta.url);

/** A running peak kernel; {@link stop} ends its workers. */
export interface PeakMeter {
  /** GFLOP/s on all threads, the best of three. */
  measure(): number;
  stop(): void;
}

/**
 * Starts the kernel on threads of its own.
 *
 * @param threads How many.
 */
export async function startPeakMeter(threads: number): Promise<PeakMeter> {
  const harness = await Harness.start(await Deno.readFile(MODULE), {
    threads,
    megabytes: 8,
    scratchBytes: 1024,
  });
  const slices = 2 * threads;
  const once = () => {
    const started = performance.now();
    harness.runKernel("f32_multiply_add_peak", ROUNDS, slices);
    return slices * ROUNDS * 96 / (performance.now() - started) / 1e6;
  };
  once();
  return { measure: () => Math.max(once(), once(), once()), stop: () => harness.stop() };
}
