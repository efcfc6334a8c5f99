/**
 * Anything that gives the frames of one subject, one at a time: a run on disk, volumes in memory, a
 * synthetic subject. A frame is `[Z, Y, X]`, x fastest, unnormalised.
 */
import type { SpatialShape } from "../base/arrays.ts";
import { ConfigError, ShapeError } from "../base/errors.ts";

/** Frames of one subject. */
export interface FrameSource {
  /** Path, URL or label for messages. */
  readonly source: string;
  /** `[X, Y, Z]` in voxels. */
  readonly spatialShape: SpatialShape;
  /** Number of frames that can be read. */
  readonly frames: number;
  /** Oddities met while reading a file, as sentences for a person; absent where there is no file. */
  readonly remarks?: readonly string[];
  /**
   * Reads one frame.
   *
   * @param t 0-based frame.
   * @param into Where to; X·Y·Z values. Default: a new array.
   * @returns `into`, filled with scaled values `[Z, Y, X]`.
   */
  readFrame(t: number, into?: Float32Array): Float32Array;
  /** Gives files and memory back. */
  close(): void;
}

/** Number of voxels of a volume. */
export function voxelCount(shape: SpatialShape): number {
  return shape[0] * shape[1] * shape[2];
}

/**
 * Checks the arguments of `readFrame` and provides the array.
 *
 * @throws {ConfigError} when there is no frame t.
 * @throws {ShapeError} when `into` has another size.
 */
export function frameTarget(
  run: Pick<FrameSource, "source" | "spatialShape" | "frames">,
  t: number,
  into?: Float32Array,
): Float32Array {
  if (!Number.isInteger(t) || t < 0 || t >= run.frames) {
    throw new ConfigError(
      "t",
      `Cannot read frame ${t} of "${run.source}": it has ${run.frames} frames, needs 0 to ` +
        `${run.frames - 1}`,
    );
  }
  const voxels = voxelCount(run.spatialShape);
  if (into && into.length !== voxels) {
    throw new ShapeError(
      `Cannot read a frame of "${run.source}" into ${into.length} values, needs ${voxels}`,
      [into.length],
      `${voxels} values`,
    );
  }
  return into ?? new Float32Array(voxels);
}
