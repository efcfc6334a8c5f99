/** `recvae crossvalidate [FAMILY]`: every person held out once, and what all folds come to. */
import { runFolds, startCrossValidation, summariseFolds } from "../pipelines/cross_validation.ts";
import type { StartedCrossValidation } from "../pipelines/cross_validation.ts";
import {
  crossValidationOptions,
  type CrossValidationValues,
} from "../pipelines/cross_validation_options.ts";
import { startEngine } from "../pipelines/engine_options.ts";
import { allFamilies, familyNamed } from "../pipelines/families.ts";
import { UsageError } from "../pipelines/option_table.ts";
import type { Pipeline } from "../pipelines/pipeline.ts";
import { say } from "../pipelines/terminal.ts";
import { Interruption } from "../training/interruption.ts";
import type { Command } from "./command.ts";
import { EXIT } from "./failures.ts";
import { withFamilies } from "./family_commands.ts";
import { printJson } from "./output.ts";
import { exitCodeOfSignal, onStopSignals, type StopSignal } from "./stop_signals.ts";

/** The command; none when no family can be cross-validated. */
export function crossvalidateCommands(): Command[] {
  const families = allFamilies().filter(({ crossValidation }) => crossValidation);
  if (families.length === 0) return [];
  const summary = "Hold out every person once, and ask whether groups differ";
  return [withFamilies(familyCommand(families[0]), { families, command: familyCommand, summary })];
}

function familyCommand(pipeline: Pipeline): Command {
  return {
    name: "crossvalidate",
    summary: "Hold out every person once, and ask whether groups differ",
    usage: "crossvalidate --out DIR [options] [FILE…]",
    description: DESCRIPTION,
    options: crossValidationOptions(pipeline),
    examples: EXAMPLES,
    positionals: [0, Infinity],
    async run(parsed) {
      const values = parsed.values as unknown as CrossValidationValues;
      const files = parsed.positionals;
      requireNoOther(files[0]);
      using started = startCrossValidation(pipeline, { values, files });
      return await crossvalidate(started, values);
    },
  };
}

/** A family that cannot be cross-validated is no file. */
function requireNoOther(first: string | undefined): void {
  const other = first === undefined ? undefined : familyNamed(first);
  if (!other || other.crossValidation) return;
  const able = allFamilies().filter(({ crossValidation }) => crossValidation);
  throw new UsageError(
    `crossvalidate does not know ${first}, needs ${
      able.map(({ family }) => family).join(" or ")
    }; a file of that name is ./${first}`,
  );
}

const DESCRIPTION =
  "Divides the persons into folds, trains a model for each fold on all others, and scores it on those it never saw, " +
  "beside the other methods of train. Prints mean and spread over the folds, which method wins by how much and in how many folds, and, where " +
  "persons have groups, whether these differ: a classifier by what each fold's model says of everyone, with balanced " +
  "accuracy, AUC and a p-value by permutation. All options of train that do not say what is held out are there.\n\n" +
  "Every fold is a folder of its own below --out. Ctrl-C saves a checkpoint; the same command goes on where it stopped and " +
  "repeats no fold that is done.";

const EXAMPLES = [
  {
    line: "recvae crossvalidate --cn scans/cn --ad scans/ad --folds 5 --out runs/cv",
    does: "two groups: scores, and whether they differ",
  },
  {
    line:
      "recvae crossvalidate --data scans --labels participants.tsv --group-column sex --out runs/cv",
    does: "groups of a table",
  },
  { line: "recvae crossvalidate --folds 4 --repeat 2 --out runs/cv", does: "the runs that ship" },
];

async function crossvalidate(
  started: StartedCrossValidation,
  values: CrossValidationValues,
): Promise<number> {
  using interruption = new Interruption({
    subscribe: (listener) => onStopSignals(listener),
    quit: () => {
      started[Symbol.dispose]();
      Deno.exit(EXIT.interrupted);
    },
    notify: (message) => say(`\n${message}`),
  });
  const { signal } = interruption;
  const engine = await startEngine(values);
  try {
    const folds = await runFolds(started, { engine, signal });
    const summary = folds && !signal.aborted ? await summariseFolds(started, folds) : null;
    if (summary === null) {
      say(`Stopped; the same command goes on from there: its folds are in ${started.folder}`);
      return exitCodeOfSignal(signal.reason as StopSignal);
    }
    if (values.json) printJson(summary.json);
    else console.log(`\n${summary.text}`);
    return folds!.some(({ diverged }) => diverged) ? EXIT.diverged : EXIT.ok;
  } finally {
    await engine.stop();
  }
}
