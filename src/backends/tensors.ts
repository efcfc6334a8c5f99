/**
 * Between host arrays and tensors of the current engine. float64 host arrays stay float64 on the
 * reference engine, which is why tensors are made here and not with `tf.tensor` (that would round).
 */
import type { FloatArray } from "../base/arrays.ts";
import { ShapeError } from "../base/errors.ts";
import { tf } from "../deps/tfjs.ts";

/**
 * Makes a "float32" tensor from host values.
 *
 * @param values Row-major values. @param shape Its product must equal `values.length`.
 * @throws {ShapeError} when it does not.
 */
export function toTensor(values: FloatArray, shape: readonly number[]): tf.Tensor {
  const size = shape.reduce((product, n) => product * n, 1);
  if (size !== values.length) {
    throw new ShapeError(
      `Cannot make a tensor of shape [${shape}]: found ${values.length} values, needs ${size}`,
      [values.length],
      `${size} values`,
    );
  }
  return tf.engine().makeTensor(values as tf.DataValues, [...shape], "float32") as tf.Tensor;
}

/** Copies a tensor's values to the host: Float32Array, or Float64Array on the reference engine. */
export async function toHost(tensor: tf.Tensor): Promise<FloatArray> {
  const values = (await tensor.data()) as FloatArray;
  return values.slice() as FloatArray;
}
