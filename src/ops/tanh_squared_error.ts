/** Reconstruction error behind the decoder's last tanh, fused, with its gradient [recurrent-vae §3.2, §4]. */
import { runTanhSquaredError, type SquaredErrorResult } from "../backends/kernel_contract.ts";
import { ConfigError } from "../base/errors.ts";
import { tf } from "../deps/tfjs.ts";
import { runDifferentiable } from "./differentiable.ts";
import { requireShape } from "./shape_checks.ts";

/** Options of {@link tanhSquaredError}. */
export interface TanhSquaredErrorOptions {
  /** Weight per voxel, the size of one sample (a mask); a constant. Default 1 everywhere. */
  readonly weight?: tf.Tensor | null;
  /** Runs of consecutive samples that are summed separately: the frames in the call. Default 1. */
  readonly sampleGroups?: number;
}

/**
 * sums[s] = Σ weight·(target − tanh(a))² over the samples of group s. Differentiable in a and target.
 *
 * @param a `[N, ...]` float32, values before the tanh; N divisible by `sampleGroups`.
 * @param target As a.
 * @param options Weight and groups.
 * @returns `[sampleGroups]`.
 * @throws {ShapeError} when shapes do not fit.
 * @throws {ConfigError} when groups do not divide N.
 */
export function tanhSquaredError(
  a: tf.Tensor,
  target: tf.Tensor,
  options: TanhSquaredErrorOptions = {},
): tf.Tensor {
  const { weight, sampleGroups } = resolve(a, target, options);
  return runDifferentiable([a, target], {
    forward([before, aim], save) {
      const { sums, derivative } = runTanhSquaredError(before, aim, weight, {
        sampleGroups,
        derivativeScale: 1,
      });
      save(weight ? [before, aim, derivative, weight] : [before, aim, derivative]);
      return sums;
    },
    gradient(dy, [before, aim, derivative, mask]) {
      const factor = perSample(dy, before.shape);
      const difference = tf.sub(aim, tf.tanh(before));
      const weighted = mask
        ? tf.mul(difference, tf.reshape(mask, [1, ...before.shape.slice(1)]))
        : difference;
      return [tf.mul(derivative, factor), tf.mul(tf.add(weighted, weighted), factor)];
    },
  });
}

/**
 * The sums together with their gradient in a, in one pass.
 *
 * @param a `[N, ...]` float32, values before the tanh.
 * @param target As a.
 * @param options Weight, groups, and `derivativeScale`, a factor on the derivative (default 1), for
 * example 1/(2·B·T·σ_x²) of loss1.
 * @returns sums `[sampleGroups]` without the factor; derivative as a:
 * derivativeScale·(−2)·weight·(target − r)·(1 − r²), r = tanh(a).
 * @throws {ShapeError} when shapes do not fit.
 * @throws {ConfigError} when groups do not divide N.
 */
export function tanhSquaredErrorWithGradient(
  a: tf.Tensor,
  target: tf.Tensor,
  options: TanhSquaredErrorOptions & { readonly derivativeScale?: number } = {},
): SquaredErrorResult {
  const { weight, sampleGroups } = resolve(a, target, options);
  const derivativeScale = options.derivativeScale ?? 1;
  return runTanhSquaredError(a, target, weight, { sampleGroups, derivativeScale });
}

/** `[S]` repeated for the samples of each group: `[N, 1, …]`. */
function perSample(dy: tf.Tensor, shape: readonly number[]): tf.Tensor {
  const groups = dy.shape[0];
  const repeated = tf.tile(tf.reshape(dy, [groups, 1]), [1, groups === 0 ? 0 : shape[0] / groups]);
  return tf.reshape(repeated, [shape[0], ...shape.slice(1).map(() => 1)]);
}

function resolve(a: tf.Tensor, target: tf.Tensor, options: TanhSquaredErrorOptions) {
  const doing = "Reconstruction error";
  const weight = options.weight ?? null;
  const sampleGroups = options.sampleGroups ?? 1;
  requireShape(doing, "target", {
    shape: target.shape,
    pattern: a.shape,
    words: "the shape of a",
  });
  if (weight && weight.size !== a.shape.slice(1).reduce((size, n) => size * n, 1)) {
    requireShape(doing, "weight", {
      shape: weight.shape,
      pattern: a.shape.slice(1),
      words: "the shape of one sample",
    });
  }
  if (!Number.isInteger(sampleGroups) || sampleGroups < 1 || a.shape[0] % sampleGroups !== 0) {
    throw new ConfigError(
      "sampleGroups",
      `${doing}: sampleGroups is ${sampleGroups}, needs a divisor of the ${a.shape[0]} samples`,
    );
  }
  return { weight, sampleGroups };
}
