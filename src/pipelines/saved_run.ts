/** A finished run of any family, read for its verbs. */
import { readRun } from "../training/run_folder.ts";
import type { JsonRecord, RunContents } from "../training/run_contents.ts";
import { FAMILY_KEY } from "./run_folder.ts";

/**
 * Reads a run; its configuration is what the family's `configToJson` gave.
 *
 * @param folder Of the run.
 * @throws {CheckpointError} when it is missing, incomplete or damaged.
 */
export async function readSavedRun(folder: string): Promise<RunContents & { config: JsonRecord }> {
  const contents = await readRun(folder);
  const { [FAMILY_KEY]: _family, ...config } = contents.config ?? {};
  return { ...contents, config };
}
