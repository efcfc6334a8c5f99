/**
 * Opening files for reading. Only regular files are opened: opening a pipe waits for ever for a program
 * that writes into it, and a device has no end.
 */
import { FormatError } from "../../base/errors.ts";
import { reasonOf } from "../../base/system_faults.ts";

const NEEDS_FILE = "needs a regular file; write the content into a file and name that";
const IRREGULAR = `it is a device or a part of the running system, ${NEEDS_FILE}`;

/** A regular file, open for reading. */
export interface RegularFile {
  /** To be closed by the caller. */
  readonly file: Deno.FsFile;
  /** Bytes of the file when it was opened. */
  readonly size: number;
  /** Tells the file from another one that later has its name; null where the system does not say. */
  readonly inode: number | null;
}

/**
 * Opens a file for reading.
 *
 * @param path Path.
 * @param label Name for messages, default the path.
 * @throws {FormatError} (rule `file.open`) that says what is there, when it is no regular file or cannot be opened.
 */
export function openRegularFile(path: string, label: string = path): RegularFile {
  const refuse = (found: string) =>
    new FormatError(label, "file.open", `Cannot read "${label}": ${found}`);
  try {
    const kind = irregularKind(Deno.statSync(path));
    if (kind) throw refuse(kind);
    const file = Deno.openSync(path);
    const { size, ino } = file.statSync();
    return { file, size, inode: ino };
  } catch (fault) {
    if (fault instanceof FormatError) throw fault;
    if (fault instanceof Deno.errors.NotCapable) {
      // Deno guards devices and /proc more closely than files: no flag but --allow-all opens them.
      if (fault.message.startsWith("Requires all access")) throw refuse(IRREGULAR);
      throw fault;
    }
    throw refuse(missingWords(path, fault) ?? reasonOf(fault));
  }
}

/**
 * Reads a whole file.
 *
 * @param path Path.
 * @throws {FormatError} as {@link openRegularFile}.
 */
export function readRegularFile(path: string): Uint8Array<ArrayBuffer> {
  return readFileHead(path, Infinity);
}

/**
 * Reads the beginning of a file.
 *
 * @param path Path.
 * @param count Bytes to read, if there are as many.
 * @throws {FormatError} as {@link openRegularFile}.
 */
export function readFileHead(path: string, count: number): Uint8Array<ArrayBuffer> {
  const { file, size } = openRegularFile(path);
  const head = new Uint8Array(Math.min(size, count));
  try {
    let filled = 0;
    for (let read = 1; read > 0 && filled < head.length; filled += read) {
      read = file.readSync(head.subarray(filled)) ?? 0;
    }
    return head.subarray(0, filled);
  } catch (fault) {
    throw new FormatError(path, "file.read", `Cannot read "${path}": ${reasonOf(fault)}`);
  } finally {
    file.close();
  }
}

/**
 * Reads a whole text file, UTF-8.
 *
 * @param path Path.
 * @throws {FormatError} as {@link openRegularFile}.
 */
export function readRegularText(path: string): string {
  return new TextDecoder().decode(readRegularFile(path));
}

/** What a file is that is no regular one, and what to do about it. */
function irregularKind(info: Deno.FileInfo): string | undefined {
  if (info.isFile) return undefined;
  if (info.isDirectory) return "it is a directory, needs a file";
  const kind = info.isFifo ? "a pipe (FIFO)" : info.isSocket ? "a socket" : "a device";
  return `it is ${kind}, ${NEEDS_FILE}`;
}

/** Why nothing was found under a name, where there is more to say than that. */
function missingWords(path: string, fault: unknown): string | undefined {
  if (!(fault instanceof Deno.errors.NotFound)) return undefined;
  if (path.includes("\uFFFD")) {
    return "its name is not UTF-8 text, so that it cannot be opened; rename the file";
  }
  const target = linkTarget(path);
  if (target === undefined) return "there is no such file or folder; check the path";
  const fetch = target.includes(".git/annex/")
    ? "its content was not fetched: `datalad get` or `git annex get` does that"
    : "copy the file there or name the file itself";
  return `it is a link to "${target}", which is not there; ${fetch}`;
}

function linkTarget(path: string): string | undefined {
  try {
    return Deno.readLinkSync(path);
  } catch {
    return undefined; // no link, or links may not be read
  }
}
