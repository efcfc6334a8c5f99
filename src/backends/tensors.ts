/**
 * Between host arrays and tensors of the current engine. float64 host arrays stay float64 on the
 * reference engine, which is why tensors are made here and not with `tf.tensor` (that would round).
 */
import type { FloatArray } from "../base/arrays.ts";
import { letOthersRun } from "../base/event_loop.ts";
import { ShapeError } from "../base/errors.ts";
import { tf } from "../deps/tfjs.ts";

/** What a TensorFlow.js backend of ours may say about itself; absent means false. */
export interface StorageTraits {
  /** Dtype "float32" is stored as float64 (the reference engine). */
  readonly storesFloat64?: boolean;
  /** `write` copies the values before it returns, so that the caller may reuse its array. */
  readonly copiesOnWrite?: boolean;
  /** `read` gives a copy that is the caller's. */
  readonly copiesOnRead?: boolean;
}

/**
 * Makes a "float32" tensor from host values. The tensor owns its values: changing the array afterwards
 * does not change the tensor.
 *
 * @param values Row-major values; float64 is rounded to float32 except on the reference engine.
 * @param shape Its product must equal `values.length`.
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
  const { storesFloat64 = false, copiesOnWrite = false } = tf.backend() as StorageTraits;
  const Stored = storesFloat64 ? Float64Array : Float32Array;
  const owned = values instanceof Stored && copiesOnWrite ? values : new Stored(values);
  return tf.engine().makeTensor(owned as tf.DataValues, [...shape], "float32") as tf.Tensor;
}

/**
 * Makes a scalar tensor. Unlike `tf.scalar` and plain numbers in TensorFlow.js calls it is not rounded to
 * float32 on the reference engine.
 *
 * @param value Any number.
 * @returns Shape `[]`.
 */
export function toScalar(value: number): tf.Tensor {
  return toTensor(Float64Array.of(value), []);
}

/**
 * Copies a tensor's values to the host: Float32Array, or Float64Array on the reference engine. Every long computation
 * comes by here, so this is where signals are let in.
 */
export async function toHost(tensor: tf.Tensor): Promise<FloatArray> {
  const { copiesOnRead = false } = tf.backend() as StorageTraits;
  await letOthersRun();
  const values = (await tensor.data()) as FloatArray;
  return copiesOnRead ? values : values.slice() as FloatArray;
}
