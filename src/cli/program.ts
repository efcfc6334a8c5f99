/** The program `recvae`: finds the command, runs it, turns errors into one line and an exit code. */
import { fewOf } from "../base/lists.ts";
import { VERSION } from "../base/version.ts";
import { nearestName } from "../base/nearest_name.ts";
import { type Command, commandHelp, COMMON_OPTIONS, programHelp } from "./command.ts";
import { COMMANDS } from "./commands.ts";
import { describeFailure, EXIT, exitCodeOf, namedFailure } from "./failures.ts";
import { parseOptions, UsageError } from "./options.ts";

/**
 * Runs one command line.
 *
 * @param args Without the program's name. @returns Exit code (see failures.ts).
 */
export async function runCli(args: readonly string[]): Promise<number> {
  try {
    return await dispatch(args);
  } catch (thrown) {
    const error = namedFailure(thrown);
    report(describeFailure(error, args.includes("--debug")));
    if (error instanceof UsageError) {
      const name = COMMANDS.some(({ name }) => name === args[0]) ? ` ${args[0]}` : "";
      report(`See recvae${name} --help`);
    }
    return exitCodeOf(error);
  }
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
    console.error(programHelp(COMMANDS));
    return EXIT.usage;
  }
  if (name === "--help" || name === "-h" || name === "help") {
    const command = rest.length > 0 ? findCommand(rest[0]) : undefined;
    console.log((command ? commandHelp(command) : programHelp(COMMANDS)).trimEnd());
    return EXIT.ok;
  }
  if (name === "--version" || name === "-V") {
    console.log(`recvae ${VERSION}`);
    return EXIT.ok;
  }
  const command = findCommand(name);
  const beforeFiles = rest.slice(0, rest.includes("--") ? rest.indexOf("--") : rest.length);
  if (beforeFiles.includes("--help") || beforeFiles.includes("-h")) {
    console.log(commandHelp(command).trimEnd());
    return EXIT.ok;
  }
  return await runCommand(command, rest);
}

function findCommand(name: string): Command {
  const command = COMMANDS.find((command) => command.name === name);
  if (command) return command;
  const nearest = nearestName(name, COMMANDS.map(({ name }) => name));
  throw new UsageError(`Unknown command "${name}"; did you mean "${nearest}"?`);
}

async function runCommand(command: Command, args: readonly string[]): Promise<number> {
  const ownersOf = (option: string) =>
    COMMANDS.filter(({ options }) => options.some(({ name }) => name === option))
      .map(({ name }) => name);
  const parsed = parseOptions(args, [...command.options, ...COMMON_OPTIONS], { ownersOf });
  const [least, most] = command.positionals;
  const count = parsed.positionals.length;
  if (count < least || count > most) {
    const needed = least === most
      ? `${least}`
      : most === Infinity
      ? `${least} or more`
      : `${least} to ${most}`;
    throw new UsageError(
      `recvae ${command.name} takes ${needed} arguments beside its options, found ${count}` +
        (count > 0 ? `: ${fewOf(parsed.positionals)}` : ""),
    );
  }
  return await command.run(parsed);
}
