/** Tables of numbers as text: separated by tabs, commas or blanks, with or without a line of names. */
import { FormatError } from "../../base/errors.ts";
import { inflateWhole, isGzip } from "../../formats/gzip.ts";
import { refusals } from "../../formats/rejection.ts";
import { readRegularFile } from "../openers/regular_file.ts";

/** What a good table satisfies; a rejection names one of these. */
export const TABLE_RULES = {
  "table.empty": "at least one line of numbers",
  "table.columns": "as many values in every line as in the first",
  "table.number": "finite numbers alone (below a first line of names, if there is one)",
} as const;

/** Most bytes of text that a compressed table may hold. */
const MOST_TEXT = 2 ** 30;

/** Numbers in lines. */
export interface NumberTable {
  /** Row-major. */
  readonly data: Float32Array;
  readonly rows: number;
  readonly columns: number;
  /** Names of the columns, where the first line has them. */
  readonly names: readonly string[] | null;
}

/**
 * Reads a table.
 *
 * @param path File of text, as it is or compressed (gzip).
 * @throws {FormatError} naming one of {@link TABLE_RULES}, with line and column.
 */
export function readNumberTable(path: string): NumberTable {
  const bytes = readRegularFile(path);
  const text = isGzip(bytes) ? inflateWhole(bytes, { maxBytes: MOST_TEXT, source: path }) : bytes;
  return parseNumberTable(new TextDecoder().decode(text), path);
}

/**
 * {@link readNumberTable} of a text.
 *
 * @param text The table.
 * @param source Path or label for messages.
 */
export function parseNumberTable(text: string, source: string): NumberTable {
  const refuse = refusals(TABLE_RULES, source);
  const lines = text.replace(/^\uFEFF/, "").split(/\r\n|\n|\r/);
  const filled = lines.map((line, i) => ({ line, number: i + 1 }))
    .filter(({ line }) => line.trim() !== "" && !line.startsWith("#"));
  if (filled.length === 0) throw refuse("table.empty", "it has no line of values");
  const separator = separatorOf(filled[0].line);
  const cells = (line: string) => line.trim().split(separator).map((cell) => cell.trim());
  const first = cells(filled[0].line);
  const named = first.some((cell) => !isNumber(cell));
  const body = named ? filled.slice(1) : filled;
  if (body.length === 0) throw refuse("table.empty", "it has a line of names and no values");
  const columns = first.length;
  const data = new Float32Array(body.length * columns);
  body.forEach(({ line, number }, row) => {
    const values = cells(line);
    if (values.length !== columns) {
      throw refuse(
        "table.columns",
        `line ${number} has ${values.length} values, the first ${columns}`,
      );
    }
    values.forEach((cell, column) => {
      const value = isNumber(cell) ? Number(cell) : NaN;
      if (!Number.isFinite(value)) throw badNumber(source, { cell, number, column });
      data[row * columns + column] = value;
    });
  });
  return { data, rows: body.length, columns, names: named ? first : null };
}

function badNumber(
  source: string,
  { cell, number, column }: { cell: string; number: number; column: number },
): FormatError {
  const found = cell === "" ? "nothing" : `"${cell.slice(0, 40)}"`;
  return refusals(TABLE_RULES, source)(
    "table.number",
    `line ${number}, column ${column + 1} has ${found}`,
  );
}

function separatorOf(line: string): RegExp {
  if (line.includes("\t")) return /\t/;
  if (line.includes(",")) return /,/;
  return /\s+/;
}

function isNumber(cell: string): boolean {
  return cell !== "" && Number.isFinite(Number(cell));
}
