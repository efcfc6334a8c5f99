/** Exact nearest neighbours by Euclidean distance. */
import type { NdArray } from "../base/arrays.ts";

/** Neighbours of every query, nearest first. */
export interface Neighbours {
  /** `[N, k]`, rows of the references. */
  readonly indices: Int32Array;
  /** `[N, k]`. */
  readonly distances: Float64Array;
  readonly k: number;
}

/** References that are compared with a query before the next query: they stay in the cache. */
const BLOCK = 256;

/**
 * The k nearest references of every query; of equal distances the first.
 *
 * @param queries `[N, D]`.
 * @param options `references` `[M, D]`; `k`, at most M, default 1.
 */
export function nearestNeighbours(
  queries: NdArray,
  options: { readonly references: NdArray; readonly k?: number },
): Neighbours {
  const { references } = options;
  const [count, D] = queries.shape;
  const [total] = references.shape;
  const k = Math.min(options.k ?? 1, total);
  const indices = new Int32Array(count * k).fill(-1);
  const distances = new Float64Array(count * k).fill(Infinity);
  for (let first = 0; first < total; first += BLOCK) {
    const end = Math.min(total, first + BLOCK);
    for (let i = 0; i < count; i++) {
      const last = i * k + k - 1;
      for (let j = first; j < end; j++) {
        let sum = 0;
        for (let d = 0; d < D && sum < distances[last]; d++) {
          const step = queries.data[i * D + d] - references.data[j * D + d];
          sum += step * step;
        }
        if (sum < distances[last]) insert(indices, distances, { begin: i * k, last, j, sum });
      }
    }
  }
  return { indices, distances: distances.map(Math.sqrt), k };
}

function insert(
  indices: Int32Array,
  distances: Float64Array,
  { begin, last, j, sum }: {
    readonly begin: number;
    readonly last: number;
    readonly j: number;
    readonly sum: number;
  },
): void {
  let at = last;
  for (; at > begin && distances[at - 1] > sum; at--) {
    distances[at] = distances[at - 1];
    indices[at] = indices[at - 1];
  }
  distances[at] = sum;
  indices[at] = j;
}

/**
 * The label of most neighbours, of equal numbers the nearest's, and the mean distance of the neighbours that have it.
 *
 * @param neighbours Of queries.
 * @param labels Of the references.
 */
export function voteOfNeighbours(
  { indices, distances, k }: Neighbours,
  labels: ArrayLike<number>,
): { readonly labels: Int32Array; readonly distances: Float64Array } {
  const count = indices.length / k;
  const voted = new Int32Array(count);
  const means = new Float64Array(count);
  for (let i = 0; i < count; i++) {
    const votes = new Map<number, number[]>();
    for (let j = i * k; j < (i + 1) * k; j++) {
      const label = labels[indices[j]];
      votes.set(label, [...(votes.get(label) ?? []), distances[j]]);
    }
    const [label, own] = [...votes].reduce((a, b) => (b[1].length > a[1].length ? b : a));
    voted[i] = label;
    means[i] = own.reduce((sum, value) => sum + value, 0) / own.length;
  }
  return { labels: voted, distances: means };
}
