/** Tables of the guard family: tab-separated numbers below a line of names. */
import type { NdArray } from "../../src/base/arrays.ts";
import { FormatError } from "../../src/base/errors.ts";
import { RandomStream } from "../../src/base/random.ts";
import { readRegularText } from "../../src/data/openers/regular_file.ts";

/** Rows `[N, C]`. */
export type Table = NdArray<Float32Array>;

/** Which rows are held out: those whose number leaves the remainder `fold − 1` by `folds`. */
export interface HeldOutRows {
  readonly fold: number;
  readonly folds: number;
}

/** Reads a table; every fourth row is held out unless told otherwise. */
export function readTable(path: string, { fold, folds }: HeldOutRows = { fold: 4, folds: 4 }) {
  const lines = readRegularText(path).trim().split("\n").slice(1);
  const values = lines.map((line) => line.split("\t").map(Number));
  if (values.flat().some(Number.isNaN)) {
    throw new FormatError(path, "table.number", `Cannot read "${path}": needs numbers alone`);
  }
  const held = (row: number) => row % folds === fold - 1;
  return Promise.resolve({
    rows: values.length,
    all: tableOf(values),
    training: tableOf(values.filter((_, row) => !held(row))),
    heldOut: tableOf(values.filter((_, row) => held(row))),
  });
}

/** The text of a table. */
export function tableText({ data, shape: [rows, columns] }: NdArray): string {
  const line = (row: number) => [...data.subarray(row * columns, (row + 1) * columns)].join("\t");
  const names = Array.from({ length: columns }, (_, i) => `c${i + 1}`).join("\t");
  return [names, ...Array.from({ length: rows }, (_, row) => line(row))].join("\n") + "\n";
}

/** Rows of two factors over six columns, and noise. */
export function madeUpTable(rows: number): Table {
  const stream = RandomStream.fromSeed(7);
  const [factors, loadings] = [stream.normals(rows * 2), stream.normals(2 * 6)];
  const noise = stream.normals(rows * 6);
  const data = Float32Array.from(noise, (value, i) => {
    const [row, column] = [Math.floor(i / 6), i % 6];
    const signal = factors[2 * row] * loadings[column] +
      factors[2 * row + 1] * loadings[6 + column];
    return 1 + signal + 0.05 * value;
  });
  return { data, shape: [rows, 6] };
}

/** The rows of several tables. */
export function joinTables(tables: readonly Table[]): Table {
  const data = Float32Array.from(tables.flatMap(({ data }) => [...data]));
  const columns = tables[0].shape[1];
  return { data, shape: [data.length / columns, columns] };
}

function tableOf(rows: readonly number[][]): Table {
  return { data: Float32Array.from(rows.flat()), shape: [rows.length, rows[0]?.length ?? 0] };
}
