/** Which way round a table of parcels and volumes is. */
import { FormatError } from "../../base/errors.ts";
import type { NumberTable } from "./number_table.ts";

/** What the lines of a table are. */
export type Orientation = "volumes" | "parcels";

/** By how much neighbours must be more alike along one axis than along the other. */
const CLEAR = 0.2;

/**
 * What the lines of tables are, where that can be told: columns with names are parcels; otherwise the axis along which
 * neighbours are clearly more alike, on the mean over the tables, is time, since haemodynamics are slow.
 *
 * @param tables Tables of one data set, all the same way round.
 * @param source Path or label for messages.
 * @throws {FormatError} (rule `table.orientation`) when it cannot be told.
 */
export function orientationOf(tables: readonly NumberTable[], source: string): Orientation {
  if (tables.every(({ names }) => names)) return "volumes";
  let [down, across] = [0, 0];
  for (const { rows, columns, data } of tables) {
    const along = (line: number, t: number) => data[t * columns + line];
    down += neighbourCorrelation(columns, rows, along) / tables.length;
    across += neighbourCorrelation(rows, columns, (line, t) => data[line * columns + t]) /
      tables.length;
  }
  if (down - across > CLEAR) return "volumes";
  if (across - down > CLEAR) return "parcels";
  const [{ rows, columns }] = tables;
  throw new FormatError(
    source,
    "table.orientation",
    `Cannot read "${source}": ${rows} lines of ${columns} values, and neither axis is clearly time ` +
      `(neighbours correlate by ${down.toFixed(2)} down and ${across.toFixed(2)} across); ` +
      "say what a line is with --lines volumes or --lines parcels",
  );
}

/** Mean correlation of a series with itself one step later, over lines. */
function neighbourCorrelation(
  lines: number,
  length: number,
  at: (line: number, t: number) => number,
): number {
  if (length < 3) return 0;
  let sum = 0;
  for (let line = 0; line < lines; line++) {
    let mean = 0;
    for (let t = 0; t < length; t++) mean += at(line, t) / length;
    let [own, next] = [0, 0];
    for (let t = 0; t < length; t++) {
      const value = at(line, t) - mean;
      own += value ** 2;
      if (t + 1 < length) next += value * (at(line, t + 1) - mean);
    }
    if (own > 0) sum += next / own;
  }
  return sum / lines;
}
