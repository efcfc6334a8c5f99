/**
 * A trained model beside the linear methods on the same held-out frames: reconstruction, and prediction one step ahead.
 * For data that are normalised run by run inside a mask; every method sees the same frames.
 */
import type { FloatArray } from "../../base/arrays.ts";
import type { MaskedRun } from "../../base/masked_run.ts";
import { voxelIndex } from "../../data/data_mask.ts";
import { voxelCount } from "../../data/frame_source.ts";
import type { DataLoader } from "../../data/loader.ts";
import { maskedRuns } from "../../data/masked_runs.ts";
import { isRunKind } from "../../data/normalization.ts";
import type { Comparison } from "../../evaluation/comparison_words.ts";
import {
  fitLinearMethods,
  type LinearMethod,
  scoreLinearMethods,
} from "../../evaluation/linear_methods.ts";
import { ModelScorer, type ModelShares } from "../../evaluation/model_scorer.ts";
import { ResidualAutocorrelation } from "../../evaluation/residual_autocorrelation.ts";
import { type ExplainedShare, VarianceExplained } from "../../evaluation/variance_explained.ts";
import { fitLinearStart } from "../../linalg/linear_start.ts";
import type { ComparedModel } from "./compared_models.ts";

/** Shares of the held-out variance about the mean of the training frames, by method. */
export interface HeldOutComparison {
  readonly model: ModelShares;
  readonly linear: Readonly<Record<LinearMethod, ExplainedShare>>;
  /** The model with offsets z fitted to each held-out run, which it has seen then; null when that was not asked for. */
  readonly fitted: ExplainedShare | null;
  /** Width of the linear methods: that of the model. */
  readonly components: number;
  /** The held-out runs. */
  readonly runs: readonly string[];
}

/** Options of {@link compareHeldOut}. */
export interface HeldOutOptions {
  /** Updates of z for the fitted score; 0 leaves it out. */
  readonly fitOffsets: number;
}

/**
 * Compares on the held-out runs. The model's noise and offsets are 0 throughout, in the training runs too.
 *
 * @param model Trained.
 * @param data Training and held-out runs, normalised alike by a method with a mask.
 * @param options See {@link HeldOutOptions}.
 */
export async function compareHeldOut(
  model: ComparedModel,
  { train, heldOut }: { readonly train: DataLoader; readonly heldOut: DataLoader },
  { fitOffsets }: HeldOutOptions,
): Promise<HeldOutComparison> {
  const voxels = voxelsOf(train);
  const [training, scored] = [train, heldOut].map((loader) => runsOf(loader, voxels));
  const { latentDim } = model;
  const start = await fitLinearStart(training, { latentDim });
  const linear = await scoreLinearMethods(scored, await fitLinearMethods(training, start));
  const phi = await residualAutocorrelation(model, train);
  const scorer = new ModelScorer(start.mean, phi);
  const fitted = fitOffsets > 0 && model.fitOffset ? new VarianceExplained(start.mean) : null;
  for (const run of heldOut.cohort.subjects.keys()) {
    const source = { loader: heldOut, run, voxels };
    await eachPrediction(
      model,
      { ...source, ahead: true },
      ({ x, t, ...said }) => scorer.add(x, said, { run, t }),
    );
    if (!fitted) continue;
    const offset = await model.fitOffset!(heldOut.batch([run]), fitOffsets);
    await eachPrediction(
      model,
      { ...source, offset },
      ({ x, reconstruction }) => fitted.add(x, reconstruction, run),
    );
  }
  return {
    model: scorer.result(),
    linear,
    fitted: fitted?.result() ?? null,
    components: latentDim,
    runs: heldOut.cohort.subjects.map(({ id }) => id),
  };
}

/** The comparison's two tables. */
export function comparisonsOf(
  { model, linear, fitted, components }: HeldOutComparison,
): Comparison[] {
  const pca = `PCA with ${components} components`;
  const scores = "VAR(1) of PCA scores";
  return [
    {
      title: "reconstruction of each frame",
      methods: [
        { name: "this model", share: model.model },
        { name: `${pca} and a lag path`, share: linear.pcaLag },
        { name: pca, share: linear.pca },
        ...(fitted ? [{ name: "this model, offset z fitted", share: fitted, seen: true }] : []),
      ],
    },
    {
      title: "one step ahead, from the frames before",
      methods: [
        { name: "this model", share: model.modelAhead },
        { name: "this model, by its state alone", share: model.modelState },
        { name: `${scores}, noise AR(1)`, share: linear.pcaVar1Residual },
        { name: scores, share: linear.pcaVar1 },
        { name: "AR(1) of each voxel", share: linear.voxelAr1 },
        { name: "persistence", share: linear.persistence },
      ],
    },
  ];
}

/** The mask's voxels; all of them for a method without a mask. */
export function voxelsOf({ normalization, spatialShape }: DataLoader): Int32Array {
  if (isRunKind(normalization)) return voxelIndex(normalization.mask.inside);
  return Int32Array.from({ length: voxelCount(spatialShape) }, (_, voxel) => voxel);
}

function runsOf(loader: DataLoader, voxels: Int32Array): MaskedRun[] {
  return maskedRuns(loader.cohort.subjects.map((_, row) => loader.batch([row])), voxels);
}

/** A frame, what the model makes of it, and what it had predicted. */
interface Predicted {
  readonly t: number;
  readonly x: FloatArray;
  readonly reconstruction: FloatArray;
  readonly predicted?: FloatArray;
}

/** Rolls a run out with noise 0; frames come in their order. Predictions are made when they are asked for. */
async function eachPrediction(
  model: ComparedModel,
  { loader, run, voxels, ahead = false, offset }: {
    readonly loader: DataLoader;
    readonly run: number;
    readonly voxels: Int32Array;
    readonly ahead?: boolean;
    readonly offset?: FloatArray;
  },
  action: (frame: Predicted) => void,
): Promise<void> {
  const V = voxels.length;
  const batch = loader.batch([run]);
  const [masked] = maskedRuns([batch], voxels);
  await model.rollOut(batch, {
    frames: loader.frames,
    ahead,
    offset,
    onFrames: async ({ start, count, reconstruction, predicted }) => {
      const x = await masked.read(start, count);
      for (let g = 0; g < count; g++) {
        const of = (values: FloatArray) => values.subarray(g * V, (g + 1) * V);
        action({
          t: start + g,
          x: of(x),
          reconstruction: of(reconstruction),
          ...(predicted && start + g > 0 ? { predicted: of(predicted) } : {}),
        });
      }
    },
  });
}

/**
 * φ of what a model leaves of its training runs, with noise and offsets 0.
 *
 * @param model Trained.
 * @param train Its training runs.
 * @returns `[V]`.
 */
export async function residualAutocorrelation(
  model: ComparedModel,
  train: DataLoader,
): Promise<Float64Array> {
  const voxels = voxelsOf(train);
  const phi = new ResidualAutocorrelation(voxels.length);
  for (const run of train.cohort.subjects.keys()) {
    await eachPrediction(
      model,
      { loader: train, run, voxels },
      ({ x, reconstruction, t }) => phi.add(x, reconstruction, { run, t }),
    );
  }
  return phi.result();
}
