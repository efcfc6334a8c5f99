/**
 * What the fields of an options object, a settings file or a saved record may hold: tables of names, kinds and
 * ranges, and the one check by them. A table is data, so that help, documents and forms can be made from it.
 */
import { ConfigError } from "./errors.ts";
import { nearestName } from "./nearest_name.ts";

/** What one field may hold. */
export interface Field {
  /** Kind of the value. */
  readonly kind:
    | "integer"
    | "number"
    | "text"
    | "flag"
    | "choice"
    | "list"
    | "map"
    | "record"
    | "other";
  /** The same in words, after "needs": `"a whole number above 0"`. */
  readonly needs: string;
  /** Bounds of a number. */
  readonly range?: Range;
  /** Words to choose from. */
  readonly choices?: readonly string[];
  /** Of each entry of a list or map. */
  readonly item?: Field;
  /** Fields of a record. */
  readonly fields?: Readonly<Record<string, Field>>;
  /** Names among them that must be there. */
  readonly required?: readonly string[];
  /** Whether null fits too. */
  readonly nullable?: boolean;
  /** Whether the value itself fits; entries are looked at one by one afterwards. */
  accepts(value: unknown): boolean;
}

/** Bounds of a number; without `most` it is finite. */
export interface Range {
  /** Smallest value. */
  readonly least?: number;
  /** Largest value; `Infinity` allows the infinite. */
  readonly most?: number;
  /** The value is larger than this. */
  readonly above?: number;
  /** The value is smaller than this. */
  readonly below?: number;
}

/** Fields of every name of T: leaving one out is an error of the type checker. */
export type FieldsOf<T> = { readonly [K in keyof T]-?: Field };

/** An object with the fields of T and no others. */
export interface RecordField<T> extends Field {
  /** What each may hold. */
  readonly fields: FieldsOf<T> & Readonly<Record<string, Field>>;
}

/** What is wrong with a value. */
export interface Problem {
  /** Path of the field, e.g. `"training.clipNorm"` or `"files[2].path"`; `""` for the value as a whole. */
  readonly field: string;
  /** A clause that names it, what was found and what is needed. */
  readonly clause: string;
}

/** A whole number that float64 holds exactly. */
export function integer(range: Range = {}): Field {
  return {
    kind: "integer",
    needs: `a whole number${rangeInWords(range)}`,
    range,
    accepts: (value) => Number.isSafeInteger(value) && inRange(value as number, range),
  };
}

/** Any number within bounds. */
export function number(range: Range = {}): Field {
  const bounds = rangeInWords(range);
  return {
    kind: "number",
    needs: bounds === "" ? "a finite number" : `a number${bounds}`,
    range,
    accepts: (value) => typeof value === "number" && inRange(value, range),
  };
}

/** Any text. */
export function text(): Field {
  return { kind: "text", needs: "text", accepts: (value) => typeof value === "string" };
}

/** True or false. */
export function flag(): Field {
  return { kind: "flag", needs: "true or false", accepts: (value) => typeof value === "boolean" };
}

/** One of some words. */
export function choice(choices: readonly string[]): Field {
  return {
    kind: "choice",
    needs: choices.map((word) => `"${word}"`).join(" or "),
    choices,
    accepts: (value) => choices.includes(value as string),
  };
}

/** A list of values of one kind. */
export function list(item: Field): Field {
  return { kind: "list", needs: `a list, each entry ${item.needs}`, item, accepts: Array.isArray };
}

/** An object with any names and values of one kind. */
export function map(item: Field): Field {
  return { kind: "map", needs: `an object, each value ${item.needs}`, item, accepts: isRecord };
}

/**
 * An object with known names.
 *
 * @param fields What each may hold.
 * @param required Names that must be there; the others may be left out.
 */
export function record<T>(
  fields: FieldsOf<T>,
  required: readonly (keyof T & string)[] = [],
): RecordField<T> {
  const table = fields as RecordField<T>["fields"];
  return { kind: "record", needs: "an object", fields: table, required, accepts: isRecord };
}

/**
 * A value that no other kind describes.
 *
 * @param needs In words.
 * @param accepts The test; default: everything fits.
 */
export function other(needs: string, accepts: (value: unknown) => boolean = () => true): Field {
  return { kind: "other", needs, accepts };
}

/** A function. */
export function callback(): Field {
  return other("a function", (value) => typeof value === "function");
}

/** An object of any kind. */
export function object(needs: string): Field {
  return other(needs, (value) => typeof value === "object" && value !== null);
}

/** The same field, or null. */
export function nullable(field: Field): Field {
  return { ...field, needs: `${field.needs}, or null`, nullable: true };
}

/** An array with its shape. */
export function array(axes: string): Field {
  const isArray = (value: unknown) =>
    isRecord(value) && ArrayBuffer.isView(value.data) && Array.isArray(value.shape);
  return other(`an array { data, shape } of shape ${axes}`, isArray);
}

/**
 * Looks for the first thing that is wrong with a value.
 *
 * @param value Anything.
 * @param field What it should be.
 * @param options `path` of the value, if it is part of something; `noun` for a field of unknown name, default
 *   `"option"`.
 * @returns Null when nothing is wrong. A field that is undefined is absent.
 */
export function findProblem(
  value: unknown,
  field: Field,
  options: { readonly path?: string; readonly noun?: string } = {},
): Problem | null {
  const { path = "", noun = "option" } = options;
  if (field.nullable && value === null) return null;
  if (!field.accepts(value)) {
    const name = path === "" ? "the content" : path;
    return { field: path, clause: `${name} is ${shown(value)}, needs ${field.needs}` };
  }
  if (field.fields) return findInRecord(value as Record<string, unknown>, field, { path, noun });
  if (!field.item) return null;
  for (const [key, entry] of Object.entries(value as object)) {
    const at = field.kind === "list" ? `${path}[${key}]` : join(path, key);
    const problem = findProblem(entry, field.item, { path: at, noun });
    if (problem) return problem;
  }
  return null;
}

function findInRecord(
  value: Readonly<Record<string, unknown>>,
  { fields = {}, required = [] }: Field,
  { path, noun }: { readonly path: string; readonly noun: string },
): Problem | null {
  const names = Object.keys(fields);
  for (const name of Object.keys(value)) {
    if (Object.hasOwn(fields, name)) continue;
    const nearest = names.length === 0
      ? ""
      : `; did you mean ${join(path, nearestName(name, names))}?`;
    const field = join(path, name);
    return { field, clause: `there is no ${noun} "${field}"${nearest}` };
  }
  for (const [name, field] of Object.entries(fields)) {
    const at = join(path, name);
    if (value[name] === undefined) {
      if (!required.includes(name)) continue;
      const absent = noun === "option" ? "undefined" : "missing";
      return { field: at, clause: `${at} is ${absent}, needs ${field.needs}` };
    }
    const problem = findProblem(value[name], field, { path: at, noun });
    if (problem) return problem;
  }
  return null;
}

/**
 * Refuses an options object with a name that does not exist or a value of the wrong kind.
 *
 * @param options As the caller gave it.
 * @param known Every option there is.
 * @param doing E.g. `"Cannot train"`.
 * @throws {ConfigError} naming the option; one that does not exist with the nearest name.
 */
export function checkOptions<T>(
  options: T,
  known: RecordField<NoInfer<T>>,
  { doing }: { readonly doing: string },
): void {
  const problem = findProblem(options, known);
  if (!problem) return;
  const { field, clause } = problem;
  throw field === ""
    ? new ConfigError("options", `${doing}: the options are ${shown(options)}, needs an object`)
    : new ConfigError(field, `${doing}: ${clause}`);
}

/**
 * The options that another function knows.
 *
 * @param options A larger object.
 * @param known Of the other function.
 */
export function pickOptions<T>(options: T, known: RecordField<T>): T {
  const names = Object.keys(known.fields).filter((name) => Object.hasOwn(options as object, name));
  return Object.fromEntries(names.map((name) => [name, options[name as keyof T]])) as T;
}

/** Whether a value is an object with names, not a list. */
export function isRecord(value: unknown): value is Record<string, unknown> {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}

/** A value as a message shows it: short, strings in quotes. */
export function shown(value: unknown): string {
  if (typeof value === "function") return "a function";
  if (value === null || typeof value !== "object") {
    return typeof value === "string" ? JSON.stringify(shortened(value)) : String(value);
  }
  if (ArrayBuffer.isView(value)) return `a ${value.constructor.name}`;
  try {
    return shortened(JSON.stringify(value) ?? "an object");
  } catch {
    return "an object";
  }
}

function shortened(words: string): string {
  return words.length > 80 ? `${words.slice(0, 80)}…` : words;
}

function join(path: string, name: string): string {
  return path === "" ? name : `${path}.${name}`;
}

function inRange(value: number, range: Range): boolean {
  const { least = -Number.MAX_VALUE, most = Number.MAX_VALUE } = range;
  const { above, below } = range;
  return value >= least && value <= most && (above === undefined || value > above) &&
    (below === undefined || value < below);
}

/** E.g. `" of at least 0 and below 1"`. */
function rangeInWords({ least, most, above, below }: Range): string {
  const words = [
    ...(least !== undefined ? [`of at least ${least}`] : []),
    ...(above !== undefined ? [`above ${above}`] : []),
    ...(below !== undefined ? [`below ${below}`] : []),
    ...(most !== undefined && most !== Infinity ? [`of at most ${most}`] : []),
  ];
  return words.length === 0 ? "" : ` ${words.join(" and ")}`;
}
