/**
 * Batch or group normalisation with an activation behind it [recurrent-vae §3.2, §3.3, §8 "GroupNorm"], fused:
 * LeakyReLU, ReLU or none.
 *
 * Several frames of one batch go through in one call: `sampleGroups` says into how many runs of
 * consecutive samples the statistics fall, one per frame, never pooled [recurrent-vae §12].
 */
import {
  type NormAttributes,
  type NormGradient,
  type NormResult,
  runNormActivation,
  runNormActivationFixed,
  runNormActivationGradient,
} from "../backends/kernel_contract.ts";
import { ConfigError } from "../base/errors.ts";
import { tf } from "../deps/tfjs.ts";
import { runDifferentiable } from "./differentiable.ts";
import { requireShape } from "./shape_checks.ts";

/** Scale and shift per channel. */
export interface Affine {
  /** `[C]`, PyTorch's `weight`. */
  readonly gamma: tf.Tensor;
  /** `[C]`, PyTorch's `bias`. */
  readonly beta: tf.Tensor;
}

/** Mean and variance that a normalisation used or shall use. */
export interface Statistics {
  /** Σx/n. */
  readonly mean: tf.Tensor;
  /** Biased: Σ(x−m)²/n. */
  readonly variance: tf.Tensor;
}

/** Constants of normalisation and activation. */
export interface NormConstants {
  /** Added to the variance. Default 1e-5, as in PyTorch. */
  readonly epsilon?: number;
  /** What stands behind the normalisation. Default `"leakyRelu"`. */
  readonly activation?: NormActivation;
  /** Of leakyRelu: v if v > 0, else slope·v. Default 0.2; 1 means no activation. */
  readonly slope?: number;
}

/** Activations a normalisation can have behind it in the same pass. */
export type NormActivation = "leakyRelu" | "relu" | "none";

/** Blocks over which statistics are taken. */
export interface NormBlocks extends NormConstants {
  /** Runs of consecutive samples with statistics of their own: the frames in the call. Default 1. */
  readonly sampleGroups?: number;
  /** Runs of consecutive channels with statistics of their own. Default: every channel. */
  readonly channelGroups?: number;
}

/**
 * Training mode: y = f(γ·(x − m)/√(v + epsilon) + β), f the activation, with mean and biased variance of each block.
 * Differentiable in x, gamma and beta, through the statistics as well; the returned statistics themselves
 * are meant for running buffers and carry no gradient.
 *
 * @param x `[N, ...voxels, C]` float32; N divisible by `sampleGroups`.
 * @param affine gamma and beta `[C]`.
 * @param options Blocks and constants.
 * @returns y as x; mean and variance `[sampleGroups, channelGroups]`.
 * @throws {ShapeError} when shapes do not fit.
 * @throws {ConfigError} when groups do not divide evenly.
 *
 * @example Four frames of a batch in one call, statistics per frame.
 * ```ts ignore
 * const { y, mean, variance } = batchNormActivation(x, { gamma, beta }, { sampleGroups: 4 });
 * ```
 */
export function batchNormActivation(
  x: tf.Tensor,
  affine: Affine,
  options: NormBlocks = {},
): NormResult {
  const attributes = resolve(x, affine, options);
  const { y: result, mean, variance } = runNormActivation(
    x,
    affine.gamma,
    affine.beta,
    attributes,
  );
  const y = runDifferentiable([x, affine.gamma, affine.beta], {
    forward(inputs, save) {
      save([...inputs, mean, variance]);
      return result.clone();
    },
    gradient: (dy, saved) => savedGradient(dy, saved, { ...attributes, fixedStatistics: false }),
  });
  result.dispose();
  return { y, mean, variance };
}

/**
 * Evaluation mode: the same with given statistics, a fixed affine map. Differentiable in x, gamma and
 * beta; the statistics are constants.
 *
 * @param x `[N, ...voxels, C]` float32.
 * @param affine gamma and beta `[C]`.
 * @param options mean and variance `[C]` (running buffers), constants.
 * @returns As x.
 * @throws {ShapeError} when shapes do not fit.
 */
export function fixedNormActivation(
  x: tf.Tensor,
  affine: Affine,
  options: Statistics & NormConstants,
): tf.Tensor {
  const { epsilon, activation, slope } = options;
  const attributes = resolve(x, affine, { epsilon, activation, slope });
  const channels = attributes.channelGroups;
  for (const name of ["mean", "variance"] as const) {
    requireShape("Normalising", name, {
      shape: options[name].shape,
      pattern: [channels],
      words: "[C]",
    });
  }
  return runDifferentiable([x, affine.gamma, affine.beta], {
    forward([input, gamma, beta], save) {
      const mean = tf.reshape(options.mean, [1, channels]);
      const variance = tf.reshape(options.variance, [1, channels]);
      save([input, gamma, beta, mean, variance]);
      return runNormActivationFixed(input, gamma, beta, mean, variance, attributes);
    },
    gradient: (dy, saved) => savedGradient(dy, saved, { ...attributes, fixedStatistics: true }),
  });
}

/**
 * Group normalisation (PyTorch's GroupNorm) with an activation: statistics per sample and channel group, the
 * same in training and evaluation.
 *
 * @param x `[N, ...voxels, C]` float32.
 * @param affine gamma and beta `[C]`.
 * @param options `groups`, a divisor of C; constants.
 * @returns As {@link batchNormActivation}; mean and variance `[N, groups]`.
 * @throws {ShapeError} when shapes do not fit.
 * @throws {ConfigError} when groups do not divide C.
 */
export function groupNormActivation(
  x: tf.Tensor,
  affine: Affine,
  options: NormConstants & { readonly groups: number },
): NormResult {
  const { groups, ...constants } = options;
  return batchNormActivation(x, affine, {
    ...constants,
    sampleGroups: x.shape[0],
    channelGroups: groups,
  });
}

/** What {@link normActivationGradient} differentiates. */
export interface NormGradientOptions extends Affine, Statistics, NormBlocks {
  /** Input of the forward call. */
  readonly x: tf.Tensor;
  /** True after {@link fixedNormActivation}: mean and variance `[C]` or `[1, C]` are constants. */
  readonly fixedStatistics?: boolean;
}

/**
 * Gradient of {@link batchNormActivation}, {@link groupNormActivation} or {@link fixedNormActivation}
 * [recurrent-vae §3.3]: with g = dy·leaky′, dx = (γ/√(v+eps))·(g − mean(g) − x̂·mean(g·x̂)), dγ = Σ g·x̂, dβ = Σ g.
 *
 * @param dy As x.
 * @param options Inputs and statistics of the forward call, its blocks and constants.
 * @returns dx as x; dGamma and dBeta `[C]`, summed over all groups.
 * @throws {ShapeError} when shapes do not fit.
 * @throws {ConfigError} when groups do not divide evenly.
 */
export function normActivationGradient(dy: tf.Tensor, options: NormGradientOptions): NormGradient {
  const { x, gamma, beta, fixedStatistics = false } = options;
  const attributes = resolve(x, options, options);
  requireShape("Differentiating a normalisation", "dy", {
    shape: dy.shape,
    pattern: x.shape,
    words: "the shape of x",
  });
  const { sampleGroups, channelGroups } = attributes;
  const mean = tf.reshape(options.mean, [sampleGroups, channelGroups]);
  const variance = tf.reshape(options.variance, [sampleGroups, channelGroups]);
  const gradient = runNormActivationGradient(dy, x, gamma, beta, mean, variance, {
    ...attributes,
    fixedStatistics,
  });
  mean.dispose();
  variance.dispose();
  return gradient;
}

function savedGradient(
  dy: tf.Tensor,
  [x, gamma, beta, mean, variance]: readonly tf.Tensor[],
  attributes: NormAttributes & { readonly fixedStatistics: boolean },
): tf.Tensor[] {
  const gradient = runNormActivationGradient(dy, x, gamma, beta, mean, variance, attributes);
  return [gradient.dx, gradient.dGamma, gradient.dBeta];
}

function resolve(x: tf.Tensor, affine: Affine, blocks: NormBlocks): NormAttributes {
  const channels = x.shape[x.shape.length - 1] ?? 0;
  const sampleGroups = blocks.sampleGroups ?? 1;
  const channelGroups = blocks.channelGroups ?? channels;
  for (const name of ["gamma", "beta"] as const) {
    requireShape("Normalising", name, {
      shape: affine[name].shape,
      pattern: [channels],
      words: "[C]",
    });
  }
  requireDivisor("sampleGroups", sampleGroups, x.shape[0]);
  requireDivisor("channelGroups", channelGroups, channels);
  return {
    sampleGroups,
    channelGroups,
    epsilon: blocks.epsilon ?? 1e-5,
    slope: slopeOf(blocks),
  };
}

/** The slope below 0 that makes LeakyReLU the activation asked for. */
function slopeOf({ activation = "leakyRelu", slope }: NormConstants): number {
  if (activation === "none") return 1;
  if (activation === "relu") return 0;
  if (activation === "leakyRelu") return slope ?? 0.2;
  throw new ConfigError(
    "activation",
    `Normalising: activation is ${activation}, needs leakyRelu, relu or none; ` +
      "put another one behind the normalisation as an operation of its own",
  );
}

function requireDivisor(field: string, groups: number, count: number): void {
  const fits = Number.isInteger(groups) && groups >= 0 &&
    (groups === 0 ? count === 0 : count % groups === 0);
  if (!fits) {
    const things = field === "sampleGroups" ? "samples" : "channels";
    throw new ConfigError(
      field,
      `Normalising: ${field} is ${groups}, needs a divisor of the ${count} ${things}`,
    );
  }
}
