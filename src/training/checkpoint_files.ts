/**
 * Reading the files of runs and checkpoints: what is missing, what is there, what cannot be read.
 */
import { CheckpointError } from "../base/errors.ts";
import { reasonOf } from "../base/system_faults.ts";

/**
 * Whole content of a file, or null when there is no such file.
 *
 * @throws {CheckpointError} when unreadable.
 */
export async function readIfPresent(path: string): Promise<Uint8Array<ArrayBuffer> | null> {
  try {
    if ((await Deno.stat(path)).isFile) return await Deno.readFile(path);
  } catch (error) {
    if (error instanceof Deno.errors.NotCapable) throw error;
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
    if (error instanceof Deno.errors.NotCapable) throw error;
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
    if (error instanceof Deno.errors.NotCapable) throw error;
    if (error instanceof Deno.errors.NotFound || error instanceof Deno.errors.NotADirectory) {
      return false;
    }
    throw new CheckpointError(path, `Cannot look at "${path}": ${reasonOf(error)}`);
  }
}

/** Versions of the program's surroundings, for the record. */
export function runtimeVersions(): Record<string, string> {
  return { deno: Deno.version.deno, v8: Deno.version.v8, platform: Deno.build.target };
}
