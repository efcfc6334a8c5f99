/** A file that grows by whole pieces: each is on the disk when it was added, or is taken back. */
import { disk } from "./disk.ts";
import { writeFully } from "./whole_file.ts";
import { writeFailure } from "./write_failure.ts";

/** A file that is added to. */
export class AppendedFile {
  readonly #path: string;
  #size: number;

  /**
   * Describes a file; nothing is opened yet.
   *
   * @param path An existing file.
   * @param size Its length in bytes.
   */
  constructor(path: string, size: number) {
    this.#path = path;
    this.#size = size;
  }

  /**
   * Adds bytes and waits until they are on the disk. The file is opened for each piece, so that one that was removed is noticed.
   *
   * @param bytes Any number.
   * @throws {WriteError} when the disk refuses; the file is cut back to its former length then, as far as possible.
   */
  append(bytes: Uint8Array): void {
    try {
      const file = disk().open(this.#path, "append");
      try {
        writeFully(file, bytes);
        file.syncSync();
      } catch (error) {
        cutBack(file, this.#size);
        throw error;
      } finally {
        file.close();
      }
    } catch (error) {
      throw writeFailure(this.#path, error);
    }
    this.#size += bytes.length;
  }
}

function cutBack(file: { truncateSync(size?: number): void }, size: number): void {
  try {
    file.truncateSync(size);
  } catch {
    // The reader of the file recognises a torn last piece.
  }
}
