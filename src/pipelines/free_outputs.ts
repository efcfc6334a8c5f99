/** What a command is about to write must not be there yet, unless it may be replaced; its own input is never replaced. */
import { isGranted } from "../deps/permissions.ts";
import { disk } from "../files/disk.ts";
import { isSameFile, isTaken } from "../files/whats_there.ts";
import { codeOf } from "../files/write_failure.ts";
import { type Option, UsageError } from "./option_table.ts";

/** Part of the table of every command that writes single files. */
export const FORCE_OPTION = {
  name: "force",
  kind: "flag",
  short: "f",
  help: "Replace output files that are there already",
} as const satisfies Option;

/**
 * Refuses outputs that are there, before anything is computed.
 *
 * @param outputs Files that are going to be written.
 * @param options `force`: whether they may be replaced; `inputs`: files that are read, which may not in any case.
 * @throws {UsageError} naming the first such file, and how many more there are.
 */
export function requireFreeOutputs(
  outputs: readonly string[],
  { force, inputs }: { readonly force: boolean; readonly inputs: readonly string[] },
): void {
  const taken = outputs.filter(isThere);
  const input = taken.find((output) => inputs.some((path) => isSameFile(path, output)));
  if (input !== undefined) {
    throw new UsageError(`"${input}" is to be read and would be replaced; name another output`);
  }
  if (force || taken.length === 0) return;
  throw new UsageError(
    taken.length === 1
      ? `"${taken[0]}" exists already; --force replaces it`
      : `"${taken[0]}" and ${taken.length - 1} more outputs exist already; --force replaces them`,
  );
}

/** Without permission to look, opening for writing tells. */
function isThere(path: string): boolean {
  if (isGranted("read", path)) return isTaken(path);
  try {
    disk().open(path, "append").close();
    return true;
  } catch (error) {
    return !["", "ENOENT", "ENOTDIR"].includes(codeOf(error));
  }
}
