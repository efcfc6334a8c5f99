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
  try {
    return [...Deno.readDirSync(path)].map((entry) => entry.name).sort(byCodePoint);
  } catch (fault) {
    if (fault instanceof Deno.errors.NotCapable) throw fault;
    throw new FormatError(path, "directory.open", `Cannot list "${path}": ${whyNot(fault)}`);
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
