/** Random numbers of one item of a data set in one epoch: crops, masks, noise. */
import { RandomStream } from "./random.ts";

/**
 * The stream a row draws from: a function of seed, epoch and row alone, so that a crop or a mask does not depend on the
 * rest of its batch, on the order of rows or on whether the run was resumed. Draws of several purposes take streams of
 * their own: `.split("crop")`, `.split("mask")`.
 *
 * @param seed Of the run.
 * @param at 0-based epoch, and the row in the data set.
 * @throws {ConfigError} when the seed is no whole number.
 *
 * @example
 * ```ts
 * const draw = rowStream(2022, { epoch: 3, row: 17 }).split("crop");
 * const start = draw.integer(100);
 * if (start !== rowStream(2022, { epoch: 3, row: 17 }).split("crop").integer(100)) throw new Error("differs");
 * ```
 */
export function rowStream(
  seed: number,
  { epoch, row }: { readonly epoch: number; readonly row: number },
): RandomStream {
  return RandomStream.fromSeed(seed).split("rows").split(epoch).split(row);
}
