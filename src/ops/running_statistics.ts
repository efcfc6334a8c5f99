/** Folding of batch statistics into the running buffers of batch norm (spec 3.3, section 12). */
import { toTensor } from "../backends/tensors.ts";
import { ConfigError } from "../base/errors.ts";
import { tf } from "../deps/tfjs.ts";
import type { Statistics } from "./norm_activation.ts";
import { requireShape } from "./shape_checks.ts";

/** Options of {@link foldRunningStatistics}. */
export interface FoldOptions {
  /** Per group of samples, in the order of time: mean and biased variance `[S, C]`. */
  readonly batch: Statistics;
  /** Values per channel and group, n = samples · voxels, at least 2. */
  readonly count: number;
  /** Weight of a new value. Default 0.1, as in PyTorch. */
  readonly momentum?: number;
}

/**
 * Applies s ← (1 − momentum)·s + momentum·value once per group, in order, the variance made unbiased by
 * n/(n − 1). Evaluated as (1 − m)^S·s + m·Σ_s (1 − m)^(S−1−s)·value_s, without reading anything back.
 *
 * @param running Buffers `[C]`, not changed. @param options Statistics of the groups, their size.
 * @returns New buffers `[C]`; the caller disposes of the old ones.
 * @throws {ConfigError} when `count` is below 2. @throws {ShapeError} when shapes do not fit.
 */
export function foldRunningStatistics(running: Statistics, options: FoldOptions): Statistics {
  const { batch, count, momentum = 0.1 } = options;
  if (!(count >= 2)) {
    throw new ConfigError(
      "count",
      `Updating running statistics: found ${count} value per channel, needs at least 2; ` +
        "use a larger batch or a larger volume",
    );
  }
  const [channels] = running.mean.shape;
  const groups = batch.mean.shape[0];
  requireShape("Updating running statistics", "mean", {
    shape: batch.mean.shape,
    pattern: [-1, channels],
    words: "[S, C]",
  });
  return {
    mean: fold(running.mean, batch.mean, weights(groups, momentum, 1)),
    variance: fold(
      running.variance,
      batch.variance,
      weights(groups, momentum, count / (count - 1)),
    ),
  };
}

/** Weight of the old buffer, then of every group. */
function weights(groups: number, momentum: number, factor: number): Float64Array {
  const values = new Float64Array(groups + 1);
  values[0] = (1 - momentum) ** groups;
  for (let s = 0; s < groups; s++) {
    values[s + 1] = momentum * (1 - momentum) ** (groups - 1 - s) * factor;
  }
  return values;
}

function fold(running: tf.Tensor, values: tf.Tensor, weights: Float64Array): tf.Tensor {
  return tf.tidy(() => {
    const [channels] = running.shape;
    const history = tf.concat([tf.reshape(running, [1, channels]), values], 0);
    const row = toTensor(weights, [1, weights.length]);
    return tf.reshape(tf.matMul(row, history), [channels]);
  });
}
