/**
 * Who a scan is of: what a table says, then a pattern, then BIDS names of the file or of the folders it lies in, then
 * the folders of the INDI releases (`0010001/session_1/rest_1/rest.nii.gz`).
 */
import { ConfigError, FormatError } from "../base/errors.ts";
import type { GroupBy } from "./bids.ts";
import { readRegularText } from "./openers/regular_file.ts";
import { parseTsv } from "./tsv.ts";

/** A person at a visit; what could not be read is absent. */
export interface Person {
  /** Without `sub-`. */
  readonly subject?: string;
  /** Without `ses-`. */
  readonly session?: string;
}

/** What helps to read persons. */
export interface PersonRules {
  /** Regular expression on the path, with `/`; its first group (or the group `subject`) is the person. */
  readonly pattern?: string;
  /** Persons by file, from {@link readPersonTable}. */
  readonly table?: PersonTable;
}

/** Persons by ends of paths. */
export type PersonTable = ReadonlyMap<string, Person>;

/** `sub-01` or `ses-2` as a folder or at the beginning of a file name. */
const BIDS_PART = (key: string) => new RegExp(`(?:^|/)${key}-([0-9a-zA-Z+]+)(?=[_/.]|$)`, "g");
const IN_NAME = (key: string) => new RegExp(`(?:^|_)${key}-([0-9a-zA-Z+]+)(?=[_.]|$)`);
/** The INDI releases (ABIDE, ADHD-200, CoRR, …): a person's number, then visits. */
const INDI = /(?:^|\/)(\d{4,10})\/(?:ses(?:sion)?_(\d+))\//;

/**
 * Who a scan is of.
 *
 * @param path Path of the scan.
 * @param rules See {@link PersonRules}.
 * @returns An empty object when no person can be read.
 * @throws {ConfigError} for a pattern that is no regular expression with a group.
 */
export function personOf(path: string, rules: PersonRules = {}): Person {
  const place = path.replace(/\\/g, "/");
  const listed = rules.table && fromTable(place, rules.table);
  if (listed) return listed;
  if (rules.pattern !== undefined) {
    const match = compiled(rules.pattern).exec(place);
    const subject = match?.groups?.subject ?? match?.[1];
    if (subject) return { subject, ...given("session", match?.groups?.session) };
  }
  const name = place.split("/").at(-1)!;
  const subject = IN_NAME("sub").exec(name)?.[1] ?? lastOf(place, BIDS_PART("sub"));
  if (subject !== undefined) {
    const session = IN_NAME("ses").exec(name)?.[1] ?? lastOf(place, BIDS_PART("ses"));
    return { subject, ...given("session", session) };
  }
  const indi = INDI.exec(place);
  return indi ? { subject: indi[1], ...given("session", indi[2]) } : {};
}

function lastOf(place: string, pattern: RegExp): string | undefined {
  return [...place.matchAll(pattern)].at(-1)?.[1];
}

function given(name: "session", value: string | undefined): Pick<Person, "session"> {
  return value === undefined ? {} : { [name]: value };
}

/**
 * The pattern of a person as a regular expression.
 *
 * @param pattern Text.
 * @throws {ConfigError} when it is none, or has no group.
 */
export function compiled(pattern: string): RegExp {
  const refuse = (found: string) =>
    new ConfigError(
      "subjectPattern",
      `Cannot read persons by the pattern "${pattern}": found ${found}, needs a regular expression with a group ` +
        'that is the person, such as "(S[0-9]+)_run" (--subject-pattern)',
    );
  let expression: RegExp;
  try {
    expression = new RegExp(pattern);
  } catch (error) {
    throw refuse(`no regular expression (${(error as Error).message})`);
  }
  if (!/\((?!\?)|\(\?<[a-zA-Z]/.test(pattern)) throw refuse("no group in it");
  return expression;
}

/**
 * Which scans are kept together.
 *
 * @param path Path of the scan, different for every scan.
 * @param person Who it is of.
 * @param by See {@link GroupBy}.
 * @returns A name, equal for scans of one group. Without a person each scan is its own.
 */
export function groupOf(path: string, person: Person, by: GroupBy): string {
  const { subject, session } = person;
  if (by === "scan" || subject === undefined) return path;
  return by === "session" && session !== undefined
    ? `sub-${subject}_ses-${session}`
    : `sub-${subject}`;
}

const DOING = (path: string) => `Cannot read persons from "${path}"`;

/**
 * Reads a table of scans and persons: tab-separated, with the columns `file` (a name, or the end of a path) and
 * `subject`, and perhaps `session`.
 *
 * @param path Of the table.
 * @throws {FormatError} (rule `persons.table`) when a column is missing, a file is there twice, or a line says nobody.
 */
export function readPersonTable(path: string): PersonTable {
  const { columns, rows } = parseTsv(readRegularText(path), path);
  const refuse = (found: string, needs: string) =>
    new FormatError(path, "persons.table", `${DOING(path)}: found ${found}, needs ${needs}`);
  for (const name of ["file", "subject"]) {
    if (columns.includes(name)) continue;
    throw refuse(
      `the columns ${columns.join(", ")}`,
      `the columns "file" and "subject" (and perhaps "session"), separated by tabs`,
    );
  }
  const table = new Map<string, Person>();
  rows.forEach((row, i) => {
    const file = row.file.replace(/\\/g, "/").replace(/^\.?\//, "");
    if (row.subject === "" || row.subject === "n/a") {
      throw refuse(`no subject in line ${i + 2}`, "one in each line");
    }
    if (table.has(file)) throw refuse(`"${file}" twice`, "each file once");
    const session = row.session === "n/a" ? undefined : row.session || undefined;
    table.set(file, { subject: row.subject.replace(/^sub-/, ""), ...given("session", session) });
  });
  return table;
}

/** The longest end of a path that the table has. */
function fromTable(place: string, table: PersonTable): Person | undefined {
  const parts = place.split("/");
  for (let first = 0; first < parts.length; first++) {
    const end = parts.slice(first).join("/");
    const person = end === "" ? undefined : table.get(end);
    if (person) return person;
  }
  return undefined;
}
