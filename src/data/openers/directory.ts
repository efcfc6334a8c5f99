/** Names in a directory, and small text files: what listing and BIDS need from the file system. */
import { FormatError } from "../../base/errors.ts";
import { isGranted } from "../../deps/permissions.ts";
import { reasonOf } from "../../base/system_faults.ts";
import { readRegularText } from "./regular_file.ts";

/**
 * Names of a directory's entries, in plain code-point order.
 *
 * @throws {FormatError} (rule `directory.open`) when it does not exist or is no directory.
 */
export function directoryNames(path: string): string[] {
  return directoryNamesAndKinds(path).map(({ name }) => name);
}

/** Something in a directory. */
export interface DirectoryEntry {
  readonly name: string;
  /** Whether it is a directory, or a link to one. */
  readonly isFolder: boolean;
}

/**
 * The entries of a directory, in plain code-point order.
 *
 * @param path Of the directory.
 * @throws {FormatError} (rule `directory.open`) when it does not exist or is no directory.
 */
export function directoryEntries(path: string): DirectoryEntry[] {
  return directoryNamesAndKinds(path).map(({ name, isDirectory, isSymlink }) => ({
    name,
    isFolder: isDirectory || (isSymlink && leadsToFolder(`${path}/${name}`)),
  }));
}

function directoryNamesAndKinds(path: string): Deno.DirEntry[] {
  try {
    return [...Deno.readDirSync(path)].sort((a, b) => byCodePoint(a.name, b.name));
  } catch (fault) {
    if (fault instanceof Deno.errors.NotCapable) throw fault;
    throw new FormatError(path, "directory.open", `Cannot list "${path}": ${whyNot(fault)}`);
  }
}

function leadsToFolder(path: string): boolean {
  try {
    return Deno.statSync(path).isDirectory;
  } catch {
    return false;
  }
}

/** Where a link that leads nowhere points to; undefined for everything else. */
export function danglingTarget(path: string): string | undefined {
  try {
    if (!Deno.lstatSync(path).isSymlink) return undefined;
    Deno.statSync(path);
    return undefined;
  } catch (fault) {
    if (!(fault instanceof Deno.errors.NotFound)) return undefined;
    try {
      return Deno.readLinkSync(path);
    } catch {
      return undefined;
    }
  }
}

function whyNot(fault: unknown): string {
  if (fault instanceof Deno.errors.NotFound) return "there is no such directory; check the path";
  if (fault instanceof Deno.errors.NotADirectory) return "it is no directory, needs one";
  return reasonOf(fault);
}

/** Whether there is a file of that name. */
export function fileExists(path: string): boolean {
  try {
    return Deno.statSync(path).isFile;
  } catch {
    return false;
  }
}

/**
 * Whether there is a file of that name that may be used.
 *
 * @throws {Deno.errors.NotCapable} when looking is not permitted.
 */
export function isThere(path: string): boolean {
  try {
    return !Deno.statSync(path).isDirectory;
  } catch (fault) {
    if (fault instanceof Deno.errors.NotCapable) throw fault;
    return false;
  }
}

/** The text of a file; undefined when there is none, or it may not be read without asking. */
export function readTextIfThere(path: string): string | undefined {
  return isGranted("read", path) && fileExists(path) ? readRegularText(path) : undefined;
}

/** Order by code points, where JavaScript's own compares UTF-16 units. */
function byCodePoint(a: string, b: string): number {
  const left = [...a].map((c) => c.codePointAt(0)!);
  const right = [...b].map((c) => c.codePointAt(0)!);
  for (let i = 0; i < Math.min(left.length, right.length); i++) {
    if (left[i] !== right[i]) return left[i] - right[i];
  }
  return left.length - right.length;
}
