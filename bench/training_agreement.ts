/**
 * The same short training run on several engines, and how far apart the results are: losses of every epoch
 * and the transition matrix F after the last. Shared by `deno task bench:compare` and its test.
 */
import type { SpatialShape } from "../src/base/arrays.ts";
import type { BackendName } from "../src/backends/engine.ts";
import { selectBackend } from "../src/backends/registry.ts";
import { buildDataLoader } from "../src/data/loader.ts";
import { syntheticCohort } from "../src/data/synthetic.ts";
import { RecurrentVae } from "../src/models/recurrent_vae/model.ts";
import { fit } from "../src/pipelines/recurrent_vae/fit.ts";

/** Largest relative difference of a loss between two engines that counts as agreement. */
export const LOSS_TOLERANCE = 5e-6;

/** Largest difference of an entry of F, relative to the largest entry. */
export const TRANSITION_TOLERANCE = 1e-4;

/** The run: small enough for a software GPU, large enough to use every tuned kernel. */
export interface TrainingProblem {
  readonly spatialShape: SpatialShape;
  readonly subjects: number;
  readonly frames: number;
  readonly batchSize: number;
  readonly epochs: number;
  readonly learningRate: number;
}

/** Sizes of the usual comparison. */
export const USUAL_PROBLEM: TrainingProblem = {
  spatialShape: [33, 35, 40],
  subjects: 4,
  frames: 6,
  batchSize: 2,
  epochs: 3,
  learningRate: 3e-4,
};

/** What one engine gave. */
export interface TrainingOutcome {
  readonly backend: BackendName;
  readonly detail: string;
  /** Mean loss of every epoch. */
  readonly losses: readonly number[];
  /** F, row-major. */
  readonly transition: ArrayLike<number>;
  readonly milliseconds: number;
}

/**
 * Trains on one engine from the same seed and data as on any other.
 *
 * @param backend Engine; stopped afterwards.
 * @param problem Sizes.
 */
export async function trainOn(
  backend: BackendName,
  problem: TrainingProblem,
): Promise<TrainingOutcome> {
  const engine = await selectBackend(backend);
  const { spatialShape, subjects, frames, batchSize, epochs, learningRate } = problem;
  const half = Math.floor(subjects / 2);
  const cohort = syntheticCohort({ nCn: subjects - half, nAd: half, frames, spatialShape });
  const loader = await buildDataLoader(cohort, { batchSize });
  const model = new RecurrentVae({ spatialShape, tolTime: frames }, { subjects });
  const started = performance.now();
  try {
    const { trainLossHistory } = await fit(model, loader, { epochs, learningRate });
    return {
      backend,
      detail: engine.detail,
      losses: trainLossHistory,
      transition: model.transitionMatrix.data,
      milliseconds: performance.now() - started,
    };
  } finally {
    model.dispose();
    await engine.stop();
  }
}

/** Largest relative difference between the losses of two runs. */
export function lossDifference(a: TrainingOutcome, b: TrainingOutcome): number {
  return Math.max(
    ...a.losses.map((loss, i) => Math.abs(loss - b.losses[i]) / Math.abs(b.losses[i])),
  );
}

/** Largest difference between the F of two runs, relative to the largest entry of the second. */
export function transitionDifference(a: TrainingOutcome, b: TrainingOutcome): number {
  const scale = Math.max(...Array.from(b.transition, Math.abs));
  return Math.max(...Array.from(a.transition, (v, i) => Math.abs(v - b.transition[i]))) / scale;
}
