/** Scores a trained recurrent VAE and writes what people look at beside the summary. */
import { isRunKind } from "../../data/normalization.ts";
import type { RecurrentVae } from "../../models/recurrent_vae/model.ts";
import type { ReportSource, RunSummary } from "../pipeline.ts";
import { comparedConvolutional } from "./compared_models.ts";
import { compareHeldOut, type HeldOutComparison, voxelsOf } from "./comparison.ts";
import type { PreparedData } from "./prepared_data.ts";
import { writeReport, writeResults } from "./results.ts";
import type { RunConfig } from "./run_config.ts";
import { scoreHeldOut, type Scores, scoreTrained } from "./scores.ts";
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
  const scores = await scoresOf(model, data, config.training);
  const trainedOn = await scoreTrained(model, data);
  const results = await writeResults(folder, model, data);
  const { metrics, ended, weightsOf, divergence } = source.outcome;
  const summary = summarise({
    ...source,
    metrics,
    ended,
    divergedIn: divergence?.epoch ?? null,
    weightsOf,
    ...scores,
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

/** Scores on the held-out runs: of the kind that the normalisation calls for. */
export async function scoresOf(
  model: RecurrentVae,
  { train, heldOut, mask }: Pick<PreparedData, "train" | "heldOut" | "mask">,
  { fitOffsets }: { readonly fitOffsets: number },
): Promise<{ readonly scores: Scores | null; readonly comparison: HeldOutComparison | null }> {
  if (!heldOut) return { scores: null, comparison: null };
  const data = { train, heldOut };
  if (isRunKind(train.normalization)) {
    const compared = comparedConvolutional(model, voxelsOf(train));
    return { scores: null, comparison: await compareHeldOut(compared, data, { fitOffsets }) };
  }
  const options = { fitOffsets, ...(mask ? { mask } : {}) };
  return { scores: await scoreHeldOut(model, data, options), comparison: null };
}
