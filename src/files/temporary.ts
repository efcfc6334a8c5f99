/** Temporary files: written, read by position, gone at the end. */
import { WriteError } from "../base/errors.ts";
import { disk } from "./disk.ts";
import { writeFully } from "./whole_file.ts";
import { codeOf, writeProblem } from "./write_failure.ts";

/**
 * A temporary file. Where the platform allows it the name is removed at once, so that nothing is left behind even if the process
 * is killed.
 */
export class TemporaryFile {
  /** Open for reading and writing. */
  readonly handle: Deno.FsFile;
  readonly #path: string;
  #named: boolean;

  /**
   * Creates an empty file.
   *
   * @param content Whose content is going to be in it, for messages.
   * @param folder Where; default the system's folder for temporary files.
   * @throws {WriteError} when there is no permission or space to do so, here and in `write`.
   */
  constructor(content: string, folder?: string) {
    this.#path = folder ?? "the folder for temporary files";
    const { path, file } = this.#attempt(content, () => disk().openTemporary(folder));
    this.#path = path;
    this.handle = file;
    this.#named = true;
    this.remove();
  }

  /**
   * Writes bytes.
   *
   * @param bytes Any number.
   * @param place First byte in the file, and whose content it is, for messages.
   */
  write(bytes: Uint8Array, place: { readonly at: number; readonly content: string }): void {
    this.#attempt(place.content, () => {
      this.handle.seekSync(place.at, Deno.SeekMode.Start);
      writeFully(this.handle, bytes);
    });
  }

  /** Closes and removes the file. */
  close(): void {
    this.handle.close();
    this.remove();
  }

  /** Removes the name, if it is still there; Windows keeps the names of open files. */
  remove(): void {
    if (!this.#named) return;
    try {
      disk().remove(this.#path);
      this.#named = false;
    } catch {
      // It is tried again when the file is closed.
    }
  }

  #attempt<T>(content: string, action: () => T): T {
    try {
      return action();
    } catch (error) {
      const problem = error instanceof Deno.errors.NotCapable
        ? "deno has no permission to write there (--allow-write)"
        : writeProblem(error).split(";")[0];
      throw new WriteError(
        this.#path,
        `Cannot write a temporary copy of "${content}" in ${this.#path}: ${problem}; ` +
          "set TMPDIR (cacheDirectory in the library) to another folder, or raise --memory (memoryBudget) so that it fits in memory",
        { code: codeOf(error), cause: error },
      );
    }
  }
}
