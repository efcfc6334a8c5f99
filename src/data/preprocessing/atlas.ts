/** Atlases on the grid of scans: label images and maps, brought there by their affines. */
import { FormatError } from "../../base/errors.ts";
import { openBoldRun } from "../bold_run.ts";
import { resampleVolume } from "../resampling.ts";
import { gridOf, orderBetween, reorderVolume, type VoxelGrid } from "../voxel_grid.ts";
import { labelRegions, mapRegions, type RegionReader, type STRATEGIES } from "./regions.ts";

/** Options of {@link openAtlas}. */
export interface AtlasOptions {
  /** How the voxels of a label become one number. Default: their mean. */
  readonly strategy?: typeof STRATEGIES[number];
  /** Receives what was done to it, as a sentence for a person. */
  readonly onRemark?: (remark: string) => void;
}

/**
 * Reads an atlas: a 3-D image of labels, or a 4-D one of maps.
 *
 * @param path Of the file.
 * @param grid Of the scans.
 * @param options See {@link AtlasOptions}.
 * @throws {FormatError} (rule `data.atlas`) when it has no region there, or cannot be brought to the grid.
 */
export async function openAtlas(
  path: string,
  grid: VoxelGrid,
  options: AtlasOptions = {},
): Promise<RegionReader> {
  using run = await openBoldRun(path);
  run.remarks.forEach((remark) => options.onRemark?.(remark));
  const own = gridOf(run.header, path);
  const order = orderBetween(own, grid);
  const labels = run.frames === 1;
  if (!order) {
    if (own.located === false || grid.located === false) {
      throw new FormatError(
        path,
        "data.atlas",
        `Cannot use the atlas "${path}": it has ${own.spatialShape.join("×")} voxels, the scans ${
          grid.spatialShape.join("×")
        }, and one of the headers does not say where they lie; needs an atlas on the grid of the scans`,
      );
    }
    options.onRemark?.(
      `It lies on another grid than the scans: resampled (${
        labels ? "nearest voxel" : "trilinear"
      }).`,
    );
  }
  const volumes = Array.from({ length: run.frames }, (_, t) => {
    const values = run.readFrame(t);
    return order
      ? reorderVolume(values, run.spatialShape, { order })
      : resampleVolume({ values, grid: own }, grid, {
        interpolation: labels ? "nearest" : "linear",
      });
  });
  if (!labels) return mapRegions(volumes, { source: path });
  const broken = volumes[0].find((label) => Number.isFinite(label) && !Number.isInteger(label));
  if (broken !== undefined) {
    throw new FormatError(
      path,
      "data.atlas",
      `Cannot use the atlas "${path}": found the label ${broken}, needs whole numbers; maps of weights have four axes`,
    );
  }
  return labelRegions(volumes[0], { source: path, strategy: options.strategy });
}
