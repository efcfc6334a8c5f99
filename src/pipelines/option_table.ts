/** Options as tables: the one place that parsing, help, defaults and the documentation of the command line come from. */
import type { Range } from "../base/fields.ts";

/** What an option's value is. */
export type OptionKind =
  /** Present or absent. */
  | "flag"
  | "text"
  /** A whole number of at least `min` (default 0). */
  | "integer"
  /** A decimal number within `range`. */
  | "number"
  /** Whole numbers with commas between, e.g. `4,8,16`. */
  | "integers"
  /** One of `choices`. */
  | "choice"
  /** May be given several times. */
  | "texts";

/** One option. */
export interface Option {
  /** Without the dashes, in kebab-case. */
  readonly name: string;
  readonly kind: OptionKind;
  /** One letter, for `-o`. */
  readonly short?: string;
  /** Placeholder in the help: `DIR`, `N`. */
  readonly value?: string;
  readonly choices?: readonly string[];
  /** What to say about a value that is none of `choices`; undefined: the nearest one. */
  readonly explain?: (text: string) => string | undefined;
  readonly min?: number;
  /** Bounds of a number. */
  readonly range?: Range;
  /** One line of help, without a full stop. */
  readonly help: string;
  /** What happens without the option, for the help: `"25"`, `"all cores"`. */
  readonly otherwise?: string;
  /** Heading under which the help lists it. */
  readonly group?: string;
}

type ValueOf<O extends Option> = O["kind"] extends "flag" ? boolean
  : O["kind"] extends "integer" | "number" ? number | undefined
  : O["kind"] extends "integers" ? number[] | undefined
  : O["kind"] extends "texts" ? string[]
  : O extends { readonly kind: "choice"; readonly choices: readonly (infer C)[] } ? C | undefined
  : string | undefined;

/** Parsed values of a table: flags are booleans, repeatable options arrays, all others may be undefined. */
export type Values<T extends readonly Option[]> = {
  readonly [O in T[number] as O["name"]]: ValueOf<O>;
};

/** A command line that cannot be understood: exit code 2. */
export class UsageError extends Error {
  override readonly name = "UsageError";
}
