/**
 * The files that are open for reading. Systems let a program open a few hundred, sometimes fewer; a cohort
 * may have more scans than that. So only the last few used are kept open.
 */
import { FormatError } from "../../base/errors.ts";
import { wasClosed } from "./read_errors.ts";
import { openRegularFile } from "./regular_file.ts";

/** Files kept open at a time. */
const MOST_OPEN = 16;

/** A file that can be read whenever it is needed. */
export interface PooledFile {
  /** Bytes of the file. */
  readonly size: number;
  /**
   * The file, open, until the next call of any pooled file's `handle`.
   *
   * @throws {FormatError} after `close`, or when another file has taken its name meanwhile.
   */
  handle(): Deno.FsFile;
  /** Gives the file back; reading afterwards is an error. */
  close(): void;
}

/** Keeps the last used of many files open. */
class OpenFiles {
  /** The longest unused first. */
  readonly #open = new Map<PooledFile, Deno.FsFile>();

  /**
   * Opens a file.
   *
   * @param path Path.
   * @param label Name for messages.
   * @throws {FormatError} (rule `file.open`) when it cannot be opened or is no regular file.
   */
  add(path: string, label: string): PooledFile {
    this.#makeRoom();
    const { file, size, inode } = openRegularFile(path, label);
    let closed = false;
    const pooled: PooledFile = {
      size,
      handle: () => {
        if (closed) throw wasClosed(label);
        const handle = this.#take(pooled) ?? reopen(path, label, { size, inode });
        this.#makeRoom();
        this.#open.set(pooled, handle);
        return handle;
      },
      close: () => {
        closed = true;
        this.#take(pooled)?.close();
      },
    };
    this.#open.set(pooled, file);
    return pooled;
  }

  #take(pooled: PooledFile): Deno.FsFile | undefined {
    const file = this.#open.get(pooled);
    this.#open.delete(pooled);
    return file;
  }

  #makeRoom(): void {
    for (const [oldest, file] of this.#open) {
      if (this.#open.size < MOST_OPEN) return;
      this.#open.delete(oldest);
      file.close();
    }
  }
}

/** The files of this process that are open for reading. */
export const openFiles = new OpenFiles();

function reopen(
  path: string,
  label: string,
  before: { readonly size: number; readonly inode: number | null },
): Deno.FsFile {
  const { file, size, inode } = openRegularFile(path, label);
  if (size === before.size && inode === before.inode) return file;
  file.close();
  throw new FormatError(
    label,
    "file.changed",
    `Cannot read "${label}": it was changed while in use; start again with the new file`,
  );
}
