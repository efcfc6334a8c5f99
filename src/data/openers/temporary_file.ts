/**
 * Content that does not fit in memory, on disk for as long as it is read. A few temporary files hold all of
 * it, one behind the other if need be, so that a cohort of many scans does not run out of open files.
 */
import { FormatError } from "../../base/errors.ts";
import { reasonOf } from "../../base/system_faults.ts";
import { type ByteSource, fillFrom } from "./byte_source.ts";
import { endsEarly, wasClosed } from "./read_errors.ts";

/** Temporary files in use at a time in a folder; further content goes behind what is in one of them. */
const MOST_FILES = 8;

/** Room in a temporary file that is being filled, and becomes a {@link ByteSource} when it is full. */
export interface TemporaryFile {
  /** Appends bytes, at most as many as room was asked for. */
  write(bytes: Uint8Array): void;
  /** Ends the writing. */
  finish(): ByteSource;
  /** Gives everything back without finishing. */
  discard(): void;
}

interface Spool {
  readonly file: Deno.FsFile;
  readonly path: string;
  /** False once the name is removed. */
  named: boolean;
  /** First byte that belongs to nobody. */
  end: number;
  /** Contents in the file; it is given back with the last of them. */
  users: number;
}

/** By folder; the empty name is the system's. */
const spools = new Map<string, Spool[]>();

/**
 * Makes room in a temporary file. Where the platform allows it the file's name is removed at once, so that
 * nothing is left behind even if the process is killed.
 *
 * @param label Label for messages.
 * @param options `bytes` that will be written at most; `folder`, default the system's for temporary files.
 * @throws {FormatError} (rule `file.cache`) when there is no permission or space to do so.
 */
export function temporaryFile(
  label: string,
  options: { readonly bytes: number; readonly folder?: string },
): TemporaryFile {
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
      try {
        spool.file.seekSync(start + size, Deno.SeekMode.Start);
        for (let done = 0; done < bytes.length;) done += spool.file.writeSync(bytes.subarray(done));
      } catch (fault) {
        throw cannotInflate(label, fault);
      }
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
        fillFrom(spool.file, { label, at: start + at, into });
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
  try {
    const path = Deno.makeTempFileSync({ dir: folder, prefix: "recvae_", suffix: ".nii" });
    const file = Deno.openSync(path, { read: true, write: true });
    const spool = { file, path, named: !removeQuietly(path), end: 0, users: 0 };
    spools.set(folder ?? "", [...present, spool]);
    return spool;
  } catch (fault) {
    throw cannotInflate(label, fault);
  }
}

function giveBack(spool: Spool, folder: string | undefined): void {
  if (--spool.users > 0) return;
  spool.file.close();
  if (spool.named) removeQuietly(spool.path);
  const rest = spools.get(folder ?? "")!.filter((other) => other !== spool);
  if (rest.length > 0) spools.set(folder ?? "", rest);
  else spools.delete(folder ?? "");
}

function removeQuietly(path: string): boolean {
  try {
    Deno.removeSync(path);
    return true;
  } catch {
    return false; // Windows keeps open files; it is tried again on closing.
  }
}

function cannotInflate(label: string, fault: unknown): FormatError {
  return new FormatError(
    label,
    "file.cache",
    `Cannot inflate "${label}" into a temporary file: ${
      reasonOf(fault)
    }; allow writing there, choose ` +
      `another folder for temporary files (TMPDIR), or give more memory (memoryBudget)`,
  );
}
