/**
 * Fitting `run-z-score` and `run-detrend`: every run by its own mean, trend and deviation inside the mask. Frames are
 * read once more, one at a time; a mask that has to be found costs one reading before.
 */
import { ConfigError, FormatError } from "../base/errors.ts";
import type { Cohort } from "./cohort.ts";
import { type DataMask, MaskFinder, maskOf, voxelIndex } from "./data_mask.ts";
import { voxelCount } from "./frame_source.ts";
import type { Normalization } from "./normalization.ts";
import { type RunScaling, type RunTrend, TrendGatherer } from "./run_trend.ts";
import type { SurveyedSubject } from "./subject_frames.ts";

/** A method that works run by run inside a mask. */
export type RunNormalization = Extract<Normalization, { readonly mask: DataMask }>;

/** What is fitted: a method by its name, with the mask there is, or one fixed before. */
export type RunMethod =
  | RunNormalization
  | { readonly kind: RunNormalization["kind"]; readonly image?: ArrayLike<number> };

/**
 * Fits the method to training runs, or applies one fixed before.
 *
 * @param surveyed Runs, not normalised yet.
 * @param cohort Their common size and frames, and what they are called.
 * @param method See {@link RunMethod}; its image is not 0 inside the mask, `[Z, Y, X]`.
 * @returns The method, and the numbers of each run.
 * @throws {FormatError} (rule `data.finite`) for a voxel inside the mask that is not finite; (rule `data.mean`) for
 *   `run-detrend` of a run whose mean over the mask is not positive; (rule `data.mask`) when no voxel is inside.
 * @throws {ShapeError} when the mask has another size.
 */
export function fitRunScaling(
  surveyed: readonly SurveyedSubject[],
  cohort: Pick<Cohort, "spatialShape" | "frames" | "subjects">,
  method: RunMethod,
): { readonly normalization: RunNormalization; readonly scalings: RunScaling[] } {
  const frameSize = voxelCount(cohort.spatialShape);
  const mask = "mask" in method
    ? checkedMask(method.mask, frameSize)
    : method.image
    ? maskOf(method.image, frameSize)
    : findMask(surveyed, cohort);
  const voxels = voxelIndex(mask.inside);
  if (voxels.length === 0) throw nothingInside(cohort.subjects[0].id);
  const trends = surveyed.map((subject, row) => trendOf(subject, { cohort, row, voxels }));
  const common = { kind: "run-trend", voxels, frameSize } as const;
  if (method.kind === "run-z-score") {
    const scalings = trends.map(({ sd, ...trend }) => ({ ...common, ...trend, divisor: sd }));
    return { normalization: { kind: "run-z-score", mask }, scalings };
  }
  const means = trends.map((trend, row) => grandMean(trend, cohort.subjects[row].id));
  const rms = "rms" in method ? method.rms : rootMeanSquare(trends, means);
  const scalings = trends.map(({ sd, ...trend }, row) => {
    const unit = means[row] / 100 * rms;
    return { ...common, ...trend, divisor: sd.map((value) => value === 0 ? 0 : unit) };
  });
  return { normalization: { kind: "run-detrend", mask, rms }, scalings };
}

/** Number of masked voxels that are constant in a run, and 0 after normalisation. */
export function constantVoxels({ divisor }: RunScaling): number {
  return divisor.reduce((count, value) => count + (value === 0 ? 1 : 0), 0);
}

function findMask(
  surveyed: readonly SurveyedSubject[],
  { spatialShape, frames }: Pick<Cohort, "spatialShape" | "frames">,
): DataMask {
  const frame = new Float32Array(voxelCount(spatialShape));
  const finder = new MaskFinder(frame.length);
  for (const subject of surveyed) {
    for (let t = 0; t < frames; t++) {
      subject.copyRaw(t, frame);
      finder.add(frame, { firstOfRun: t === 0 });
    }
  }
  return finder.finish();
}

function trendOf(
  subject: SurveyedSubject,
  { cohort, row, voxels }: {
    readonly cohort: Pick<Cohort, "spatialShape" | "frames" | "subjects">;
    readonly row: number;
    readonly voxels: Int32Array;
  },
): RunTrend {
  const { spatialShape, frames } = cohort;
  const run = { source: cohort.subjects[row].id, spatialShape };
  const gatherer = new TrendGatherer(voxels);
  const frame = new Float32Array(voxelCount(spatialShape));
  for (let t = 0; t < frames; t++) {
    subject.copyRaw(t, frame);
    gatherer.add(frame, { run, t });
  }
  return gatherer.finish();
}

/** Mean of all masked values of a run. */
function grandMean({ mean }: RunTrend, id: string): number {
  const value = mean.reduce((sum, v) => sum + v, 0) / mean.length;
  if (value > 0) return value;
  throw new FormatError(
    id,
    "data.mean",
    `Cannot express "${id}" in percent of its mean: found a mean of ${value} over the mask, needs one above 0; ` +
      "use the scaling run-z-score (--scaling run-z-score) for data that are centred already",
  );
}

/** Of all values in percent: Σe² of a voxel is its sd² times the frames. */
function rootMeanSquare(trends: readonly RunTrend[], means: readonly number[]): number {
  let sum = 0, count = 0;
  trends.forEach(({ sd, frames }, row) => {
    const squares = sd.reduce((total, value) => total + value * value, 0);
    sum += squares * frames * (100 / means[row]) ** 2;
    count += frames * sd.length;
  });
  return Math.sqrt(sum / count) || 1;
}

function checkedMask(mask: DataMask, frameSize: number): DataMask {
  if (mask.inside.length === frameSize) return mask;
  throw new ConfigError(
    "normalization",
    `Cannot use these weights on this data: their mask has ${mask.inside.length} voxels, the data ` +
      `${frameSize}; resample the scans to the grid of the training scans`,
  );
}

function nothingInside(id: string): FormatError {
  return new FormatError(
    id,
    "data.mask",
    `Cannot find a mask for "${id}" and the scans with it: every voxel is constant in time, needs voxels that ` +
      "vary; check the files, or name a mask (--mask)",
  );
}
