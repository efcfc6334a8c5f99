/** Two kernels an engine may provide: the linear layer with bias and activation, and the way back through both. */
import type { tf } from "../deps/tfjs.ts";
import { runIfPresent } from "./kernel_calls.ts";

/** Activations that a linear layer can fold in. */
export const LINEAR_ACTIVATIONS = [
  "linear",
  "relu",
  "leaky-relu",
  "tanh",
  "sigmoid",
  "silu",
  "gelu",
  "gelu-tanh",
  "softplus",
] as const;

/** One of {@link LINEAR_ACTIVATIONS}: `gelu` is the exact one, `gelu-tanh` its approximation, `linear` none. */
export type LinearActivation = typeof LINEAR_ACTIVATIONS[number];

/** Names under which engines register the kernels. */
export const LINEAR_KERNEL = {
  linear: "RecvaeLinear",
  activationGradient: "RecvaeLinearActivationGradient",
} as const;

/** Which activation. */
export interface ActivationAttributes {
  readonly activation: LinearActivation;
  /** Of leaky ReLU on the negative side. */
  readonly slope: number;
}

/**
 * y = f(x·weightᵀ + bias); x `[M, I]`, weight `[O, I]`, bias `[O]` or null; all sizes above 0.
 *
 * @returns y `[M, O]` and, where `keeps` asks for it, the values before the activation; null without a kernel.
 */
export function runLinear(
  inputs: { readonly x: tf.Tensor; readonly weight: tf.Tensor; readonly bias: tf.Tensor | null },
  attributes: ActivationAttributes & { readonly keeps: boolean },
): { readonly y: tf.Tensor; readonly preactivation: tf.Tensor | null } | null {
  const results = runIfPresent(LINEAR_KERNEL.linear, { ...inputs }, { ...attributes });
  return results && { y: results[0], preactivation: results[1] ?? null };
}

/**
 * dz = dy·f′(z) and its sums over rows; dy and z `[M, O]`, all sizes above 0.
 *
 * @returns dz `[M, O]` and sums `[O]`, or null without a kernel.
 */
export function runLinearActivationGradient(
  inputs: { readonly dy: tf.Tensor; readonly preactivation: tf.Tensor },
  attributes: ActivationAttributes,
): { readonly dz: tf.Tensor; readonly sums: tf.Tensor } | null {
  const results = runIfPresent(LINEAR_KERNEL.activationGradient, inputs, { ...attributes });
  return results && { dz: results[0], sums: results[1] };
}
