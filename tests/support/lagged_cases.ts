/** Models and batches of the lagged model's fixtures. */
import type { FloatArray, SpatialShape } from "../../src/base/arrays.ts";
import type { FrameBatch } from "../../src/base/frames.ts";
import type { LaggedVae } from "../../src/models/recurrent_vae/lagged/lagged_vae.ts";
import type { StateDict } from "../../src/parameters/state_dict.ts";
import type { LaggedFixture } from "./lagged_fixtures.ts";

/**
 * Weights of a fixture for a model: without convolutions the last columns of the heads, per-voxel noise where the model has
 * it, offsets where they are on.
 */
export function laggedWeights(
  fixture: LaggedFixture,
  model: LaggedVae,
  { prefix, offsets = false }: { readonly prefix: string; readonly offsets?: boolean },
): StateDict {
  const { entries } = model.architecture;
  const index = BigInt64Array.from(model.voxelIndex, BigInt);
  return new Map(entries.map(({ key, shape }) => [
    key,
    key === "voxel_index"
      ? { data: index, shape: [...shape] }
      : { data: valuesOf(fixture, { key, shape, prefix, offsets, model }), shape: [...shape] },
  ]));
}

function valuesOf(
  fixture: LaggedFixture,
  { key, shape, prefix, offsets, model }: {
    key: string;
    shape: readonly number[];
    prefix: string;
    offsets: boolean;
    model: LaggedVae;
  },
): FloatArray {
  const size = shape.reduce((product, n) => product * n, 1);
  if (key === "residual_autocorrelation") return new Float64Array(size);
  if (key === "z_vectors" && !offsets) return new Float64Array(size);
  if (key === "log_sig_x" && size > 1) {
    return Float64Array.from(fixture.floats("log_sig_x_voxel").data);
  }
  const { data, shape: [rows, columns] } = fixture.floats(prefix + key);
  const values = Float64Array.from(data);
  if (!/^hidden2.*weight$/.test(key) || model.convolutions) return values;
  const D = shape[1];
  return Float64Array.from(
    { length: rows * D },
    (_, i) => values[Math.floor(i / D) * columns + columns - D + i % D],
  );
}

/** Runs `[B, T, V]` as a batch of volumes, 0 outside the mask. */
export function maskedBatch(
  values: FloatArray,
  { frames, rows, voxels, spatialShape }: {
    readonly frames: number;
    readonly rows: readonly number[];
    readonly voxels: Int32Array;
    readonly spatialShape: SpatialShape;
  },
): FrameBatch {
  const V = voxels.length;
  const size = spatialShape.reduce((product, n) => product * n, 1);
  return {
    subjects: rows,
    frames,
    spatialShape,
    read(start, count) {
      const volumes = new Float64Array(count * rows.length * size);
      for (let g = 0; g < count; g++) {
        rows.forEach((_, b) => {
          const from = (b * frames + start + g) * V;
          const to = (g * rows.length + b) * size;
          voxels.forEach((voxel, v) => volumes[to + voxel] = values[from + v]);
        });
      }
      return volumes;
    },
  };
}
