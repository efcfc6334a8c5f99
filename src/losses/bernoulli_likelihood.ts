/** Negative log-likelihood of values in 0 … 1 under probabilities, PyTorch's `binary_cross_entropy`. */
import { toScalar } from "../backends/tensors.ts";
import { tf } from "../deps/tfjs.ts";
import { runDifferentiable } from "../ops/differentiable.ts";
import { requireShape } from "../ops/shape_checks.ts";

/** Least logarithm of a probability. */
const FLOOR = -100;
/** Least p·(1 − p) that the gradient divides by. */
const LEAST_VARIANCE = 1e-12;

/**
 * Σ −[t·max(ln p, −100) + (1 − t)·max(ln(1 − p), −100)], with derivative (p − t)/max(p·(1 − p), 1e-12) in p. Of logits,
 * `binaryCrossEntropy` is better behaved.
 *
 * @param probabilities p, float32, any shape.
 * @param target t, as p, in 0 … 1; a constant.
 * @returns `[]`, in nats.
 * @throws {ShapeError} when the target does not fit.
 */
export function bernoulliLikelihood(probabilities: tf.Tensor, target: tf.Tensor): tf.Tensor {
  requireShape("Bernoulli likelihood", "target", {
    shape: target.shape,
    pattern: probabilities.shape,
    words: "the shape of the probabilities",
  });
  return runDifferentiable([probabilities], {
    forward([p], save) {
      save([p, target]);
      const one = toScalar(1);
      const floored = (x: tf.Tensor) => tf.maximum(tf.log(x), toScalar(FLOOR));
      const hit = tf.mul(target, floored(p));
      const miss = tf.mul(tf.sub(one, target), floored(tf.sub(one, p)));
      return tf.neg(tf.sum(tf.add(hit, miss)));
    },
    gradient(dy, [p, t]) {
      const variance = tf.maximum(tf.mul(p, tf.sub(toScalar(1), p)), toScalar(LEAST_VARIANCE));
      return [tf.mul(tf.div(tf.sub(p, t), variance), dy)];
    },
  });
}
