/**
 * Whole cohorts in one array, for small data and for parity with the Python package [recurrent-vae §2.2, §2.3].
 * Larger data is streamed by `loader.ts` instead.
 *
 * The array has six axes, subjects first: `[N, T, Z, Y, X, 1]`, the memory order of NIfTI. `toTorchOrder`
 * and `fromTorchOrder` convert to and from the package's `(N, 1, X, Y, Z, T)`.
 */
import type { NdArray } from "../base/arrays.ts";
import { ConfigError, FormatError, ShapeError } from "../base/errors.ts";
import { checkOptions, integer, pickOptions, record } from "../base/fields.ts";
import { gatherStrided, rowMajorStrides } from "../base/strided.ts";
import { openBoldRun } from "./bold_run.ts";
import { voxelCount } from "./frame_source.ts";
import { StatisticsGatherer } from "./frame_statistics.ts";
import { joinPath } from "./listing.ts";
import { applyScaling, invertScaling } from "./normalization.ts";
import { OPEN_OPTIONS, type OpenOptions } from "./openers/open_bytes.ts";

/** Volumes of several subjects: six axes, subjects first. */
export type Volumes = NdArray<Float32Array>;

/** Options of {@link loadSubjectVolumes}. */
export interface LoadOptions extends OpenOptions {
  /** Frames to keep of each file. Default 120. */
  readonly tolTime?: number;
}

/** Options there are. */
const LOAD_OPTIONS = record<LoadOptions>({
  ...OPEN_OPTIONS.fields,
  tolTime: integer({ least: 1 }),
});

/**
 * Reads the first `tolTime` frames of each file [recurrent-vae §2.2].
 *
 * @param directory Path.
 * @param names File names in it, at least one.
 * @param options See {@link LoadOptions}.
 * @returns `[N, T, Z, Y, X, 1]` float32, scaled by the headers, not normalised.
 * @throws {ConfigError} for an empty list.
 * @throws {FormatError} when a file is broken or has too few frames.
 * @throws {ShapeError} when the files differ in size.
 */
export async function loadSubjectVolumes(
  directory: string,
  names: readonly string[],
  options: LoadOptions = {},
): Promise<Volumes> {
  checkOptions(options, LOAD_OPTIONS, { doing: "Cannot load volumes" });
  const { tolTime = 120 } = options;
  if (names.length === 0) {
    throw new ConfigError("names", "Cannot load volumes: found no file names, needs at least one");
  }
  const opening = pickOptions(options, OPEN_OPTIONS);
  let data: Float32Array | undefined;
  let shape: readonly number[] = [];
  for (const [n, name] of names.entries()) {
    using run = await openBoldRun(joinPath(directory, name), opening);
    if (run.frames < tolTime) throw tooFewFrames(run.source, run.frames, { needed: tolTime });
    const [X, Y, Z] = run.spatialShape;
    data ??= allocate(names.length * tolTime * X * Y * Z);
    if (n === 0) shape = [names.length, tolTime, Z, Y, X, 1];
    if (shape[2] !== Z || shape[3] !== Y || shape[4] !== X) {
      throw new ShapeError(
        `Cannot stack "${run.source}": found ${X}×${Y}×${Z} voxels, needs ` +
          `${shape[4]}×${shape[3]}×${shape[2]} as in "${names[0]}"`,
        [X, Y, Z],
        `${shape[4]}×${shape[3]}×${shape[2]}`,
      );
    }
    const voxels = voxelCount(run.spatialShape);
    for (let t = 0; t < tolTime; t++) {
      const at = (n * tolTime + t) * voxels;
      run.readFrame(t, data.subarray(at, at + voxels));
    }
  }
  return { data: data!, shape };
}

function allocate(values: number): Float32Array {
  try {
    return new Float32Array(values);
  } catch {
    const gigabytes = (4 * values / 2 ** 30).toFixed(1);
    throw new ConfigError(
      "names",
      `Cannot hold all volumes in one array: found ${gigabytes} GiB, needs less; use cohortFromFiles and ` +
        `buildDataLoader, which read frames as they are needed`,
    );
  }
}

/**
 * The error of a run that is shorter than what is to be used of it.
 *
 * @param source Path.
 * @param found Its frames.
 * @param wanted Frames `needed`, and how many `others` are too short.
 */
export function tooFewFrames(
  source: string,
  found: number,
  { needed, others = 0 }: { readonly needed: number; readonly others?: number },
): FormatError {
  const more = others > 0 ? ` (${others} more files are too short)` : "";
  return new FormatError(
    source,
    "data.frames",
    `Cannot use "${source}": found ${found} timepoints, needs ${needed}${more}; use fewer frames (tolTime) ` +
      `or leave the file out`,
  );
}

/** Result of {@link normalizePerSubject}. */
export interface NormalizedVolumes {
  /** The same object that was given: it is changed in place. */
  readonly volumes: Volumes;
  /** `[N]`: largest value of each subject before. */
  readonly max: Float32Array;
  /** `[N]`: smallest value of each subject before. */
  readonly min: Float32Array;
}

/**
 * Maps each subject's extrema to −1 and 1, **in place** [recurrent-vae §2.3]. A constant subject becomes −1.
 *
 * @param volumes Six axes, subjects first; the order of the others does not matter.
 * @throws {ShapeError} ("6D") for another number of axes.
 * @throws {FormatError} (rule `data.finite`) naming subject and position of a NaN or infinity.
 */
export function normalizePerSubject(volumes: Volumes): NormalizedVolumes {
  const blocks = subjectBlocks(volumes);
  const max = new Float32Array(blocks.length);
  const min = new Float32Array(blocks.length);
  blocks.forEach((block, n) => {
    const gatherer = new StatisticsGatherer();
    // One "frame" of the whole block: the reported voxel is its index there.
    const run = { source: `subject ${n}`, spatialShape: [block.length, 1, 1] as const };
    gatherer.add(block, { run, t: 0 });
    ({ max: max[n], min: min[n] } = gatherer.finish());
    applyScaling(block, { kind: "min-max", min: min[n], max: max[n] });
  });
  return { volumes, max, min };
}

/**
 * Undoes {@link normalizePerSubject} **in place**: v = (0.5·y + 0.5)·span + min.
 *
 * @param normalized What `normalizePerSubject` gave.
 * @returns The volumes, equal to the original up to rounding.
 */
export function denormalizePerSubject(normalized: NormalizedVolumes): Volumes {
  const { volumes, max, min } = normalized;
  subjectBlocks(volumes).forEach((block, n) =>
    invertScaling(block, { kind: "min-max", min: min[n], max: max[n] })
  );
  return volumes;
}

/** `(N, 1, X, Y, Z, T)` → `[N, T, Z, Y, X, 1]`, copied. */
export function fromTorchOrder(volumes: NdArray): Volumes {
  return reverseInner(volumes);
}

/** `[N, T, Z, Y, X, 1]` → `(N, 1, X, Y, Z, T)`, copied. */
export function toTorchOrder(volumes: NdArray): Volumes {
  return reverseInner(volumes);
}

/** Reverses the order of all axes but the first; both conversions are this. */
function reverseInner({ data, shape }: NdArray): Volumes {
  checkAxes(shape);
  const [n, ...inner] = shape;
  const [step, ...steps] = rowMajorStrides(shape);
  const view = {
    offset: 0,
    shape: [n, ...inner.toReversed()],
    strides: [step, ...steps.toReversed()],
  };
  const values = gatherStrided(data, view);
  const isFloat32 = values instanceof Float32Array;
  return { data: isFloat32 ? values : Float32Array.from(values), shape: view.shape };
}

/** The values of each subject, as views. */
export function subjectBlocks({ data, shape }: Volumes): Float32Array[] {
  checkAxes(shape);
  const size = data.length / shape[0];
  return Array.from({ length: shape[0] }, (_, n) => data.subarray(n * size, (n + 1) * size));
}

/**
 * Checks the number of axes.
 *
 * @throws {ShapeError} unless there are six.
 */
export function checkAxes(shape: readonly number[]): void {
  if (shape.length !== 6) {
    throw new ShapeError(
      `Cannot use these volumes: found shape [${shape.join(", ")}], needs 6D [N, T, Z, Y, X, 1]`,
      shape,
      "6D volumes, subjects first",
    );
  }
}
