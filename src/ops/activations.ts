/** Activations, value by value, each with its gradient in one pass. */
import {
  type ActivationAttributes,
  runActivation,
  runActivationGradient,
} from "../backends/activation_contract.ts";
import type { tf } from "../deps/tfjs.ts";
import { runDifferentiable } from "./differentiable.ts";

/**
 * max(x, 0). Differentiable in x, with derivative 0 at 0.
 *
 * @param x float32, any shape.
 * @returns As x.
 */
export function relu(x: tf.Tensor): tf.Tensor {
  return activate(x, { activation: "relu", alpha: 0 });
}

/**
 * x where x > 0, else slope·x. Differentiable in x, with derivative `slope` at 0.
 *
 * @param x float32, any shape.
 * @param options `slope`, default 0.01 as in PyTorch.
 * @returns As x.
 */
export function leakyRelu(x: tf.Tensor, options: { readonly slope?: number } = {}): tf.Tensor {
  return activate(x, { activation: "leaky-relu", alpha: options.slope ?? 0.01 });
}

/**
 * x where x > 0, else alpha·(eˣ − 1). Differentiable in x.
 *
 * @param x float32, any shape.
 * @param options `alpha`, default 1.
 * @returns As x.
 */
export function elu(x: tf.Tensor, options: { readonly alpha?: number } = {}): tf.Tensor {
  return activate(x, { activation: "elu", alpha: options.alpha ?? 1 });
}

/**
 * Hyperbolic tangent. Differentiable in x.
 *
 * @param x float32, any shape.
 * @returns As x, in −1 … 1.
 */
export function tanh(x: tf.Tensor): tf.Tensor {
  return activate(x, { activation: "tanh", alpha: 0 });
}

/**
 * 1/(1 + e⁻ˣ). Differentiable in x.
 *
 * @param x float32, any shape.
 * @returns As x, in 0 … 1.
 */
export function sigmoid(x: tf.Tensor): tf.Tensor {
  return activate(x, { activation: "sigmoid", alpha: 0 });
}

/**
 * x/(1 + e⁻ˣ), also called swish. Differentiable in x.
 *
 * @param x float32, any shape.
 * @returns As x.
 */
export function silu(x: tf.Tensor): tf.Tensor {
  return activate(x, { activation: "silu", alpha: 0 });
}

/**
 * ln(1 + eˣ), positive. Differentiable in x.
 *
 * @param x float32, any shape.
 * @returns As x.
 */
export function softplus(x: tf.Tensor): tf.Tensor {
  return activate(x, { activation: "softplus", alpha: 0 });
}

/**
 * x·Φ(x) with Φ(x) = ½(1 + erf(x/√2)), or its approximation ½x(1 + tanh(√(2/π)(x + 0.044715x³))). Differentiable in x.
 *
 * @param x float32, any shape.
 * @param options `approximate`: `"none"` (default) or `"tanh"`, PyTorch's words.
 * @returns As x.
 *
 * @example
 * ```ts ignore
 * const hidden = gelu(linear(x, weight, { bias }));
 * ```
 */
export function gelu(
  x: tf.Tensor,
  options: { readonly approximate?: "none" | "tanh" } = {},
): tf.Tensor {
  const activation = options.approximate === "tanh" ? "gelu-tanh" : "gelu";
  return activate(x, { activation, alpha: 0 });
}

function activate(x: tf.Tensor, attributes: ActivationAttributes): tf.Tensor {
  return runDifferentiable([x], {
    forward([input], save) {
      save([input]);
      return runActivation(input, attributes);
    },
    gradient: (dy, [input]) => [runActivationGradient(dy, input, attributes)],
  });
}
