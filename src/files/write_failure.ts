/** What the system's refusals to write mean, in words a person can act on. */
import { RecvaeError, WriteError } from "../base/errors.ts";

/** By the system's code: what is the matter, and what to do. */
const MEANINGS: Readonly<Record<string, string>> = {
  ENOSPC: "no space is left on the device; free some, or write to another one",
  EDQUOT: "the quota of disk space is used up; free some, or write to another device",
  EFBIG:
    "the file would be larger than the file system or a limit (ulimit -f) allows; write elsewhere",
  EROFS: "the file system is read-only; write to another folder",
  EACCES:
    "the folder or file may not be written by this user; choose another, or change its permissions",
  EPERM: "the system does not permit it; choose another folder, or change its permissions",
  ENOENT: "its folder is not there (removed or unmounted meanwhile?); make it, or choose another",
  ENOTDIR: "a file stands where a folder is needed; choose another folder",
  EEXIST: "a file stands where a folder is needed; choose another folder",
  EISDIR: "a folder has that name; choose another name, or remove the folder",
  ENOTEMPTY: "a folder of that name holds something; choose another name, or remove the folder",
  ENAMETOOLONG: "the name is longer than the file system allows; choose a shorter one",
  ELOOP: "symbolic links lead in a circle; choose another folder",
  EIO: "the device reports an error; check it, or write to another one",
  ENXIO: "the device is gone; connect it again, or write to another one",
  ENODEV: "the device is gone; connect it again, or write to another one",
  ESTALE: "the network folder is gone; mount it again, or write to another one",
  ETIMEDOUT: "the network folder does not answer; try again, or write to another one",
  EBUSY: "another program holds it; close that program, or choose another name",
  ETXTBSY: "another program runs it; end that program, or choose another name",
  EMFILE: "too many files are open; raise the limit (ulimit -n)",
  ENFILE: "too many files are open on this machine; close some programs",
  EINVAL: "the file system does not allow such a name or operation; choose another name or folder",
};

/**
 * What a refusal means.
 *
 * @param error Thrown by an operation of the file system.
 * @returns Half a sentence: what is the matter; what to do.
 */
export function writeProblem(error: unknown): string {
  const known = MEANINGS[codeOf(error)];
  if (known !== undefined) return known;
  const text = error instanceof Error ? error.message.replace(/ \(os error.*/s, "") : String(error);
  return `the system refuses (${text}); check the folder and its device`;
}

/** The system's code of a refusal, such as `"ENOSPC"`; empty when it has none. */
export function codeOf(error: unknown): string {
  const { code } = Object(error) as { readonly code?: unknown };
  return typeof code === "string" ? code : "";
}

/** Whether Deno, not the system, refuses: the permission was not given. */
export function isMissingPermission(error: unknown): boolean {
  return error instanceof Deno.errors.NotCapable;
}

/**
 * Makes the error that says that a file or folder cannot be written.
 *
 * @param path As the user knows it.
 * @param error Thrown by an operation of the file system.
 * @returns A {@link WriteError}; a missing permission of Deno stays what it is.
 */
export function writeFailure(path: string, error: unknown): Error {
  if (error instanceof WriteError || error instanceof Deno.errors.NotCapable) return error;
  const message = `Cannot write "${path}": ${writeProblem(error)}`;
  return new WriteError(path, message, { code: codeOf(error), cause: error });
}

/** Codes of refusals that only writing meets. */
const WRITING_ONLY = ["ENOSPC", "EDQUOT", "EFBIG"];

/**
 * Printing fails like writing does, but the system names no file then: says that it was standard output.
 *
 * @param error Anything that was thrown; all files report a {@link WriteError}.
 * @returns A `WriteError` about standard output, or the same error.
 */
export function namedFailure(error: unknown): unknown {
  if (error instanceof RecvaeError || !WRITING_ONLY.includes(codeOf(error))) return error;
  const message = `Cannot write standard output: ${writeProblem(error)}`;
  return new WriteError("standard output", message, { code: codeOf(error), cause: error });
}
