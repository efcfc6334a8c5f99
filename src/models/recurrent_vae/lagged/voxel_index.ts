/** The voxels a lagged network is built with [recurrent-vae §16.2]. */
import { CheckpointError, ConfigError } from "../../../base/errors.ts";
import { sizeOf } from "../../../parameters/entry.ts";
import type { StateDict } from "../../../parameters/state_dict.ts";
import type { LaggedConfig } from "./lagged_config.ts";

/**
 * The index of the mask: of the weights if there are any, else as given, else every voxel.
 *
 * @param config Its `spatialShape` counts.
 * @param setup What the model is built with.
 * @returns Linear indices x + X·(y + Y·z), `[V]`.
 * @throws {CheckpointError} when weights hold no index.
 * @throws {ConfigError} when the index is empty, does not ascend or leaves the grid.
 */
export function voxelIndexOf(
  { spatialShape }: LaggedConfig,
  { weights, voxels }: { readonly weights?: StateDict; readonly voxels?: Int32Array },
): Int32Array {
  const size = sizeOf(spatialShape);
  const stored = weights?.get("voxel_index");
  if (weights && !stored) {
    throw new CheckpointError(
      "state dictionary",
      "Cannot load the state dictionary: found no voxel_index, needs the voxels of the mask the weights were trained " +
        "with; convert or copy the whole state dictionary",
    );
  }
  const given = stored
    ? Array.from(stored.data, Number)
    : voxels ?? Array.from({ length: size }, (_, i) => i);
  const wrong = given.findIndex((voxel, i) =>
    !Number.isInteger(voxel) || voxel < 0 || voxel >= size || (i > 0 && voxel <= given[i - 1])
  );
  if (wrong >= 0 || given.length === 0) {
    throw new ConfigError(
      "voxels",
      `Cannot use the voxels of the mask: found ${
        given.length === 0 ? "none" : `${given[wrong]} at place ${wrong}`
      }, needs ascending indices x + X·(y + Y·z) below ${size}, at least one`,
    );
  }
  return Int32Array.from(given);
}
