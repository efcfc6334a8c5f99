/** Masked voxels of volumes: out of the grid and back into it. */
import { tf } from "../../../deps/tfjs.ts";
import type { SpatialShape } from "../../../base/arrays.ts";
import { gather } from "../../../ops/parts.ts";

/** Maps between volumes and their V masked voxels, in ascending order of x + X(y + Yz). */
export class VoxelMap {
  /** V. */
  readonly count: number;
  readonly #shape: SpatialShape;
  readonly #inside: tf.Tensor;
  readonly #places: tf.Tensor;

  /**
   * @param voxels Indices, ascending.
   * @param shape `[X, Y, Z]`.
   */
  constructor(voxels: Int32Array, shape: SpatialShape) {
    const places = new Int32Array(shape[0] * shape[1] * shape[2]).fill(voxels.length);
    voxels.forEach((voxel, v) => {
      places[voxel] = v;
    });
    this.count = voxels.length;
    this.#shape = shape;
    this.#inside = tf.keep(tf.tensor(voxels, [voxels.length], "int32"));
    this.#places = tf.keep(tf.tensor(places, [places.length], "int32"));
  }

  /** `[n, Z, Y, X, 1]` → `[n, V]`. */
  take(volumes: tf.Tensor): tf.Tensor {
    const rows = tf.reshape(volumes, [volumes.shape[0], -1]);
    return gather(rows, this.#inside, { axis: 1 });
  }

  /** `[n, V]` → `[n, Z, Y, X, 1]`, 0 outside. */
  put(values: tf.Tensor): tf.Tensor {
    const [x, y, z] = this.#shape;
    const padded = tf.concat([values, tf.zeros([values.shape[0], 1])], 1);
    return tf.reshape(gather(padded, this.#places, { axis: 1 }), [values.shape[0], z, y, x, 1]);
  }

  /** Frees the maps. */
  dispose(): void {
    tf.dispose([this.#inside, this.#places]);
  }
}
