/**
 * Files that are there whole or not at all: written to a temporary name in the same folder, synced to the
 * disk, renamed. A process killed at any moment leaves the old content or the new, never a mixture.
 */
import { CheckpointError } from "../base/errors.ts";
import { reasonOf } from "../base/system_faults.ts";

/** Names that begin like this are unfinished work of a process that was killed. */
export const TEMPORARY_PREFIX = ".writing-";

/** A temporary name in the folder of `path`. */
function temporaryBeside(path: string): string {
  const { folder, name } = splitPath(path);
  return joinPath(folder, `${TEMPORARY_PREFIX}${name}-${crypto.randomUUID().slice(0, 8)}`);
}

/**
 * Writes a file whole or not at all.
 *
 * @param path Where; its folder must exist. An existing file is replaced.
 * @param content Text (UTF-8) or bytes.
 * @throws {CheckpointError} when the disk refuses; nothing is left behind then.
 */
export async function writeFileAtomically(
  path: string,
  content: string | Uint8Array,
): Promise<void> {
  const temporary = temporaryBeside(path);
  try {
    await writeSynced(temporary, content);
    await Deno.rename(temporary, path);
    await syncFolder(splitPath(path).folder);
  } catch (error) {
    await removeQuietly(temporary);
    throw writeFailure(path, error);
  }
}

/**
 * Makes a folder with these files appear whole or not at all.
 *
 * @param path Where; must not exist, its parent must.
 * @param files Content by file name.
 * @throws {CheckpointError} when the disk refuses; nothing is left behind then.
 */
export async function writeFolderAtomically(
  path: string,
  files: ReadonlyMap<string, Uint8Array>,
): Promise<void> {
  const temporary = temporaryBeside(path);
  try {
    await Deno.mkdir(temporary);
    for (const [name, bytes] of files) await writeSynced(joinPath(temporary, name), bytes);
    await syncFolder(temporary);
    await Deno.rename(temporary, path);
    await syncFolder(splitPath(path).folder);
  } catch (error) {
    await removeQuietly(temporary);
    throw writeFailure(path, error);
  }
}

/** Makes a folder and its parents, if need be. @throws {CheckpointError} when a file is in the way. */
export async function makeFolder(path: string): Promise<void> {
  try {
    await Deno.mkdir(path, { recursive: true });
  } catch (error) {
    throw writeFailure(path, error);
  }
}

/** Whole content of a file, or null when there is no such file. @throws {CheckpointError} when unreadable. */
export async function readIfPresent(path: string): Promise<Uint8Array<ArrayBuffer> | null> {
  try {
    if ((await Deno.stat(path)).isFile) return await Deno.readFile(path);
  } catch (error) {
    if (error instanceof Deno.errors.NotFound || error instanceof Deno.errors.NotADirectory) {
      return null;
    }
    throw new CheckpointError(path, `Cannot read "${path}": ${reasonOf(error)}`);
  }
  throw new CheckpointError(path, `Cannot read "${path}": it is no regular file, needs one`);
}

/** Names in a folder, sorted; empty when it does not exist. */
export async function listFolder(path: string): Promise<string[]> {
  const names: string[] = [];
  try {
    for await (const entry of Deno.readDir(path)) names.push(entry.name);
  } catch (error) {
    if (!(error instanceof Deno.errors.NotFound)) {
      throw new CheckpointError(path, `Cannot list "${path}": ${reasonOf(error)}`);
    }
  }
  return names.sort();
}

/** Whether a folder is there. */
export async function folderExists(path: string): Promise<boolean> {
  try {
    return (await Deno.stat(path)).isDirectory;
  } catch (error) {
    if (error instanceof Deno.errors.NotFound || error instanceof Deno.errors.NotADirectory) {
      return false;
    }
    throw new CheckpointError(path, `Cannot look at "${path}": ${reasonOf(error)}`);
  }
}

/** Removes a file or folder with its content; a missing one is fine, a stubborn one is left. */
export async function removeQuietly(path: string): Promise<void> {
  try {
    await Deno.remove(path, { recursive: true });
  } catch {
    // Leftovers are recognised by their names and tried again at the next save.
  }
}

/** Versions of the program's surroundings, for the record. */
export function runtimeVersions(): Record<string, string> {
  return { deno: Deno.version.deno, v8: Deno.version.v8, platform: Deno.build.target };
}

/** Joins a folder and a name; `folder` may be `""` for the current one. */
export function joinPath(folder: string, name: string): string {
  if (folder === "") return name;
  return /[/\\]$/.test(folder) ? folder + name : `${folder}/${name}`;
}

function splitPath(path: string): { folder: string; name: string } {
  const trimmed = path.replace(/[/\\]+$/, "");
  const cut = Math.max(trimmed.lastIndexOf("/"), trimmed.lastIndexOf("\\"));
  return { folder: cut < 0 ? "." : trimmed.slice(0, cut) || "/", name: trimmed.slice(cut + 1) };
}

async function writeSynced(path: string, content: string | Uint8Array): Promise<void> {
  const bytes = typeof content === "string" ? new TextEncoder().encode(content) : content;
  using file = await Deno.open(path, { write: true, createNew: true });
  for (let done = 0; done < bytes.length;) done += await file.write(bytes.subarray(done));
  await file.sync();
}

/** Makes renames in a folder durable, where the system can (Windows cannot open folders). */
async function syncFolder(path: string): Promise<void> {
  if (Deno.build.os === "windows") return;
  using folder = await Deno.open(path, { read: true });
  await folder.sync();
}

function writeFailure(path: string, error: unknown): unknown {
  if (error instanceof Deno.errors.NotCapable) return error;
  return new CheckpointError(
    path,
    `Cannot write "${path}": ${
      reasonOf(error)
    }; check the folder, its permissions and the free space`,
  );
}
