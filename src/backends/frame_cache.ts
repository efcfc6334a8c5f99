/**
 * Frames kept on the device. A training step reads every frame twice (forwards, and encoding again)
 * and every epoch reads them anew; where the engine's memory is not the host's, each reading would
 * be a transfer. Each run's frames are kept apart, so that any batch of the same runs finds them.
 *
 * What fits stays and the rest is transferred each time: replacing the oldest would keep nothing at all when
 * readers go round and round.
 */
import type { FrameBatch } from "../base/frames.ts";
import { tf } from "../deps/tfjs.ts";

/** Consecutive frames. */
export interface FrameRange {
  /** First frame, 0-based. */
  readonly start: number;
  /** Number of frames. */
  readonly count: number;
}

/** The frames of one data set, as far as they fit. */
export class FrameCache {
  readonly #limitBytes: number;
  #source: WeakRef<object> | undefined;
  readonly #parts = new Map<string, tf.Tensor2D>();
  #bytes = 0;

  /**
   * Starts empty.
   *
   * @param limitBytes Device memory that may be used.
   */
  constructor(limitBytes: number) {
    this.#limitBytes = limitBytes;
  }

  /** Bytes in use. */
  get bytes(): number {
    return this.#bytes;
  }

  /**
   * The frames of a batch, if every run of it is kept.
   *
   * @param batch One with a `source`; others are never kept.
   * @param range Frames.
   * @returns `[count·B, Z, Y, X, 1]` for the caller to dispose, or null.
   */
  find(batch: FrameBatch, range: FrameRange): tf.Tensor | null {
    if (batch.source === undefined || batch.source !== this.#source?.deref()) return null;
    const parts = batch.subjects.map((row) => this.#parts.get(keyOf(row, range)));
    if (parts.some((part) => part === undefined)) return null;
    return tf.tidy(() => {
      const rows = parts.length === 1 ? parts[0]! : tf.concat(parts as tf.Tensor2D[], 1);
      return tf.reshape(rows, volumeShape(batch, range));
    });
  }

  /**
   * Keeps copies of a batch's frames, run by run, as long as there is room. Another source than the last one
   * replaces everything.
   *
   * @param batch Where the frames are from.
   * @param range Which.
   * @param frames `[count·B, Z, Y, X, 1]`.
   */
  keep(batch: FrameBatch, range: FrameRange, frames: tf.Tensor): void {
    if (batch.source === undefined) return;
    if (batch.source !== this.#source?.deref()) {
      this.clear();
      this.#source = new WeakRef(batch.source);
    }
    const runs = batch.subjects.length;
    const voxels = frames.size / range.count / runs;
    const bytes = 4 * range.count * voxels;
    batch.subjects.forEach((row, b) => {
      const key = keyOf(row, range);
      if (this.#parts.has(key) || this.#bytes + bytes > this.#limitBytes) return;
      const part = tf.tidy(() =>
        tf.slice(
          tf.reshape(frames, [range.count, runs * voxels]) as tf.Tensor2D,
          [0, b * voxels],
          [range.count, voxels],
        )
      );
      this.#parts.set(key, tf.keep(part));
      this.#bytes += bytes;
    });
  }

  /** Gives all memory back. */
  clear(): void {
    for (const part of this.#parts.values()) part.dispose();
    this.#parts.clear();
    this.#bytes = 0;
    this.#source = undefined;
  }
}

function keyOf(row: number, { start, count }: FrameRange): string {
  return `${row}:${start}+${count}`;
}

function volumeShape(batch: FrameBatch, { count }: FrameRange): number[] {
  const [x, y, z] = batch.spatialShape;
  return [count * batch.subjects.length, z, y, x, 1];
}
