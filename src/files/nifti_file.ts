/** Writing NIfTI files frame by frame, so that a long run never has to be in memory; a file appears whole or not at all. */
import type { FloatArray } from "../base/arrays.ts";
import { ShapeError } from "../base/errors.ts";
import { createGzip, type Gzip } from "../deps/node_zlib.ts";
import { encodeVoxels } from "../formats/nifti_voxels.ts";
import { encodeNiftiHeader, type NiftiImageFacts } from "../formats/nifti_write.ts";
import { WholeFile } from "./whole_file.ts";

/**
 * A NIfTI-1 file being written.
 *
 * @example
 * ```ts ignore
 * using file = new NiftiFile("sub-01_bold.nii.gz", { spatialShape: [64, 64, 29], frames: 200 });
 * for (const frame of frames) await file.append(frame);
 * await file.finish();
 * ```
 */
export class NiftiFile {
  readonly #file: WholeFile;
  readonly #sink: Sink;
  readonly #facts: NiftiImageFacts;
  #header: Uint8Array | null;
  #frames = 0;

  /**
   * Starts a file.
   *
   * @param path Ends in `.nii`, or in `.nii.gz` to be compressed; its folder must exist.
   * @param facts Size, number of frames, affine, repetition time, element type (int16 with its scaling).
   * @throws {ConfigError} for sizes or an affine NIfTI-1 cannot hold.
   * @throws {WriteError} when the disk refuses, here and in every method; nothing is left behind then.
   */
  constructor(path: string, facts: NiftiImageFacts) {
    this.#header = encodeNiftiHeader(facts);
    this.#facts = facts;
    this.#file = new WholeFile(path);
    this.#sink = path.endsWith(".gz") ? gzipSink(this.#file) : plainSink(this.#file);
  }

  /**
   * Appends frames. Wait for it before changing `values` or appending the next.
   *
   * @param values `[count, Z, Y, X]`, x fastest.
   * @throws {ShapeError} when the number of voxels is wrong or all frames are written.
   */
  async append(values: FloatArray): Promise<void> {
    const { spatialShape: [x, y, z], frames = 1, datatype = "float32" } = this.#facts;
    const count = values.length / (x * y * z);
    if (!(Number.isInteger(count) && count > 0 && this.#frames + count <= frames)) {
      throw new ShapeError(
        `Cannot write frame ${this.#frames} of "${this.#file.path}": found ${values.length} values, needs ` +
          `${x * y * z} in each of ${frames} frames`,
        [values.length],
        `${x * y * z} values, ${frames} frames`,
      );
    }
    if (this.#header) await this.#sink.write(this.#header);
    this.#header = null;
    await this.#sink.write(encodeVoxels(values, { ...this.#facts, datatype }));
    this.#frames += count;
  }

  /**
   * Finishes the file and gives it its name.
   *
   * @throws {ShapeError} when frames are missing; nothing is left behind then.
   */
  async finish(): Promise<void> {
    const { frames = 1 } = this.#facts;
    if (this.#frames !== frames) {
      this[Symbol.dispose]();
      throw new ShapeError(
        `Cannot finish "${this.#file.path}": found ${this.#frames} frames, needs ${frames}`,
        [this.#frames],
        `${frames} frames`,
      );
    }
    await this.#sink.end();
    this.#file.finish();
  }

  /** Removes what was written, unless it was finished. */
  [Symbol.dispose](): void {
    this.#sink.stop();
    this.#file[Symbol.dispose]();
  }
}

interface Sink {
  write(bytes: Uint8Array): Promise<void>;
  end(): Promise<void>;
  stop(): void;
}

function plainSink(file: WholeFile): Sink {
  return {
    // deno-lint-ignore require-await
    write: async (bytes) => file.write(bytes),
    end: () => Promise.resolve(),
    stop: () => {},
  };
}

/** One gzip member for the whole file: some readers know only the first. */
function gzipSink(file: WholeFile): Sink {
  const gzip: Gzip = createGzip({ level: 6 });
  let ready: Uint8Array[] = [];
  const ended = new Promise<void>((resolve, fail) => {
    gzip.on("data", (chunk: Uint8Array) => ready.push(chunk));
    gzip.on("end", resolve);
    gzip.on("error", fail);
  });
  ended.catch(() => {}); // reported by whoever writes or ends
  const writeReady = () => {
    const chunks = ready;
    ready = [];
    for (const chunk of chunks) file.write(chunk);
  };
  return {
    async write(bytes) {
      await new Promise<void>((resolve, fail) => {
        gzip.write(bytes, (error) => error ? fail(error) : resolve());
      });
      writeReady();
    },
    async end() {
      gzip.end();
      await ended;
      writeReady();
    },
    stop: () => gzip.destroy(),
  };
}
