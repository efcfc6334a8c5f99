/**
 * The recurrence of the latent state over all frames, and the way back through it [recurrent-vae §3.5, §12 step 4]:
 * one kernel where the engine has one, else a composition. Not on the tape; the two are each other's gradient.
 */
import {
  type RolloutGradientInputs,
  type RolloutInputs,
  type RolloutResult,
  runRollout,
  runRolloutGradient,
} from "../backends/recurrence_contract.ts";
import { tf } from "../deps/tfjs.ts";
import { tidied } from "./tensor_scope.ts";

/**
 * Rolls the state through all frames.
 *
 * @param inputs Drive of the heads, their state columns, noise, initial state; T ≥ 1.
 * @returns States and both heads of every frame; the caller disposes them.
 */
export function latentRollout(inputs: RolloutInputs): RolloutResult {
  return runRollout(inputs) ?? tidied(() => composedRollout(inputs));
}

/**
 * Gradient towards both heads of every frame.
 *
 * @param inputs See {@link RolloutGradientInputs}; T ≥ 1.
 * @returns ∂loss/∂[μ, ℓ], `[T, B, 2D]`.
 */
export function latentRolloutGradient(inputs: RolloutGradientInputs): tf.Tensor {
  return runRolloutGradient(inputs) ?? tf.tidy(() => composedGradient(inputs));
}

function composedRollout({ drive, fromState, noise, initialState }: RolloutInputs): RolloutResult {
  const [batch, dim] = initialState.shape as [number, number];
  const [drives, epsilon] = [tf.unstack(drive), tf.unstack(noise)];
  const [states, heads]: [tf.Tensor[], tf.Tensor[]] = [[], []];
  let h = initialState;
  for (const [t, given] of drives.entries()) {
    const both = tf.add(given, tf.matMul(h as tf.Tensor2D, fromState as tf.Tensor2D, false, true));
    const mu = tf.slice(both, [0, 0], [batch, dim]);
    const logVar = tf.slice(both, [0, dim], [batch, dim]);
    h = tf.add(mu, tf.mul(tf.exp(tf.mul(logVar, 0.5)), epsilon[t]));
    states.push(h);
    heads.push(both);
  }
  return { h: tf.stack(states), heads: tf.stack(heads) };
}

function composedGradient(inputs: RolloutGradientInputs): tf.Tensor {
  const [towardsState, spread, carried] = [inputs.towardsState, inputs.spread, inputs.carried]
    .map((tensor) => tf.unstack(tensor));
  const towardsHeads = inputs.towardsHeads ? tf.unstack(inputs.towardsHeads) : null;
  const deltas: tf.Tensor[] = new Array(spread.length);
  let carry: tf.Tensor | null = null;
  for (let t = spread.length - 1; t >= 0; t--) {
    const g: tf.Tensor = carry ? tf.add(towardsState[t], carry) : towardsState[t];
    const sampled: tf.Tensor = tf.concat([g, tf.mul(g, spread[t])], 1);
    deltas[t] = towardsHeads ? tf.add(sampled, towardsHeads[t]) : sampled;
    carry = tf.add(
      tf.matMul(deltas[t] as tf.Tensor2D, inputs.fromState as tf.Tensor2D),
      carried[t],
    );
  }
  return tf.stack(deltas);
}
