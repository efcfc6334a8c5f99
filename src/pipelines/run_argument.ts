/** The run that commands take as their first argument, and what to say when it stands elsewhere. */
import { isFile } from "../files/whats_there.ts";
import { RUN_FILES } from "../training/run_contents.ts";
import { UsageError } from "./option_table.ts";

/**
 * Checks that the first argument can be a run.
 *
 * @param command Name of the command.
 * @param paths Its arguments: the run, then files.
 * @throws {UsageError} when the first is a file, or no run while a later one is.
 */
export function requireRunFirst(command: string, paths: readonly string[]): void {
  const [first, ...others] = paths;
  if (isRun(first)) return;
  const run = others.find(isRun);
  if (run !== undefined) {
    throw new UsageError(
      `"${first}" is no run and "${run}" is one; the run comes first: recvae ${command} ${run} ${first}`,
    );
  }
  if (isFile(first)) {
    throw new UsageError(
      `"${first}" is a file, needs the folder of a run, then files: recvae ${command} RUN ${first}`,
    );
  }
}

/** Whether a folder was made by training, finished or not. */
export function isRun(path: string): boolean {
  return [RUN_FILES.weights, RUN_FILES.config].some((name) => isFile(`${path}/${name}`));
}
