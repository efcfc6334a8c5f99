/**
 * The normalised frames of one subject, from a cache in memory or read from its file each time. Both give
 * the same numbers: normalisation is applied to the same float32 values by the same operations.
 */
import { ConfigError } from "../base/errors.ts";
import type { FrameSource } from "./frame_source.ts";
import { type FrameStatistics, StatisticsGatherer } from "./frame_statistics.ts";
import { LabelWatch } from "./label_image.ts";
import { applyScaling, type SubjectScaling } from "./normalization.ts";
import type { FrameScaler } from "./simd_scaling.ts";

/** Normalised frames of one subject. */
export interface SubjectFrames {
  /** Copies frame t, `[Z, Y, X]`, into `into`. */
  copyFrame(t: number, into: Float32Array): void;
  /** Frames `start … start + count − 1` without a copy, where they are in memory. */
  view?(start: number, count: number): Float32Array;
  /** Gives files and memory back. */
  close(): void;
}

/** A subject whose frames have been looked through once. */
export interface SurveyedSubject {
  /** Over all frames, before normalisation. */
  readonly statistics: FrameStatistics;
  /** What the subject looks like instead of a scan, with its article; undefined for a scan. */
  readonly looksLike: string | undefined;
  /** Copies frame t as it is in the file, `[Z, Y, X]`; only before {@link normalized}. */
  copyRaw(t: number, into: Float32Array): void;
  /** Fixes the scaling and gives the frames. */
  normalized(scaling: SubjectScaling): SubjectFrames;
  /** Gives files and memory back. */
  close(): void;
}

/**
 * Reads all frames into memory, then closes the source.
 *
 * @param source Frames of the subject.
 * @param frames How many of them.
 * @throws {FormatError} when a frame cannot be read or is not finite; the source is closed.
 */
export function surveyIntoMemory(source: FrameSource, frames: number): SurveyedSubject {
  const [X, Y, Z] = source.spatialShape;
  const voxels = X * Y * Z;
  const cache = new Float32Array(frames * voxels);
  const gatherer = new StatisticsGatherer();
  const labels = new LabelWatch();
  try {
    for (let t = 0; t < frames; t++) {
      const frame = cache.subarray(t * voxels, (t + 1) * voxels);
      gatherer.add(source.readFrame(t, frame), { run: source, t });
      labels.add(frame);
    }
  } finally {
    source.close();
  }
  const view = (start: number, count: number) =>
    cache.subarray(start * voxels, (start + count) * voxels);
  return {
    statistics: gatherer.finish(),
    looksLike: labels.verdict(),
    copyRaw: (t, into) => into.set(view(t, 1)),
    normalized(scaling) {
      applyScaling(cache, scaling);
      return { copyFrame: (t, into) => into.set(view(t, 1)), view, close: () => {} };
    },
    close: () => {},
  };
}

/**
 * Looks through all frames, one in memory at a time, and leaves the source open for reading again.
 *
 * @param source Frames of the subject.
 * @param frames How many of them.
 * @param scaler Room for one frame; the subjects of a loader may share it.
 * @throws {FormatError} when a frame cannot be read or is not finite; the source is closed.
 */
export function surveyOnDisk(
  source: FrameSource,
  frames: number,
  scaler: FrameScaler,
): SurveyedSubject {
  const { frame } = scaler;
  const gatherer = new StatisticsGatherer();
  const labels = new LabelWatch();
  try {
    for (let t = 0; t < frames; t++) {
      gatherer.add(source.readFrame(t, frame), { run: source, t });
      labels.add(frame);
    }
  } catch (fault) {
    source.close();
    throw fault;
  }
  const close = () => source.close();
  return {
    statistics: gatherer.finish(),
    looksLike: labels.verdict(),
    copyRaw: (t, into) => void source.readFrame(t, into),
    normalized: (scaling) => ({
      copyFrame(t, into) {
        source.readFrame(t, frame);
        scaler.apply(scaling, { firstFrame: t });
        into.set(frame);
      },
      close,
    }),
    close,
  };
}

/**
 * Checks a range of frames.
 *
 * @throws {ConfigError} unless the frames `start … start + count − 1` exist.
 */
export function checkRange(start: number, count: number, frames: number): void {
  const whole = Number.isInteger(start) && Number.isInteger(count);
  if (!whole || start < 0 || count < 1 || start + count > frames) {
    throw new ConfigError(
      "start",
      `Cannot read ${count} frames from frame ${start} on: there are ${frames} frames`,
    );
  }
}
