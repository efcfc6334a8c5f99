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
