/**
 * The two matrices of inner products from which principal components follow, of frames that are read block by block:
 * voxels × voxels where there are few voxels, frames × frames where there are few frames. Sums in float64.
 */
import type { FloatArray } from "../base/arrays.ts";
import { letOthersRun } from "../base/event_loop.ts";

/** Rows that are read one by one: `[V]` each; a row must stay as it is when the next is read. */
export type RowReader = (row: number) => Promise<Float32Array | Float64Array>;

/** Values multiplied at a time, so that a block stays in the processor's cache. */
const STRIPE = 2048;

/**
 * Adds AᵀA of a block of rows to a matrix, lower triangle only.
 *
 * @param target `[V, V]` row-major.
 * @param block `[V, count]`: the rows transposed, a line per column.
 * @param count Rows of the block.
 */
export function addColumnProducts(
  target: Float64Array,
  block: Float64Array,
  count: number,
): void {
  const size = block.length / count;
  const lines = Array.from({ length: size }, (_, v) => block.subarray(v * count, (v + 1) * count));
  for (let i = 0; i < size; i++) addLine(target, i, { line: lines[i], with: lines, last: i, size });
}

/**
 * Inner products of all pairs of rows. A tile of rows is held, all later rows stream past it.
 *
 * @param rows Number n of rows.
 * @param read Reads one; called about n·V·4/tileBytes times for each.
 * @param tileBytes Memory for rows held.
 * @returns `[n, n]` row-major, symmetric.
 */
export async function rowProducts(
  rows: number,
  read: RowReader,
  tileBytes: number,
): Promise<Float64Array> {
  const gram = new Float64Array(rows * rows);
  let start = 0;
  while (start < rows) {
    const tile = [await read(start)];
    const tileRows = Math.max(8, Math.floor(tileBytes / tile[0].byteLength));
    for (let i = start; i < rows; i++) {
      await letOthersRun();
      const line = i === start ? tile[0] : await read(i);
      if (i > start && tile.length < tileRows) tile.push(line);
      addLine(gram, i, { line, with: tile, last: tile.length - 1, size: rows, offset: start });
    }
    start += tile.length;
  }
  return mirrored(gram, rows);
}

/** Copies the lower triangle of a square matrix above its diagonal, in place. */
export function mirrored(matrix: Float64Array, size: number): Float64Array {
  for (let i = 0; i < size; i++) {
    for (let j = 0; j < i; j++) matrix[j * size + i] = matrix[i * size + j];
  }
  return matrix;
}

/** target[i, offset + j] += line · with[j] for j = 0 … last; in stripes, four lines at a time. */
function addLine(
  target: Float64Array,
  i: number,
  { line, with: others, last, size, offset = 0 }: {
    readonly line: FloatArray;
    readonly with: readonly FloatArray[];
    readonly last: number;
    readonly size: number;
    readonly offset?: number;
  },
): void {
  const at = i * size + offset;
  for (let from = 0; from < line.length; from += STRIPE) {
    const to = Math.min(from + STRIPE, line.length);
    for (let j = 0; j <= last; j += 4) {
      const [b, c, d] = [1, 2, 3].map((p) => others[Math.min(j + p, last)]);
      const sums = dotFour(line, [others[j], b, c, d], from, to);
      for (let p = 0; p < Math.min(4, last + 1 - j); p++) target[at + j + p] += sums[p];
    }
  }
}

/**
 * Inner products of a few axes with a block of rows, in stripes that stay in the processor's cache.
 *
 * @param axes `[D, V]` row-major.
 * @param rows `count` rows `[V]`.
 * @returns `[count, D]`.
 */
export function projections(axes: Float64Array, rows: readonly Float64Array[]): Float64Array {
  const V = rows[0].length;
  const D = axes.length / V;
  const result = new Float64Array(rows.length * D);
  const last = rows.length - 1;
  for (let from = 0; from < V; from += STRIPE) {
    const to = Math.min(from + STRIPE, V);
    for (let d = 0; d < D; d++) {
      const axis = axes.subarray(d * V, (d + 1) * V);
      for (let j = 0; j <= last; j += 4) {
        const [b, c, e] = [1, 2, 3].map((p) => rows[Math.min(j + p, last)]);
        const sums = dotFour(axis, [rows[j], b, c, e], from, to);
        for (let p = 0; p < Math.min(4, last + 1 - j); p++) result[(j + p) * D + d] += sums[p];
      }
    }
  }
  return result;
}

/**
 * target += Σ weights·rowᵀ, in stripes.
 *
 * @param target `[D, V]` row-major.
 * @param rows `count` rows `[V]`.
 * @param weights `[count, D]`.
 */
export function addOuterProducts(
  target: Float64Array,
  rows: readonly Float64Array[],
  weights: Float64Array,
): void {
  const V = rows[0].length;
  const D = target.length / V;
  const nothing = new Float64Array(STRIPE);
  for (let from = 0; from < V; from += STRIPE) {
    const length = Math.min(STRIPE, V - from);
    const stripe = (row: number) => rows[row]?.subarray(from, from + length) ?? nothing;
    for (let j = 0; j < rows.length; j += 4) {
      const four = [stripe(j), stripe(j + 1), stripe(j + 2), stripe(j + 3)];
      for (let d = 0; d < D; d++) {
        const factors = [0, 1, 2, 3].map((p) => weights[(j + p) * D + d] ?? 0);
        addFour(target.subarray(d * V + from, d * V + from + length), four, factors);
      }
    }
  }
}

function addFour(
  target: Float64Array,
  [a, b, c, d]: readonly Float64Array[],
  [p, q, r, s]: readonly number[],
): void {
  for (let i = 0; i < target.length; i++) {
    target[i] += p * a[i] + q * b[i] + r * c[i] + s * d[i];
  }
}

function dotFour(line: FloatArray, others: readonly FloatArray[], from: number, to: number) {
  const [a, b, c, d] = others;
  let [sumA, sumB, sumC, sumD] = [0, 0, 0, 0];
  for (let i = from; i < to; i++) {
    const value = line[i];
    sumA += value * a[i];
    sumB += value * b[i];
    sumC += value * c[i];
    sumD += value * d[i];
  }
  return [sumA, sumB, sumC, sumD];
}
