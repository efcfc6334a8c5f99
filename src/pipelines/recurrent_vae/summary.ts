/** The summary of a run: facts as plain data, and the page of text people read. */
import type { ActiveEngine } from "../../backends/engine.ts";
import type { ReconstructionScore } from "../../evaluation/reconstruction_score.ts";
import type { ReportedDynamics } from "../../evaluation/reported_dynamics.ts";
import type { Eigenvalue } from "../../linalg/eigenvalues.ts";
import type { EarlyStoppingState } from "../../training/early_stopping.ts";
import type { EndReason, EpochMetrics } from "../../training/loop.ts";
import { formatDuration } from "../../training/progress.ts";
import { findNoDynamics, type Latents, type NoDynamics } from "./collapse.ts";
import { dynamicsLines } from "./dynamics.ts";
import type { PreparedData } from "./prepared_data.ts";
import { isLaggedScores, laggedScoreLines } from "./lagged_scores.ts";
import { isLagged, type ModelConfig, type RunConfig } from "./run_config.ts";
import { type AnyScores, explained, type Scores } from "./scores.ts";

/** Everything the summary says. */
export interface RunSummary {
  readonly folder: string;
  readonly config: RunConfig;
  readonly engine: { readonly name: string; readonly detail: string };
  readonly data: {
    readonly runs: number;
    readonly trained: number;
    readonly heldOut: number;
    readonly repetitionTime: number | null;
  };
  readonly training: {
    readonly ended: EndReason;
    readonly epochs: number;
    readonly seconds: number;
    readonly firstLoss: number;
    readonly lastLoss: number;
    /** The epoch in which a number was not finite, counted from 1; null when there was none. */
    readonly divergedIn: number | null;
    /** Which epoch's weights these are, counted from 1; null when training stood in the middle of one. */
    readonly weightsOf: number | null;
    /** The epoch with the lowest training loss, counted from 1; null when it was not looked for. */
    readonly best: { readonly epoch: number; readonly loss: number } | null;
  };
  /** Null when nothing was held out. */
  readonly scores: AnyScores | null;
  /** Reconstruction of the runs that were trained on. */
  readonly trainedOn: ReconstructionScore;
  /** Of training's F. */
  readonly eigenvalues: readonly Eigenvalue[];
  /** Least squares on the posterior means of the training runs; null where they do not determine it. */
  readonly dynamics: ReportedDynamics | null;
  /** Why the eigenvalues mean nothing; null when they do mean something. */
  readonly noDynamics: NoDynamics["reason"] | null;
  readonly notes: readonly string[];
}

/** What {@link summarise} gathers from. */
export interface SummarySources {
  readonly folder: string;
  readonly config: RunConfig;
  readonly engine: ActiveEngine;
  readonly data: PreparedData;
  readonly metrics: readonly EpochMetrics[];
  readonly ended: EndReason;
  /** 0-based. */
  readonly divergedIn: number | null;
  /** 0-based. */
  readonly weightsOf: number | null;
  readonly best: EarlyStoppingState;
  readonly seconds: number;
  readonly scores: AnyScores | null;
  readonly trainedOn: ReconstructionScore;
  /** Of the runs the figures show. */
  readonly latents: Latents;
  readonly eigenvalues: readonly Eigenvalue[];
  readonly dynamics: ReportedDynamics | null;
  readonly repetitionTime: number | null;
}

/** Gathers the facts. */
export function summarise(sources: SummarySources): RunSummary {
  const { folder, config, engine, data, metrics, scores, trainedOn } = sources;
  const { best, bestEpoch } = sources.best;
  const noDynamics = findNoDynamics(sources.latents, config.model, { scores });
  return {
    folder,
    config,
    engine: { name: engine.name, detail: engine.detail },
    data: {
      runs: data.cohort.subjects.length,
      trained: data.train.subjects,
      heldOut: data.heldOut?.subjects ?? 0,
      repetitionTime: sources.repetitionTime,
    },
    training: {
      ended: sources.ended,
      epochs: metrics.length,
      seconds: sources.seconds,
      firstLoss: metrics[0]?.loss ?? NaN,
      lastLoss: metrics.at(-1)?.loss ?? NaN,
      divergedIn: fromOne(sources.divergedIn),
      weightsOf: fromOne(sources.weightsOf),
      best: best === null || bestEpoch === null ? null : { epoch: bestEpoch + 1, loss: best },
    },
    scores,
    trainedOn,
    eigenvalues: sources.eigenvalues,
    dynamics: sources.dynamics,
    noDynamics: noDynamics?.reason ?? null,
    notes: noDynamics ? [...data.notes, noDynamics.note] : data.notes,
  };
}

/**
 * The summary as text, for standard output and summary.txt.
 *
 * @param summary The facts.
 * @returns Lines, with a final newline.
 */
export function summaryText(summary: RunSummary): string {
  const { config: { model, data, training }, engine } = summary;
  const facts = summary.data;
  const time = facts.repetitionTime === null ? "" : `, TR ${digits(facts.repetitionTime)} s`;
  const source = { shipped: "Haxby 2001 at 25 mm", files: "your files", synthetic: "synthetic" };
  return [
    `Run       ${summary.folder}`,
    `Data      ${facts.runs} runs (${facts.trained} trained on, ${facts.heldOut} held out), ` +
    `${model.spatialShape.join("×")} voxels, ${model.tolTime} frames${time}: ${source[data.kind]}`,
    `Model     ${model.latentDim} latent dimensions, ${
      networkWords(model)
    }, preset ${training.preset}, ` +
    `seed ${model.seed}`,
    `Training  ${summary.training.epochs} of ${model.epochs} epochs on ${engine.name} ` +
    `(${engine.detail}) in ${formatDuration(summary.training.seconds * 1000)}; mean loss ` +
    `${digits(summary.training.firstLoss)} -> ${digits(summary.training.lastLoss)}`,
    ...weightsLines(summary.training, model.epochs),
    ...summary.notes.map((note) => `Note      ${note}`),
    "",
    ...scoreLines(summary),
    "",
    ...dynamicsLines({
      eigenvalues: summary.eigenvalues,
      reported: summary.dynamics,
      repetitionTime: facts.repetitionTime,
      frames: model.tolTime,
      rho: model.rho,
      meaningless: summary.noDynamics !== null,
    }),
    "",
    `Open ${summary.folder}/report.html for figures. weights.safetensors loads in PyTorch.`,
  ].join("\n") + "\n";
}

/** The paths of a network. */
function networkWords(model: ModelConfig): string {
  const { length } = model.channels;
  const levels = `${length} ${length === 1 ? "level" : "levels"} of ${
    model.channels.join(", ")
  } channels`;
  if (!isLagged(model)) return levels;
  const linear = model.lag === 1 ? "linear and lag paths" : "linear paths";
  return length === 0 ? linear : `${linear} beside ${levels}`;
}

/** Which epoch's weights were kept, where that was a choice, and why training ended early. */
function weightsLines(
  { ended, epochs, divergedIn, weightsOf, best }: RunSummary["training"],
  planned: number,
): string[] {
  const lines: string[] = [];
  if (divergedIn !== null) {
    lines.push(
      `Diverged  in epoch ${divergedIn} of ${planned}; this is the last good state before it`,
    );
  }
  if (ended === "early-stopping") {
    lines.push(
      `Stopped   early: the training loss did not fall for ${epochs - best!.epoch} epochs`,
    );
  }
  if (best === null) return lines;
  if (weightsOf === null) return [...lines, `Weights   of the middle of epoch ${epochs + 1}`];
  const last = weightsOf === epochs ? ", the last and" : ",";
  const reason = weightsOf === best.epoch
    ? `the best by mean training loss (${digits(best.loss)})`
    : `not of the best, ${best.epoch}, whose weights an earlier version did not keep`;
  return [...lines, `Weights   of epoch ${weightsOf} of ${epochs}${last} ${reason}`];
}

function scoreLines({ scores, trainedOn, config, data }: RunSummary): string[] {
  const inside = config.data.mask === undefined ? "" : ", inside the mask";
  if (scores === null) {
    return [
      `Reconstruction of the runs that were TRAINED ON${inside} (says nothing about new data):`,
      `  spatial correlation ${digits(trainedOn.correlation)}, contrast ${
        digits(trainedOn.contrast)
      }`,
      data.runs === 1
        ? "  Nothing was held out; with more scans than one, some are scored that the model has not seen."
        : "  Nothing was held out; --held-out 0.25 scores runs the model has not seen.",
    ];
  }
  if (isLaggedScores(scores)) return laggedScoreLines(scores);
  return [
    ...scoreTable(scores, inside),
    `  Trained-on runs, for comparison: mean squared error ${digits(trainedOn.mse)}.`,
  ];
}

/**
 * The table of held-out scores as lines of text.
 *
 * @param scores Of a run.
 * @param inside Added to the heading, e.g. `", inside the mask"`.
 */
export function scoreTable(scores: Scores, inside = ""): string[] {
  const row = (name: string, score: ReconstructionScore) =>
    `  ${name.padEnd(42)} ${percent(explained(score, scores))}   ${digits(score.mse).padStart(9)}`;
  return [
    `Reconstruction of the ${scores.runs} held-out runs${inside}:`,
    `  ${"".padEnd(42)} variance   mean sq.`,
    `  ${"what predicts every frame".padEnd(42)} explained     error`,
    row("mean image of the training runs", scores.trainingMean),
    row("this model, no offset (z = 0)", scores.model),
    ...(scores.fitted ? [row("this model, offset z fitted to the run *", scores.fitted)] : []),
    row(`PCA with ${scores.components} components`, scores.pca),
    row("the held-out run's own mean image *", scores.ownMean),
    "  Variance is about the mean image of the training runs. * has seen the held-out run.",
  ];
}

/** Epochs as people count them. */
function fromOne(epoch: number | null): number | null {
  return epoch === null ? null : epoch + 1;
}

function percent(share: number): string {
  return `${(100 * share).toFixed(1)} %`.padStart(9);
}

function digits(value: number): string {
  return Number.isFinite(value) ? String(Number(value.toPrecision(3))) : "n/a";
}
