/** The report of a trained run of any family: the family makes it, its summary is written and read again here. */
import type { ActiveEngine } from "../backends/engine.ts";
import { readRegularText } from "../data/openers/regular_file.ts";
import { toJson } from "../files/json.ts";
import { isFile } from "../files/whats_there.ts";
import { writeWhole } from "../files/whole_file.ts";
import type { RunSummary } from "./pipeline.ts";
import { RUN_LAYOUT } from "./run_folder.ts";
import type { StartedRun } from "./started_run.ts";
import type { TrainedRun } from "./training_run.ts";

/** What a report is made from, beside the run. */
export interface ReportOptions {
  readonly trained: TrainedRun;
  readonly engine: ActiveEngine;
  /** Of training. */
  readonly seconds: number;
}

/**
 * Lets the family score the model and write what people look at, and writes the summary.
 *
 * @param run The run.
 * @param options See {@link ReportOptions}.
 * @throws {WriteError} when a file cannot be written.
 */
export async function makeReport(
  run: StartedRun,
  { trained: { model, result: outcome, best }, engine, seconds }: ReportOptions,
): Promise<RunSummary> {
  const { folder, pipeline } = run;
  const summary = await pipeline.report({ ...run, model, engine, outcome, best, seconds });
  writeWhole(`${folder}/${RUN_LAYOUT.summaryJson}`, toJson(summary.json) + "\n");
  writeWhole(`${folder}/${RUN_LAYOUT.summaryText}`, summary.text + "\n");
  return summary;
}

/**
 * The summary that was written last; it names the folder where it lies now, which may have been moved or copied since.
 *
 * @param folder Of the run.
 * @throws {FormatError} when it is not there.
 * @throws {SyntaxError} when it is damaged.
 */
export function readSummary(folder: string): RunSummary {
  const json = JSON.parse(readRegularText(`${folder}/${RUN_LAYOUT.summaryJson}`));
  const text = readRegularText(`${folder}/${RUN_LAYOUT.summaryText}`).trimEnd();
  return {
    json: { ...json, folder },
    text: text.replace(`Run       ${json.folder}\n`, () => `Run       ${folder}\n`)
      .replace(`Open ${json.folder}/`, () => `Open ${folder}/`),
  };
}

/**
 * Whether there is anything new to score; a run that diverged may have finished no epoch.
 *
 * @param trained A run that ended.
 * @param folder Of the run.
 */
export function isToBeReported(trained: TrainedRun, folder: string): boolean {
  const { ended, metrics } = trained.result;
  const isNew = trained.trained || !reportIsWhole(folder, trained);
  return ended !== "interrupted" && metrics.length > 0 && isNew;
}

/** Whether the report in the folder is of this very state. */
function reportIsWhole(folder: string, { result }: TrainedRun): boolean {
  if (!isFile(`${folder}/${RUN_LAYOUT.summaryText}`)) return false;
  try {
    const { training } = readSummary(folder).json;
    return training.epochs === result.metrics.length &&
      (training.ended === "diverged") === (result.divergence !== undefined);
  } catch {
    return false;
  }
}
