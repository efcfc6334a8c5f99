/** How many threads the wasm engine uses. */
import { findProblem, integer } from "../../base/fields.ts";
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
  if (variable !== undefined && variable !== "") {
    return checked(/^\d+$/.test(variable) ? Number(variable) : variable, "RECVAE_THREADS");
  }
  return Math.min(Math.max(1, navigator.hardwareConcurrency ?? 1), MOST_THREADS);
}

function checked(threads: unknown, field: string): number {
  const problem = findProblem(threads, integer({ least: 1, most: MOST_THREADS }), { path: field });
  if (problem) {
    throw new ConfigError(field, `Cannot choose the number of threads: ${problem.clause}`);
  }
  return threads as number;
}
