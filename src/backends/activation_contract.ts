/**
 * Kernels every engine provides beside those of kernel_contract.ts: activations, softmax and dropout, each with its
 * gradient in one pass. Operations (src/ops) call these functions; engines register kernels under the names.
 * All tensors are "float32" of any shape; a gradient has the shape of its input.
 */
import type { tf } from "../deps/tfjs.ts";
import { runKernel } from "./kernel_calls.ts";

/** Names under which engines register the kernels. */
export const ACTIVATION_KERNEL = {
  activation: "RecvaeActivation",
  activationGradient: "RecvaeActivationGradient",
  softmax: "RecvaeSoftmax",
  softmaxGradient: "RecvaeSoftmaxGradient",
  dropout: "RecvaeDropout",
} as const;

/** Activations, in the order of `wasm/elementwise/activation_gradient.cpp`. */
export const ACTIVATIONS = [
  "relu",
  "leaky-relu",
  "elu",
  "tanh",
  "sigmoid",
  "silu",
  "softplus",
  "gelu",
  "gelu-tanh",
] as const;

/** One of {@link ACTIVATIONS}. */
export type ActivationName = typeof ACTIVATIONS[number];

/** Which activation. */
export interface ActivationAttributes {
  /** Its name. */
  readonly activation: ActivationName;
  /** Slope of leaky-relu, factor of elu; unused by the others. */
  readonly alpha: number;
}

/** y = f(x). */
export function runActivation(x: tf.Tensor, attributes: ActivationAttributes): tf.Tensor {
  return runKernel(ACTIVATION_KERNEL.activation, { x }, { ...attributes })[0];
}

/** dx = dy·f′(x), with x the input of {@link runActivation}; at a kink the derivative of the left side. */
export function runActivationGradient(
  dy: tf.Tensor,
  x: tf.Tensor,
  attributes: ActivationAttributes,
): tf.Tensor {
  return runKernel(ACTIVATION_KERNEL.activationGradient, { dy, x }, { ...attributes })[0];
}

/** Softmax or its logarithm. */
export interface SoftmaxAttributes {
  /** True: y = x − ln Σ eˣ. False: y = eˣ/Σ eˣ. */
  readonly logarithmic: boolean;
}

/** Softmax over the last axis, of at least one value. */
export function runSoftmax(x: tf.Tensor, attributes: SoftmaxAttributes): tf.Tensor {
  return runKernel(ACTIVATION_KERNEL.softmax, { x }, { ...attributes })[0];
}

/** dx = y·(dy − Σ dy·y), of the logarithm dx = dy − e^y·Σ dy, with y the result of {@link runSoftmax}. */
export function runSoftmaxGradient(
  dy: tf.Tensor,
  y: tf.Tensor,
  attributes: SoftmaxAttributes,
): tf.Tensor {
  return runKernel(ACTIVATION_KERNEL.softmaxGradient, { dy, y }, { ...attributes })[0];
}

/** Which values are dropped: value i where word i mod 4 of Philox block ⌊i/4⌋ is below the threshold. */
export interface DropoutAttributes {
  /** 128 bits, four words: the key, then the upper half of the counter, as `RandomStream.identity` gives them. */
  readonly identity: readonly number[];
  /** rate·2³², rounded, below 2³². */
  readonly threshold: number;
  /** Factor on what is kept. */
  readonly scale: number;
}

/** y[i] = scale·x[i], or 0 where value i is dropped. */
export function runDropout(x: tf.Tensor, attributes: DropoutAttributes): tf.Tensor {
  return runKernel(ACTIVATION_KERNEL.dropout, { x }, { ...attributes })[0];
}
