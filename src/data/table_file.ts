/** Tables with a header, tab- or comma-separated: columns of numbers, and columns of words beside them. */
import { FormatError } from "../base/errors.ts";
import { refusals } from "../formats/rejection.ts";
import { readRegularText } from "./openers/regular_file.ts";

/** What every table satisfies. */
export const TABLE_RULES = {
  "table.header": "a first line with a name for every column, each once",
  "table.rows": "at least one line below the header, with as many entries as it",
  "table.missing": "a number; --drop-missing leaves such rows out",
  "table.number": "a number in every column; take columns of words out, or name one with --target",
  "table.column": "a column of that name",
} as const;

/** Words that stand for a missing value. */
const MISSING = ["", "na", "n/a", "nan", "null", "none", "."];
/** Columns that name rows. */
const ID_NAMES = ["participant_id", "subject", "sample", "id", "name"];

/** A table as text. */
export interface TextTable {
  readonly columns: readonly string[];
  readonly rows: readonly (readonly string[])[];
}

/** Numbers of a table. */
export interface NumberTable {
  /** Names of the columns of numbers. */
  readonly columns: readonly string[];
  /** `[N, columns]` row-major. */
  readonly values: Float32Array;
  /** What names each row: the column for it, or its number in the file. */
  readonly names: readonly string[];
  /** Entries of the column `target`, if asked for. */
  readonly target?: readonly string[];
  /** Rows left out because something was missing. */
  readonly dropped: number;
}

/**
 * Reads a table as text.
 *
 * @param path Ends in `.csv` (commas) or anything else (tabs).
 * @throws {FormatError} by a rule of {@link TABLE_RULES}.
 */
export function readTextTable(path: string): TextTable {
  return parseTable(readRegularText(path), path);
}

/**
 * Splits a table's text.
 *
 * @param text The file.
 * @param path Says which separator.
 * @throws {FormatError} by a rule of {@link TABLE_RULES}.
 */
export function parseTable(text: string, path: string): TextTable {
  const refuse = refusals(TABLE_RULES, path);
  const separator = path.endsWith(".csv") ? "," : "\t";
  const lines = text.replace(/^\uFEFF/, "").split(/\r?\n/);
  while (lines.at(-1) === "") lines.pop();
  const cells = (line: string) =>
    line.split(separator).map((cell) => cell.trim().replace(/^"(.*)"$/, "$1"));
  const columns = cells(lines[0] ?? "");
  if (columns.some((name) => name === "") || new Set(columns).size !== columns.length) {
    throw refuse(
      "table.header",
      `its first line is ${JSON.stringify((lines[0] ?? "").slice(0, 80))}`,
    );
  }
  if (columns.every((name) => Number.isFinite(Number(name)))) {
    throw refuse(
      "table.header",
      `its first line holds the numbers ${columns.slice(0, 3).join(", ")}`,
    );
  }
  const rows = lines.slice(1).map(cells);
  if (rows.length === 0) throw refuse("table.rows", "there is no line below the header");
  rows.forEach((row, i) => {
    if (row.length === columns.length) return;
    throw refuse(
      "table.rows",
      `line ${i + 2} has ${row.length} entries where the header has ${columns.length}`,
    );
  });
  return { columns, rows };
}

/**
 * The numbers of a table.
 *
 * @param path Of the file.
 * @param options `target`: a column that is no feature; `dropMissing`: leaves rows with missing values out.
 * @throws {FormatError} by a rule of {@link TABLE_RULES}, naming line and column. Nothing missing ever becomes a number.
 */
export function readNumberTable(
  path: string,
  options: { readonly target?: string; readonly dropMissing?: boolean } = {},
): NumberTable {
  const { columns, rows } = readTextTable(path);
  const refuse = refusals(TABLE_RULES, path);
  const targetAt = options.target === undefined ? -1 : columns.indexOf(options.target);
  if (options.target !== undefined && targetAt < 0) {
    throw refuse("table.column", `it has no column "${options.target}" (--target)`);
  }
  const nameAt = columns.findIndex((name) => ID_NAMES.includes(name.toLowerCase()));
  const features = [...columns.keys()].filter((c) => c !== targetAt && c !== nameAt);
  const values: number[] = [];
  const names: string[] = [];
  const target: string[] = [];
  let dropped = 0;
  rows.forEach((row, r) => {
    const absent = [...features, ...(targetAt < 0 ? [] : [targetAt])].find((c) =>
      isMissing(row[c])
    );
    if (absent !== undefined) {
      if (!options.dropMissing) {
        throw refuse(
          "table.missing",
          `line ${r + 2} has "${row[absent]}" in column "${columns[absent]}"`,
        );
      }
      dropped++;
      return;
    }
    for (const c of features) {
      const value = Number(row[c]);
      if (!Number.isFinite(value)) {
        throw refuse("table.number", `line ${r + 2} has "${row[c]}" in column "${columns[c]}"`);
      }
      values.push(value);
    }
    names.push(nameAt < 0 ? `line ${r + 2}` : row[nameAt]);
    if (targetAt >= 0) target.push(row[targetAt]);
  });
  if (names.length === 0 || features.length === 0) {
    throw refuse(
      "table.rows",
      `${names.length} rows and ${features.length} columns of numbers are left`,
    );
  }
  return {
    columns: features.map((c) => columns[c]),
    values: Float32Array.from(values),
    names,
    ...(targetAt < 0 ? {} : { target }),
    dropped,
  };
}

/**
 * Targets of people: a column of a BIDS `participants.tsv`.
 *
 * @param path Of the table.
 * @param column Its name.
 * @returns By `participant_id`, with and without `sub-`.
 * @throws {FormatError} when a column is not there.
 */
export function readParticipants(path: string, column: string): ReadonlyMap<string, string> {
  const { columns, rows } = readTextTable(path);
  const at = columns.indexOf(column);
  const id = columns.findIndex((name) => ID_NAMES.includes(name.toLowerCase()));
  if (at < 0 || id < 0) {
    throw new FormatError(
      path,
      "table.column",
      `Cannot read "${path}": it has no column "${at < 0 ? column : "participant_id"}", needs ${
        TABLE_RULES["table.column"]
      }; it has ${columns.slice(0, 8).join(", ")}`,
    );
  }
  const found = rows.filter((row) => !isMissing(row[at])).flatMap((row) => {
    const bare = row[id].replace(/^sub-/, "");
    return [[bare, row[at]], [`sub-${bare}`, row[at]]] as [string, string][];
  });
  return new Map(found);
}

function isMissing(cell: string): boolean {
  return MISSING.includes(cell.toLowerCase());
}
