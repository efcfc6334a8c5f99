/** A cross-validation of any family: its folds one after the other, and what they come to. */
import type { ActiveEngine } from "../backends/engine.ts";
import { howToGrant, isGranted } from "../deps/permissions.ts";
import { FolderLock } from "../files/folder_lock.ts";
import { toJson } from "../files/json.ts";
import { writeWhole } from "../files/whole_file.ts";
import { makeFolder } from "../files/whole_folder.ts";
import {
  beginOrGoOn,
  CROSS_VALIDATION_LAYOUT,
  type FinishedFold,
  foldFolder,
  readFold,
  requireOwn,
} from "./cross_validation_folder.ts";
import {
  type CrossValidationSettings,
  crossValidationSettings,
  type CrossValidationValues,
} from "./cross_validation_options.ts";
import { runFold } from "./fold_run.ts";
import {
  methodLines,
  type MethodScores,
  methodScores,
  methodTable,
  requireCommon,
  type Verdict,
  verdicts,
} from "./fold_scores.ts";
import {
  compareGroups,
  type GroupComparison,
  groupLines,
  groupTable,
} from "./group_differences.ts";
import { labelOfPerson, readLabels } from "./label_table.ts";
import { UsageError } from "./option_table.ts";
import type { FoldPlace, Pipeline, VerbResult } from "./pipeline.ts";
import { say } from "./terminal.ts";

/** Permutations unless told otherwise. */
const PERMUTATIONS = 500;

/** A cross-validation whose folder is this process's own until it is disposed. */
export interface StartedCrossValidation extends Disposable {
  readonly pipeline: Pipeline;
  readonly folder: string;
  readonly settings: CrossValidationSettings;
  readonly values: CrossValidationValues;
  readonly files: readonly string[];
}

/** Everything the summary says. */
export interface CrossValidationSummary {
  readonly folder: string;
  readonly settings: CrossValidationSettings;
  readonly folds: readonly Pick<FinishedFold, "repeat" | "fold" | "folder" | "diverged">[];
  readonly methods: readonly MethodScores[];
  readonly verdicts: readonly Verdict[];
  /** Null when nobody has a group, or nothing was asked. */
  readonly groups: GroupComparison | null;
}

/**
 * Takes a folder for a cross-validation, new or begun with the same settings.
 *
 * @param pipeline Family with a `crossValidation`.
 * @param typed Options and files.
 * @throws {UsageError} when no folder is named, or it holds something else or has other settings.
 * @throws {FormatError} for a table of groups that cannot be read.
 * @throws {CheckpointError} when another program is at work in the folder.
 * @throws {WriteError} when it cannot be written to.
 */
export function startCrossValidation(
  pipeline: Pipeline,
  { values, files }: { readonly values: CrossValidationValues; readonly files: readonly string[] },
): StartedCrossValidation {
  if (values.out === undefined) throw new UsageError("crossvalidate needs --out DIR");
  const folder = values.out.replace(/(?<=.)[\\/]+$/, "");
  const has = pipeline.train.options.some(({ name }) => name === "group-column");
  if (values["group-column"] !== undefined && values.labels === undefined && !has) {
    throw new UsageError("--group-column names a column of --labels FILE; give that too");
  }
  const labels = values.labels === undefined
    ? null
    : readLabels(values.labels, values["group-column"]);
  const settings = crossValidationSettings(pipeline, { values, files }, labels);
  if (!isGranted("read", folder)) {
    throw new UsageError(
      `crossvalidate reads the folds it has written to "${folder}", and Deno was given no permission to; ${
        howToGrant(`--allow-read=${folder}`)
      }`,
    );
  }
  requireOwn(folder);
  makeFolder(folder);
  const lock = FolderLock.take(folder);
  try {
    beginOrGoOn(folder, settings);
  } catch (error) {
    lock[Symbol.dispose]();
    throw error;
  }
  return {
    pipeline,
    folder,
    settings,
    values,
    files,
    [Symbol.dispose]: () => lock[Symbol.dispose](),
  };
}

/**
 * Trains the folds that are not done yet.
 *
 * @param started From {@link startCrossValidation}.
 * @param options Engine, and the signal that ends training.
 * @returns All folds; null when the signal came before the last was done.
 * @throws As training does.
 */
export async function runFolds(
  { pipeline, folder, settings, values, files }: StartedCrossValidation,
  { engine, signal }: { readonly engine: ActiveEngine; readonly signal: AbortSignal },
): Promise<FinishedFold[] | null> {
  const { folds, repeats, labels } = settings;
  const quiet = values.quiet || values.json;
  const done: FinishedFold[] = [];
  for (let repeat = 1; repeat <= repeats; repeat++) {
    for (let fold = 1; fold <= folds; fold++) {
      const place: FoldPlace = {
        repeat,
        fold,
        folds,
        ...(labels ? { labelOf: (person: string) => labelOfPerson(labels, person) } : {}),
      };
      const own = foldFolder(folder, place);
      const earlier = readFold(own);
      const words = `Fold ${fold} of ${folds}${
        repeats > 1 ? `, repeat ${repeat} of ${repeats}` : ""
      }`;
      if (!quiet) say(earlier ? `${words}: done before` : `${words}: ${own}`);
      if (!earlier && signal.aborted) return null;
      const typed = { values, files };
      const finished = earlier ??
        await runFold(place, { pipeline, folder, typed, engine, signal, quiet });
      if (finished === null) return null;
      done.push(finished);
    }
  }
  return done;
}

/**
 * Compares the methods and the groups over all folds, and writes tables and summary.
 *
 * @param started From {@link startCrossValidation}.
 * @param folds From {@link runFolds}.
 * @throws {CheckpointError} when folds do not belong together, or a model has seen whom it is tested on.
 * @throws {WriteError} when a file cannot be written.
 */
export async function summariseFolds(
  { folder, settings, values, pipeline }: StartedCrossValidation,
  folds: readonly FinishedFold[],
): Promise<VerbResult & { readonly json: CrossValidationSummary }> {
  requireCommon(folds);
  const methods = methodScores(folds);
  const permutations = values.permutations ?? PERMUTATIONS;
  const groups = permutations === 0
    ? null
    : await compareGroups(folds, { permutations, seed: Number(values.seed ?? 0) });
  const summary: CrossValidationSummary = {
    folder,
    settings,
    folds: folds.map(({ repeat, fold, folder, diverged }) => ({ repeat, fold, folder, diverged })),
    methods,
    verdicts: verdicts(methods),
    groups,
  };
  const text = summaryLines(summary, pipeline).join("\n");
  const path = (name: keyof typeof CROSS_VALIDATION_LAYOUT) =>
    `${folder}/${CROSS_VALIDATION_LAYOUT[name]}`;
  writeWhole(path("scores"), methodTable(methods, folds));
  if (groups && groups.methods.length > 0) writeWhole(path("groups"), groupTable(groups));
  writeWhole(path("summaryJson"), toJson(summary) + "\n");
  writeWhole(path("summaryText"), text + "\n");
  return { json: summary, text };
}

function summaryLines(
  { folder, settings, folds, methods, verdicts, groups }: CrossValidationSummary,
  { rows }: Pipeline,
): string[] {
  const { folds: count, repeats } = settings;
  const diverged = folds.filter((fold) => fold.diverged);
  return [
    `Cross-validation  ${folder}`,
    `Folds             ${count}${
      repeats > 1 ? ` × ${repeats} repeats` : ""
    }; each is a run of its own in ${foldFolder(folder, folds[0])}${folds.length > 1 ? ", …" : ""}`,
    ...diverged.length === 0 ? [] : [
      `Diverged          ${diverged.length} of ${folds.length} folds (${
        diverged.map(({ folder }) => folder).join(", ")
      }): their last good epoch is scored, if there is one`,
    ],
    "",
    `Scores of held-out ${rows}, over the folds:`,
    ...methodLines(methods),
    "",
    ...verdicts.map(({ sentence }) => sentence),
    "Folds share most of their training data: their spread is not that of independent experiments.",
    ...groups ? ["", ...groupLines(groups)] : [],
  ];
}
