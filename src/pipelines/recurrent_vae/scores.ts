/** Scores of a trained model on runs that were not trained on, beside the baselines. */
import type { LaggedScores } from "./lagged_scores.ts";
import type { NdArray } from "../../base/arrays.ts";
import type { FrameBatch } from "../../base/frames.ts";
import { type BaselineComparison, compareWithBaselines, scoreModel } from "./baselines.ts";
import { evaluateHeldOut } from "./held_out.ts";
import type { ReconstructionScore } from "../../evaluation/reconstruction_score.ts";
import type { DataLoader } from "../../data/loader.ts";
import type { RecurrentVae } from "../../models/recurrent_vae/model.ts";
import type { ReconstructingModel } from "../../models/recurrent_vae/reconstructing_model.ts";
import { batchesInOrder } from "./prepared_data.ts";

/** Work allowed for the principal components of the training frames. */
const PCA_MULTIPLY_ADDS = 2e10;

/** Everything that is scored; errors are mean squared errors in normalised units. */
export interface Scores extends BaselineComparison {
  /** The model with offsets z fitted to each held-out run; null when that was not asked for. */
  readonly fitted: ReconstructionScore | null;
  /** Held-out runs. */
  readonly runs: number;
}

/** Scores of either network. */
export type AnyScores = Scores | LaggedScores;

/** Options of {@link scoreHeldOut}. */
export interface ScoreOptions {
  /** Updates of z for the second score; 0 leaves it out. */
  readonly fitOffsets: number;
  /** Voxels that count. */
  readonly mask?: NdArray;
}

/**
 * Scores held-out runs: with z = 0, with fitted z, and the baselines on the same frames.
 *
 * @param model Trained.
 * @param data Training and held-out runs, normalised alike.
 * @param options See there.
 */
export async function scoreHeldOut(
  model: RecurrentVae,
  data: { readonly train: DataLoader; readonly heldOut: DataLoader },
  options: ScoreOptions,
): Promise<Scores> {
  const training = batchesInOrder(data.train);
  const heldOut = batchesInOrder(data.heldOut);
  const mask = options.mask ? { mask: options.mask } : {};
  const pcaFrames = affordableFrames(data.train);
  const comparison = await compareWithBaselines(model, { training, heldOut, pcaFrames, ...mask });
  const runs = data.heldOut.subjects;
  if (options.fitOffsets === 0) return { ...comparison, fitted: null, runs };
  const fitted = await scoreFitted(model, heldOut, { steps: options.fitOffsets, ...mask });
  return { ...comparison, fitted, runs };
}

/**
 * Scores a model after fitting the offsets z of the runs it is scored on.
 *
 * @param model Trained.
 * @param batches Which runs.
 * @param options Updates of z, and voxels that count.
 */
export async function scoreFitted(
  model: RecurrentVae,
  batches: readonly FrameBatch[],
  options: { readonly steps: number; readonly mask?: NdArray },
): Promise<ReconstructionScore> {
  const offsets: NdArray[] = [];
  for (const batch of batches) {
    const { zTest } = await evaluateHeldOut(model, batch, { innerSteps: options.steps });
    offsets.push(zTest);
  }
  const { mask } = options;
  return await scoreModel(model, batches, {
    offsets: (batch) => offsets[batch],
    ...(mask ? { mask } : {}),
  });
}

/**
 * Scores a model on the runs it was trained on, each with its own trained offset.
 *
 * @param model Trained.
 * @param data Its training runs and mask.
 */
export async function scoreTrained(
  model: ReconstructingModel,
  data: { readonly train: DataLoader; readonly mask?: NdArray },
): Promise<ReconstructionScore> {
  const table = await model.subjectOffsets();
  const width = table.shape[1];
  const batches = batchesInOrder(data.train);
  return await scoreModel(model, batches, {
    ...(data.mask ? { mask: data.mask } : {}),
    offsets: (index) => {
      const rows = batches[index].subjects;
      const offsets = new Float32Array(rows.length * width);
      rows.forEach((row, b) =>
        offsets.set(table.data.subarray(row * width, (row + 1) * width), b * width)
      );
      return { data: offsets, shape: [rows.length, width] };
    },
  });
}

/**
 * Frames for the principal components that cost at most about half a minute.
 *
 * @param loader Of the frames.
 */
export function affordableFrames(loader: DataLoader): number {
  const voxels = loader.spatialShape.reduce((product, n) => product * n, 1);
  return Math.max(4 * 16, Math.floor(Math.sqrt(2 * PCA_MULTIPLY_ADDS / voxels)));
}

/**
 * Share of the variance about the training-mean image that a score leaves unexplained, subtracted from 1.
 *
 * @param score Any.
 * @param scores What it is compared within.
 */
export function explained(score: ReconstructionScore, scores: Scores): number {
  return 1 - score.mse / scores.trainingMean.mse;
}
