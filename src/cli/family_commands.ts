/** Commands whose work is a family's: what can be done with a run, and making data to try a family on. */
import { allFamilies, defaultFamily, familyNamed, familyOfRun } from "../pipelines/families.ts";
import { type Option, UsageError } from "../pipelines/option_table.ts";
import type { Pipeline, Verb, VerbResult } from "../pipelines/pipeline.ts";
import { requireRunFirst } from "../pipelines/run_argument.ts";
import { requireEnded } from "../pipelines/unfinished_run.ts";
import type { Command } from "./command.ts";
import { EXIT } from "./failures.ts";
import { printJson } from "./output.ts";

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
  const verbs = allFamilies().flatMap(({ verbs }) => verbs[name] ?? []);
  const options = new Map<string, Option>();
  for (const verb of verbs) for (const option of verb.options) options.set(option.name, option);
  const { summary, usage, description, examples } = verbs[0];
  return {
    name,
    summary,
    usage,
    description,
    examples,
    options: [...options.values()],
    positionals: [1, Infinity],
    async run({ values, positionals: [folder, ...files] }) {
      requireRunFirst(name, [folder, ...files]);
      const verb = verbOf(familyOfRun(folder), name);
      requireOwnOptions(verb, values, name);
      await requireEnded(folder, name);
      print(await verb.run({ folder, files, values }), Boolean(values.json));
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

function requireOwnOptions(verb: Verb, values: Record<string, unknown>, name: string): void {
  const own = new Set([...verb.options.map(({ name }) => name), "help", "debug"]);
  for (const [option, value] of Object.entries(values)) {
    const given = Array.isArray(value) ? value.length > 0 : value !== undefined && value !== false;
    if (given && !own.has(option)) {
      throw new UsageError(`--${option} does not go with ${name} of a run of this family`);
    }
  }
}

function print({ json, text }: VerbResult, asJson: boolean): void {
  if (asJson) printJson(json);
  else if (text !== "") console.log(text);
}

/**
 * `synthesize [FAMILY]`.
 *
 * @param pipeline A family that makes data.
 */
export function synthesizeCommand(pipeline: Pipeline = defaultFamily()): Command {
  const { run, ...page } = pipeline.synthesize!;
  return {
    name: "synthesize",
    ...page,
    positionals: [0, 0],
    family: (name) => {
      const other = familyNamed(name);
      return other?.synthesize && synthesizeCommand(other);
    },
    async run({ values }) {
      print(await run({ folder: "", files: [], values }), Boolean(values.json));
      return EXIT.ok;
    },
  };
}
