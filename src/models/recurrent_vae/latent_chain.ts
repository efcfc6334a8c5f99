/**
 * The recurrence: features of all frames → states of all frames, and back [recurrent-vae §3.5, §12 steps 2 and 4].
 *
 * Everything that does not depend on the state before is one matrix product over all T·B rows; what
 * remains sequential is one `[B, D] × [D, 2D]` product per frame and direction, which engines may do in one
 * call (ops/latent_recurrence.ts). Nothing is read back.
 */
import { tf } from "../../deps/tfjs.ts";
import type { ParameterStore } from "../../parameters/parameter_store.ts";
import { latentRollout, latentRolloutGradient } from "../../ops/latent_recurrence.ts";
import type { TemporalGradient, Trajectory } from "./losses/temporal.ts";
import { tidied } from "../../ops/tensor_scope.ts";

/** The two heads, memory order. */
export interface HeadWeights {
  /** hidden2mu `[D, E + D]` (feature columns first) and `[D]`. */
  readonly muWeight: tf.Tensor;
  readonly muBias: tf.Tensor;
  /** hidden2log_var, the same shapes. */
  readonly logVarWeight: tf.Tensor;
  readonly logVarBias: tf.Tensor;
}

/** Input of the latent pass. */
export interface LatentInput {
  /** Encoder outputs f `[T, B, E]`. */
  readonly features: tf.Tensor;
  /** Standard-normal draws ε `[T, B, D]`. */
  readonly noise: tf.Tensor;
  /** State before the first frame `[B, D]`. */
  readonly initialState: tf.Tensor;
  readonly heads: HeadWeights;
  /** F `[D, D]`, a constant. */
  readonly transition: tf.Tensor;
}

/** All states of a rollout, each `[T, B, D]`. */
export interface LatentStates extends Trajectory<tf.Tensor> {
  /** h of the step before; row 0 is the initial state. */
  readonly previous: tf.Tensor;
  /** ε ⊙ exp(ℓ/2): the sample's distance from its mean. */
  readonly deviation: tf.Tensor;
}

/** Result of {@link latentBackward}. */
export interface LatentGradients {
  /** ∂loss/∂f `[T, B, E]`. */
  readonly features: tf.Tensor;
  /** Gradients of the heads, shapes of {@link HeadWeights}. */
  readonly heads: HeadWeights;
}

/**
 * Rolls the states forward: μ, ℓ = heads([f_t, h_{t−1}]), h_t = μ + exp(ℓ/2)⊙ε_t, gh_t = F h_{t−1}.
 *
 * @param input See {@link LatentInput}.
 * @returns Tensors the caller disposes ({@link disposeStates}).
 */
export function latentForward(input: LatentInput): LatentStates {
  return tidied(() => completeStates(input, rollStates(input)));
}

/** What the recurrence itself gives; {@link completeStates} derives the rest. */
export interface RolledStates {
  /** h `[T, B, D]`. */
  readonly h: tf.Tensor;
  /** μ and ℓ side by side, `[T, B, 2D]`. */
  readonly heads: tf.Tensor;
}

/**
 * The sequential part of {@link latentForward}, which may be done a few frames at a time: the next ones start
 * from the last h.
 *
 * @param input Features, noise, initial state and heads of these frames.
 * @returns For the caller to dispose.
 */
export function rollStates(input: Omit<LatentInput, "transition">): RolledStates {
  const { features, noise, initialState, heads } = input;
  const [frames, batch, width] = features.shape as [number, number, number];
  const dim = noise.shape[2] as number;
  return tidied(() => {
    const { fromFeatures, fromState, bias } = splitHeads(heads, width, dim);
    const rows = tf.reshape(features, [frames * batch, width]);
    const drive = tf.reshape(
      tf.add(tf.matMul(rows as tf.Tensor2D, fromFeatures, false, true), bias),
      [frames, batch, 2 * dim],
    );
    return latentRollout({ drive, fromState, noise, initialState });
  });
}

/**
 * Everything else about the states of all frames, in one go.
 *
 * @param input Of all frames.
 * @param rolled Of all frames; `h` goes into the result.
 * @returns Tensors the caller disposes ({@link disposeStates}).
 */
export function completeStates(
  { noise, initialState, transition }: Omit<LatentInput, "features" | "heads">,
  { h, heads }: RolledStates,
): LatentStates {
  const [frames, batch, dim] = h.shape as [number, number, number];
  return tidied(() => {
    const head = (first: number) => tf.slice(heads, [0, 0, first], [frames, batch, dim]);
    const previous = tf.concat([
      tf.reshape(initialState, [1, batch, dim]),
      tf.slice(h, [0, 0, 0], [frames - 1, batch, dim]),
    ], 0);
    const logVar = head(dim);
    return {
      h,
      mu: head(0),
      logVar,
      previous,
      gh: advance(previous, transition),
      deviation: tf.mul(tf.exp(tf.mul(logVar, 0.5)), noise),
    };
  });
}

/**
 * Back-propagates through the whole recurrence, exactly [recurrent-vae §12 step 4].
 *
 * @param input What {@link latentForward} was given.
 * @param states What it returned.
 * @param towards.decoder ∂loss1/∂h `[T, B, D]`.
 * @param towards.temporal Gradient of loss2.
 */
export function latentBackward(
  input: LatentInput,
  states: LatentStates,
  towards: { readonly decoder: tf.Tensor; readonly temporal: TemporalGradient },
): LatentGradients {
  const { features, heads, transition } = input;
  const [frames, batch, width] = features.shape as [number, number, number];
  const dim = states.h.shape[2] as number;
  return tf.tidy(() => {
    const { fromFeatures, fromState } = splitHeads(heads, width, dim);
    const delta = headDeltas(states, fromState, { ...towards, transition });
    const rows = tf.reshape(delta, [frames * batch, 2 * dim]) as tf.Tensor2D;
    const features2d = tf.reshape(features, [frames * batch, width]) as tf.Tensor2D;
    const previous2d = tf.reshape(states.previous, [frames * batch, dim]) as tf.Tensor2D;
    const weight = tf.concat([
      tf.matMul(rows, features2d, true, false),
      tf.matMul(rows, previous2d, true, false),
    ], 1);
    const bias = tf.sum(rows, 0);
    return {
      features: tf.reshape(tf.matMul(rows, fromFeatures), features.shape),
      heads: {
        muWeight: tf.slice(weight, [0, 0], [dim, width + dim]),
        logVarWeight: tf.slice(weight, [dim, 0], [dim, width + dim]),
        muBias: tf.slice(bias, [0], [dim]),
        logVarBias: tf.slice(bias, [dim], [dim]),
      },
    };
  });
}

/** Prior means of the next step, h Fᵀ row by row. `[..., D]` → `[..., D]`. */
export function advance(states: tf.Tensor, transition: tf.Tensor): tf.Tensor {
  return tf.tidy(() => {
    const rows = tf.reshape(states, [-1, transition.shape[0]]) as tf.Tensor2D;
    return tf.reshape(tf.matMul(rows, transition as tf.Tensor2D, false, true), states.shape);
  });
}

/** Frees the states of a rollout. */
export function disposeStates(states: LatentStates): void {
  tf.dispose(Object.values(states) as tf.Tensor[]);
}

/**
 * ∂loss/∂[μ, ℓ] `[T, B, 2D]`, from the last frame to the first: with G = D_t + ∂loss2/∂h + carry,
 * δμ = G + ∂loss2/∂μ, δℓ = G⊙½·deviation + ∂loss2/∂ℓ, carry ← [δμ, δℓ]·W_h + (∂loss2/∂gh)·F.
 */
function headDeltas(
  states: LatentStates,
  fromState: tf.Tensor2D,
  towards: { decoder: tf.Tensor; temporal: TemporalGradient; transition: tf.Tensor },
): tf.Tensor {
  const { decoder, temporal, transition } = towards;
  const dim = states.h.shape[2] as number;
  const ghRows = tf.reshape(temporal.gh, [-1, dim]) as tf.Tensor2D;
  return latentRolloutGradient({
    towardsState: temporal.h ? tf.add(decoder, temporal.h) : decoder,
    spread: tf.mul(states.deviation, 0.5),
    carried: tf.reshape(tf.matMul(ghRows, transition as tf.Tensor2D), states.h.shape),
    towardsHeads: temporal.mu && temporal.logVar
      ? tf.concat([temporal.mu, temporal.logVar], 2)
      : null,
    fromState,
  });
}

/** Both heads stacked: columns of the features `[2D, E]`, columns of the state `[2D, D]`, bias `[2D]`. */
function splitHeads(heads: HeadWeights, width: number, dim: number) {
  const weight = tf.concat([heads.muWeight, heads.logVarWeight], 0);
  return {
    fromFeatures: tf.slice(weight, [0, 0], [2 * dim, width]) as tf.Tensor2D,
    fromState: tf.slice(weight, [0, width], [2 * dim, dim]) as tf.Tensor2D,
    bias: tf.concat([heads.muBias, heads.logVarBias], 0),
  };
}

/** The heads' weights by role. */
export function headsOf(state: Pick<ParameterStore, "tensor">): HeadWeights {
  return {
    muWeight: state.tensor("hidden2mu.weight"),
    muBias: state.tensor("hidden2mu.bias"),
    logVarWeight: state.tensor("hidden2log_var.weight"),
    logVarBias: state.tensor("hidden2log_var.bias"),
  };
}
