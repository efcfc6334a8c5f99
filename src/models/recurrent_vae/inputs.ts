/**
 * What model methods make of their arguments: frames of an array, noise by subject, broadcast states.
 */
import type { FloatArray, NdArray, SpatialShape } from "../../base/arrays.ts";
import { ConfigError, ShapeError } from "../../base/errors.ts";
import type { FrameBatch } from "../../base/frames.ts";
import { RandomStream } from "../../base/random.ts";
import { swapLeadingAxes } from "../../base/strided.ts";
import { requireValues, requireWhole } from "./arrays_or_tensors.ts";
import type { ModelParts } from "./model_parts.ts";
import { requireRow } from "./offsets.ts";

/**
 * Reads an array of runs as a batch of frames.
 *
 * @param volumes `[B, T, Z, Y, X]`, or 6D with a channel axis of 1 behind.
 * @param subjects Rows of the
 *   offset table; default 0 … B − 1.
 * @throws {ShapeError} for another number of axes (the message contains "6D"), or subjects that do not match B.
 */
export function frameBatchOf(volumes: NdArray, subjects?: readonly number[]): FrameBatch {
  const { shape } = volumes;
  if (shape.length !== 5 && !(shape.length === 6 && shape[5] === 1)) {
    throw new ShapeError(
      `Cannot use the volumes: found shape [${shape}], needs [B, T, Z, Y, X] or 6D [B, T, Z, Y, X, 1]`,
      shape,
      "[B, T, Z, Y, X]",
    );
  }
  requireWhole("the volumes", volumes);
  const [batch, frames, z, y, x] = shape;
  const rows = subjects ?? Array.from({ length: batch }, (_, b) => b);
  if (rows.length !== batch) {
    throw new ShapeError(
      `Cannot use the volumes: found ${rows.length} subjects for a batch of ${batch}; give one row each`,
      [rows.length],
      `${batch} subjects`,
    );
  }
  const size = x * y * z;
  return {
    subjects: rows,
    frames,
    spatialShape: [x, y, z] as SpatialShape,
    read(start, count) {
      const result = new (volumes.data.constructor as Float32ArrayConstructor)(
        count * batch * size,
      );
      for (let t = 0; t < count; t++) {
        for (let b = 0; b < batch; b++) {
          const from = (b * frames + start + t) * size;
          result.set(volumes.data.subarray(from, from + size), (t * batch + b) * size);
        }
      }
      return result;
    },
  };
}

/**
 * Standard-normal noise ε, each subject from a stream of its own, so that it does not depend on who else is
 * in the batch.
 *
 * @param stream Stream of the step.
 * @param size Subjects (rows), frames T and latent width D.
 * @returns `[T, B, D]`.
 */
export function subjectNoise(
  stream: RandomStream,
  size: { readonly subjects: readonly number[]; readonly frames: number; readonly dim: number },
): Float32Array {
  const { subjects, frames, dim } = size;
  const bySubject = new Float32Array(subjects.length * frames * dim);
  subjects.forEach((row, b) => {
    bySubject.set(stream.split(row).normals(frames * dim), b * frames * dim);
  });
  return swapLeadingAxes(bySubject, subjects.length, frames) as Float32Array;
}

/**
 * Repeats a state for every subject of a batch.
 *
 * @param state `[D]`, `[1, D]` or `[B, D]`.
 * @param subjects B.
 * @param dim D.
 * @returns `[B, D]`.
 * @throws {ShapeError} for any other size; the message contains "latent_dim".
 */
export function broadcastState(state: NdArray, subjects: number, dim: number): FloatArray {
  const width = state.shape[state.shape.length - 1];
  const rows = state.data.length / dim;
  if (width !== dim || state.shape.length > 2 || (rows !== 1 && rows !== subjects)) {
    throw new ShapeError(
      `Cannot use the initial state: found shape [${state.shape}], needs [1, ${dim}] or ` +
        `[${subjects}, ${dim}] (latent_dim is ${dim})`,
      state.shape,
      `[1, ${dim}] or [${subjects}, ${dim}]`,
    );
  }
  if (rows === subjects) return state.data;
  const result = emptyLike(state.data, subjects * dim);
  for (let b = 0; b < subjects; b++) result.set(state.data, b * dim);
  return result;
}

/** Noise as given, `[T, B, D]`, or drawn from a stream. */
export function resolveNoise(
  noise: NdArray | RandomStream,
  size: { readonly subjects: readonly number[]; readonly frames: number; readonly dim: number },
): FloatArray {
  if (noise instanceof RandomStream) return subjectNoise(noise, size);
  const pattern = [size.frames, size.subjects.length, size.dim];
  requireValues("noise", noise, { pattern, words: "[T, B, D]" });
  return noise.data;
}

/**
 * Rows of the offset table.
 *
 * @param table `[N, D]`.
 * @param rows B row numbers.
 * @returns `[B, D]`.
 * @throws {ShapeError} for a row that does not exist.
 */
export function rowsOf({ data, shape }: NdArray, rows: readonly number[]): FloatArray {
  const [count, dim] = shape;
  const result = emptyLike(data, rows.length * dim);
  rows.forEach((row, i) => {
    requireRow(row, count);
    result.set(data.subarray(row * dim, (row + 1) * dim), i * dim);
  });
  return result;
}

/** Puts `[count, B, …]` into a `[B, T, …]` array of the given shape. */
export function placeFrames(
  target: FloatArray,
  frames: {
    readonly start: number;
    readonly count: number;
    readonly values: FloatArray;
    readonly shape: readonly number[];
  },
): void {
  const { start, count, values, shape } = frames;
  const [batch, total] = shape;
  const size = target.length / (batch * total);
  for (let t = 0; t < count; t++) {
    for (let b = 0; b < batch; b++) {
      const from = (t * batch + b) * size;
      target.set(values.subarray(from, from + size), (b * total + start + t) * size);
    }
  }
}

/** Zeros of the same precision. */
export function emptyLike(values: FloatArray, length: number): FloatArray {
  return values instanceof Float64Array ? new Float64Array(length) : new Float32Array(length);
}

/**
 * Refuses a batch that the model cannot take.
 *
 * @param model Configuration and sizes.
 * @param batch The frames.
 * @param options.training Whether batch statistics will be taken.
 * @param options.frames Frames needed; default `tolTime`.
 * @throws {ShapeError} too few frames (the message contains "timepoints"), or another volume size.
 * @throws {ConfigError} `batchSize`, when batch norm would see a single value per channel [recurrent-vae §3.1].
 */
export function checkBatch(
  { config, architecture }: Pick<ModelParts, "config" | "architecture">,
  batch: FrameBatch,
  options: { readonly training: boolean; readonly frames?: number },
): void {
  const { tolTime, spatialShape } = config;
  requireFrames(batch, { frames: options.frames ?? tolTime, spatialShape });
  const values = batch.subjects.length * architecture.bottomVoxels;
  if (options.training && config.normalization === "batch" && values < 2) {
    throw new ConfigError(
      "batchSize",
      "Cannot train on a batch of one subject: batch norm would see one value per channel at the " +
        "bottom of the network, needs at least 2; use a larger batch, fewer levels or group normalization",
    );
  }
}

/**
 * Refuses a batch with too few frames, or of another grid.
 *
 * @param batch The frames.
 * @param needed Frames, and the size of a volume.
 * @throws {ShapeError} too few frames (the message contains "timepoints"), or another volume size.
 */
export function requireFrames(
  batch: FrameBatch,
  { frames, spatialShape }: { readonly frames: number; readonly spatialShape: SpatialShape },
): void {
  if (batch.frames < frames) {
    throw new ShapeError(
      `Cannot use the batch: found ${batch.frames} timepoints, needs ${frames} (tolTime); ` +
        "use longer runs or a smaller tolTime",
      [batch.frames],
      `${frames} timepoints`,
    );
  }
  if (batch.spatialShape.some((n, axis) => n !== spatialShape[axis])) {
    throw new ShapeError(
      `Cannot use the batch: found volumes of ${batch.spatialShape.join("×")} voxels, needs ` +
        `${spatialShape.join("×")} (spatialShape)`,
      batch.spatialShape,
      `[${spatialShape}]`,
    );
  }
}
