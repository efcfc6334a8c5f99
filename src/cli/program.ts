/** The program `recvae`: finds the command, runs it, turns errors into one line and an exit code. */
import { fewOf } from "../base/lists.ts";
import { VERSION } from "../base/version.ts";
import { similarName } from "../base/nearest_name.ts";
import { type Command, commandHelp, COMMON_OPTIONS, programHelp } from "./command.ts";
import { allCommands } from "./commands.ts";
import { describeFailure, EXIT, exitCodeOf } from "./failures.ts";
import { namedFailure } from "../files/write_failure.ts";
import { parseOptions } from "./options.ts";
import { type Option, UsageError } from "../pipelines/option_table.ts";

/**
 * Runs one command line.
 *
 * @param args Without the program's name.
 * @returns Exit code (see failures.ts).
 */
export async function runCli(args: readonly string[]): Promise<number> {
  try {
    return await dispatch(args);
  } catch (thrown) {
    const error = namedFailure(thrown);
    report(describeFailure(error, args.includes("--debug")));
    if (error instanceof UsageError) {
      report(`See recvae ${[...typedCommand(args), "--help"].join(" ")}`);
    }
    return exitCodeOf(error);
  }
}

/** The command that was typed, with the family that was: `["train", "vae"]`; empty when there is none of that name. */
function typedCommand([name, first]: readonly string[]): string[] {
  const command = allCommands().find((command) => command.name === name);
  if (!command) return [];
  return command.families?.some(({ family }) => family === first) ? [name, first] : [name];
}

/** Prints on standard error; where that is full or closed the exit code has to do. */
function report(line: string): void {
  try {
    console.error(line);
  } catch {
    // Nobody can be told.
  }
}

async function dispatch(args: readonly string[]): Promise<number> {
  const [name, ...rest] = args;
  if (name === undefined) {
    console.error(programHelp(allCommands()));
    return EXIT.usage;
  }
  if (name === "--help" || name === "-h" || name === "help") {
    const command = rest.length > 0
      ? withFamily(findCommand(rest[0]), rest.slice(1)).command
      : undefined;
    console.log((command ? commandHelp(command) : programHelp(allCommands())).trimEnd());
    return EXIT.ok;
  }
  if (name === "--version" || name === "-V") {
    console.log(`recvae ${VERSION}`);
    return EXIT.ok;
  }
  const { command, rest: given } = withFamily(findCommand(name), rest);
  const beforeFiles = given.slice(
    0,
    given.includes("--") ? given.indexOf("--") : given.length,
  );
  if (beforeFiles.includes("--help") || beforeFiles.includes("-h")) {
    console.log(commandHelp(command).trimEnd());
    return EXIT.ok;
  }
  return await runCommand(command, given);
}

/** A command whose first argument names a family is that family's: `train recurrent-vae`; `./vae` names a folder. */
function withFamily(command: Command, args: readonly string[]) {
  const { families = [] } = command;
  const named = families.find(({ family }) => family === args[0]);
  if (named) return { command: named.command, rest: args.slice(1) };
  const meant = families.length > 1 ? command.familyOf?.(args) : undefined;
  const own = families.find(({ family }) => family === meant);
  return { command: own?.command ?? command, rest: args };
}

/** A command, or where there are several families the command of each, with the words it is typed by. */
function pagesOf(command: Command): { typed: string; command: Command }[] {
  const { name, families = [] } = command;
  if (families.length < 2) return [{ typed: name, command }];
  return families.map(({ family, command }) => ({ typed: `${name} ${family}`, command }));
}

function findCommand(name: string): Command {
  const command = allCommands().find((command) => command.name === name);
  if (command) return command;
  const names = allCommands().map(({ name }) => name);
  if (name.startsWith("-")) {
    throw new UsageError(
      `Found the option ${name} before a command, needs one of ${names.join(", ")} first`,
    );
  }
  const similar = similarName(name, names);
  throw new UsageError(
    `Unknown command "${name}"` +
      (similar ? `; did you mean "${similar}"?` : `, needs one of ${names.join(", ")}`),
  );
}

async function runCommand(command: Command, args: readonly string[]): Promise<number> {
  const ownersOf = (option: string) =>
    allCommands().flatMap(pagesOf)
      .filter(({ command: { options } }) => options.some(({ name }) => name === option))
      .map(({ typed }) => typed);
  const parse = (options: readonly Option[]) =>
    parseOptions(args, [...options, ...COMMON_OPTIONS], { ownersOf });
  const parsed = parse(command.options);
  const [least, most] = command.positionals;
  const count = parsed.positionals.length;
  if (count < least || count > most) {
    const needed = least === most
      ? `${least}`
      : most === Infinity
      ? `${least} or more`
      : `${least} to ${most}`;
    throw new UsageError(
      `recvae ${command.name} takes ${needed} ${
        needed === "1" ? "argument" : "arguments"
      } beside its options, found ${count}` +
        (count > 0 ? `: ${fewOf(parsed.positionals)}` : ""),
    );
  }
  const own = command.ownOptions?.(parsed);
  return await command.run(own ? parse(own) : parsed);
}
