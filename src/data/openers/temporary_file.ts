/**
 * Content that does not fit in memory, on disk for as long as it is read. A few temporary files hold all of
 * it, one behind the other if need be, so that a cohort of many scans does not run out of open files.
 */
import { TemporaryFile } from "../../files/temporary.ts";
import { type ByteSource, fillFrom } from "./byte_source.ts";
import { endsEarly, wasClosed } from "./read_errors.ts";

/** Temporary files in use at a time in a folder; further content goes behind what is in one of them. */
const MOST_FILES = 8;

/** Room in a temporary file that is being filled, and becomes a {@link ByteSource} when it is full. */
export interface TemporaryRoom {
  /** Appends bytes, at most as many as room was asked for. */
  write(bytes: Uint8Array): void;
  /** Ends the writing. */
  finish(): ByteSource;
  /** Gives everything back without finishing. */
  discard(): void;
}

interface Spool {
  readonly file: TemporaryFile;
  /** First byte that belongs to nobody. */
  end: number;
  /** Contents in the file; it is given back with the last of them. */
  users: number;
}

/** By folder; the empty name is the system's. */
const spools = new Map<string, Spool[]>();

/**
 * Makes room in a temporary file.
 *
 * @param label Label for messages.
 * @param options `bytes` that will be written at most; `folder`, default the system's for temporary files.
 * @throws {WriteError} when there is no permission or space to do so.
 */
export function temporaryRoom(
  label: string,
  options: { readonly bytes: number; readonly folder?: string },
): TemporaryRoom {
  const spool = spoolFor(label, options.folder);
  const start = spool.end;
  spool.end += options.bytes;
  spool.users++;
  let size = 0;
  let open = true;
  const discard = () => {
    if (open) giveBack(spool, options.folder);
    open = false;
  };
  return {
    write(bytes) {
      spool.file.write(bytes, { at: start + size, content: label });
      size += bytes.length;
    },
    finish: () => ({
      label,
      size,
      readInto(at, into) {
        if (!open) throw wasClosed(label);
        if (at + into.length > size) {
          throw endsEarly(label, { needed: at + into.length, found: size });
        }
        fillFrom(spool.file.handle, { label, at: start + at, into });
      },
      close: discard,
    }),
    discard,
  };
}

function spoolFor(label: string, folder: string | undefined): Spool {
  const present = spools.get(folder ?? "") ?? [];
  if (present.length >= MOST_FILES) {
    return present.reduce((least, spool) => spool.users < least.users ? spool : least);
  }
  const spool = { file: new TemporaryFile(label, folder), end: 0, users: 0 };
  spools.set(folder ?? "", [...present, spool]);
  return spool;
}

function giveBack(spool: Spool, folder: string | undefined): void {
  if (--spool.users > 0) return;
  spool.file.close();
  const rest = spools.get(folder ?? "")!.filter((other) => other !== spool);
  if (rest.length > 0) spools.set(folder ?? "", rest);
  else spools.delete(folder ?? "");
}
