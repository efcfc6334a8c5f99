/** What people read of a trained sequence model. */
import { writeWhole } from "../../files/whole_file.ts";
import type { SequenceModel } from "../../models/brain_sequence/model.ts";
import { lossCurve } from "../../reports/loss_curve.ts";
import { reportPage } from "../../reports/page.ts";
import type { ReportSource, RunSummary } from "../pipeline.ts";
import { readSavedRun } from "../saved_run.ts";
import type { SequenceData } from "./opened_data.ts";
import { scoreRuns, type SequenceScores } from "./scores.ts";
import { configFromJson, type SequenceRunConfig } from "./settings.ts";

/**
 * Scores the model on the held-out runs, writes the page and sums up.
 *
 * @param source The trained run.
 */
export async function reportRun(
  source: ReportSource<SequenceRunConfig, SequenceData, SequenceModel>,
): Promise<RunSummary> {
  const { folder, config, data, model, outcome: { metrics, ended, weightsOf } } = source;
  const { length } = config.training;
  const scores = await scoreRuns(model, data, { runs: data.heldOut, length });
  const json = {
    folder,
    training: {
      epochs: metrics.length,
      ended,
      weightsOf: weightsOf === null ? null : weightsOf + 1,
    },
    data: {
      trained: data.train.length,
      validation: data.validation.length,
      heldOut: config.data.heldOut,
    },
    scores,
    notes: data.notes,
  };
  const text = [
    `Run       ${folder}`,
    `Data      ${
      data.train.length + data.validation.length + data.heldOut.length
    } runs of ${config.model.parcels} parcels, TR ${config.data.repetitionTime} s; held out: ${
      config.data.heldOut.join(", ")
    }`,
    `Model     ${modelWords(config)}`,
    ...shareWords(model),
    `Training  ${metrics.length} of ${config.training.epochs} epochs on ${source.engine.name}, ${
      source.seconds.toFixed(0)
    } s${weightsOf === null ? "" : `; weights of epoch ${weightsOf + 1}`}`,
    "",
    ...scoreLines(scores),
    "",
    ...data.notes.map((note) => `Note      ${note}`),
  ].join("\n").trimEnd();
  const figure = {
    svg: lossCurve(metrics),
    caption: "Training loss, mean over the batches of each epoch.",
  };
  writeWhole(
    `${folder}/report.html`,
    reportPage({
      title: `recvae run ${folder.split("/").at(-1)}`,
      summary: text,
      figures: [figure],
    }),
  );
  return { json, text };
}

function modelWords({ model }: SequenceRunConfig): string {
  const base = model.autoregression > 0
    ? `, on top of an autoregressive model of order ${model.autoregression}`
    : "";
  return `${model.style}, ${model.layers} layers of width ${model.embeddingDim}${base}`;
}

/** How much the network adds, as the validation subject decided. */
function shareWords({ base }: SequenceModel): string[] {
  if (!base || base.share === 1) return [];
  return [
    base.share === 0
      ? "          On the validation subject the network added nothing: predictions are the autoregressive model's."
      : `          ${
        base.share * 100
      } % of the network's output is added, as the validation subject decided.`,
  ];
}

/** Error of an autoregressive model below which the series must be filtered. */
const NEARLY_DETERMINED = 0.05;

const DETERMINED =
  "The past of a parcel nearly determines its next value here, as in band-pass filtered series: no statement about the brain.";

function verdict(wins: boolean, { rival, difference }: { rival: string; difference: number }) {
  const size = Math.abs(difference).toFixed(1);
  if (size === "0.0") return `This model and ${rival} are equal.`;
  return wins
    ? `This model is the best of them, ${size} % below ${rival}.`
    : `${rival} is the best of them; this model's error is ${size} % above it.`;
}

/**
 * The table of scores, and which method wins.
 *
 * @param scores Of runs that were not trained on.
 */
export function scoreLines({ task, values, rows }: SequenceScores): string[] {
  const width = Math.max(...rows.map(({ name }) => name.length));
  const best = rows.reduce((a, b) => (b.error < a.error ? b : a));
  const [model, ...others] = rows;
  const rival = others.reduce((a, b) => (b.error < a.error ? b : a));
  const difference = (1 - model.error / rival.error) * 100;
  return [
    `Predicting ${task} of the held-out runs (${values} values, z-scored):`,
    `  ${"".padEnd(width)}  mean absolute error`,
    ...rows.map(({ name, error }) => `  ${name.padEnd(width)}  ${error.toFixed(4).padStart(19)}`),
    verdict(best === model, { rival: rival.name, difference }),
    ...(others.some(({ name, error }) => name.startsWith("AR(") && error < NEARLY_DETERMINED)
      ? [DETERMINED]
      : []),
  ];
}

/**
 * Facts about a finished run, for `inspect`.
 *
 * @param folder Of the run.
 */
export async function runFacts(folder: string): Promise<Readonly<Record<string, unknown>>> {
  const { config: json, epoch, version } = await readSavedRun(folder);
  const { model, training, data } = configFromJson(json, folder);
  return {
    kind: "run of recvae train brain-sequence",
    version,
    epochs: `${epoch} of ${training.epochs}`,
    ...model,
    repetitionTime: data.repetitionTime,
    files: data.files.length,
    heldOut: data.heldOut.join(", "),
  };
}
