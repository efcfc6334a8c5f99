/**
 * Batches of subjects for training: normalised frames, time-major, in an order that depends on the seed
 * and the number of the epoch alone, so that a resumed run continues with the same batches.
 *
 * Frames are normalised once and kept in memory where the budget allows it; otherwise every frame is read
 * from its file when it is needed. Memory then does not depend on the number of subjects or frames.
 */
import type { SpatialShape } from "../base/arrays.ts";
import type { BatchLoader } from "../base/batches.ts";
import { ConfigError, FormatError, ShapeError } from "../base/errors.ts";
import { checkOptions, flag, integer, other, record } from "../base/fields.ts";
import type { FrameBatch } from "../base/frames.ts";
import { RandomStream } from "../base/random.ts";
import { TorchGenerator } from "../base/torch_random.ts";
import type { Cohort, CohortSubject } from "./cohort.ts";
import { type FrameSource, voxelCount } from "./frame_source.ts";
import { fitNormalization, type FrameStatistics, scalingFor } from "./frame_statistics.ts";
import {
  isRunKind,
  type Normalization,
  type NormalizationKind,
  parseNormalization,
  type SubjectScaling,
} from "./normalization.ts";
import { OPEN_OPTIONS, type OpenOptions } from "./openers/open_bytes.ts";
import { fitRunScaling } from "./run_scaling.ts";
import { createFrameScaler } from "./simd_scaling.ts";
import {
  checkRange,
  type SubjectFrames,
  type SurveyedSubject,
  surveyIntoMemory,
  surveyOnDisk,
} from "./subject_frames.ts";
import { fitTrainingMean } from "./training_mean.ts";
import { tooFewFrames } from "./volumes.ts";

/** Options of {@link buildDataLoader}. */
export interface LoaderOptions extends OrderOptions, OpenOptions {
  /** Subjects per batch; the last batch of an epoch may be smaller. Default 4. */
  readonly batchSize?: number;
  /** A method fixed before (stored with weights), or the kind to fit. Default `"min-max"`. */
  readonly normalization?: Normalization | NormalizationKind;
  /**
   * Not 0 inside, `[Z, Y, X]`: the voxels that `run-z-score` and `run-detrend` use, when they are given by name. Default:
   * voxels whose mean exceeds 0.2 × the 98th percentile of the mean image.
   */
  readonly mask?: ArrayLike<number>;
  /** Bytes of frames to keep in memory. Default 1 GiB. */
  readonly memoryBudget?: number;
}

/** What the order of the subjects depends on. */
export interface OrderOptions {
  /** Default true; false visits the rows in ascending order. */
  readonly shuffle?: boolean;
  /** Default 2022. */
  readonly seed?: number;
  /** Use this stream's `split("batches")` instead of the seed's. */
  readonly streams?: RandomStream;
  /** The orders of PyTorch's seeded loader [recurrent-vae §A] instead of our own. Default false. */
  readonly torchOrder?: boolean;
}

/** A batch whose frames are at hand. */
export interface LoadedBatch extends FrameBatch {
  /** As in `FrameBatch`, at once: `[count, B, Z, Y, X]`, valid until the next call. */
  read(start: number, count: number): Float32Array;
}

/** Batches of a cohort; made by {@link buildDataLoader}. */
export interface DataLoader extends BatchLoader<LoadedBatch> {
  /** The subjects. */
  readonly cohort: Cohort;
  /** Number of subjects N: rows of the offset table. */
  readonly subjects: number;
  /** Subjects per batch. */
  readonly batchSize: number;
  /** ceil(N / batchSize). */
  readonly batchesPerEpoch: number;
  /** Frames of each subject, T. */
  readonly frames: number;
  /** `[X, Y, Z]` in voxels. */
  readonly spatialShape: SpatialShape;
  /** The method used, to be stored with the weights. */
  readonly normalization: Normalization;
  /** The numbers used for each subject, to undo it. */
  readonly scalings: readonly SubjectScaling[];
  /** Statistics of each subject before normalisation. */
  readonly statistics: readonly FrameStatistics[];
  /** What was odd in each subject's file, as sentences for a person; see `FrameSource.remarks`. */
  readonly remarks: readonly (readonly string[])[];
  /** Whether frames are kept in memory. */
  readonly cached: boolean;
  /** Rows in the order epoch e visits them, length N. */
  order(epoch: number): Int32Array;
  /** The batches of an epoch, one after the other. Read from one batch at a time: they share a buffer. */
  batches(epoch: number): Generator<LoadedBatch, void, undefined>;
  /** A batch of these rows, in this order. */
  batch(rows: ArrayLike<number>): LoadedBatch;
  /** Closes files and forgets frames. */
  close(): void;
}

/** Options there are. */
const LOADER_OPTIONS = record<LoaderOptions>({
  ...OPEN_OPTIONS.fields,
  batchSize: integer({ least: 1 }),
  normalization: other("a normalisation"), // parseNormalization looks at it
  mask: other("a typed array [Z, Y, X]", (value) => ArrayBuffer.isView(value)),
  shuffle: flag(),
  seed: integer(),
  streams: other("a RandomStream", (value) => value instanceof RandomStream),
  torchOrder: flag(),
});

const DEFAULT_MEMORY_BUDGET = 2 ** 30;

/**
 * Opens a cohort's scans, looks through every frame once (extrema, sums, finiteness) and makes batches.
 *
 * @param cohort Subjects.
 * @param options See {@link LoaderOptions}.
 * @throws {FormatError} when a scan cannot be read, is too short or has a NaN or infinite voxel; when a file is a mask or
 *   a label image instead of a scan.
 * @throws {ConfigError} for a batch size below 1 or an unknown normalisation.
 * @throws {ShapeError} when a scan has another size.
 */
export async function buildDataLoader(
  cohort: Cohort,
  options: LoaderOptions = {},
): Promise<DataLoader> {
  checkOptions(options, LOADER_OPTIONS, { doing: "Cannot make batches" });
  const { batchSize = 4, normalization: wanted = "min-max" } = options;
  const { memoryBudget = DEFAULT_MEMORY_BUDGET } = options;
  const bytes = 4 * cohort.subjects.length * cohort.frames * voxelCount(cohort.spatialShape);
  const cached = bytes <= memoryBudget;
  const { surveyed, remarks } = await surveyAll(cohort, { ...options, memoryBudget, cached });
  const statistics = surveyed.map((subject) => subject.statistics);
  const { normalization, scalings } = closingOnFailure(
    surveyed,
    () => fitScalings(surveyed, cohort, { wanted, mask: options.mask }),
  );
  const stores = surveyed.map((subject, row) => subject.normalized(scalings[row]));
  const order = (epoch: number) => epochOrder(stores.length, epoch, options);
  const buffer = new SharedBuffer();
  const batch = (rows: ArrayLike<number>) => makeBatch(cohort, stores, rows, buffer);
  return {
    cohort,
    subjects: stores.length,
    batchSize,
    batchesPerEpoch: Math.ceil(stores.length / batchSize),
    frames: cohort.frames,
    spatialShape: cohort.spatialShape,
    normalization,
    scalings,
    statistics,
    remarks,
    cached,
    order,
    *batches(epoch) {
      const rows = order(epoch);
      for (let i = 0; i < rows.length; i += batchSize) yield batch(rows.subarray(i, i + batchSize));
    },
    batch,
    close: () => stores.forEach((store) => store.close()),
  };
}

/** The method for these subjects, and its numbers for each. */
function fitScalings(
  surveyed: readonly SurveyedSubject[],
  cohort: Cohort,
  { wanted, mask }: {
    readonly wanted: Normalization | NormalizationKind;
    readonly mask?: ArrayLike<number>;
  },
): { readonly normalization: Normalization; readonly scalings: readonly SubjectScaling[] } {
  const method = typeof wanted === "string" ? wanted : parseNormalization(wanted);
  if (method === "run-z-score" || method === "run-detrend") {
    return fitRunScaling(surveyed, cohort, { kind: method, image: mask });
  }
  if (typeof method === "object" && isRunKind(method)) {
    return fitRunScaling(surveyed, cohort, method);
  }
  const statistics = surveyed.map((subject) => subject.statistics);
  const normalization = method === "train-residual"
    ? fitTrainingMean(surveyed, cohort)
    : typeof method === "string"
    ? fitNormalization(method, statistics)
    : method;
  return { normalization, scalings: statistics.map((s) => scalingFor(normalization, s)) };
}

function closingOnFailure<T>(surveyed: readonly SurveyedSubject[], action: () => T): T {
  try {
    return action();
  } catch (fault) {
    surveyed.forEach((subject) => subject.close());
    throw fault;
  }
}

/**
 * The order of an epoch, from the options and the epoch's number alone.
 *
 * @param count Number of subjects.
 * @param epoch 0-based.
 * @param options See {@link OrderOptions}.
 */
export function epochOrder(
  count: number,
  epoch: number,
  options: OrderOptions = {},
): Int32Array {
  const { shuffle = true, seed = 2022, torchOrder = false } = options;
  if (!shuffle) return Int32Array.from({ length: count }, (_, row) => row);
  if (torchOrder) {
    const generator = new TorchGenerator(seed);
    for (let before = 0; before < epoch; before++) generator.loaderOrder(count);
    return generator.loaderOrder(count);
  }
  const streams = options.streams ?? RandomStream.fromSeed(seed);
  return streams.split("batches").split(epoch).permutation(count);
}

async function surveyAll(
  cohort: Cohort,
  options: OpenOptions & { readonly memoryBudget: number; readonly cached: boolean },
): Promise<
  { readonly surveyed: SurveyedSubject[]; readonly remarks: (readonly string[])[] }
> {
  const { memoryBudget, cached, cacheDirectory } = options;
  // Frames that stay on disk may be inflated first; all inflated files together get the budget.
  const share = cached ? memoryBudget : Math.floor(memoryBudget / cohort.subjects.length);
  const scaler = createFrameScaler(cached ? 0 : voxelCount(cohort.spatialShape));
  const surveyed: SurveyedSubject[] = [];
  const remarks: (readonly string[])[] = [];
  try {
    for (const subject of cohort.subjects) {
      const source = await subject.open({ memoryBudget: share, cacheDirectory });
      checkSource(source, subject, cohort);
      surveyed.push(
        cached
          ? surveyIntoMemory(source, cohort.frames)
          : surveyOnDisk(source, cohort.frames, scaler),
      );
      remarks.push(source.remarks ?? []);
      // Arrays in memory may be anything on purpose, toy films of zeros and ones say; files are scans.
      if (source.remarks) checkIsScan(subject.id, surveyed.at(-1)!.looksLike);
    }
  } catch (fault) {
    surveyed.forEach((subject) => subject.close());
    throw fault;
  }
  return { surveyed, remarks };
}

/** Refuses what is no scan. */
function checkIsScan(id: string, looksLike: string | undefined): void {
  if (looksLike === undefined) return;
  throw new FormatError(
    id,
    "data.labels",
    `Cannot use "${id}" as a scan: it looks like ${looksLike}; needs the scan itself, leave this file out`,
  );
}

/** What a cohort promises about its scans was read from headers, perhaps long ago. */
function checkSource(source: FrameSource, subject: CohortSubject, cohort: Cohort): void {
  const wrongShape = source.spatialShape.some((n, axis) => n !== cohort.spatialShape[axis]);
  if (!wrongShape && source.frames >= cohort.frames) return;
  source.close();
  if (!wrongShape) throw tooFewFrames(subject.id, source.frames, { needed: cohort.frames });
  throw new ShapeError(
    `Cannot use "${subject.id}": found ${source.spatialShape.join("×")} voxels, needs ` +
      `${cohort.spatialShape.join("×")}`,
    source.spatialShape,
    cohort.spatialShape.join("×"),
  );
}

/** One array that grows to the largest request. */
class SharedBuffer {
  #values = new Float32Array(0);

  take(length: number): Float32Array {
    if (this.#values.length < length) this.#values = new Float32Array(length);
    return this.#values.subarray(0, length);
  }
}

function makeBatch(
  cohort: Cohort,
  stores: readonly SubjectFrames[],
  rows: ArrayLike<number>,
  buffer: SharedBuffer,
): LoadedBatch {
  const subjects = Array.from(rows);
  const missing = subjects.find((row) => stores[row] === undefined);
  if (missing !== undefined || subjects.length === 0) {
    throw new ConfigError(
      "rows",
      `Cannot make a batch of the rows [${subjects}]: needs rows from 0 to ${stores.length - 1}`,
    );
  }
  const voxels = voxelCount(cohort.spatialShape);
  const batch = subjects.map((row) => stores[row]);
  return {
    source: stores,
    subjects,
    frames: cohort.frames,
    spatialShape: cohort.spatialShape,
    read(start, count) {
      checkRange(start, count, cohort.frames);
      if (batch.length === 1 && batch[0].view) return batch[0].view(start, count);
      const frames = buffer.take(count * batch.length * voxels);
      for (let g = 0; g < count; g++) {
        for (let b = 0; b < batch.length; b++) {
          const at = (g * batch.length + b) * voxels;
          batch[b].copyFrame(start + g, frames.subarray(at, at + voxels));
        }
      }
      return frames;
    },
  };
}
