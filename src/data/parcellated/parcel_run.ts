/** Runs of parcellated BOLD: one row a volume, one column a parcel. */
import { FormatError } from "../../base/errors.ts";
import { parseBidsName } from "../bids.ts";
import { type NumberTable, readNumberTable } from "./number_table.ts";
import { type Orientation, orientationOf } from "./orientation.ts";

/** A run. */
export interface ParcelRun {
  /** Where it was read. */
  readonly path: string;
  /** Whose it is: `sub-001`; the file's name where that does not say. */
  readonly subject: string;
  /** `[T, N]`, each parcel's mean 0 and standard deviation (divisor T) 1 over the run; constant parcels are 0. */
  readonly values: Float32Array;
  /** T. */
  readonly volumes: number;
  /** N. */
  readonly parcels: number;
  /** Parcels that do not change. */
  readonly constant: number;
  /** What a line of the file is. */
  readonly lines: Orientation;
}

/**
 * Reads runs from tables of text, all the same way round.
 *
 * @param paths Files, at least one.
 * @param options `lines`: what a line is; found out where it is not given.
 * @throws {FormatError} for a table that cannot be used, or one with other parcels than the first.
 */
export function readParcelRuns(
  paths: readonly string[],
  options: { readonly lines?: Orientation } = {},
): ParcelRun[] {
  const tables = paths.map((path) => readNumberTable(path));
  const lines = options.lines ?? orientationOf(tables, paths[0]);
  const runs = tables.map((table, i) => runOf(table, { path: paths[i], lines }));
  for (const run of runs) {
    if (run.parcels === runs[0].parcels) continue;
    throw new FormatError(
      run.path,
      "table.parcels",
      `Cannot use "${run.path}": it has ${run.parcels} parcels, "${runs[0].path}" has ${
        runs[0].parcels
      }; ` +
        "all runs of a model need the same parcels",
    );
  }
  return runs;
}

function runOf(
  table: NumberTable,
  { path, lines }: { readonly path: string; readonly lines: Orientation },
): ParcelRun {
  const byVolume = lines === "volumes";
  const [volumes, parcels] = byVolume ? [table.rows, table.columns] : [table.columns, table.rows];
  if (volumes < 3) {
    throw new FormatError(
      path,
      "table.volumes",
      `Cannot use "${path}": it has ${volumes} volumes of ${parcels} parcels, needs at least 3 volumes; ` +
        "if the file is the other way round, say so with --lines",
    );
  }
  const raw = byVolume ? table.data : transposed(table.data, [table.rows, table.columns]);
  const { values, constant } = standardised(raw, [volumes, parcels]);
  const { subject } = parseBidsName(path);
  const name = path.split(/[\\/]/).at(-1)!;
  return {
    path,
    subject: subject === undefined ? name : `sub-${subject}`,
    values,
    volumes,
    parcels,
    constant,
    lines,
  };
}

function transposed(data: Float32Array, [rows, columns]: [number, number]): Float32Array {
  const result = new Float32Array(data.length);
  for (let i = 0; i < rows; i++) {
    for (let j = 0; j < columns; j++) result[j * rows + i] = data[i * columns + j];
  }
  return result;
}

/** Smallest standard deviation, in parts of the largest value, that is no rounding of a constant. */
const LEAST_SPREAD = 1e-6;

/** Every column with mean 0 and standard deviation 1. */
export function standardised(
  raw: Float32Array,
  [rows, columns]: readonly [number, number],
): { values: Float32Array; constant: number } {
  const values = new Float32Array(raw.length);
  let constant = 0;
  for (let n = 0; n < columns; n++) {
    let [mean, largest, square] = [0, 0, 0];
    for (let t = 0; t < rows; t++) {
      mean += raw[t * columns + n] / rows;
      largest = Math.max(largest, Math.abs(raw[t * columns + n]));
    }
    for (let t = 0; t < rows; t++) square += (raw[t * columns + n] - mean) ** 2;
    const deviation = Math.sqrt(square / rows);
    if (deviation <= LEAST_SPREAD * largest) {
      constant++;
      continue;
    }
    for (let t = 0; t < rows; t++) {
      values[t * columns + n] = (raw[t * columns + n] - mean) / deviation;
    }
  }
  return { values, constant };
}
