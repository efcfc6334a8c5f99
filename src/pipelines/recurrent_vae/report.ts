/** Scores a trained recurrent VAE and writes what people look at beside the summary. */
import type { RecurrentVae } from "../../models/recurrent_vae/model.ts";
import type { ReportSource, RunSummary } from "../pipeline.ts";
import type { PreparedData } from "./prepared_data.ts";
import { writeReport, writeResults } from "./results.ts";
import type { RunConfig } from "./run_config.ts";
import { scoreHeldOut, scoreTrained } from "./scores.ts";
import { summarise, summaryText } from "./summary.ts";

/**
 * Scores, results, figures and page of a run, and its summary.
 *
 * @param source What was trained, and how it went.
 * @throws {WriteError} when a file cannot be written.
 */
export async function reportRun(
  source: ReportSource<RunConfig, PreparedData, RecurrentVae>,
): Promise<RunSummary> {
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
    dynamics: results.dynamics,
    repetitionTime: results.repetitionTime,
  });
  const text = summaryText(summary);
  writeReport(folder, results, {
    history: metrics,
    spatialShape: config.model.spatialShape,
    summary: text,
  });
  return { json: summary, text: text.trimEnd() };
}
