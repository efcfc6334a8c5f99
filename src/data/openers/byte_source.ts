/**
 * Bytes that can be read at any position: the one contract behind which files, memory and temporary
 * files look alike. Reading is synchronous, since everything behind it is local.
 */
import { FormatError } from "../../base/errors.ts";
import { reasonOf } from "../../base/system_faults.ts";
import { openFiles } from "./open_files.ts";
import { endsEarly } from "./read_errors.ts";

/** Local bytes with random access. */
export interface ByteSource {
  /** Path, URL or label for messages. */
  readonly label: string;
  /** Number of bytes. */
  readonly size: number;
  /**
   * Fills `into` with the bytes from `at` on.
   *
   * @throws {FormatError} when the source ends before.
   */
  readInto(at: number, into: Uint8Array): void;
  /** Oddities of the file that do not stop the reader, as sentences for a person. */
  readonly remarks?: readonly string[];
  /** The bytes themselves, without a copy, where they are in memory. */
  view?(at: number, length: number): Uint8Array;
  /** Gives file handles and temporary files back; reading afterwards is an error. */
  close(): void;
}

/**
 * Bytes held in memory.
 *
 * @param bytes Kept, not copied.
 * @param label Label for messages.
 */
export function memorySource(bytes: Uint8Array, label: string): ByteSource {
  const view = (at: number, length: number): Uint8Array => {
    if (at + length > bytes.length) {
      throw endsEarly(label, { needed: at + length, found: bytes.length });
    }
    return bytes.subarray(at, at + length);
  };
  return {
    label,
    size: bytes.length,
    readInto: (at, into) => into.set(view(at, into.length)),
    view,
    close: () => {},
  };
}

/**
 * A file on disk, read by position; never loaded whole. However many sources there are, few files are open
 * at a time: one that was not used for long is closed and opened again when it is read.
 *
 * @param path Path of the file.
 * @param label Label for messages, default the path.
 * @throws {FormatError} (rule `file.open`) when it cannot be opened or is no regular file.
 */
export function fileSource(path: string, label: string = path): ByteSource {
  const reader = openFiles.add(path, label);
  return {
    label,
    size: reader.size,
    readInto: (at, into) => fillFrom(reader.handle(), { label, at, into }),
    close: () => reader.close(),
  };
}

/** The first `count` bytes, or as many as there are. */
export function readHead(source: ByteSource, count: number): Uint8Array {
  const head = new Uint8Array(Math.min(count, source.size));
  source.readInto(0, head);
  return head;
}

/**
 * Fills `into` from a place in an open file.
 *
 * @param file Open for reading.
 * @param part Label for messages, first byte, target.
 * @throws {FormatError} when the file ends before, or the disk refuses.
 */
export function fillFrom(
  file: Deno.FsFile,
  part: { readonly label: string; readonly at: number; readonly into: Uint8Array },
): void {
  const { label, at, into } = part;
  try {
    file.seekSync(at, Deno.SeekMode.Start);
    for (let filled = 0; filled < into.length;) {
      const count = file.readSync(into.subarray(filled));
      if (count === null) throw endsEarly(label, { needed: at + into.length, found: at + filled });
      filled += count;
    }
  } catch (fault) {
    if (fault instanceof FormatError) throw fault;
    throw new FormatError(label, "file.read", `Cannot read "${label}": ${reasonOf(fault)}`);
  }
}
