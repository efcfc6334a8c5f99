/** Between volumes and the V voxels of a mask: picking them, and putting them back with 0 outside [recurrent-vae §16.2]. */
import type { SpatialShape } from "../../../base/arrays.ts";
import {
  type AxisTaps,
  identityAxis,
  listedAxis,
  runTapSum,
  type TapMap,
  transposedMap,
} from "../../../backends/tap_contract.ts";
import { tf } from "../../../deps/tfjs.ts";

/** The two ways for one mask. */
export class VoxelMap {
  /** V. */
  readonly count: number;
  readonly #grid: readonly [number, number, number];
  readonly #pick: AxisTaps | null;
  readonly #place: AxisTaps | null;

  /**
   * @param voxels Linear indices x + X·(y + Y·z), ascending.
   * @param shape `[X, Y, Z]`.
   */
  constructor(voxels: Int32Array, [x, y, z]: SpatialShape) {
    this.count = voxels.length;
    this.#grid = [z, y, x];
    if (voxels.length === x * y * z) {
      this.#pick = this.#place = null;
      return;
    }
    const places = Array.from(voxels, (voxel) => [voxel]);
    this.#pick = listedAxis(places, { length: x * y * z, step: 1 });
    this.#place = transposedMap(this.#map(1, this.#pick, "pick")).axes[2];
  }

  /** `[N, Z, Y, X, 1]` → `[N, V]`. */
  pick(volumes: tf.Tensor): tf.Tensor2D {
    const [samples] = volumes.shape;
    if (!this.#pick) return tf.reshape(volumes, [samples, this.count]);
    return runTapSum(volumes, this.#map(samples, this.#pick, "pick")) as tf.Tensor2D;
  }

  /** `[N, V]` → `[N, Z, Y, X, 1]`, 0 outside the mask. */
  place(values: tf.Tensor): tf.Tensor {
    const [samples] = values.shape;
    if (!this.#place) return tf.reshape(values, [samples, ...this.#grid, 1]);
    return runTapSum(values, this.#map(samples, this.#place, "place"));
  }

  /** Volumes with 0 outside the mask, of which `values` were picked; the same tensor where there is no outside. */
  inside(volumes: tf.Tensor, values: tf.Tensor): tf.Tensor {
    return this.#place ? this.place(values) : volumes;
  }

  #map(samples: number, axis: AxisTaps, way: "pick" | "place"): TapMap {
    const grid = [samples, ...this.#grid, 1];
    const masked = [samples, this.count];
    return {
      axes: [identityAxis(), identityAxis(), axis],
      samples,
      inner: 1,
      inputShape: way === "pick" ? grid : masked,
      outputShape: way === "pick" ? masked : grid,
    };
  }
}
