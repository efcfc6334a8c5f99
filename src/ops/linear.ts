/** Linear layer in PyTorch's layout, and its gradient (spec 3.2). */
import { tf } from "../deps/tfjs.ts";
import { runDifferentiable } from "./differentiable.ts";
import { requireShape } from "./shape_checks.ts";

/**
 * y = x·weightᵀ + bias. Differentiable in x, weight and bias.
 *
 * @param x `[M, I]` float32; M may be 0. @param weight `[O, I]`, PyTorch's layout.
 * @param options `bias` `[O]`; none by default.
 * @returns `[M, O]`.
 * @throws {ShapeError} when shapes do not fit.
 */
export function linear(
  x: tf.Tensor,
  weight: tf.Tensor,
  options: { readonly bias?: tf.Tensor | null } = {},
): tf.Tensor {
  checkLinear(x, weight);
  const bias = options.bias ?? null;
  if (bias) {
    requireShape("Linear layer", "bias", {
      shape: bias.shape,
      pattern: [weight.shape[0]],
      words: "[O]",
    });
  }
  return runDifferentiable(bias ? [x, weight, bias] : [x, weight], {
    forward([input, matrix, offset], save) {
      save([input, matrix]);
      if (input.shape[0] === 0) return tf.zeros([0, matrix.shape[0]]);
      const product = tf.matMul(input, matrix, false, true);
      return offset ? tf.add(product, offset) : product;
    },
    gradient(dy, [input, matrix]) {
      const { dx, dWeight, dBias } = linearGradient(dy, { x: input, weight: matrix });
      return bias ? [dx, dWeight, dBias] : [dx, dWeight];
    },
  });
}

/** Result of {@link linearGradient}. */
export interface LinearGradient {
  /** `[M, I]`. */
  readonly dx: tf.Tensor;
  /** `[O, I]`. */
  readonly dWeight: tf.Tensor;
  /** `[O]`. */
  readonly dBias: tf.Tensor;
}

/**
 * Gradient of {@link linear}: dx = dy·weight, dWeight = dyᵀ·x, dBias = Σ_m dy.
 *
 * @param dy `[M, O]`. @param inputs x `[M, I]` and weight `[O, I]` of the forward call.
 * @throws {ShapeError} when shapes do not fit.
 */
export function linearGradient(
  dy: tf.Tensor,
  inputs: { readonly x: tf.Tensor; readonly weight: tf.Tensor },
): LinearGradient {
  const { x, weight } = inputs;
  checkLinear(x, weight);
  requireShape("Differentiating a linear layer", "dy", {
    shape: dy.shape,
    pattern: [x.shape[0], weight.shape[0]],
    words: "[M, O]",
  });
  if (x.shape[0] === 0) {
    return {
      dx: tf.zeros(x.shape),
      dWeight: tf.zeros(weight.shape),
      dBias: tf.zeros([weight.shape[0]]),
    };
  }
  return {
    dx: tf.matMul(dy, weight),
    dWeight: tf.matMul(dy, x, true, false),
    dBias: tf.sum(dy, 0),
  };
}

function checkLinear(x: tf.Tensor, weight: tf.Tensor): void {
  requireShape("Linear layer", "weight", {
    shape: weight.shape,
    pattern: [-1, -1],
    words: "[O, I]",
  });
  requireShape("Linear layer", "x", {
    shape: x.shape,
    pattern: [-1, weight.shape[1]!],
    words: "[M, I]",
  });
}
