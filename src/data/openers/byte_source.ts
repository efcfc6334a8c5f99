/**
 * Bytes that can be read at any position: the one contract behind which files, memory and temporary
 * files look alike. Reading is synchronous, since everything behind it is local.
 */
import { FormatError } from "../../base/errors.ts";
import { TemporaryFile } from "../../files/temporary.ts";

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
  /** The bytes themselves, without a copy, where they are in memory. */
  view?(at: number, length: number): Uint8Array;
  /** Gives file handles and temporary files back; reading afterwards is an error. */
  close(): void;
}

/**
 * Bytes held in memory.
 *
 * @param bytes Kept, not copied. @param label Label for messages.
 */
export function memorySource(bytes: Uint8Array, label: string): ByteSource {
  const view = (at: number, length: number): Uint8Array => {
    if (at + length > bytes.length) throw endsEarly(label, at + length, bytes.length);
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
 * A file on disk, read by position; never loaded whole.
 *
 * @param path Path of the file. @param label Label for messages, default the path.
 * @throws {FormatError} (rule `file.open`) when it cannot be opened or is a directory.
 */
export function fileSource(path: string, label: string = path): ByteSource {
  const file = openFile(path, label);
  const { size } = file.statSync();
  return fromHandle(file, { label, size, dispose: () => {} });
}

/** The first `count` bytes, or as many as there are. */
export function readHead(source: ByteSource, count: number): Uint8Array {
  const head = new Uint8Array(Math.min(count, source.size));
  source.readInto(0, head);
  return head;
}

/** A temporary file that is being filled, and becomes a {@link ByteSource} when it is full. */
export interface FillingFile {
  /** Appends bytes. @throws {WriteError} when there is no space. */
  write(bytes: Uint8Array): void;
  /** Ends the writing. */
  finish(): ByteSource;
  /** Gives everything back without finishing. */
  discard(): void;
}

/**
 * Creates a temporary file to fill.
 *
 * @param label Label for messages.
 * @param folder Where; default the system's folder for temporary files.
 * @throws {WriteError} when there is no permission or space to do so.
 */
export function fillTemporary(label: string, folder?: string): FillingFile {
  const file = new TemporaryFile(label, folder);
  let size = 0;
  return {
    write(bytes) {
      file.write(bytes);
      size += bytes.length;
    },
    finish: () => fromHandle(file.handle, { label, size, dispose: () => file.remove() }),
    discard() {
      file.handle.close();
      file.remove();
    },
  };
}

function fromHandle(
  file: Deno.FsFile,
  facts: { readonly label: string; readonly size: number; readonly dispose: () => void },
): ByteSource {
  let open = true;
  return {
    label: facts.label,
    size: facts.size,
    readInto(at, into) {
      if (!open) throw wasClosed(facts.label);
      file.seekSync(at, Deno.SeekMode.Start);
      for (let filled = 0; filled < into.length;) {
        const count = file.readSync(into.subarray(filled));
        if (count === null) throw endsEarly(facts.label, at + into.length, at + filled);
        filled += count;
      }
    },
    close() {
      if (open) file.close();
      open = false;
      facts.dispose();
    },
  };
}

function openFile(path: string, label: string): Deno.FsFile {
  try {
    const file = Deno.openSync(path);
    if (!file.statSync().isDirectory) return file;
    file.close();
  } catch (fault) {
    if (fault instanceof Deno.errors.NotCapable) throw fault;
    const why = fault instanceof Deno.errors.NotFound ? "there is no such file" : String(fault);
    throw new FormatError(label, "file.open", `Cannot read "${label}": ${why}; check the path`);
  }
  throw new FormatError(
    label,
    "file.open",
    `Cannot read "${label}": it is a directory, needs a file`,
  );
}

function wasClosed(label: string): FormatError {
  return new FormatError(
    label,
    "file.closed",
    `Cannot read "${label}": it was closed; read before close(), or open it again`,
  );
}

function endsEarly(label: string, needed: number, found: number): FormatError {
  return new FormatError(
    label,
    "file.end",
    `Cannot read "${label}": it ends at byte ${found}, needs ${needed}; was it changed while in use?`,
  );
}
