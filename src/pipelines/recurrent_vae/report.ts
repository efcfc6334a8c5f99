/** Scores a trained recurrent VAE and writes everything people look at. */
import { toJson } from "../../files/json.ts";
import { writeWhole } from "../../files/whole_file.ts";
import type { RecurrentVae } from "../../models/recurrent_vae/model.ts";
import type { ReportSource, VerbResult } from "../pipeline.ts";
import { RUN_LAYOUT } from "../run_folder.ts";
import type { PreparedData } from "./prepared_data.ts";
import { writeReport, writeResults } from "./results.ts";
import type { RunConfig } from "./run_config.ts";
import { scoreHeldOut, scoreTrained } from "./scores.ts";
import { summarise, summaryText } from "./summary.ts";

/**
 * Scores, results, figures, page and summary of a run.
 *
 * @param source What was trained, and how it went.
 * @throws {WriteError} when a file cannot be written.
 */
export async function reportRun(
  source: ReportSource<RunConfig, PreparedData, RecurrentVae>,
): Promise<VerbResult> {
  const { folder, config, data, model } = source;
  const scores = data.heldOut && await scoreHeldOut(model, { ...data, heldOut: data.heldOut }, {
    fitOffsets: config.training.fitOffsets,
    ...(data.mask ? { mask: data.mask } : {}),
  });
  const trainedOn = await scoreTrained(model, data);
  const results = await writeResults(folder, model, data);
  const { metrics, ended, weightsOf, divergence } = source.outcome;
  const summary = summarise({
    ...source,
    metrics,
    ended,
    divergedIn: divergence?.epoch ?? null,
    weightsOf,
    scores,
    trainedOn,
    latents: results,
    eigenvalues: results.eigenvalues,
    repetitionTime: results.repetitionTime,
  });
  const text = summaryText(summary);
  writeReport(folder, results, {
    history: metrics,
    spatialShape: config.model.spatialShape,
    summary: text,
  });
  writeWhole(`${folder}/${RUN_LAYOUT.summaryJson}`, toJson(summary) + "\n");
  writeWhole(`${folder}/${RUN_LAYOUT.summaryText}`, text);
  return { json: summary, text: text.trimEnd() };
}
