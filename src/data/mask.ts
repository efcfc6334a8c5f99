/** Brain masks: which voxels a mask-restricted loss counts. */
import type { SpatialShape } from "../base/arrays.ts";
import { FormatError, ShapeError } from "../base/errors.ts";
import { openBoldRun } from "./bold_run.ts";
import type { Location, OpenOptions } from "./openers/open_bytes.ts";

/**
 * Reads a mask: a 3-D NIfTI file (or 4-D of one frame) on the grid of the data.
 *
 * @param location Path, URL or bytes of the file.
 * @param spatialShape Size of the data it is for, `[X, Y, Z]`.
 * @param options As for `openBoldRun`.
 * @returns `[Z, Y, X]`, x fastest: 1 where the file has anything but 0, else 0.
 * @throws {FormatError} when it is no readable image, has several frames, NaN, or no voxel at all.
 * @throws {ShapeError} when it is on another grid.
 */
export async function openMask(
  location: Location,
  spatialShape: SpatialShape,
  options: OpenOptions = {},
): Promise<Float32Array> {
  using run = await openBoldRun(location, options);
  const found = run.spatialShape;
  if (found.some((n, axis) => n !== spatialShape[axis])) {
    throw new ShapeError(
      `Cannot use the mask "${run.source}": found ${found.join("×")} voxels, needs ` +
        `${spatialShape.join("×")} as the data has; resample the mask to the data's grid`,
      found,
      spatialShape.join("×"),
    );
  }
  const refuse = (what: string, needs: string) =>
    new FormatError(
      run.source,
      "data.mask",
      `Cannot use the mask "${run.source}": found ${what}, needs ${needs}`,
    );
  if (run.frames !== 1) throw refuse(`${run.frames} frames`, "one");
  const mask = run.readFrame(0);
  if (mask.some(Number.isNaN)) throw refuse("NaN", "numbers");
  for (let i = 0; i < mask.length; i++) mask[i] = mask[i] === 0 ? 0 : 1;
  if (!mask.includes(1)) throw refuse("no voxel inside", "at least one that is not 0");
  return mask;
}
