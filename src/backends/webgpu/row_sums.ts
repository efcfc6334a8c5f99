/** Sums over the rows of a matrix, in a fixed order: 64 rows at a time until one is left. */
import type { tf } from "../../deps/tfjs.ts";
import { ROWS_PER_SUM, sumRows, WORKGROUP } from "./conv_filter_gradient_shader.ts";
import type { DeviceBackend } from "./device_backend.ts";

/**
 * Adds the rows of `matrix` and disposes of it.
 *
 * @param backend Of the device.
 * @param matrix `[rows, size]`, at least one row.
 * @param dims Its shape.
 * @param shape Of the result; its product is `size`.
 */
export function sumOverRows(
  backend: DeviceBackend,
  matrix: tf.TensorInfo,
  [rows, size]: readonly [rows: number, size: number],
  shape: readonly number[],
): tf.TensorInfo {
  if (rows === 1) return { dataId: matrix.dataId, shape: [...shape], dtype: "float32" };
  const fewer = Math.ceil(rows / ROWS_PER_SUM);
  const sums = backend.allocate([fewer, size]);
  backend.dispatch({
    shader: sumRows(),
    buffers: [{ tensor: matrix }, { tensor: sums }],
    uniforms: { rows, size },
    workgroups: fewer * Math.ceil(size / WORKGROUP),
  });
  backend.disposeData(matrix.dataId);
  return sumOverRows(backend, sums, [fewer, size], shape);
}
