/** Scores a trained recurrent VAE and writes what people look at beside the summary. */
import { LaggedVae } from "../../models/recurrent_vae/lagged/lagged_vae.ts";
import type { ReportSource, RunSummary } from "../pipeline.ts";
import { scoreLagged } from "./lagged_scores.ts";
import type { PreparedData } from "./prepared_data.ts";
import { writeReport, writeResults } from "./results.ts";
import type { RunConfig } from "./run_config.ts";
import { type AnyScores, scoreHeldOut, type ScoreOptions, scoreTrained } from "./scores.ts";
import { summarise, summaryText } from "./summary.ts";
import type { TrainedModel } from "./trained_model.ts";

/**
 * Scores of held-out runs beside the baselines that the model's network calls for.
 *
 * @param model Trained.
 * @param data Training and held-out runs.
 * @param options Of models with offsets.
 */
export function scoreAny(
  model: TrainedModel,
  data: Parameters<typeof scoreHeldOut>[1],
  options: ScoreOptions,
): Promise<AnyScores> {
  return model instanceof LaggedVae ? scoreLagged(model, data) : scoreHeldOut(model, data, options);
}

/**
 * Scores, results, figures and page of a run, and its summary.
 *
 * @param source What was trained, and how it went.
 * @throws {WriteError} when a file cannot be written.
 */
export async function reportRun(
  source: ReportSource<RunConfig, PreparedData, TrainedModel>,
): Promise<RunSummary> {
  const { folder, config, data, model } = source;
  const scores = data.heldOut && await scoreAny(model, { ...data, heldOut: data.heldOut }, {
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
