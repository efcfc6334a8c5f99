/** Kullback–Leibler divergence between normal distributions with diagonal covariance. */
import { toScalar } from "../backends/tensors.ts";
import { ConfigError, ShapeError } from "../base/errors.ts";
import { tf } from "../deps/tfjs.ts";
import { runDifferentiable } from "../ops/differentiable.ts";
import { requireShape } from "../ops/shape_checks.ts";
import { type Weighting, weightsOf } from "./weighting.ts";

/** A normal distribution per row. */
export interface DiagonalNormal {
  /** `[..., D]`. */
  readonly mean: tf.Tensor;
  /** Natural logarithm of the variance, `[..., D]`. */
  readonly logVar: tf.Tensor;
}

/** Options of {@link normalDivergence}; the mask is `[...]`, one weight per row. */
export interface NormalDivergenceOptions extends Weighting {
  /** The prior p of every row; default the standard normal. */
  readonly prior?: DiagonalNormal | null;
  /** Factor on the whole, at least 0. Default 1. */
  readonly beta?: number;
  /**
   * Nats that each of the D latent values may cost for nothing: where its divergence, averaged over the rows that
   * count, is at most this, it counts as this and has no gradient. Default 0.
   */
  readonly freeBits?: number;
}

/**
 * beta·Σ_d max(freeBits, KL_d), KL_d the mean over rows of ½(ℓ_p − ℓ + (e^ℓ + (μ − μ_p)²)/e^(ℓ_p) − 1): the divergence
 * of the posterior N(μ, e^ℓ) from the prior. Reduction `"sum"` multiplies this by the number of rows (Σ mask).
 * Differentiable in all means and log-variances; the mask is a constant.
 *
 * @param posterior mean and logVar `[..., D]` float32.
 * @param options Prior, beta, free bits, mask, reduction.
 * @returns `[]`, in nats.
 * @throws {ShapeError} when shapes do not fit.
 * @throws {ConfigError} when beta or freeBits is below 0.
 *
 * @example
 * ```ts ignore
 * const loss = tf.add(reconstruction, normalDivergence({ mean, logVar }, { beta: 0.5, freeBits: 0.1 }));
 * ```
 */
export function normalDivergence(
  posterior: DiagonalNormal,
  options: NormalDivergenceOptions = {},
): tf.Tensor {
  const { prior = null, beta = 1, freeBits = 0 } = options;
  check(posterior, options);
  const { mean, logVar } = posterior;
  const width = mean.shape[mean.shape.length - 1];
  const rows = width === 0 ? 0 : mean.size / width;
  const inputs = prior ? [mean, logVar, prior.mean, prior.logVar] : [mean, logVar];
  return runDifferentiable(inputs, {
    forward(tensors, save) {
      const parts = partsOf(tensors, [rows, width]);
      const weights = rowWeights(rows, options);
      const perLatent = tf.sum(tf.mul(divergence(parts), weights.share), 0);
      const open = tf.step(tf.sub(perLatent, toScalar(freeBits)));
      const scale = tf.mul(weights.rows, toScalar(beta));
      save([...tensors, weights.share, open, scale]);
      return tf.mul(tf.sum(tf.maximum(perLatent, toScalar(freeBits))), scale);
    },
    gradient(dy, saved) {
      const [share, open, scale] = saved.slice(-3);
      const parts = partsOf(saved.slice(0, -3), [rows, width]);
      const factor = tf.mul(tf.mul(share, open), tf.mul(dy, scale));
      return derivatives(parts).map((d) => tf.reshape(tf.mul(d, factor), mean.shape));
    },
  });
}

/** `[rows, D]` each; without a prior, difference is the mean and priorLogVar null. */
interface Parts {
  readonly logVar: tf.Tensor;
  readonly priorLogVar: tf.Tensor | null;
  /** (μ − μ_p)/e^(ℓ_p). */
  readonly pull: tf.Tensor;
  /** (μ − μ_p)²/e^(ℓ_p). */
  readonly distance: tf.Tensor;
  /** e^(ℓ − ℓ_p). */
  readonly ratio: tf.Tensor;
}

function partsOf(tensors: readonly tf.Tensor[], shape: [number, number]): Parts {
  const [mean, logVar, priorMean, priorLogVar] = tensors.map((t) => tf.reshape(t, shape));
  if (!priorMean) {
    const distance = tf.square(mean);
    return { logVar, priorLogVar: null, pull: mean, distance, ratio: tf.exp(logVar) };
  }
  const difference = tf.sub(mean, priorMean);
  const pull = tf.mul(difference, tf.exp(tf.neg(priorLogVar)));
  const ratio = tf.exp(tf.sub(logVar, priorLogVar));
  return { logVar, priorLogVar, pull, distance: tf.mul(pull, difference), ratio };
}

function divergence({ logVar, priorLogVar, distance, ratio }: Parts): tf.Tensor {
  const logarithms = priorLogVar ? tf.sub(priorLogVar, logVar) : tf.neg(logVar);
  const total = tf.add(tf.sub(tf.add(ratio, distance), toScalar(1)), logarithms);
  return tf.mul(total, toScalar(0.5));
}

/** In μ and ℓ, and with a prior in μ_p and ℓ_p. */
function derivatives({ priorLogVar, pull, distance, ratio }: Parts): tf.Tensor[] {
  const half = toScalar(0.5);
  const excess = tf.mul(tf.sub(ratio, toScalar(1)), half);
  if (!priorLogVar) return [pull, excess];
  const towardsPrior = tf.neg(tf.add(excess, tf.mul(distance, half)));
  return [pull, excess, tf.neg(pull), towardsPrior];
}

/** Each row's share of the mean, `[rows, 1]`, and how many rows a sum stands for, `[]`. */
function rowWeights(rows: number, options: Weighting): { share: tf.Tensor; rows: tf.Tensor } {
  const mask = options.mask ? tf.reshape(options.mask, [rows, 1]) : tf.ones([rows, 1]);
  const { factor } = weightsOf([rows, 1], { mask }, DOING);
  const count = options.reduction === "sum" ? tf.sum(mask) : toScalar(1);
  return { share: tf.mul(mask, factor), rows: count };
}

const DOING = "Divergence of normals";

function check(posterior: DiagonalNormal, options: NormalDivergenceOptions): void {
  const { shape } = posterior.mean;
  if (shape.length === 0) {
    throw new ShapeError(`${DOING}: mean has shape [], needs [..., D]`, shape, "[..., D]");
  }
  const words = "[..., D], the shape of the mean";
  const { prior } = options;
  requireShape(DOING, "logVar", { shape: posterior.logVar.shape, pattern: shape, words });
  if (prior) {
    requireShape(DOING, "prior.mean", { shape: prior.mean.shape, pattern: shape, words });
    requireShape(DOING, "prior.logVar", { shape: prior.logVar.shape, pattern: shape, words });
  }
  if (options.mask) {
    requireShape(DOING, "mask", {
      shape: options.mask.shape,
      pattern: shape.slice(0, -1),
      words: "[...], one weight per row",
    });
  }
  for (const name of ["beta", "freeBits"] as const) {
    const value = options[name] ?? 0;
    if (!(value >= 0 && value < Infinity)) {
      throw new ConfigError(name, `${DOING}: ${name} is ${value}, needs a number of at least 0`);
    }
  }
}
