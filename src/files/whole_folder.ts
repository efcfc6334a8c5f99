/** Several files that belong together: they appear together, or none of them does. */
import { WriteError } from "../base/errors.ts";
import { disk } from "./disk.ts";
import {
  folderOf,
  joinPath,
  removeQuietly,
  temporaryIn,
  WholeFile,
  writeFully,
} from "./whole_file.ts";
import { codeOf, writeFailure, writeProblem } from "./write_failure.ts";

/**
 * Makes a folder with these files appear whole or not at all. Where renaming is not permitted the files are written in
 * their order, so that a last one which describes the others tells a whole folder from a part.
 *
 * @param path Where; must not exist, its parent must.
 * @param files Content by file name.
 * @throws {WriteError} when the disk refuses; nothing unfinished is left behind then.
 */
export function writeFolderWhole(path: string, files: ReadonlyMap<string, Uint8Array>): void {
  const parent = folderOf(path);
  const written = disk().mayRename(parent) ? temporaryIn(parent) : path;
  let made = false;
  try {
    disk().makeFolder(written, { parents: false });
    made = true;
    for (const [name, bytes] of files) writeSynced(joinPath(written, name), bytes);
    disk().syncFolder(written);
    if (written !== path) disk().rename(written, path);
    made = false;
    disk().syncFolder(parent);
  } catch (error) {
    if (made) removeQuietly(written);
    throw writeFailure(path, error);
  }
}

/**
 * Writes files into a folder: all of them are on the disk before the first gets its name, so that a disk that fills up
 * leaves every file of an earlier save as it was.
 *
 * @param folder Must exist.
 * @param files Content by file name; existing files are replaced.
 * @throws {WriteError} when the disk refuses; no temporary file is left behind then.
 */
export function writeFilesWhole(folder: string, files: ReadonlyMap<string, Uint8Array>): void {
  const written: WholeFile[] = [];
  try {
    for (const [name, bytes] of files) {
      const file = new WholeFile(joinPath(folder, name));
      written.push(file);
      file.write(bytes);
      file.seal();
    }
    for (const file of written) file.place();
    syncFolder(folder);
  } finally {
    for (const file of written) file[Symbol.dispose]();
  }
}

/**
 * Makes a folder; one that is there already is fine.
 *
 * @param path Where.
 * @param options `parents`: make those above it too; default true. False for a part of a folder that was made before,
 *   which must not come back when somebody has removed it.
 * @throws {WriteError} when the disk refuses or a file is in the way.
 */
export function makeFolder(
  path: string,
  { parents = true }: { readonly parents?: boolean } = {},
): void {
  try {
    disk().makeFolder(path, { parents });
  } catch (error) {
    if (!parents && error instanceof Deno.errors.AlreadyExists) return;
    throw writeFailure(path, error);
  }
}

/**
 * Removes a file, or a folder with its content; a missing one is fine.
 *
 * @param path What to remove.
 * @throws {WriteError} when the disk refuses.
 */
export function remove(path: string): void {
  try {
    disk().remove(path);
  } catch (error) {
    if (error instanceof Deno.errors.NotFound) return;
    if (error instanceof Deno.errors.NotCapable) throw error;
    throw new WriteError(path, `Cannot remove "${path}": ${writeProblem(error)}`, {
      code: codeOf(error),
      cause: error,
    });
  }
}

/**
 * Gives a file another name, for good.
 *
 * @throws {WriteError} when the disk refuses.
 */
export function renameFile(from: string, to: string): void {
  try {
    disk().rename(from, to);
  } catch (error) {
    throw writeFailure(to, error);
  }
  syncFolder(folderOf(to));
}

function writeSynced(path: string, bytes: Uint8Array): void {
  const file = disk().open(path, "new");
  try {
    writeFully(file, bytes);
    file.syncSync();
  } finally {
    file.close();
  }
}

function syncFolder(folder: string): void {
  try {
    disk().syncFolder(folder);
  } catch (error) {
    throw writeFailure(folder, error);
  }
}
