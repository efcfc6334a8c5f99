/**
 * Extrema, mean and standard deviation of a subject, one frame in memory at a time, and what follows from
 * them for normalisation. A voxel that is NaN or infinite is an error that names its place: one of them
 * would turn a whole subject into NaN.
 */
import { FormatError } from "../base/errors.ts";
import type { FrameSource } from "./frame_source.ts";
import { voxelCount } from "./frame_source.ts";
import {
  type NormalizationKind,
  parseNormalization,
  type SubjectScaling,
  type WholeRunNormalization,
} from "./normalization.ts";

/** Statistics of a number of values; sums are kept in float64. */
export interface FrameStatistics {
  /** Number of values. */
  readonly count: number;
  /** Smallest value. */
  readonly min: number;
  /** Largest value. */
  readonly max: number;
  /** Σv/count. */
  readonly mean: number;
  /** Biased: √(Σ(v − mean)²/count). */
  readonly std: number;
}

/** Gathers statistics over frames. */
export class StatisticsGatherer {
  #count = 0;
  #min = Infinity;
  #max = -Infinity;
  /** Sums of v − origin and of its square; the origin is the first value, which keeps them small. */
  #origin = 0;
  #sum = 0;
  #squares = 0;

  /**
   * Adds the values of a frame.
   *
   * @param values `[Z, Y, X]`.
   * @param where Subject and frame, for the error.
   * @throws {FormatError} (rule `data.finite`) when a voxel is NaN or infinite.
   */
  add(
    values: Float32Array,
    where: { readonly run: Pick<FrameSource, "source" | "spatialShape">; readonly t: number },
  ): void {
    if (this.#count === 0) this.#origin = values[0];
    const origin = this.#origin;
    let min = this.#min;
    let max = this.#max;
    let sum = 0;
    let squares = 0;
    for (let i = 0; i < values.length; i++) {
      const v = values[i];
      if (v < min) min = v;
      if (v > max) max = v;
      sum += v - origin;
      squares += (v - origin) * (v - origin);
    }
    if (!Number.isFinite(sum)) throw notFinite(values, where);
    this.#count += values.length;
    this.#min = min;
    this.#max = max;
    this.#sum += sum;
    this.#squares += squares;
  }

  /** The statistics of everything added so far. */
  finish(): FrameStatistics {
    const shift = this.#sum / this.#count;
    const variance = Math.max(0, this.#squares / this.#count - shift * shift);
    return {
      count: this.#count,
      min: this.#min,
      max: this.#max,
      mean: this.#origin + shift,
      std: Math.sqrt(variance),
    };
  }
}

/**
 * Statistics over the first `frames` frames of a run.
 *
 * @throws {FormatError} (rule `data.finite`) when a voxel is NaN or infinite.
 */
export function frameStatistics(run: FrameSource, frames: number = run.frames): FrameStatistics {
  const gatherer = new StatisticsGatherer();
  const frame = new Float32Array(voxelCount(run.spatialShape));
  for (let t = 0; t < frames; t++) gatherer.add(run.readFrame(t, frame), { run, t });
  return gatherer.finish();
}

/** What a method comes to for a subject with these statistics; those that work voxel by voxel need the frames (run_scaling.ts). */
export function scalingFor(
  normalization: WholeRunNormalization,
  statistics: FrameStatistics,
): SubjectScaling {
  switch (normalization.kind) {
    case "min-max":
      return { kind: "min-max", min: statistics.min, max: statistics.max };
    case "z-score":
      return { kind: "z-score", mean: statistics.mean, std: statistics.std };
    case "train-z-score":
      return { kind: "z-score", mean: normalization.mean, std: normalization.std };
    case "train-residual": {
      const { image, spread } = normalization;
      return { kind: "residual", min: statistics.min, max: statistics.max, image, spread };
    }
    case "none":
      return { kind: "none" };
  }
}

/**
 * The method of a kind for these training subjects: only `train-z-score` depends on them here;
 * `train-residual` needs the frames (training_mean.ts, run_scaling.ts).
 *
 * @param kind Name of the method.
 * @param training Statistics of each training subject.
 * @throws {ConfigError} for a name that does not exist.
 */
export function fitNormalization(
  kind: Exclude<NormalizationKind, "train-residual" | "run-z-score" | "run-detrend">,
  training: readonly FrameStatistics[],
): WholeRunNormalization {
  if (kind !== "train-z-score") return parseNormalization({ kind }) as WholeRunNormalization;
  const count = training.reduce((sum, s) => sum + s.count, 0);
  const mean = training.reduce((sum, s) => sum + s.mean * s.count, 0) / count;
  const spread = (s: FrameStatistics) => s.count * (s.std ** 2 + (s.mean - mean) ** 2);
  const variance = training.reduce((sum, s) => sum + spread(s), 0) / count;
  return { kind, mean, std: Math.sqrt(variance) || 1 };
}

function notFinite(
  values: Float32Array,
  where: { readonly run: Pick<FrameSource, "source" | "spatialShape">; readonly t: number },
): FormatError {
  const { run: { source, spatialShape: [X, Y] }, t } = where;
  const i = values.findIndex((v) => !Number.isFinite(v));
  const voxel = i < 0
    ? ""
    : `, voxel (${i % X}, ${Math.floor(i / X) % Y}, ${Math.floor(i / X / Y)})`;
  const found = i < 0 ? "values too large to sum" : `${values[i]}`;
  return new FormatError(
    source,
    "data.finite",
    `Cannot use "${source}": found ${found} in frame ${t}${voxel}, needs finite values; repair the scan ` +
      `("fslmaths IN -nan OUT" puts 0 for NaN), or train with a mask (--mask) that leaves the voxel out`,
  );
}
