/**
 * The temporal prior [recurrent-vae §4, loss2], squared distance or KL divergence: values in float64 on the host,
 * gradients as tensors.
 */
import type { FloatArray } from "../../../base/arrays.ts";
import { toScalar } from "../../../backends/tensors.ts";
import { tf } from "../../../deps/tfjs.ts";
import { checkScale, type LossScale } from "./terms.ts";

/** States of a rollout, all of one length and order (the order does not matter to a sum). */
export interface Trajectory<Values> {
  /** Sampled states h. */
  readonly h: Values;
  /** Prior means gh = F·h of the step before. */
  readonly gh: Values;
  /** Posterior means. */
  readonly mu: Values;
  /** Posterior log-variances. */
  readonly logVar: Values;
}

/** Derivatives of loss2 in each of its arguments; null where it does not depend on one. */
export interface TemporalGradient {
  readonly h: tf.Tensor | null;
  readonly gh: tf.Tensor;
  readonly mu: tf.Tensor | null;
  readonly logVar: tf.Tensor | null;
}

/**
 * Σ(h − gh)²/(2·B·T·σ_h²).
 *
 * @param states h and gh.
 * @param scale B, T and σ_h.
 */
export function squaredTemporalLoss(
  { h, gh }: Pick<Trajectory<FloatArray>, "h" | "gh">,
  scale: LossScale,
): number {
  checkScale(scale);
  const { sigma, batch, frames } = scale;
  let sum = 0;
  for (let i = 0; i < h.length; i++) sum += (h[i] - gh[i]) ** 2;
  return sum / (2 * batch * frames * sigma * sigma);
}

/**
 * KL divergence of N(mu, exp logVar) from N(gh, σ_h²), summed over the state and averaged over frames and
 * subjects: (1/BT)·Σ[ln σ_h − ℓ/2 + (exp ℓ + (μ − gh)²)/(2σ_h²) − ½]. Zero iff the two agree.
 *
 * @param states mu, logVar and gh.
 * @param scale B, T and σ_h.
 */
export function klTemporalLoss(
  { mu, logVar, gh }: Pick<Trajectory<FloatArray>, "mu" | "logVar" | "gh">,
  scale: LossScale,
): number {
  checkScale(scale);
  const { sigma, batch, frames } = scale;
  const variance = sigma * sigma;
  let sum = 0;
  for (let i = 0; i < mu.length; i++) {
    const distance = Math.exp(logVar[i]) + (mu[i] - gh[i]) ** 2;
    sum += Math.log(sigma) - logVar[i] / 2 + distance / (2 * variance) - 0.5;
  }
  return sum / (batch * frames);
}

/** Gradient of {@link squaredTemporalLoss}: R = (h − gh)/(σ_h²·B·T) in h, −R in gh. */
export function squaredTemporalGradient(
  { h, gh }: Pick<Trajectory<tf.Tensor>, "h" | "gh">,
  { sigma, batch, frames }: LossScale,
): TemporalGradient {
  const towardsH = tf.div(tf.sub(h, gh), toScalar(sigma * sigma * batch * frames));
  return { h: towardsH, gh: tf.neg(towardsH), mu: null, logVar: null };
}

/** Gradient of `weight`·{@link klTemporalLoss} in mu, logVar and gh. */
export function klTemporalGradient(
  { mu, logVar, gh }: Pick<Trajectory<tf.Tensor>, "mu" | "logVar" | "gh">,
  { sigma, batch, frames }: LossScale,
  weight = 1,
): TemporalGradient {
  const variance = sigma * sigma;
  const towardsMu = tf.mul(tf.sub(mu, gh), toScalar(weight / (variance * batch * frames)));
  const excess = tf.sub(tf.div(tf.exp(logVar), toScalar(variance)), 1);
  return {
    h: null,
    gh: tf.neg(towardsMu),
    mu: towardsMu,
    logVar: tf.mul(excess, toScalar(weight / (2 * batch * frames))),
  };
}
