/** Losses of a discriminator or critic and of what it judges [streamlines §5]. */
import { toScalar } from "../backends/tensors.ts";
import { tf } from "../deps/tfjs.ts";
import { relu, softplus } from "../ops/activations.ts";

/** How a critic is trained. */
export type AdversarialObjective = "cross-entropy" | "hinge" | "wasserstein";

/**
 * What the critic minimises: the mean of
 * softplus(−r) + softplus(f) (cross-entropy of logits), max(0, 1 − r) + max(0, 1 + f) (hinge), or f − r (Wasserstein).
 * Differentiable in both.
 *
 * @param scores Of real and generated samples, `[B, 1]` each.
 * @param objective Default `"cross-entropy"`.
 * @returns `[]`.
 */
export function criticLoss(
  { real, fake }: { readonly real: tf.Tensor; readonly fake: tf.Tensor },
  objective: AdversarialObjective = "cross-entropy",
): tf.Tensor {
  const one = toScalar(1);
  switch (objective) {
    case "cross-entropy":
      return tf.mean(tf.add(softplus(tf.neg(real)), softplus(fake)));
    case "hinge":
      return tf.mean(tf.add(relu(tf.sub(one, real)), relu(tf.add(one, fake))));
    case "wasserstein":
      return tf.sub(tf.mean(fake), tf.mean(real));
  }
}

/**
 * What the generator minimises: the mean of softplus(−f), or of −f (hinge and Wasserstein). Differentiable.
 *
 * @param fake Scores of generated samples, `[B, 1]`.
 * @param objective Default `"cross-entropy"`.
 * @returns `[]`.
 */
export function generatorLoss(
  fake: tf.Tensor,
  objective: AdversarialObjective = "cross-entropy",
): tf.Tensor {
  return tf.mean(objective === "cross-entropy" ? softplus(tf.neg(fake)) : tf.neg(fake));
}

/**
 * The mean of (‖∂score/∂x‖ − 1)². Differentiable in the critic's weights where the gradient was computed with operations
 * that are: of a piecewise linear critic it is a product of weights and constant masks.
 *
 * @param inputGradient ∂score/∂x of every sample, `[B, …]`.
 * @returns `[]`.
 */
export function gradientPenalty(inputGradient: tf.Tensor): tf.Tensor {
  const rows = inputGradient.shape[0];
  const flat = tf.reshape(inputGradient, [rows, inputGradient.size / rows]);
  const norms = tf.sqrt(tf.sum(tf.square(flat), 1));
  return tf.mean(tf.square(tf.sub(norms, toScalar(1))));
}
