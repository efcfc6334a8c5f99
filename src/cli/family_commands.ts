/** Commands whose work is a family's: what can be done with a run, and making data for a family. */
import { allFamilies, familyOfRun } from "../pipelines/families.ts";
import { type Option, UsageError } from "../pipelines/option_table.ts";
import type { Pipeline, Verb, VerbResult } from "../pipelines/pipeline.ts";
import { requireRunFirst } from "../pipelines/run_argument.ts";
import { requireEnded } from "../pipelines/unfinished_run.ts";
import { type Command, COMMON_OPTIONS } from "./command.ts";
import { EXIT } from "./failures.ts";
import { removeBegunFiles } from "../files/whole_file.ts";
import { printJson } from "./output.ts";
import { exitCodeOfSignal, onStopSignals } from "./stop_signals.ts";

/** Options of every command. */
const COMMON = COMMON_OPTIONS.map(({ name }) => name as string);

/**
 * A command whose first argument may name a family.
 *
 * @param command As it is when none is named.
 * @param options `families` that have it, `command` of each, the `summary` when there are several, and `familyOf`, the one
 *   that is meant by arguments that name none.
 */
export function withFamilies(
  command: Command,
  { families, command: commandOf, summary, familyOf }: {
    readonly families: readonly Pipeline[];
    readonly command: (pipeline: Pipeline) => Command;
    readonly summary: string;
    readonly familyOf?: Command["familyOf"];
  },
): Command {
  const several = families.length > 1;
  const usageWith = ({ name, usage }: Command, word: string) =>
    usage.replace(name, `${name} ${word}`);
  return {
    ...command,
    familyOf,
    ...several ? { summary, usage: usageWith(command, "[FAMILY]") } : {},
    families: families.map((pipeline) => {
      const { family, summary } = pipeline;
      const own = commandOf(pipeline);
      return { family, summary, command: { ...own, usage: usageWith(own, family) } };
    }),
  };
}

/**
 * The family of the run that is to be resumed: the run says it, and its options may be given without naming it.
 *
 * @param args Everything after the command's name.
 * @returns Undefined when nothing is resumed.
 */
export function resumedFamily(args: readonly string[]): string | undefined {
  const i = args.findIndex((word) => /^--resume(=|$)/.test(word));
  if (i < 0 || args.slice(0, i).includes("--")) return undefined;
  const folder = args[i].slice("--resume=".length) || args[i + 1];
  return folder ? familyOfRun(folder).family : undefined;
}

/**
 * The commands that take a run, one for each verb that some family has.
 *
 * @returns In the order of the table of families; the help is that of the first family with the verb.
 */
export function runCommands(): Command[] {
  const names = new Set(allFamilies().flatMap(({ verbs }) => Object.keys(verbs)));
  return Array.from(names, runCommand);
}

function runCommand(name: string): Command {
  const [first, ...others] = allFamilies().filter(({ verbs }) => verbs[name]);
  const { summary, usage, description, examples } = first.verbs[name];
  const options = new Map<string, Option>();
  for (const { verbs } of [first, ...others]) {
    for (const option of verbs[name].options) {
      if (!options.has(option.name)) options.set(option.name, option);
    }
  }
  const forOthers = others.map(({ family, verbs }) =>
    `For a run of ${family}: ${verbs[name].summary}.`
  );
  return {
    name,
    summary,
    usage,
    description: [description, ...forOthers].join("\n\n"),
    examples,
    options: [...options.values()],
    positionals: [1, Infinity],
    ownOptions({ values, positionals: [folder, ...files] }) {
      requireRunFirst(name, [folder, ...files]);
      const pipeline = familyOfRun(folder);
      const { options } = verbOf(pipeline, name);
      requireOwnOptions(values, options, `${name} of a run of ${pipeline.family}`);
      return options;
    },
    async run({ values, positionals: [folder, ...files] }) {
      const verb = verbOf(familyOfRun(folder), name);
      await requireEnded(folder, name);
      const result = await leavingNothingBegun(() => verb.run({ folder, files, values }));
      print(result, Boolean(values.json));
      return EXIT.ok;
    },
  };
}

function verbOf({ family, verbs }: Pipeline, name: string): Verb {
  const verb = verbs[name];
  if (verb) return verb;
  throw new UsageError(
    `A run of ${family} cannot be given to ${name}; it has ${Object.keys(verbs).join(", ")}`,
  );
}

function requireOwnOptions(
  values: Record<string, unknown>,
  options: readonly Option[],
  what: string,
): void {
  const own = new Set([...options.map(({ name }) => name), ...COMMON]);
  for (const [option, value] of Object.entries(values)) {
    const given = Array.isArray(value) ? value.length > 0 : value !== undefined && value !== false;
    if (given && !own.has(option)) {
      throw new UsageError(`--${option} does not go with ${what}`);
    }
  }
}

/** Runs a body; a signal to stop ends the program, and no unfinished file stays. */
async function leavingNothingBegun<T>(body: () => Promise<T>): Promise<T> {
  const unsubscribe = onStopSignals((name) => {
    removeBegunFiles();
    Deno.exit(exitCodeOfSignal(name));
  });
  try {
    return await body();
  } finally {
    unsubscribe();
  }
}

function print({ json, text }: VerbResult, asJson: boolean): void {
  if (asJson) printJson(json);
  else if (text !== "") console.log(text);
}

/** `synthesize [FAMILY]`; none when no family makes data. */
export function synthesizeCommands(): Command[] {
  const families = allFamilies().filter(({ synthesize }) => synthesize);
  if (families.length === 0) return [];
  const command = ({ synthesize }: Pipeline) => verbCommand("synthesize", synthesize!, [0, 0]);
  return [withFamilies(command(families[0]), { families, command, summary: "Write made-up data" })];
}

/** Commands that prepare data before there is a run. */
export function preparingCommands(): Command[] {
  return allFamilies().flatMap(({ commands = {} }) =>
    Object.entries(commands).map(([name, verb]) => verbCommand(name, verb, [0, Infinity]))
  );
}

/** A verb that needs no run. */
function verbCommand(
  name: string,
  { run, ...page }: Verb,
  positionals: Command["positionals"],
): Command {
  return {
    name,
    ...page,
    positionals,
    async run({ values, positionals: files }) {
      const result = await leavingNothingBegun(() => run({ folder: "", files, values }));
      print(result, Boolean(values.json));
      return EXIT.ok;
    },
  };
}
