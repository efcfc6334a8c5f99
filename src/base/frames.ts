/**
 * How volumes reach a model: frame by frame, time-major, in NIfTI memory order (x fastest), so that a
 * frame is one contiguous read and nothing is ever transposed or held T times.
 */
import type { FloatArray, SpatialShape } from "./arrays.ts";

/**
 * The scans of one training batch, readable by ranges of frames.
 *
 * B subjects, T frames. `read(start, count)` gives the normalised frames `start … start+count−1` of all
 * B subjects as one array of shape `[count, B, Z, Y, X]` (x fastest: NIfTI memory order).
 */
export interface FrameBatch {
  /**
   * Identity of the data set: batches with the same source have the same values in the same frame of the same
   * subject, always, so that an engine may keep frames in its own memory. Absent: nothing is kept.
   */
  readonly source?: object;
  /** Row of each subject in the offset table z, length B. */
  readonly subjects: readonly number[];
  /** Number of frames T that can be read. */
  readonly frames: number;
  /** `[X, Y, Z]` in voxels. */
  readonly spatialShape: SpatialShape;
  /** `[B, T]`, 0 where a frame is missing (censored, or after the end of its run); absent: all were observed. */
  readonly observed?: ArrayLike<number>;
  /**
   * Reads `count` frames from frame `start` on.
   *
   * @param start First frame, 0-based.
   * @param count Number of frames, at least 1.
   * @returns `[count, B, Z, Y, X]`; valid until the next call (the buffer may be reused).
   */
  read(start: number, count: number): FloatArray | Promise<FloatArray>;
}
