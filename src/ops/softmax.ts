/** Softmax and its logarithm over the last axis, with gradients in one pass. */
import { runSoftmax, runSoftmaxGradient } from "../backends/activation_contract.ts";
import { ShapeError } from "../base/errors.ts";
import type { tf } from "../deps/tfjs.ts";
import { runDifferentiable } from "./differentiable.ts";

/**
 * eˣ/Σ eˣ over the last axis. Differentiable in x.
 *
 * @param x `[..., C]` float32, C at least 1.
 * @returns As x; rows add up to 1.
 * @throws {ShapeError} when x has no axis, or an empty last one.
 */
export function softmax(x: tf.Tensor): tf.Tensor {
  return overLastAxis(x, false);
}

/**
 * x − ln Σ eˣ over the last axis: the logarithm of {@link softmax}, finite where that is too small for a number.
 * Differentiable in x.
 *
 * @param x `[..., C]` float32, C at least 1.
 * @returns As x, at most 0.
 * @throws {ShapeError} when x has no axis, or an empty last one.
 */
export function logSoftmax(x: tf.Tensor): tf.Tensor {
  return overLastAxis(x, true);
}

function overLastAxis(x: tf.Tensor, logarithmic: boolean): tf.Tensor {
  if (!(x.shape[x.shape.length - 1] > 0)) {
    const words = "[..., C] with C of at least 1";
    throw new ShapeError(`Softmax: x has shape [${x.shape}], needs ${words}`, x.shape, words);
  }
  return runDifferentiable([x], {
    forward([input], save) {
      const y = runSoftmax(input, { logarithmic });
      save([y]);
      return y;
    },
    gradient: (dy, [y]) => [runSoftmaxGradient(dy, y, { logarithmic })],
  });
}
