/** Tables of text in the manner of BIDS: a line of names, values separated by tabs, `n/a` for what is missing. */
import { FormatError } from "../base/errors.ts";

/** A table. */
export interface TsvTable {
  /** Names of the columns. */
  readonly columns: readonly string[];
  /** Values by column, as text. */
  readonly rows: readonly Readonly<Record<string, string>>[];
}

/**
 * Takes a table apart.
 *
 * @param text Content of the file.
 * @param source Path or label for messages.
 * @throws {FormatError} (rule `tsv.columns`) when a line has another number of values than the first.
 */
export function parseTsv(text: string, source: string): TsvTable {
  const lines = text.replace(/^\uFEFF/, "").split(/\r\n|\n|\r/);
  while (lines.at(-1)?.trim() === "") lines.pop();
  const columns = (lines.shift() ?? "").split("\t").map((name) => name.trim());
  const rows = lines.map((line, i) => {
    const values = line.split("\t");
    if (values.length !== columns.length) {
      throw new FormatError(
        source,
        "tsv.columns",
        `Cannot read "${source}": line ${
          i + 2
        } has ${values.length} values, needs ${columns.length} as in its first ` +
          "line, separated by tabs",
      );
    }
    return Object.fromEntries(columns.map((name, c) => [name, values[c].trim()]));
  });
  return { columns, rows };
}
