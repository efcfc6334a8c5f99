/** From a command line to typed values, by a table of options (pipelines/option_table.ts). Knows nothing of any command. */
import { integer, number } from "../base/fields.ts";
import { similarName } from "../base/nearest_name.ts";
import { parseArgs } from "../deps/node_util.ts";
import { type Option, UsageError, type Values } from "../pipelines/option_table.ts";

/** A parsed command line. */
export interface Parsed<T extends readonly Option[]> {
  readonly values: Values<T>;
  readonly positionals: readonly string[];
}

/**
 * Parses a command line by a table of options.
 *
 * @param args Everything after the command's name.
 * @param table The command's options.
 * @param options `ownersOf`: who else has an option of a name that the table lacks.
 * @throws {UsageError} for unknown options (with their owners or the nearest name), missing, repeated or malformed
 *   values.
 */
export function parseOptions<const T extends readonly Option[]>(
  args: readonly string[],
  table: T,
  options: { readonly ownersOf?: (name: string) => readonly string[] } = {},
): Parsed<T> {
  const { tokens } = parseArgs({
    args: [...args],
    options: Object.fromEntries(table.map((option) => [option.name, {
      type: option.kind === "flag" ? "boolean" as const : "string" as const,
      ...(option.short ? { short: option.short } : {}),
    }])),
    strict: false,
    allowPositionals: true,
    tokens: true,
  });
  const values: Record<string, unknown> = {};
  for (const option of table) {
    values[option.name] = option.kind === "flag" ? false : option.kind === "texts" ? [] : undefined;
  }
  const positionals: string[] = [];
  const given = new Set<string>();
  for (const token of tokens) {
    if (token.kind === "positional") {
      if (token.value.trim() === "") {
        throw new UsageError(
          `Argument ${
            positionals.length + 1
          } is empty, needs the name of a file or folder; is a variable of the shell not set?`,
        );
      }
      positionals.push(token.value);
    }
    if (token.kind !== "option") continue;
    const option = table.find(({ name }) => name === token.name);
    if (!option) throw unknownOption(token.rawName, table, options.ownersOf?.(token.name) ?? []);
    if (given.has(option.name) && option.kind !== "texts") {
      throw new UsageError(`--${option.name} is given twice, needs to be given once`);
    }
    given.add(option.name);
    if (option.kind === "texts") {
      (values[option.name] as string[]).push(textValue(option, token));
    } else values[option.name] = optionValue(option, token);
  }
  return { values: values as Values<T>, positionals };
}

interface Token {
  readonly rawName: string;
  readonly value?: string;
  readonly inlineValue?: boolean;
}

function optionValue(option: Option, token: Token): unknown {
  if (option.kind === "flag") {
    if (token.value === undefined) return true;
    throw new UsageError(`--${option.name} takes no value, found "${token.value}"`);
  }
  const text = textValue(option, token);
  switch (option.kind) {
    case "integer":
      return wholeNumber(option, text);
    case "integers":
      return text.split(",").map((part) => wholeNumber(option, part.trim(), text));
    case "number":
      return decimalNumber(option, text);
    case "choice":
      if (option.choices!.includes(text)) return text;
      throw new UsageError(
        `--${option.name} is "${text}", needs one of ${option.choices!.join(", ")}` +
          otherChoice(option, text),
      );
    default:
      return text;
  }
}

/** What to say about a value that is no choice; nothing where none resembles it. */
function otherChoice({ explain, choices }: Option, text: string): string {
  const told = explain?.(text);
  if (told !== undefined) return `; ${told}`;
  const similar = similarName(text, choices!);
  return similar === undefined ? "" : `; did you mean "${similar}"?`;
}

function textValue(option: Option, token: Token): string {
  const { value = "", rawName, inlineValue } = token;
  if (inlineValue && !rawName.startsWith("--") && value.startsWith("=")) {
    throw new UsageError(
      `${rawName} is "${value}", needs ${rawName} ${value.slice(1)} or --${option.name}${value}`,
    );
  }
  const looksLikeOption = !inlineValue && /^--?[a-z]/i.test(value);
  const isText = option.kind === "text" || option.kind === "texts";
  const isThere = (isText ? value.trim() : value) !== "";
  if (value.includes("\uFFFD")) {
    throw new UsageError(`--${option.name} "${value}" is not UTF-8 text; use another name`);
  }
  if (isThere && !looksLikeOption) return value;
  const found = looksLikeOption ? `found the option ${value}` : "found none";
  throw new UsageError(
    `--${option.name} needs a value${option.value ? ` ${option.value}` : ""}, ${found}`,
  );
}

/** One whole number; `given` is all that was typed, where that is a list. */
function wholeNumber({ name, min = 0, range }: Option, text: string, given = text): number {
  const { accepts, needs } = integer({ ...range, least: Math.max(min, range?.least ?? min) });
  const value = Number(text);
  if (/^[+-]?\d+$/.test(text) && accepts(value)) return value;
  const needed = given === text ? needs : `between the commas ${needs}`;
  throw new UsageError(`--${name} is "${given}", needs ${needed}, written in digits`);
}

function decimalNumber({ name, range }: Option, text: string): number {
  const { accepts, needs } = number(range);
  const value = Number(text);
  if (/^[+-]?(\d+\.?\d*|\.\d+)(e[+-]?\d+)?$/i.test(text) && accepts(value)) return value;
  const needed = needs.replace("finite ", "");
  throw new UsageError(`--${name} is "${text}", needs ${needed}, such as 0.5 or 1e-3`);
}

function unknownOption(
  rawName: string,
  table: readonly Option[],
  owners: readonly string[],
): UsageError {
  if (owners.length > 0) {
    return new UsageError(`Unknown option ${rawName}; it is an option of ${owners.join(", ")}`);
  }
  const typed = rawName.replace(/^-+/, "");
  const known = table.map(({ name }) => name);
  const initials = (name: string) => name.split("-").map(([letter]) => letter).join("");
  const short = known.find((name) => initials(name) === typed);
  const similar = short ?? similarName(typed, known);
  const nearest = similar === undefined ? "" : `; did you mean --${similar}?`;
  return new UsageError(`Unknown option ${rawName}${nearest}`);
}
