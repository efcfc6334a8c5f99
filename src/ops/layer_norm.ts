/** Layer normalisation over the last axis, with its gradient. */
import { runNormActivation, runNormActivationGradient } from "../backends/kernel_contract.ts";
import { tf } from "../deps/tfjs.ts";
import { runDifferentiable } from "./differentiable.ts";
import type { Affine } from "./norm_activation.ts";
import { requireShape } from "./shape_checks.ts";

/**
 * y = gamma·(x − m)/√(v + epsilon) + beta with mean m and biased variance v of every row of the last axis, the same in
 * training and evaluation. Differentiable in x, gamma and beta.
 *
 * @param x `[..., C]` float32.
 * @param affine gamma and beta `[C]`.
 * @param options `epsilon`, added to the variance; default 1e-5, as in PyTorch.
 * @returns As x.
 * @throws {ShapeError} when gamma or beta do not fit.
 *
 * @example
 * ```ts ignore
 * const y = layerNorm(x, { gamma, beta });
 * ```
 */
export function layerNorm(
  x: tf.Tensor,
  affine: Affine,
  options: { readonly epsilon?: number } = {},
): tf.Tensor {
  const channels = x.shape[x.shape.length - 1] ?? 0;
  for (const name of ["gamma", "beta"] as const) {
    requireShape("Layer normalisation", name, {
      shape: affine[name].shape,
      pattern: [channels],
      words: "[C]",
    });
  }
  const rows = channels === 0 ? 0 : x.size / channels;
  // Every row is a sample of its own with one group of channels.
  const attributes = {
    sampleGroups: rows,
    channelGroups: 1,
    epsilon: options.epsilon ?? 1e-5,
    slope: 1,
  };
  return runDifferentiable([x, affine.gamma, affine.beta], {
    forward([input, gamma, beta], save) {
      const flat = tf.reshape(input, [rows, channels]);
      const { y, mean, variance } = runNormActivation(flat, gamma, beta, attributes);
      save([flat, gamma, beta, mean, variance]);
      return tf.reshape(y, input.shape);
    },
    gradient(dy, [flat, gamma, beta, mean, variance]) {
      const flatDy = tf.reshape(dy, flat.shape);
      const { dx, dGamma, dBeta } = runNormActivationGradient(
        flatDy,
        flat,
        gamma,
        beta,
        mean,
        variance,
        { ...attributes, fixedStatistics: false },
      );
      return [tf.reshape(dx, dy.shape), dGamma, dBeta];
    },
  });
}
