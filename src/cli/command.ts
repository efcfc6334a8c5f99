/** What a command of the command line is, and how its help looks. */
import { allFamilies } from "../pipelines/families.ts";
import type { Option } from "../pipelines/option_table.ts";
import type { Example } from "../pipelines/pipeline.ts";
import type { Parsed } from "./options.ts";

/** A command without the type of its options: what the table of commands holds. */
export interface Command {
  /** As typed: `"train"`. */
  readonly name: string;
  /** One line for the list of commands, without a full stop. */
  readonly summary: string;
  /** Usage after `recvae`, e.g. `"train [options] [FILE…]"`. */
  readonly usage: string;
  /** A paragraph or two for the command's own help. */
  readonly description: string;
  readonly options: readonly Option[];
  readonly examples: readonly Example[];
  /** Fewest and most positional arguments. */
  readonly positionals: readonly [least: number, most: number];
  /** The same command for each family of models, where its first argument may name one. */
  readonly families?: readonly FamilyCommand[];
  /**
   * Name of the family that is meant where none is named; undefined: that of this command.
   *
   * @param args Everything after the command's name.
   */
  familyOf?(args: readonly string[]): string | undefined;
  /**
   * The options there are with these arguments, where they are fewer than those of the table: the command line is
   * understood by them alone.
   *
   * @param parsed The command line by the whole table.
   * @throws {UsageError} when one is given that is not among them.
   */
  ownOptions?(
    parsed: { readonly values: Record<string, unknown>; readonly positionals: readonly string[] },
  ): readonly Option[];
  /**
   * Runs it.
   *
   * @param parsed What `parseOptions` made of the command line.
   * @returns Exit code.
   */
  // deno-lint-ignore no-explicit-any
  run(parsed: Parsed<any>): Promise<number>;
}

/** A command for one family of models. */
export interface FamilyCommand {
  /** As typed. */
  readonly family: string;
  /** What the family is, in one line. */
  readonly summary: string;
  readonly command: Command;
}

/**
 * Lets a command's `run` see the types of its own options.
 *
 * @param command The command.
 * @returns The same object.
 */
export function defineCommand<const T extends readonly Option[]>(
  command: Omit<Command, "options" | "run"> & {
    readonly options: T;
    run(parsed: Parsed<T>): Promise<number>;
  },
): Command {
  return command;
}

/** Options every command has. */
export const COMMON_OPTIONS = [
  { name: "help", kind: "flag", short: "h", help: "Show this help" },
  { name: "debug", kind: "flag", help: "Show where in the program an error arose" },
] as const satisfies readonly Option[];

/** Width of a help page in columns. */
const WIDTH = 98;

/**
 * The help of one command.
 *
 * @param command The command.
 * @returns Text with a final newline.
 */
export function commandHelp(command: Command): string {
  const lines = [`recvae ${command.usage}`, "", ...wrap(command.description, WIDTH)];
  const { families = [] } = command;
  if (families.length > 1) {
    lines.push("", `Families (without one: ${families[0].family}):`, ...familyLines(families));
    lines.push("", `recvae ${command.name} FAMILY --help is the page of another one.`);
  }
  const groups = Map.groupBy(
    [...command.options, ...COMMON_OPTIONS],
    (option: Option) => option.group ?? "Other options",
  );
  const last = groups.get("Other options")!;
  groups.delete("Other options");
  for (const [title, options] of [...groups, ["Other options", last] as const]) {
    lines.push("", `${title}:`, ...options.flatMap(optionHelp));
  }
  lines.push("", "Examples:");
  for (const { line, does } of command.examples) lines.push(`  ${line}`, `      ${does}`);
  return lines.join("\n") + "\n";
}

/**
 * The help of the whole program.
 *
 * @param commands All of them.
 * @returns Text with a final newline.
 */
export function programHelp(commands: readonly Command[]): string {
  const families = allFamilies();
  const several = families.length > 1;
  return [
    "recvae: learns latent dynamics of brain activity from fMRI, with " +
    (several ? `${families.length} families of models` : families[0].model),
    "",
    "Usage: recvae COMMAND [options]",
    "",
    ...columns(commands.map(({ name, summary }) => [name, summary])),
    "",
    ...several ? ["Families of models (recvae train FAMILY):", ...familyLines(families), ""] : [],
    "recvae COMMAND --help shows a command's options and examples; recvae --version the version.",
    "Exit codes: 0 done, 2 the command line is wrong, 3 the input is unusable, 4 training diverged,",
    "130, 143, 129 stopped by Ctrl-C, SIGTERM, SIGHUP (what was learnt is saved), 1 anything else.",
  ].join("\n") + "\n";
}

function familyLines(
  families: readonly { readonly family: string; readonly summary: string }[],
): string[] {
  return columns(families.map(({ family, summary }) => [family, summary]));
}

/** Two columns, the first as wide as its longest entry. */
function columns(rows: readonly (readonly [string, string])[]): string[] {
  const width = Math.max(...rows.map(([left]) => left.length));
  return rows.map(([left, right]) => `  ${left.padEnd(width)}  ${right}`);
}

function optionHelp(option: Option): string[] {
  const value = option.kind === "flag"
    ? ""
    : ` ${option.value ?? (option.choices ? option.choices.join("|") : "VALUE")}`;
  const left = `  ${option.short ? `-${option.short}, ` : ""}--${option.name}${value}`;
  const otherwise = option.otherwise === undefined ? "" : ` [${option.otherwise}]`;
  const indent = 32;
  const right = wrap(option.help + otherwise, WIDTH - indent);
  const first = left.length < indent - 1 ? [left.padEnd(indent) + right.shift()] : [left];
  return [...first, ...right.map((line) => " ".repeat(indent) + line)];
}

/** Breaks text at spaces; paragraphs (blank lines) stay apart. */
function wrap(text: string, width: number): string[] {
  return text.split("\n\n").flatMap((paragraph, i) => {
    const lines = i > 0 ? ["", ""] : [""];
    for (const word of paragraph.split(/\s+/)) {
      const line = lines[lines.length - 1];
      if (line.length + word.length + 1 > width && line !== "") lines.push(word);
      else lines[lines.length - 1] = line === "" ? word : `${line} ${word}`;
    }
    return lines;
  });
}
