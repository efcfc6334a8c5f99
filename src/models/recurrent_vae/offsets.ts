/** Rows of the table of subject offsets. */
import { toTensor } from "../../backends/tensors.ts";
import { ShapeError } from "../../base/errors.ts";
import type { tf } from "../../deps/tfjs.ts";

/** One-hot rows `[B, N]`: times a table it gathers rows, transposed it scatters gradients back. */
export function selectRows(rows: readonly number[], tableRows: number): tf.Tensor2D {
  const values = new Float32Array(rows.length * tableRows);
  rows.forEach((row, b) => {
    requireRow(row, tableRows);
    values[b * tableRows + row] = 1;
  });
  return toTensor(values, [rows.length, tableRows]) as tf.Tensor2D;
}

/**
 * Refuses a row that the offset table does not have.
 *
 * @param row Row number of a subject.
 * @param rows Rows of the table.
 * @throws {ShapeError}
 */
export function requireRow(row: number, rows: number): void {
  if (Number.isInteger(row) && row >= 0 && row < rows) return;
  throw new ShapeError(
    `Cannot find the offset of subject ${row}: the table has ${rows} rows, needs a row of 0 … ` +
      `${rows - 1}; give offsets for subjects that were not trained on`,
    [row],
    `0 … ${rows - 1}`,
  );
}
