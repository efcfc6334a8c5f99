/** Synthetic cohorts as NIfTI files, so that full-size runs can be tried without data. */
import { callback, checkOptions, flag, number, pickOptions, record } from "../../base/fields.ts";
import { NiftiFile } from "../../files/nifti_file.ts";
import { makeFolder } from "../../files/whole_folder.ts";
import { voxelCount } from "../frame_source.ts";
import { joinPath } from "../listing.ts";
import { SYNTHETIC_OPTIONS, syntheticCohort, type SyntheticOptions } from "../synthetic.ts";

/** Options of {@link writeSyntheticCohort}. */
export interface SyntheticFileOptions extends SyntheticOptions {
  /** Write `.nii.gz`. Default false: reading compressed files costs an inflation at the start. */
  readonly gzip?: boolean;
  /** Seconds between frames in the headers. Default 3. */
  readonly repetitionTime?: number;
  /** Millimetres of a voxel's edge in the headers. Default 2. */
  readonly voxelSize?: number;
  /** Called after each file. */
  readonly onFile?: (path: string) => void;
}

/** Options there are. */
export const FILE_OPTIONS = record<SyntheticFileOptions>({
  ...SYNTHETIC_OPTIONS.fields,
  gzip: flag(),
  repetitionTime: number({ least: 0 }),
  voxelSize: number({ above: 0 }),
  onFile: callback(),
});

/**
 * Writes a synthetic cohort [recurrent-vae §2.5] into the subdirectories `CN` and `AD`, frame by frame: memory is
 * that of five volumes, however many frames and subjects there are.
 *
 * @param directory Path; made if it does not exist.
 * @param options See {@link SyntheticFileOptions}; the values are those of `syntheticCohort`, float32.
 * @returns The paths written, in the cohort's order.
 * @throws {ConfigError} as `syntheticCohort`.
 * @throws {WriteError} when the disk refuses; the files before are whole.
 */
export async function writeSyntheticCohort(
  directory: string,
  options: SyntheticFileOptions = {},
): Promise<string[]> {
  const { gzip = false, repetitionTime = 3, voxelSize = 2 } = options;
  checkOptions(options, FILE_OPTIONS, { doing: "Cannot write a synthetic cohort" });
  const cohort = syntheticCohort(pickOptions(options, SYNTHETIC_OPTIONS));
  const { spatialShape, frames } = cohort;
  const frame = new Float32Array(voxelCount(spatialShape));
  const paths: string[] = [];
  for (const label of new Set(cohort.subjects.map(({ label }) => label))) {
    makeFolder(joinPath(directory, label));
  }
  for (const subject of cohort.subjects) {
    const folder = joinPath(directory, subject.label);
    const path = joinPath(folder, `${subject.id}_task-synthetic_bold.nii${gzip ? ".gz" : ""}`);
    const run = await subject.open();
    using file = new NiftiFile(path, {
      spatialShape,
      frames,
      repetitionTime,
      affine: centredAffine(spatialShape, voxelSize),
      description: "synthetic cohort of recvae",
    });
    for (let t = 0; t < frames; t++) await file.append(run.readFrame(t, frame));
    await file.finish();
    paths.push(path);
    options.onFile?.(path);
  }
  return paths;
}

/** Voxels of one size, the origin in the middle of the volume. */
function centredAffine(shape: readonly [number, number, number], size: number): number[] {
  const [x, y, z] = shape.map((n) => -size * (n - 1) / 2);
  return [size, 0, 0, x, 0, size, 0, y, 0, 0, size, z, 0, 0, 0, 1];
}
