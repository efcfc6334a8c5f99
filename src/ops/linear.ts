/** Linear layer in PyTorch's layout with its activation, and its gradient [recurrent-vae §3.2]. */
import { runActivation, runActivationGradient } from "../backends/activation_contract.ts";
import {
  type ActivationAttributes,
  LINEAR_ACTIVATIONS,
  type LinearActivation,
  runLinear,
  runLinearActivationGradient,
} from "../backends/linear_contract.ts";
import { ConfigError } from "../base/errors.ts";
import { tf } from "../deps/tfjs.ts";
import { isTapeRunning, runDifferentiable } from "./differentiable.ts";
import { requireShape } from "./shape_checks.ts";

export { LINEAR_ACTIVATIONS, type LinearActivation } from "../backends/linear_contract.ts";

/** Options of {@link linear}. */
export interface LinearOptions {
  /** `[O]`; none by default. */
  readonly bias?: tf.Tensor | null;
  /** Applied to the sum; default `"linear"`, none. */
  readonly activation?: LinearActivation;
  /** Of `"leaky-relu"`: v if v > 0, else slope·v. Default 0.2. */
  readonly slope?: number;
}

/**
 * y = f(x·weightᵀ + bias). Differentiable in x, weight and bias.
 *
 * @param x `[…, I]` float32, any leading axes; their product may be 0.
 * @param weight `[O, I]`, PyTorch's layout.
 * @param options Bias and activation.
 * @returns `[…, O]`.
 * @throws {ShapeError} when shapes do not fit.
 * @throws {ConfigError} when there is no such activation.
 *
 * @example A hidden layer of a transformer.
 * ```ts ignore
 * const hidden = linear(x, weight, { bias, activation: "gelu" }); // [B, T, 4·D] from [B, T, D]
 * ```
 */
export function linear(x: tf.Tensor, weight: tf.Tensor, options: LinearOptions = {}): tf.Tensor {
  const { bias = null, activation = "linear", slope = 0.2 } = options;
  checkLinear(x, weight, bias);
  if (!LINEAR_ACTIVATIONS.includes(activation)) {
    throw new ConfigError(
      "activation",
      `Linear layer: found activation "${activation}", needs one of ${
        LINEAR_ACTIVATIONS.join(", ")
      }`,
    );
  }
  const attributes = { activation, slope };
  return runDifferentiable(bias ? [x, weight, bias] : [x, weight], {
    forward([input, matrix, offset], save) {
      const { y, preactivation } = forward(input, matrix, offset ?? null, attributes);
      save(preactivation ? [input, matrix, preactivation] : [input, matrix]);
      return y;
    },
    gradient(dy, [input, matrix, preactivation]) {
      const { dx, dWeight, dBias } = backward(dy, { x: input, weight: matrix }, {
        ...attributes,
        preactivation: preactivation ?? null,
      });
      return bias ? [dx, dWeight, dBias] : [dx, dWeight];
    },
  });
}

/** Result of {@link linearGradient}. */
export interface LinearGradient {
  /** As x. */
  readonly dx: tf.Tensor;
  /** `[O, I]`. */
  readonly dWeight: tf.Tensor;
  /** `[O]`. */
  readonly dBias: tf.Tensor;
}

/**
 * Gradient of {@link linear} without an activation: dx = dy·weight, dWeight = dyᵀ·x, dBias = Σ dy over all but the
 * last axis.
 *
 * @param dy `[…, O]`.
 * @param inputs x `[…, I]` and weight `[O, I]` of the forward call.
 * @throws {ShapeError} when shapes do not fit.
 */
export function linearGradient(
  dy: tf.Tensor,
  inputs: { readonly x: tf.Tensor; readonly weight: tf.Tensor },
): LinearGradient {
  checkLinear(inputs.x, inputs.weight, null);
  requireShape("Differentiating a linear layer", "dy", {
    shape: dy.shape,
    pattern: [...inputs.x.shape.slice(0, -1), inputs.weight.shape[0]],
    words: "[…, O]",
  });
  const attributes = { activation: "linear", slope: 1, preactivation: null } as const;
  const { dx, dWeight, dBias } = backward(dy, inputs, attributes);
  return { dx: dx(), dWeight: dWeight(), dBias };
}

/** y as x but for the last axis; the values before the activation `[M, O]` where a tape needs them. */
function forward(
  x: tf.Tensor,
  weight: tf.Tensor,
  bias: tf.Tensor | null,
  attributes: ActivationAttributes,
): { y: tf.Tensor; preactivation: tf.Tensor | null } {
  const shape = [...x.shape.slice(0, -1), weight.shape[0]];
  const flat = asRows(x);
  const keeps = attributes.activation !== "linear" && isTapeRunning();
  if (flat.size === 0 || weight.size === 0) {
    const constant = tf.zeros([flat.shape[0], weight.shape[0]]);
    const z = bias && constant.size > 0 ? tf.add(constant, bias) : constant;
    return { y: tf.reshape(activated(z, attributes), shape), preactivation: keeps ? z : null };
  }
  const fused = runLinear({ x: flat, weight, bias }, { ...attributes, keeps });
  if (fused) return { y: tf.reshape(fused.y, shape), preactivation: fused.preactivation };
  const product = tf.matMul(flat, weight as tf.Tensor2D, false, true);
  const z = bias ? tf.add(product, bias) : product;
  return { y: tf.reshape(activated(z, attributes), shape), preactivation: keeps ? z : null };
}

/** Gradients in x and weight as functions: an x that is data needs none. */
function backward(
  dy: tf.Tensor,
  { x, weight }: { readonly x: tf.Tensor; readonly weight: tf.Tensor },
  { preactivation, ...attributes }: ActivationAttributes & { preactivation: tf.Tensor | null },
): { dx: () => tf.Tensor; dWeight: () => tf.Tensor; dBias: tf.Tensor } {
  const [flatX, flatDy] = [asRows(x), asRows(dy)];
  if (flatX.size === 0 || weight.size === 0) {
    const dz = preactivation ? activationGradient(flatDy, preactivation, attributes) : flatDy;
    const dBias = dz.size > 0 ? tf.sum(dz, 0) : tf.zeros([weight.shape[0]]);
    return { dx: () => tf.zeros(x.shape), dWeight: () => tf.zeros(weight.shape), dBias };
  }
  const { dz, sums } = throughActivation(flatDy, preactivation, attributes);
  return {
    dx: () => tf.reshape(tf.matMul(dz, weight as tf.Tensor2D), x.shape),
    dWeight: () => tf.matMul(dz, flatX, true, false),
    dBias: sums,
  };
}

/** f(z). */
function activated(z: tf.Tensor, { activation, slope }: ActivationAttributes): tf.Tensor {
  return activation === "linear" ? z : runActivation(z, { activation, alpha: slope });
}

/** dy·f′(z). */
function activationGradient(
  dy: tf.Tensor2D,
  z: tf.Tensor,
  { activation, slope }: ActivationAttributes,
): tf.Tensor2D {
  if (activation === "linear") return dy;
  return runActivationGradient(dy, z, { activation, alpha: slope }) as tf.Tensor2D;
}

/** The gradient before the activation, and its sums over rows. */
function throughActivation(
  dy: tf.Tensor2D,
  preactivation: tf.Tensor | null,
  attributes: ActivationAttributes,
): { dz: tf.Tensor2D; sums: tf.Tensor } {
  if (preactivation === null) return { dz: dy, sums: tf.sum(dy, 0) };
  const fused = runLinearActivationGradient({ dy, preactivation }, attributes);
  if (fused) return { dz: fused.dz as tf.Tensor2D, sums: fused.sums };
  const dz = activationGradient(dy, preactivation, attributes);
  return { dz, sums: tf.sum(dz, 0) };
}

/** All but the last axis as one. */
function asRows(x: tf.Tensor): tf.Tensor2D {
  const columns = x.shape[x.shape.length - 1]!;
  const rows = x.shape.slice(0, -1).reduce((product, n) => product * n, 1);
  return tf.reshape(x, [rows, columns]);
}

function checkLinear(x: tf.Tensor, weight: tf.Tensor, bias: tf.Tensor | null): void {
  requireShape("Linear layer", "weight", {
    shape: weight.shape,
    pattern: [-1, -1],
    words: "[O, I]",
  });
  requireShape("Linear layer", "x", {
    shape: x.shape,
    pattern: [...new Array(Math.max(0, x.shape.length - 1)).fill(-1), weight.shape[1]!],
    words: "[…, I]",
  });
  if (bias) {
    requireShape("Linear layer", "bias", {
      shape: bias.shape,
      pattern: [weight.shape[0]],
      words: "[O]",
    });
  }
}
