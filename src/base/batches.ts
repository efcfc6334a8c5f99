/**
 * How training asks for data and says where it stands: epoch by epoch, so that a resumed run sees what an
 * uninterrupted one would.
 */
import type { FrameBatch } from "./frames.ts";

/** Where a batch stands in a run. */
export interface StepPosition {
  /** 0-based epoch. */
  readonly epoch: number;
  /** 0-based batch within it. */
  readonly batch: number;
}

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
