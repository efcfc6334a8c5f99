/** Samples as files: images as NIfTI with their affine, tables as tables, other arrays as safetensors. */
import type { NdArray } from "../../base/arrays.ts";
import type { SampleSet } from "../../data/sample_set.ts";
import { NiftiFile } from "../../files/nifti_file.ts";
import { writeWhole } from "../../files/whole_file.ts";
import { writeSafetensors } from "../../formats/safetensors.ts";

/** Folders of a run that its report fills. */
export const FOLDERS = {
  latents: "latents",
  reconstructions: "reconstructions",
  figures: "figures",
} as const;

/** Ending of files of samples. */
export function endingOf({ space, columns }: Pick<SampleSet, "space" | "columns">): string {
  return space ? ".nii.gz" : columns ? ".tsv" : ".safetensors";
}

/**
 * Writes samples in the units of the input.
 *
 * @param path With the ending of {@link endingOf}.
 * @param samples `[N, …]`, as those of the set.
 * @param like What they are like.
 * @throws {WriteError} when the disk refuses.
 */
export async function writeSamples(
  path: string,
  samples: NdArray<Float32Array>,
  like: Pick<SampleSet, "space" | "columns">,
): Promise<void> {
  const { space, columns } = like;
  const [count] = samples.shape;
  const size = samples.data.length / count;
  const row = (i: number) => samples.data.subarray(i * size, (i + 1) * size);
  if (!space) {
    if (columns) {
      writeWhole(path, tableText(columns, Array.from({ length: count }, (_, i) => [...row(i)])));
    } else writeWhole(path, writeSafetensors(new Map([["samples", samples]])));
    return;
  }
  const { spatialShape, affine, voxels } = space;
  using file = new NiftiFile(path, { spatialShape, affine, frames: count });
  for (let i = 0; i < count; i++) {
    await file.append(voxels ? inVolume(row(i), voxels, spatialShape) : row(i));
  }
  await file.finish();
}

/** Lines of numbers, tab-separated, with nine digits: float32 without loss. */
export function tableText(
  columns: readonly string[],
  rows: readonly (readonly (number | string)[])[],
): string {
  const show = (cell: number | string) =>
    typeof cell === "number" ? String(Number(cell.toPrecision(9))) : cell;
  return [columns, ...rows.map((row) => row.map(show))].map((row) => row.join("\t")).join("\n") +
    "\n";
}

function inVolume(
  values: Float32Array,
  voxels: readonly number[],
  shape: readonly number[],
): Float32Array {
  const volume = new Float32Array(shape.reduce((product, n) => product * n, 1));
  voxels.forEach((voxel, i) => volume[voxel] = values[i]);
  return volume;
}
