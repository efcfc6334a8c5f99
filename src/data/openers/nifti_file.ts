/**
 * Writing NIfTI files frame by frame, so that a long run never has to be in memory. A file appears under
 * its name only when it is complete: it is written beside it, synced and renamed.
 */
import type { FloatArray } from "../../base/arrays.ts";
import { ShapeError } from "../../base/errors.ts";
import { createGzip, type Gzip } from "../../deps/node_zlib.ts";
import { encodeVoxels } from "../../formats/nifti_voxels.ts";
import { encodeNiftiHeader, type NiftiImageFacts } from "../../formats/nifti_write.ts";

/** A NIfTI file being written. */
export interface NiftiFileWriter {
  /**
   * Appends a frame, `[Z, Y, X]`. Wait for it before changing `values` or appending the next.
   *
   * @throws {ShapeError} when the number of voxels is wrong or all frames are written.
   */
  writeFrame(values: FloatArray): Promise<void>;
  /** Finishes the file and gives it its name. @throws {ShapeError} when frames are missing. */
  close(): Promise<void>;
  /** Removes what was written. */
  discard(): void;
}

/**
 * Starts a NIfTI-1 file.
 *
 * @param path Ends in `.nii`, or in `.nii.gz` to be compressed.
 * @param facts Size, number of frames, affine, repetition time, element type (int16 with its scaling).
 * @throws {ConfigError} for sizes or an affine NIfTI-1 cannot hold.
 */
export function createNiftiFile(path: string, facts: NiftiImageFacts): NiftiFileWriter {
  const header = encodeNiftiHeader(facts);
  const temporary = `${path}.${crypto.randomUUID().slice(0, 8)}.tmp`;
  const file = Deno.openSync(temporary, { write: true, createNew: true });
  const sink = path.endsWith(".gz") ? gzipSink(file) : plainSink(file);
  const frames = facts.frames ?? 1;
  const voxels = facts.spatialShape.reduce((product, n) => product * n, 1);
  const encoding = { ...facts, datatype: facts.datatype ?? "float32" } as const;
  let written = 0;
  let started: Promise<void> | undefined;
  const discard = () => {
    sink.stop();
    file.close();
    Deno.removeSync(temporary);
  };
  return {
    async writeFrame(values) {
      if (values.length !== voxels || written === frames) {
        throw new ShapeError(
          `Cannot write frame ${written} of "${path}": found ${values.length} values, needs ${voxels} ` +
            `in each of ${frames} frames`,
          [values.length],
          `${voxels} values, ${frames} frames`,
        );
      }
      await (started ??= sink.write(header));
      await sink.write(encodeVoxels(values, encoding));
      written++;
    },
    async close() {
      if (written !== frames) {
        discard();
        throw new ShapeError(
          `Cannot finish "${path}": found ${written} frames, needs ${frames}`,
          [written],
          `${frames} frames`,
        );
      }
      await sink.end();
      file.syncSync();
      file.close();
      Deno.renameSync(temporary, path);
    },
    discard,
  };
}

interface Sink {
  write(bytes: Uint8Array): Promise<void>;
  end(): Promise<void>;
  stop(): void;
}

function plainSink(file: Deno.FsFile): Sink {
  return {
    write: (bytes) => Promise.resolve(writeFully(file, bytes)),
    end: () => Promise.resolve(),
    stop: () => {},
  };
}

/** One gzip member for the whole file: some readers know only the first. */
function gzipSink(file: Deno.FsFile): Sink {
  const gzip: Gzip = createGzip({ level: 6 });
  const ended = new Promise<void>((resolve, fail) => {
    gzip.on("data", (chunk: Uint8Array) => writeFully(file, chunk));
    gzip.on("end", resolve);
    gzip.on("error", fail);
  });
  ended.catch(() => {}); // reported by whoever writes or ends
  return {
    write: (bytes) =>
      new Promise((resolve, fail) => {
        gzip.write(bytes, (fault) => fault ? fail(fault) : resolve());
      }),
    end: () => {
      gzip.end();
      return ended;
    },
    stop: () => gzip.destroy(),
  };
}

function writeFully(file: Deno.FsFile, bytes: Uint8Array): void {
  for (let written = 0; written < bytes.length;) written += file.writeSync(bytes.subarray(written));
}
