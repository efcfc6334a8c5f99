/** Writes a 4-D NIfTI file frame by frame, so that a long run is never held; it appears whole or not at all. */
import { encodeNiftiHeader, type NiftiImageFacts } from "../formats/nifti_write.ts";
import { encodeVoxels } from "../formats/nifti_voxels.ts";

/** What the header of a written file says. */
export type NiftiFacts = Omit<NiftiImageFacts, "datatype" | "slope" | "intercept">;

/** A file being written. */
export class NiftiFile {
  readonly #path: string;
  readonly #temporary: string;
  readonly #file: Deno.FsFile;
  #open = true;

  /**
   * Starts a file of float32 values beside its final name.
   *
   * @param path Ends in `.nii`; its folder must exist. @param facts Shape, affine, repetition time.
   */
  constructor(path: string, facts: NiftiFacts) {
    this.#path = path;
    this.#temporary = `${path}.${crypto.randomUUID().slice(0, 8)}.tmp`;
    const header = encodeNiftiHeader(facts);
    this.#file = Deno.openSync(this.#temporary, { write: true, createNew: true });
    this.#write(header);
  }

  /**
   * Appends frames.
   *
   * @param values `[count, Z, Y, X]`, x fastest.
   */
  append(values: Float32Array): void {
    this.#write(encodeVoxels(values, { datatype: "float32", slope: 1, intercept: 0 }));
  }

  /** Gives the file its name. */
  finish(): void {
    this.#file.syncSync();
    this.#close();
    Deno.renameSync(this.#temporary, this.#path);
  }

  /** Removes what was written, unless it was finished. */
  [Symbol.dispose](): void {
    if (!this.#open) return;
    this.#close();
    Deno.removeSync(this.#temporary);
  }

  #write(bytes: Uint8Array): void {
    for (let done = 0; done < bytes.length;) done += this.#file.writeSync(bytes.subarray(done));
  }

  #close(): void {
    this.#file.close();
    this.#open = false;
  }
}
