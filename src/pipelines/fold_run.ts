/** One fold of a cross-validation: a run like any other, trained or gone on with, scored, and its numbers gathered. */
import type { ActiveEngine } from "../backends/engine.ts";
import { CheckpointError } from "../base/errors.ts";
import { givenFields } from "../base/given_fields.ts";
import { isFile } from "../files/whats_there.ts";
import { type FinishedFold, foldFolder, readFold, writeFold } from "./cross_validation_folder.ts";
import type { FoldArguments, FoldPlace, Pipeline } from "./pipeline.ts";
import { isToBeReported, makeReport, readSummary } from "./reported_run.ts";
import { RUN_LAYOUT } from "./run_folder.ts";
import { safeTraining, saveEnd, sayingWhatIsSafe } from "./safe_outputs.ts";
import { reopenRun, type StartedRun, startRun } from "./started_run.ts";
import { say } from "./terminal.ts";
import { type TrainedRun, trainRun } from "./training_run.ts";

/** What a fold needs beside its place. */
export interface FoldRunOptions {
  readonly pipeline: Pipeline;
  /** Of the cross-validation. */
  readonly folder: string;
  /** As typed, for all folds. */
  readonly typed: FoldArguments;
  readonly engine: ActiveEngine;
  /** Ends training after the batch in progress. */
  readonly signal: AbortSignal;
  readonly quiet: boolean;
}

/**
 * Trains and scores a fold, going on where an earlier call stopped.
 *
 * @param place Which part is held out.
 * @param options See {@link FoldRunOptions}.
 * @returns Null when a signal ended it before it was done; a checkpoint is saved then.
 * @throws {UsageError} {FormatError} {ConfigError} {CheckpointError} {WriteError} as training does.
 */
export async function runFold(
  place: FoldPlace,
  options: FoldRunOptions,
): Promise<FinishedFold | null> {
  const { pipeline, typed, signal, quiet } = options;
  const folder = foldFolder(options.folder, place);
  const begun = isFile(`${folder}/${RUN_LAYOUT.config}`);
  using run = begun ? await reopen(folder, options) : await start(folder, place, options);
  const { epochs } = pipeline.view(run.config);
  const safe = async () => `${await safeTraining(folder, epochs)}; so does the same crossvalidate`;
  return await sayingWhatIsSafe(safe, async () => {
    const began = performance.now();
    const trained = await trainRun({ ...run, resume: begun, signal, quiet });
    const seconds = (performance.now() - began) / 1000;
    try {
      if (trained.result.ended === "interrupted") return null;
      if (isToBeReported(trained, folder)) {
        await saveEnd(folder, trained);
        await report(run, trained, { engine: options.engine, seconds });
      }
      return await gather(run, trained, place);
    } finally {
      trained.model.dispose();
    }
  });

  async function start(folder: string, place: FoldPlace, { pipeline }: FoldRunOptions) {
    const { values, files } = pipeline.crossValidation!.fold(typed, place);
    return await startRun(pipeline, { values: { ...values, out: folder, force: false }, files });
  }
}

/** The settings of a fold that was begun are its own. */
function reopen(folder: string, { pipeline, typed: { values } }: FoldRunOptions) {
  const { backend, threads, memory } = values;
  const kept = { resume: folder, backend, threads, memory, "data-root": values["data-root"] };
  return reopenRun({ values: givenFields(kept) as never, files: [] }, pipeline);
}

/** After a divergence the report is made as far as it goes: the last good epoch may be none. */
async function report(
  run: StartedRun,
  trained: TrainedRun,
  options: { readonly engine: ActiveEngine; readonly seconds: number },
): Promise<void> {
  try {
    await makeReport(run, { trained, ...options });
  } catch (error) {
    if (!trained.result.divergence) throw error;
    say(`The fold in "${run.folder}" diverged, and cannot be scored: ${(error as Error).message}`);
  }
}

/** Scores and features of a fold that was trained, written as the last thing. */
async function gather(
  { pipeline, config, data, folder }: StartedRun,
  { model, result }: TrainedRun,
  { repeat, fold }: FoldPlace,
): Promise<FinishedFold | null> {
  const crossValidation = pipeline.crossValidation!;
  const scored = isFile(`${folder}/${RUN_LAYOUT.summaryJson}`);
  const diverged = result.divergence !== undefined;
  if (!scored && !diverged) {
    throw new CheckpointError(
      folder,
      `Cannot use the fold in "${folder}": it has no ${RUN_LAYOUT.summaryJson}; remove the folder to train it again`,
    );
  }
  const finished: FinishedFold = {
    repeat,
    fold,
    folder,
    diverged,
    scores: scored ? crossValidation.scores(readSummary(folder).json) : [],
    features: scored && crossValidation.features
      ? await crossValidation.features({ config, data, model })
      : null,
    common: crossValidation.common(config),
  };
  writeFold(finished);
  // As a later call will read it.
  return readFold(folder);
}
