/** Which streamlines are plausible, by the distance of their codes from those of plausible ones [streamlines §8]. */
import type { NdArray } from "../../base/arrays.ts";
import { nearestNeighbours, voteOfNeighbours } from "../../evaluation/nearest_neighbours.ts";

/** What streamlines are compared with. */
export interface FilterReference {
  /** Codes of plausible streamlines, `[M, D]`. */
  readonly codes: NdArray;
  /** Bundle of each. */
  readonly labels: ArrayLike<number>;
  /** Largest distance of a plausible streamline, by bundle. */
  readonly thresholds: ArrayLike<number>;
  /** Neighbours that vote on the bundle; default 1. */
  readonly neighbours?: number;
}

/** The verdict on every streamline. */
export interface FilterResult {
  /** For each candidate whether it is plausible. */
  readonly plausible: readonly boolean[];
  /** Bundle whose streamlines are nearest. */
  readonly labels: Int32Array;
  /** To the nearest of them. */
  readonly distances: Float64Array;
}

/**
 * Tells plausible from implausible streamlines.
 *
 * @param codes Of the streamlines, `[N, D]`.
 * @param reference See {@link FilterReference}.
 */
export function filterStreamlines(codes: NdArray, reference: FilterReference): FilterResult {
  const { thresholds, neighbours = 1 } = reference;
  const found = nearestNeighbours(codes, { references: reference.codes, k: neighbours });
  const { labels, distances } = voteOfNeighbours(found, reference.labels);
  const plausible = Array.from(distances, (distance, i) => distance <= thresholds[labels[i]]);
  return { plausible, labels, distances };
}
