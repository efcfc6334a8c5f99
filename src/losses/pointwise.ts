/**
 * Losses between a prediction and a target, value by value: absolute, squared and Huber error, and binary cross-entropy.
 * Each is a scalar and differentiable in the prediction; target and mask are constants.
 */
import { runActivation } from "../backends/activation_contract.ts";
import { toScalar } from "../backends/tensors.ts";
import { ConfigError } from "../base/errors.ts";
import { tf } from "../deps/tfjs.ts";
import { runDifferentiable } from "../ops/differentiable.ts";
import { requireShape } from "../ops/shape_checks.ts";
import { weightedGradient, weightedSum, type Weighting, weightsOf } from "./weighting.ts";

/**
 * |prediction − target|, with derivative 0 where the two agree.
 *
 * @param prediction float32, any shape.
 * @param target As prediction.
 * @param options Mask and reduction.
 * @returns `[]`.
 * @throws {ShapeError} when target or mask do not fit.
 */
export function absoluteError(
  prediction: tf.Tensor,
  target: tf.Tensor,
  options: Weighting = {},
): tf.Tensor {
  return pointwise("Absolute error", [prediction, target], options, {
    value: (x, t) => tf.abs(tf.sub(x, t)),
    derivative: (x, t) => tf.sign(tf.sub(x, t)),
  });
}

/**
 * (prediction − target)².
 *
 * @param prediction float32, any shape.
 * @param target As prediction.
 * @param options Mask and reduction.
 * @returns `[]`.
 * @throws {ShapeError} when target or mask do not fit.
 *
 * @example The mean over the frames of runs of different lengths, padded to `[B, T, C]`.
 * ```ts ignore
 * const loss = squaredError(reconstruction, bold, { mask: frameMask }); // mask [B, T, 1]
 * ```
 */
export function squaredError(
  prediction: tf.Tensor,
  target: tf.Tensor,
  options: Weighting = {},
): tf.Tensor {
  return pointwise("Squared error", [prediction, target], options, {
    value: (x, t) => tf.squaredDifference(x, t),
    derivative(x, t) {
      const difference = tf.sub(x, t);
      return tf.add(difference, difference);
    },
  });
}

/**
 * d²/2 where |d| ≤ delta, else delta·(|d| − delta/2), d = prediction − target (PyTorch's `HuberLoss`).
 *
 * @param prediction float32, any shape.
 * @param target As prediction.
 * @param options Mask, reduction and `delta` in units of the target, above 0; default 1.
 * @returns `[]`.
 * @throws {ShapeError} when target or mask do not fit.
 * @throws {ConfigError} when delta is not above 0.
 */
export function huberError(
  prediction: tf.Tensor,
  target: tf.Tensor,
  options: Weighting & { readonly delta?: number } = {},
): tf.Tensor {
  const { delta = 1 } = options;
  if (!(delta > 0 && delta < Infinity)) {
    throw new ConfigError("delta", `Huber error: delta is ${delta}, needs a number above 0`);
  }
  // With c = d clipped to ±delta both branches are c·(d − c/2).
  const clipped = (d: tf.Tensor) => tf.minimum(tf.maximum(d, toScalar(-delta)), toScalar(delta));
  return pointwise("Huber error", [prediction, target], options, {
    value(x, t) {
      const d = tf.sub(x, t);
      const c = clipped(d);
      return tf.mul(c, tf.sub(d, tf.mul(c, toScalar(0.5))));
    },
    derivative: (x, t) => clipped(tf.sub(x, t)),
  });
}

/**
 * −t·ln σ(x) − (1 − t)·ln(1 − σ(x)) with σ the sigmoid, computed as softplus(x) − t·x: finite for every logit.
 *
 * @param logits x, float32, any shape.
 * @param target t, as logits, probabilities in 0 … 1.
 * @param options Mask and reduction.
 * @returns `[]`, in nats.
 * @throws {ShapeError} when target or mask do not fit.
 */
export function binaryCrossEntropy(
  logits: tf.Tensor,
  target: tf.Tensor,
  options: Weighting = {},
): tf.Tensor {
  return pointwise("Binary cross-entropy", [logits, target], options, {
    value: (x, t) => tf.sub(runActivation(x, { activation: "softplus", alpha: 0 }), tf.mul(t, x)),
    derivative: (x, t) => tf.sub(runActivation(x, { activation: "sigmoid", alpha: 0 }), t),
  });
}

/** A loss of one value x and its target t, and its derivative in x. */
interface PointwiseLoss {
  readonly value: (x: tf.Tensor, t: tf.Tensor) => tf.Tensor;
  readonly derivative: (x: tf.Tensor, t: tf.Tensor) => tf.Tensor;
}

function pointwise(
  doing: string,
  [prediction, target]: readonly [tf.Tensor, tf.Tensor],
  options: Weighting,
  loss: PointwiseLoss,
): tf.Tensor {
  requireShape(doing, "target", {
    shape: target.shape,
    pattern: prediction.shape,
    words: "the shape of the prediction",
  });
  return runDifferentiable([prediction], {
    forward([x], save) {
      const weights = weightsOf(x.shape, options, doing);
      const { mask, factor } = weights;
      save(mask ? [x, target, factor, mask] : [x, target, factor]);
      return weightedSum(loss.value(x, target), weights);
    },
    gradient(dy, [x, t, factor, mask]) {
      return [weightedGradient(loss.derivative(x, t), dy, { mask: mask ?? null, factor })];
    },
  });
}
