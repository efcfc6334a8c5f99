/**
 * A trained model beside the linear methods on the same held-out frames: reconstruction, and prediction one step ahead.
 * For data that are normalised run by run inside a mask; every method sees the same frames.
 */
import type { FloatArray, NdArray } from "../../base/arrays.ts";
import type { MaskedRun } from "../../base/masked_run.ts";
import { voxelIndex } from "../../data/data_mask.ts";
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
import type { RecurrentVae } from "../../models/recurrent_vae/model.ts";
import { evaluateHeldOut } from "./held_out.ts";

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
 * @param model Trained; left in evaluation mode.
 * @param data Training and held-out runs, normalised alike by a method with a mask.
 * @param options See {@link HeldOutOptions}.
 */
export async function compareHeldOut(
  model: RecurrentVae,
  { train, heldOut }: { readonly train: DataLoader; readonly heldOut: DataLoader },
  { fitOffsets }: HeldOutOptions,
): Promise<HeldOutComparison> {
  const voxels = voxelsOf(train);
  const [training, scored] = [train, heldOut].map((loader) => runsOf(loader, voxels));
  const start = await fitLinearStart(training, { latentDim: model.config.latentDim });
  const linear = await scoreLinearMethods(scored, await fitLinearMethods(training, start));
  const phi = new ResidualAutocorrelation(voxels.length);
  for (const run of train.cohort.subjects.keys()) {
    await eachPrediction(
      model,
      { loader: train, run, voxels },
      ({ x, reconstruction, t }) => phi.add(x, reconstruction, { run, t }),
    );
  }
  const scorer = new ModelScorer(start.mean, phi.result());
  const fitted = fitOffsets > 0 ? new VarianceExplained(start.mean) : null;
  for (const run of heldOut.cohort.subjects.keys()) {
    await eachPrediction(
      model,
      { loader: heldOut, run, voxels, ahead: true },
      ({ x, t, ...said }) => scorer.add(x, said, { run, t }),
    );
    if (!fitted) continue;
    const { zTest } = await evaluateHeldOut(model, heldOut.batch([run]), {
      innerSteps: fitOffsets,
    });
    await eachPrediction(
      model,
      { loader: heldOut, run, voxels, offset: zTest },
      ({ x, reconstruction }) => fitted.add(x, reconstruction, run),
    );
  }
  return {
    model: scorer.result(),
    linear,
    fitted: fitted?.result() ?? null,
    components: model.config.latentDim,
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

/** The mask's voxels. */
export function voxelsOf({ normalization }: Pick<DataLoader, "normalization">): Int32Array {
  if (!isRunKind(normalization)) throw new TypeError("no mask");
  return voxelIndex(normalization.mask.inside);
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
  model: RecurrentVae,
  { loader, run, voxels, ahead = false, offset }: {
    readonly loader: DataLoader;
    readonly run: number;
    readonly voxels: Int32Array;
    readonly ahead?: boolean;
    readonly offset?: NdArray;
  },
  action: (frame: Predicted) => void,
): Promise<void> {
  const D = model.config.latentDim;
  const { frames } = loader;
  const batch = loader.batch([run]);
  const zeros = (shape: number[]): NdArray => ({
    data: new Float32Array(shape.reduce((a, b) => a * b)),
    shape,
  });
  const options = {
    subjects: [0],
    frames,
    offsets: offset ?? zeros([1, D]),
    noise: zeros([frames, 1, D]),
  };
  model.eval();
  const prior = ahead ? (await model.rollout(batch, options)).gh.data : null;
  await model.rollout(batch, {
    ...options,
    onFrames: async ({ start, count, reconstruction }) => {
      const values = await batch.read(start, count);
      const latents = prior?.slice(start * D, (start + count) * D);
      const predicted = latents && (await model.decode({ data: latents, shape: [count, D] })).data;
      const size = values.length / count;
      const masked = (from: FloatArray, g: number) =>
        Float64Array.from(voxels, (voxel) => from[g * size + voxel]);
      for (let g = 0; g < count; g++) {
        action({
          t: start + g,
          x: masked(values, g),
          reconstruction: masked(reconstruction, g),
          ...(predicted && start + g > 0 ? { predicted: masked(predicted as FloatArray, g) } : {}),
        });
      }
    },
  });
}
