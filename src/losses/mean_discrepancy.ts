/** Maximum mean discrepancy between latent draws and the prior. */
import { toScalar } from "../backends/tensors.ts";
import { tf } from "../deps/tfjs.ts";
import { requireShape } from "../ops/shape_checks.ts";

/**
 * mean k(z, z') + mean k(p, p') − 2·mean k(z, p) over all pairs, with k(a, b) = exp(−‖a − b‖²/(2·D)): 0 where the draws
 * cannot be told from the prior. Differentiable in both.
 *
 * @param z Draws `[B, D]`, B at least 1.
 * @param prior Draws of N(0, 1), `[M, D]`.
 * @returns `[]`, in 0 … 2.
 * @throws {ShapeError} when widths differ.
 */
export function meanDiscrepancy(z: tf.Tensor, prior: tf.Tensor): tf.Tensor {
  requireShape("Mean discrepancy", "prior", {
    shape: prior.shape,
    pattern: [-1, z.shape[1] ?? -1],
    words: "[M, D], as wide as the draws",
  });
  const within = tf.add(meanKernel(z, z), meanKernel(prior, prior));
  return tf.sub(within, tf.mul(meanKernel(z, prior), toScalar(2)));
}

function meanKernel(a: tf.Tensor, b: tf.Tensor): tf.Tensor {
  const [rows, width] = a.shape;
  const norms = (x: tf.Tensor) => tf.sum(tf.square(x), 1);
  const products = tf.matMul(a as tf.Tensor2D, b as tf.Tensor2D, false, true);
  const squared = tf.sub(
    tf.add(tf.reshape(norms(a), [rows, 1]), tf.reshape(norms(b), [1, b.shape[0]])),
    tf.mul(products, toScalar(2)),
  );
  const kernel = tf.exp(tf.mul(squared, toScalar(-1 / (2 * width))));
  return tf.mul(tf.sum(kernel), toScalar(1 / kernel.size));
}
