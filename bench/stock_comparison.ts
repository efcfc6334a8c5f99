/** Forward convolutions of the stock TensorFlow.js wasm backend, for a ratio with ours. */
import type { SpatialShape } from "../src/base/arrays.ts";
import { ownProgram, runProgram } from "../src/deps/node_child_process.ts";
import { type Spread, spreadOf } from "./measurements.ts";

/** Ten calls of all layers take half a minute. */
const LIMIT = 300_000;

/** One layer on the stock backend (one thread: its threaded build cannot start its workers under Deno). */
export interface StockTimes {
  readonly layer: string;
  /** Milliseconds. */
  readonly time: Spread;
}

/**
 * Runs the peer in a process of its own. Needs `--allow-run`.
 *
 * @param spatialShape `[X, Y, Z]`.
 * @returns Times of the encoder's layers, or why there are none.
 */
export async function timeStockBackend(
  spatialShape: SpatialShape,
  options: { readonly batch: number; readonly repeats: number },
): Promise<StockTimes[] | string> {
  const script = new URL("peers/stock_wasm.ts", import.meta.url).pathname;
  const numbers = [spatialShape.join(","), String(options.batch), String(options.repeats)];
  const args = ["run", "--quiet", "-A", "--no-lock", script, ...numbers];
  const { status, output, errors } = await runProgram(ownProgram(), args, LIMIT);
  if (status !== 0) return errors.trim().split("\n").at(-1) || `it ended with status ${status}`;
  return output.trim().split("\n").map((line) => {
    const { layer, times } = JSON.parse(line);
    return { layer, time: spreadOf(times) };
  });
}
