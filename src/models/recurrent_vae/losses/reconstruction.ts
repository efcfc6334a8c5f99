/**
 * Reconstruction error [recurrent-vae §4, loss1]: ordinary squared norms, divided by 2·B·T·σ_x² and by nothing else.
 */
import type { FloatArray } from "../../../base/arrays.ts";
import { ShapeError } from "../../../base/errors.ts";
import { toScalar } from "../../../backends/tensors.ts";
import { tf } from "../../../deps/tfjs.ts";
import { checkScale, type LossScale } from "./terms.ts";

/**
 * loss1 from the sum of squared differences.
 *
 * @param squaredError Σ(x − r)² over batch, frames and voxels, float64.
 * @param scale B, T and σ_x.
 */
export function reconstructionLoss(squaredError: number, scale: LossScale): number {
  return squaredError * reconstructionFactor(scale);
}

/** The factor 1/(2·B·T·σ²) in front of a sum of squares. */
export function reconstructionFactor(scale: LossScale): number {
  checkScale(scale);
  const { sigma, batch, frames } = scale;
  return 1 / (2 * batch * frames * sigma * sigma);
}

/**
 * Σ(x − r)² on the host, in float64.
 *
 * @param x Any shape.
 * @param r Same length.
 * @throws {ShapeError} when the lengths differ.
 */
export function squaredErrorSum(x: FloatArray, r: FloatArray): number {
  if (x.length !== r.length) {
    throw new ShapeError(
      `Cannot compare arrays: found ${r.length} values, needs ${x.length}`,
      [r.length],
      `${x.length} values`,
    );
  }
  let sum = 0;
  for (let i = 0; i < x.length; i++) sum += (x[i] - r[i]) ** 2;
  return sum;
}

/** Bounds of the clamped output [recurrent-vae §8, wide decoder]. */
export const CLAMP = 3;

/**
 * Squared error behind a clamp to ±{@link CLAMP}, the counterpart of the fused tanh operation.
 *
 * @param a `[N, Z, Y, X, 1]` decoder output before the clamp; N is a multiple of `sampleGroups`.
 * @param target Same size.
 * @param options.weight Per-voxel weights `[Z, Y, X]`, or null.
 * @param options.derivativeScale Factor on the derivative (not on the sums).
 * @returns `sums` `[sampleGroups]` and the derivative in `a`, shape of `a` (0 outside the bounds).
 */
export function clampSquaredError(
  a: tf.Tensor,
  target: tf.Tensor,
  options: {
    readonly weight: tf.Tensor | null;
    readonly sampleGroups: number;
    readonly derivativeScale: number;
  },
): { sums: tf.Tensor; derivative: tf.Tensor } {
  const [sums, derivative] = tf.tidy(() => {
    const residual = tf.sub(tf.clipByValue(a, -CLAMP, CLAMP), tf.reshape(target, a.shape));
    const weighted = options.weight
      ? tf.mul(residual, tf.reshape(options.weight, [1, ...a.shape.slice(1)]))
      : residual;
    const inside = tf.cast(tf.lessEqual(tf.abs(a), CLAMP), "float32");
    const gradient = tf.mul(tf.mul(weighted, inside), toScalar(2 * options.derivativeScale));
    return [groupSums(tf.mul(weighted, residual), options.sampleGroups), gradient];
  });
  return { sums, derivative };
}

/** Row by row, then over rows: keeps the float32 error of a long sum near that of a short one. */
function groupSums(values: tf.Tensor, groups: number): tf.Tensor {
  const rows = values.size / groups;
  const width = values.shape[values.shape.length - 2] ?? 1;
  const perRow = tf.sum(tf.reshape(values, [groups, rows / width, width]), 2);
  return tf.sum(perRow, 1);
}
