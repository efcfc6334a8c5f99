/**
 * The mean image of the training frames and the spread about it: what `train-residual` normalisation
 * subtracts and divides by. Frames are read once more, one at a time, and summed in float64.
 *
 * Why it exists: with minimum and maximum of a subject at ±1, nearly all of a volume's squared size is
 * anatomy that never changes; a narrow decoder spends its whole capacity on it and the recurrent state
 * learns nothing (the collapse of [recurrent-vae §10]). The residual is what the latent dynamics are about.
 */
import type { Cohort } from "./cohort.ts";
import { voxelCount } from "./frame_source.ts";
import { scalingFor } from "./frame_statistics.ts";
import { applyScaling, type WholeRunNormalization } from "./normalization.ts";
import type { SurveyedSubject } from "./subject_frames.ts";

/** Standard deviations of the residual that become 1: a tanh output then hardly ever saturates. */
const DEVIATIONS = 6;

/**
 * Fits `train-residual` normalisation.
 *
 * @param surveyed Training subjects, not normalised yet.
 * @param cohort Their common size and frames.
 * @returns The method with its mean image `[Z, Y, X]` (in min-max units) and spread.
 */
export function fitTrainingMean(
  surveyed: readonly SurveyedSubject[],
  cohort: Pick<Cohort, "spatialShape" | "frames">,
): WholeRunNormalization {
  const voxels = voxelCount(cohort.spatialShape);
  const frame = new Float32Array(voxels);
  const sum = new Float64Array(voxels);
  let squares = 0;
  for (const subject of surveyed) {
    const scaling = scalingFor({ kind: "min-max" }, subject.statistics);
    for (let t = 0; t < cohort.frames; t++) {
      subject.copyRaw(t, frame);
      applyScaling(frame, scaling);
      for (let voxel = 0; voxel < voxels; voxel++) {
        sum[voxel] += frame[voxel];
        squares += frame[voxel] * frame[voxel];
      }
    }
  }
  const frames = surveyed.length * cohort.frames;
  const image = Float32Array.from(sum, (total) => total / frames);
  let explained = 0;
  for (let voxel = 0; voxel < voxels; voxel++) explained += image[voxel] * image[voxel];
  const variance = Math.max(0, squares / frames - explained) / voxels;
  return { kind: "train-residual", image, spread: DEVIATIONS * Math.sqrt(variance) || 1 };
}
