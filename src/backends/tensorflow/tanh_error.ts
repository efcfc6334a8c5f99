/** Squared error behind a tanh composed of TensorFlow's own kernels. */
import { tf } from "../../deps/tfjs.ts";
import { sumRows } from "./row_sums.ts";

/** sums and derivative (kernel contract, `runTanhSquaredError`). @param inputs Tensors. @param attributes Groups, scale. */
export function tanhSquaredError(
  { a, target, weight }: { a: tf.Tensor; target: tf.Tensor; weight?: tf.Tensor },
  attributes: { readonly sampleGroups: number; readonly derivativeScale: number },
): tf.Tensor[] {
  const { sampleGroups, derivativeScale } = attributes;
  const r = a.tanh();
  const error = target.sub(r);
  const weighted = weight ? error.mul(weight) : error;
  const perGroup = sampleGroups === 0 ? 0 : error.size / sampleGroups;
  const sums = sumRows(weighted.mul(error).reshape([sampleGroups, perGroup, 1]))
    .reshape([sampleGroups]);
  const slope = tf.scalar(1).sub(r.square());
  return [sums, weighted.mul(slope).mul(-2 * derivativeScale)];
}
