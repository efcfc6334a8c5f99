/** The memory bandwidth that the wasm engine's own copy kernel reaches on large arrays. */
import { selectBackend } from "../src/backends/registry.ts";
import { tf } from "../src/deps/tfjs.ts";

/** Larger than any cache: 128 MiB read and as much written. */
const VALUES = 1 << 24;
const REPEATS = 5;

/**
 * Gigabytes a second, bytes read and bytes written both counted, the best of five copies.
 *
 * @param threads Threads of the engine, which is left running.
 */
export async function measureBandwidth(threads: number): Promise<number> {
  await selectBackend("wasm", { threads });
  const half = tf.fill([VALUES / 256, 256], 1);
  try {
    let best = 0;
    for (let i = 0; i <= REPEATS; i++) { // the first touches the memory
      const started = performance.now();
      const copy = tf.concat([half, half], 0);
      const elapsed = performance.now() - started;
      if (i > 0) best = Math.max(best, 2 * copy.size * 4 / elapsed / 1e6);
      copy.dispose();
    }
    return best;
  } finally {
    half.dispose();
  }
}
