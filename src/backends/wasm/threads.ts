/** How many threads the wasm engine uses. */
import { ConfigError } from "../../base/errors.ts";
import { readEnvironment } from "../../deps/environment.ts";

/** More threads than this gain nothing on volumes of this size and cost memory for their stacks. */
const MOST_THREADS = 256;

/**
 * `requested`, else RECVAE_THREADS where it may be read without asking, else the available cores.
 *
 * @throws {ConfigError} when the number is not a whole one from 1 to 256.
 */
export function chooseThreads(requested: number | undefined): number {
  if (requested !== undefined) return checked(requested, "threads");
  const variable = readEnvironment("RECVAE_THREADS");
  if (variable !== undefined && variable !== "") return checked(Number(variable), "RECVAE_THREADS");
  return Math.min(Math.max(1, navigator.hardwareConcurrency ?? 1), MOST_THREADS);
}

function checked(threads: number, field: string): number {
  if (Number.isInteger(threads) && threads >= 1 && threads <= MOST_THREADS) return threads;
  throw new ConfigError(
    field,
    `Choosing the number of threads: ${field} is ${threads}, needs a whole number from 1 to ` +
      `${MOST_THREADS}`,
  );
}
