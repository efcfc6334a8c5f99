/**
 * Files that are there whole or not at all: written under a temporary name in the same folder, synced to the disk, renamed.
 * A process killed at any moment leaves the old content or the new, never a mixture.
 *
 * Renaming needs Deno's permission to read and write the folder. Where that is not granted the file is written in place:
 * still whole or reported, but a kill in the middle leaves a part of it.
 */
import { disk, type WritableFile } from "./disk.ts";
import { writeFailure } from "./write_failure.ts";

/** Names that begin like this are unfinished work of a process that was killed. */
export const TEMPORARY_PREFIX = ".writing-";

/** Files that are begun and not finished. */
const begun = new Set<WholeFile>();

/** Removes what is being written, for a program that is asked to end now. */
export function removeBegunFiles(): void {
  for (const file of begun) file[Symbol.dispose]();
}

/** A file being written in pieces. */
export class WholeFile {
  /** Its final name. */
  readonly path: string;
  readonly #written: string;
  #file: WritableFile | null = null;
  /** Something of this name is on the disk that is not yet what was promised. */
  #unfinished = false;

  /**
   * Starts a file.
   *
   * @param path Where; its folder must exist. An existing file is replaced at the end.
   * @throws {WriteError} when the disk refuses.
   */
  constructor(path: string) {
    this.path = path;
    const folder = folderOf(path);
    const inPlace = !disk().mayRename(folder);
    this.#written = inPlace ? path : temporaryIn(folder);
    this.#attempt(() => {
      this.#file = disk().open(this.#written, inPlace ? "replace" : "new");
      this.#unfinished = true;
      begun.add(this);
    });
  }

  /**
   * Appends bytes.
   *
   * @throws {WriteError} when the disk refuses; nothing is left behind then.
   */
  write(bytes: Uint8Array): void {
    this.#attempt(() => writeFully(this.#file!, bytes));
  }

  /**
   * Ends the writing: all bytes are on the disk, the name is still temporary.
   *
   * @throws {WriteError} as `write`.
   */
  seal(): void {
    this.#attempt(() => {
      this.#file!.syncSync();
      this.#close();
    });
  }

  /**
   * Gives a sealed file its name.
   *
   * @throws {WriteError} as `write`.
   */
  place(): void {
    this.#attempt(() => {
      if (this.#written !== this.path) disk().rename(this.#written, this.path);
      this.#unfinished = false;
      begun.delete(this);
    });
  }

  /**
   * Ends the writing and gives the file its name.
   *
   * @throws {WriteError} as `write`.
   */
  finish(): void {
    this.seal();
    this.place();
    this.#attempt(() => disk().syncFolder(folderOf(this.path)));
  }

  /** Removes what was written, unless it was finished. */
  [Symbol.dispose](): void {
    this.#close();
    if (this.#unfinished) removeQuietly(this.#written);
    this.#unfinished = false;
    begun.delete(this);
  }

  #attempt(action: () => void): void {
    try {
      action();
    } catch (error) {
      this[Symbol.dispose]();
      throw writeFailure(this.path, error);
    }
  }

  #close(): void {
    this.#file?.close();
    this.#file = null;
  }
}

/**
 * Writes a file whole or not at all.
 *
 * @param path Where; its folder must exist. An existing file is replaced.
 * @param content Text (UTF-8) or bytes.
 * @throws {WriteError} when the disk refuses; nothing is left behind then, and an existing file is as it was.
 */
export function writeWhole(path: string, content: string | Uint8Array): void {
  using file = new WholeFile(path);
  file.write(typeof content === "string" ? new TextEncoder().encode(content) : content);
  file.finish();
}

/**
 * Writes all bytes, however few the system takes at a time.
 *
 * @param file Open for writing.
 * @param bytes Any number.
 * @throws the system's own error.
 */
export function writeFully(file: Pick<WritableFile, "writeSync">, bytes: Uint8Array): void {
  for (let done = 0; done < bytes.length;) {
    const count = file.writeSync(bytes.subarray(done));
    if (count === 0) throw Object.assign(new Error("No bytes are taken"), { code: "ENOSPC" });
    done += count;
  }
}

/**
 * Removes a file or a folder with its content; a missing one is fine, a stubborn one is left.
 *
 * @param path What to remove.
 */
export function removeQuietly(path: string): void {
  try {
    disk().remove(path);
  } catch {
    // Leftovers are recognised by their names.
  }
}

/** A name in a folder that nothing else has. */
export function temporaryIn(folder: string): string {
  return joinPath(folder, TEMPORARY_PREFIX + crypto.randomUUID().slice(0, 8));
}

/** The folder of a path: `"."` when it names none. */
export function folderOf(path: string): string {
  const trimmed = path.replace(/[/\\]+$/, "");
  const cut = Math.max(trimmed.lastIndexOf("/"), trimmed.lastIndexOf("\\"));
  return cut < 0 ? "." : trimmed.slice(0, cut) || "/";
}

/** Joins a folder and a name; `folder` may be `""` for the current one. */
export function joinPath(folder: string, name: string): string {
  if (folder === "") return name;
  return /[/\\]$/.test(folder) ? folder + name : `${folder}/${name}`;
}
