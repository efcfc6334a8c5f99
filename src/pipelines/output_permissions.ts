/** What the permissions of Deno allow where a command writes. Nobody is asked for one: see `isGranted`. */
import { howToGrant, isGranted } from "../deps/permissions.ts";
import { disk } from "../files/disk.ts";
import { folderOf } from "../files/whole_file.ts";
import { codeOf, isMissingPermission } from "../files/write_failure.ts";
import { makeFolder } from "../files/whole_folder.ts";
import { UsageError } from "./option_table.ts";

/**
 * Without permission to read a folder nobody can tell whether it is empty: then it must not be there yet.
 *
 * @param folder To be written to.
 * @throws {UsageError} when it exists and may not be read.
 */
export function requireReadableOrNew(folder: string): void {
  if (isGranted("read", folder)) return;
  try {
    // Opening for writing fails in another way for folders than for what is not there.
    disk().open(folder, "append").close();
  } catch (error) {
    if (codeOf(error) === "ENOENT") return;
    if (isMissingPermission(error)) throw error;
  }
  throw new UsageError(
    `"${folder}" exists, and Deno was given no permission to look into it; name a new folder with --out, or ` +
      howToGrant(`--allow-read=${folder}`),
  );
}

/**
 * Where inflated copies of scans go that do not fit in memory: with `--allow-write` for single folders, into the
 * largest of those that `out` lies in, for the system's folder for temporary files is none of them.
 *
 * @param out Folder of the command's results, or of the run.
 * @returns Option of data loaders.
 */
export function temporaryFolder(out: string): { readonly cacheDirectory?: string } {
  const mayUse = (folder: string) => isGranted("read", folder) && isGranted("write", folder);
  if (isGranted("write") || !mayUse(out)) return {};
  let cacheDirectory = out;
  for (let above = folderOf(out); above !== cacheDirectory && mayUse(above);) {
    cacheDirectory = above;
    above = folderOf(above);
  }
  makeFolder(cacheDirectory);
  return { cacheDirectory };
}
