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

/** A batch as the training loop sees it: items of a data set by their numbers. */
export interface RowBatch {
  /** Rows of the items in it. */
  readonly rows: readonly number[];
}

/** A batch whose rows are subjects. */
export interface SubjectBatch {
  /** Rows of the subjects in it. */
  readonly subjects: readonly number[];
}

/** A batch of either word. */
export type Batch = RowBatch | SubjectBatch;

/** Rows of a batch, whatever it calls them. */
export function rowsOf(batch: Batch): readonly number[] {
  return "rows" in batch ? batch.rows : batch.subjects;
}

/** A copy of the rows alone, by the batch's own word. */
export function namedRows(batch: Batch): Batch {
  return "rows" in batch ? { rows: [...batch.rows] } : { subjects: [...batch.subjects] };
}

/** All the training loop needs of data: the batches of an epoch, and what their rows are called. */
export interface BatchSource<B> {
  /**
   * The batches of one epoch in training order. The same epoch gives the same batches whenever it is asked for,
   * also in another process: the order is a function of the seed and the epoch alone.
   *
   * @param epoch 0-based.
   */
  batches(epoch: number): Iterable<B> | AsyncIterable<B>;
  /**
   * What a person calls a row, for messages: `"sub-03 run-2"`, `"window 17 of worm-05"`. Default: its number.
   *
   * @param row As in a batch.
   */
  describe?(row: number): string;
}

/** A source of batches of subjects. */
export interface BatchLoader<B = FrameBatch> extends BatchSource<B> {
  /** Subjects N over all batches: rows of the offset table. */
  readonly subjects: number;
}
