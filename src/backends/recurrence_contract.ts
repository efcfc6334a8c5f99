/**
 * Two kernels an engine may provide beside those of kernel_contract.ts: the recurrence over all frames in one
 * call. Composed of stock operations it is some twenty tiny calls per frame, which is what a training step on
 * a GPU would otherwise wait for. Without a kernel the operation (src/ops/latent_recurrence.ts) composes it.
 */
import type { tf } from "../deps/tfjs.ts";
import { runIfPresent } from "./kernel_calls.ts";

/** Names under which engines register the kernels. */
export const RECURRENCE_KERNEL = {
  rollout: "RecvaeLatentRollout",
  rolloutGradient: "RecvaeLatentRolloutGradient",
} as const;

/** Inputs of {@link runRollout}: T frames, B runs, latent width D. */
export interface RolloutInputs {
  /** What the heads get from features and bias, `[T, B, 2D]`: μ then ℓ. */
  readonly drive: tf.Tensor;
  /** The heads' columns of the state, `[2D, D]`. */
  readonly fromState: tf.Tensor;
  /** ε, `[T, B, D]`. */
  readonly noise: tf.Tensor;
  /** State before the first frame, `[B, D]`. */
  readonly initialState: tf.Tensor;
}

/** Results of {@link runRollout}. */
export interface RolloutResult {
  /** h, `[T, B, D]`. */
  readonly h: tf.Tensor;
  /** μ then ℓ, `[T, B, 2D]`. */
  readonly heads: tf.Tensor;
}

/**
 * heads_t = drive_t + h_{t−1}·fromStateᵀ, h_t = μ_t + exp(ℓ_t/2)⊙ε_t [recurrent-vae §3.5].
 *
 * @returns null when the current engine has no such kernel.
 */
export function runRollout(inputs: RolloutInputs): RolloutResult | null {
  const results = runIfPresent(RECURRENCE_KERNEL.rollout, { ...inputs });
  return results && { h: results[0], heads: results[1] };
}

/** Inputs of {@link runRolloutGradient}. */
export interface RolloutGradientInputs {
  /** ∂loss/∂h_t but for what comes back through h_{t+1}, `[T, B, D]`. */
  readonly towardsState: tf.Tensor;
  /** ½·ε⊙exp(ℓ/2), `[T, B, D]`. */
  readonly spread: tf.Tensor;
  /** Further ∂loss/∂h_{t−1} of frame t, beside the heads, `[T, B, D]`. */
  readonly carried: tf.Tensor;
  /** Further ∂loss/∂[μ, ℓ], `[T, B, 2D]`, or null. */
  readonly towardsHeads: tf.Tensor | null;
  /** The heads' columns of the state, `[2D, D]`. */
  readonly fromState: tf.Tensor;
}

/**
 * ∂loss/∂[μ, ℓ], `[T, B, 2D]`, from the last frame to the first: with G_t = towardsState_t + C_t (C is 0 at the
 * end), δ_t = [G_t, G_t⊙spread_t] + towardsHeads_t and C_{t−1} = δ_t·fromState + carried_t [recurrent-vae §12 step 4].
 *
 * @returns null when the current engine has no such kernel.
 */
export function runRolloutGradient(inputs: RolloutGradientInputs): tf.Tensor | null {
  return runIfPresent(RECURRENCE_KERNEL.rolloutGradient, { ...inputs })?.[0] ?? null;
}
