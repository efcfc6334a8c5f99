/** Squared error behind a tanh composed of TensorFlow's own kernels. */
import { tf } from "../../deps/tfjs.ts";
import { sumRows } from "./row_sums.ts";

/**
 * sums and derivative (kernel contract, `runTanhSquaredError`).
 *
 * @param inputs Tensors.
 * @param attributes Groups, scale.
 */
export function tanhSquaredError(
  { a, target, weight }: { a: tf.Tensor; target: tf.Tensor; weight?: tf.Tensor },
  attributes: { readonly sampleGroups: number; readonly derivativeScale: number },
): tf.Tensor[] {
  const { sampleGroups, derivativeScale } = attributes;
  const r = tf.tanh(a);
  const error = tf.sub(target, r);
  const weighted = weight ? tf.mul(error, weight) : error;
  const perGroup = sampleGroups === 0 ? 0 : error.size / sampleGroups;
  const squares = tf.reshape(tf.mul(weighted, error), [sampleGroups, perGroup, 1]);
  const sums = tf.reshape(sumRows(squares as tf.Tensor3D), [sampleGroups]);
  const slope = tf.sub(1, tf.square(r));
  return [sums, tf.mul(tf.mul(weighted, slope), -2 * derivativeScale)];
}
