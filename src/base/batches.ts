/**
 * How training asks for data: epoch by epoch, so that a resumed run sees what an uninterrupted one would.
 */
import type { FrameBatch } from "./frames.ts";

/** A source of training batches. */
export interface BatchLoader<Batch = FrameBatch> {
  /** Subjects N over all batches: rows of the offset table. */
  readonly subjects: number;
  /**
   * The batches of one epoch in training order. The same epoch gives the same batches whenever it is asked for,
   * also in another process: the order is a function of the seed and the epoch alone.
   *
   * @param epoch 0-based.
   */
  batches(epoch: number): Iterable<Batch> | AsyncIterable<Batch>;
}
