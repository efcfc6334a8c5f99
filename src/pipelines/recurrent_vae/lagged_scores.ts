/**
 * Scores of a lagged model on runs that were not trained on, beside the linear methods of the same width on the same
 * frames [recurrent-vae §16.8].
 */
import type { FloatArray } from "../../base/arrays.ts";
import { letOthersRun } from "../../base/event_loop.ts";
import type { DataLoader } from "../../data/loader.ts";
import { maskedRuns } from "../../data/masked_runs.ts";
import {
  type Comparison,
  comparisonTable,
  type Verdict,
  verdictOf,
} from "../../evaluation/comparison_words.ts";
import {
  fitLinearMethods,
  type LinearMethod,
  scoreLinearMethods,
} from "../../evaluation/linear_methods.ts";
import { ModelScorer, type ModelShares } from "../../evaluation/model_scorer.ts";
import { ResidualAutocorrelation } from "../../evaluation/residual_autocorrelation.ts";
import type { ExplainedShare } from "../../evaluation/variance_explained.ts";
import { fitLinearStart, type LinearStart } from "../../linalg/linear_start.ts";
import type { LaggedStates, LaggedVae } from "../../models/recurrent_vae/lagged/lagged_vae.ts";
import { uniqueStems } from "./scan_names.ts";

/** Shares of variance about the training mean that every method explains. */
export interface LaggedScores {
  readonly model: ModelShares;
  readonly linear: Readonly<Record<LinearMethod, ExplainedShare>>;
  /** D. */
  readonly components: number;
  /** Names of the held-out runs. */
  readonly runs: readonly string[];
  /** KL divergence of each latent dimension, mean over held-out frames. */
  readonly divergence: readonly number[];
}

/**
 * The linear start of a model's training runs.
 *
 * @param model For its width and penalties.
 * @param train Its runs.
 */
export function linearStartOf(model: LaggedVae, train: DataLoader): Promise<LinearStart> {
  const { latentDim, lagPenalty, rho } = model.config;
  const runs = maskedRuns(singleRuns(train), model.voxelIndex);
  return fitLinearStart(runs, { latentDim, lagPenalty, rho });
}

/**
 * φ of a trained model: how much of a voxel's residual is left in the next frame, over the training runs.
 *
 * @param model Trained.
 * @param train Its runs.
 */
export async function residualAutocorrelation(
  model: LaggedVae,
  train: DataLoader,
): Promise<FloatArray> {
  const gatherer = new ResidualAutocorrelation(model.voxelIndex.length);
  await eachModelFrame(model, train, ({ x, reconstruction, run, t }) => {
    gatherer.add(x, reconstruction, { run, t });
  });
  return gatherer.result();
}

/**
 * Scores a model and the linear methods.
 *
 * @param model Trained, with φ.
 * @param data Training and held-out runs, normalised alike.
 */
export async function scoreLagged(
  model: LaggedVae,
  { train, heldOut }: { readonly train: DataLoader; readonly heldOut: DataLoader },
): Promise<LaggedScores> {
  const start = await linearStartOf(model, train);
  const training = maskedRuns(singleRuns(train), model.voxelIndex);
  const methods = await fitLinearMethods(training, start);
  const linear = await scoreLinearMethods(
    maskedRuns(singleRuns(heldOut), model.voxelIndex),
    methods,
  );
  const phi = model.state.buffer("residual_autocorrelation");
  const scorer = new ModelScorer(start.mean, phi);
  const states = await eachModelFrame(
    model,
    heldOut,
    ({ x, run, t, ...said }) => scorer.add(x, said, { run, t }),
  );
  return {
    model: scorer.result(),
    linear,
    components: start.latentDim,
    runs: uniqueStems(heldOut.cohort.subjects),
    divergence: latentDivergence(states, model.state.buffer("q") as FloatArray),
  };
}

/** Whether scores are those of a lagged model. */
export function isLaggedScores(scores: object): scores is LaggedScores {
  return "linear" in scores;
}

/** One batch a run. */
function singleRuns(loader: DataLoader) {
  return Array.from({ length: loader.subjects }, (_, row) => loader.batch([row]));
}

interface ModelFrame {
  readonly x: FloatArray;
  readonly reconstruction: FloatArray;
  /** By the state of the frame before; absent for a run's first. */
  readonly predicted?: FloatArray;
  readonly run: number;
  readonly t: number;
}

/** What the model says of every frame of every run, without noise and offsets; and the states of the runs. */
async function eachModelFrame(
  model: LaggedVae,
  loader: DataLoader,
  action: (frame: ModelFrame) => void,
): Promise<LaggedStates[]> {
  const V = model.voxelIndex.length;
  const all: LaggedStates[] = [];
  for (const [run, batch] of singleRuns(loader).entries()) {
    const [masked] = maskedRuns([batch], model.voxelIndex);
    all.push(
      await model.rollFrames(batch, {
        predict: true,
        onFrames: async ({ start, count, reconstruction, predicted }) => {
          const values = await masked.read(start, count);
          for (let i = 0; i < count; i++) {
            await letOthersRun();
            const of = (frames: FloatArray) => frames.subarray(i * V, (i + 1) * V);
            const t = start + i;
            action({
              x: of(values),
              reconstruction: of(reconstruction),
              ...(t > 0 && { predicted: of(predicted!) }),
              run,
              t,
            });
          }
        },
      }),
    );
  }
  return all;
}

/** KL divergence of the posterior from the prior N(F·h⁻, q), of each dimension: mean over all frames. */
function latentDivergence(runs: readonly LaggedStates[], q: FloatArray): number[] {
  const D = q.length;
  const sums = new Float64Array(D);
  let frames = 0;
  for (const { posteriorMean, posteriorLogVar, gh } of runs) {
    frames += gh.data.length / D;
    for (let i = 0; i < gh.data.length; i++) {
      const logVar = posteriorLogVar.data[i];
      const distance = Math.exp(logVar) + (posteriorMean.data[i] - gh.data[i]) ** 2;
      sums[i % D] += (Math.log(q[i % D]) - logVar + distance / q[i % D] - 1) / 2;
    }
  }
  return Array.from(sums, (sum) => sum / frames);
}

/** Below this KL divergence a latent dimension says nothing. */
const LEAST_DIVERGENCE = 0.01;

/**
 * The table of held-out scores, who wins, and what to change where the model loses.
 *
 * @param scores From {@link scoreLagged}.
 */
export function laggedScoreLines(scores: LaggedScores): string[] {
  const { model, linear, components: D, runs } = scores;
  const comparisons: Comparison[] = [
    {
      title: "reconstruction of each frame",
      methods: [
        { name: "this model", share: model.model },
        { name: `PCA with ${D} components`, share: linear.pca },
        { name: `PCA with ${D} components and a lag path`, share: linear.pcaLag },
      ],
    },
    {
      title: "one step ahead, from the frames before",
      methods: [
        { name: "this model", share: model.modelAhead },
        { name: "this model, by its state alone", share: model.modelState },
        { name: "VAR(1) of PCA scores", share: linear.pcaVar1 },
        { name: "VAR(1) of PCA scores, noise AR(1)", share: linear.pcaVar1Residual },
        { name: "AR(1) of each voxel", share: linear.voxelAr1 },
        { name: "persistence", share: linear.persistence },
      ],
    },
  ];
  const verdicts = comparisons.map((comparison) => verdictOf(comparison, "run"));
  return [
    `Variance explained in the ${
      runs.length === 1 ? "held-out run" : `${runs.length} held-out runs`
    }, inside the mask, about the mean of the training frames:`,
    ...comparisonTable(comparisons, shortNames(runs)),
    ...verdicts.map(({ sentence }) => `  ${sentence}`),
    ...adviceLines(verdicts),
  ];
}

/** What to change where the model loses. */
function adviceLines([reconstruction, ahead]: readonly Verdict[]): string[] {
  const losses = [
    ...(reconstruction.outcome === "loses" ? ["reconstructs"] : []),
    ...(ahead.outcome === "loses" ? ["predicts"] : []),
  ];
  if (losses.length === 0) return [];
  return [
    `  This model ${
      losses.join(" and ")
    } worse than a linear method here: use that one, or try --no-convolutions, other ` +
    "--epochs (fewer where it fits the training runs much better), another --latent-dim (docs/science.md).",
  ];
}

/** The parts of names in which runs differ, at a glance; long ones are cut. */
function shortNames(stems: readonly string[]): string[] {
  const parts = stems.map((stem) => stem.split("_"));
  return parts.map((own, n) => {
    const differ = own.filter((part) => !parts.every((other) => other.includes(part)));
    const name = differ.join("_") || stems[n];
    return name.length > 16 ? `${name.slice(0, 15)}…` : name;
  });
}

/** How many latent dimensions say nothing about the held-out frames; a note where most do. */
export function collapseNote({ divergence }: LaggedScores): string | null {
  const silent = divergence.filter((value) => value < LEAST_DIVERGENCE).length;
  return 2 * silent <= divergence.length
    ? null
    : `The latents collapsed: ${silent} of ${divergence.length} dimensions have a KL divergence below ${LEAST_DIVERGENCE}, so they say nothing about the frames. Try a smaller ` +
      "--kl-weight.";
}
