/** How the shared losses weigh values and add them up. */
import { toScalar } from "../backends/tensors.ts";
import { ShapeError } from "../base/errors.ts";
import { tf } from "../deps/tfjs.ts";

/** Options of every shared loss. */
export interface Weighting {
  /**
   * Weights, 0 for what does not count: of the loss's values, or with some of their axes 1 (a mask `[B, T, 1]` of values
   * `[B, T, C]`). Constant. Default 1 everywhere.
   */
  readonly mask?: tf.Tensor | null;
  /** `"mean"` (default): Σ mask·loss/Σ mask, 0 where nothing counts. `"sum"`: Σ mask·loss. */
  readonly reduction?: "mean" | "sum";
}

/** A weight per value, to be broadcast, and the factor on their sum. */
export interface Weights {
  /** Null where all weights are 1. */
  readonly mask: tf.Tensor | null;
  /** `[]`: 1/Σ mask or 1; 0 where nothing counts. */
  readonly factor: tf.Tensor;
}

/**
 * Weights of values of a shape.
 *
 * @param shape Of the values.
 * @param options Mask and reduction.
 * @param doing Of messages, e.g. `"Huber loss"`.
 * @throws {ShapeError} when the mask does not fit.
 */
export function weightsOf(shape: readonly number[], options: Weighting, doing: string): Weights {
  const { mask = null, reduction = "mean" } = options;
  const size = shape.reduce((product, n) => product * n, 1);
  if (mask) checkMask(mask.shape, shape, doing);
  if (reduction === "sum") return { mask, factor: toScalar(1) };
  if (!mask) return { mask, factor: toScalar(size === 0 ? 0 : 1 / size) };
  const repeats = mask.size === 0 ? 0 : size / mask.size;
  return { mask, factor: reciprocal(tf.mul(tf.sum(mask), toScalar(repeats))) };
}

/** 1/total, 0 for a total of 0. */
function reciprocal(total: tf.Tensor): tf.Tensor {
  // |sign| is 0 or 1, so 0 becomes 0/1.
  const present = tf.abs(tf.sign(total));
  return tf.div(present, tf.add(total, tf.sub(toScalar(1), present)));
}

/** factor·Σ mask·values, a scalar. */
export function weightedSum(values: tf.Tensor, { mask, factor }: Weights): tf.Tensor {
  const total = tf.sum(mask ? tf.mul(values, mask) : values);
  return tf.mul(total, factor);
}

/** Gradient of {@link weightedSum} in its values times their derivative: dy·factor·mask·derivative. */
export function weightedGradient(
  derivative: tf.Tensor,
  dy: tf.Tensor,
  { mask, factor }: Weights,
): tf.Tensor {
  const scaled = tf.mul(derivative, tf.mul(dy, factor));
  return mask ? tf.mul(scaled, mask) : scaled;
}

function checkMask(mask: readonly number[], shape: readonly number[], doing: string): void {
  const fits = mask.length === shape.length &&
    mask.every((n, axis) => n === shape[axis] || n === 1);
  if (fits) return;
  const words = `[${shape}], where any axis may be 1`;
  throw new ShapeError(`${doing}: mask has shape [${mask}], needs ${words}`, mask, words);
}
