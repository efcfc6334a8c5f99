/**
 * Penalties on parameters [recurrent-vae §4]: L1 on the subject offsets, ridge on F.
 */
import type { FloatArray } from "../../../base/arrays.ts";
import { toScalar } from "../../../backends/tensors.ts";
import { tf } from "../../../deps/tfjs.ts";

/**
 * lossZ = λ_z·Σ|z| over **all** rows of the table, whatever the batch.
 *
 * @param offsets `[N, D]`.
 * @param lambdaZ Weight.
 */
export function offsetPenalty(offsets: FloatArray, lambdaZ: number): number {
  let sum = 0;
  for (const value of offsets) sum += Math.abs(value);
  return lambdaZ * sum;
}

/** Gradient of {@link offsetPenalty}: λ_z·sign(z), 0 at 0. Shape of `offsets`. */
export function offsetPenaltyGradient(offsets: tf.Tensor, lambdaZ: number): tf.Tensor {
  return tf.tidy(() => tf.mul(tf.sign(offsets), toScalar(lambdaZ)));
}

/**
 * lossF = ρ·ΣF². Reported, never differentiated: F is solved for, not descended.
 *
 * @param transition `[D, D]`.
 * @param rho Weight.
 */
export function transitionPenalty(transition: FloatArray, rho: number): number {
  let sum = 0;
  for (const value of transition) sum += value * value;
  return rho * sum;
}
