/** The loss of a variational autoencoder, with the conventions of nidl's `BetaVAELoss`: [vae §4]. */
import { toScalar } from "../backends/tensors.ts";
import { ConfigError, ShapeError } from "../base/errors.ts";
import { checkOptions, choice, flag, number, record } from "../base/fields.ts";
import { tf } from "../deps/tfjs.ts";
import { bernoulliLikelihood } from "./bernoulli_likelihood.ts";
import {
  Bernoulli,
  DISTRIBUTION_NAMES,
  type DistributionName,
  Laplace,
  Normal,
  type Reconstruction,
} from "./distributions.ts";
import { meanDiscrepancy } from "./mean_discrepancy.ts";
import { type DiagonalNormal, normalDivergence } from "./normal_divergence.ts";
import { absoluteError, squaredError } from "./pointwise.ts";

/** Options of {@link BetaVAELoss}. */
export interface BetaVAELossOptions {
  /** Weight of the divergence, at least 0. Default 4, as in the Python class; the estimator's own default is 1. */
  readonly beta?: number;
  /** What a plain tensor from the decoder is the mean (or probability) of. Default `"normal"`. */
  readonly defaultDist?: DistributionName;
  /** Nats that each latent may cost for nothing. Default 0. */
  readonly freeBits?: number;
  /** Nats that the divergence is drawn to: beta·|KL − capacity| takes the place of beta·KL. Default: none. */
  readonly capacity?: number;
  /**
   * `"sum"` (default): over the values of a sample. `"mean"`: both terms are divided by the values of a sample, so that the loss does
   * not grow with the image and beta means the same.
   */
  readonly reduction?: "sum" | "mean";
  /** What keeps the latents near the prior: `"kl"` (default) or `"mmd"`, the mean discrepancy of the draws. */
  readonly divergence?: "kl" | "mmd";
  /**
   * Whether the scale of a Normal or Laplace that the decoder returns counts: the proper negative log-likelihood, constants
   * included. Default false, as in the Python class.
   */
  readonly useScale?: boolean;
}

/** The options as a table. */
export const BETA_VAE_LOSS_FIELDS = {
  beta: number({ least: 0 }),
  defaultDist: choice(DISTRIBUTION_NAMES),
  freeBits: number({ least: 0 }),
  capacity: number({ least: 0 }),
  reduction: choice(["sum", "mean"]),
  divergence: choice(["kl", "mmd"]),
  useScale: flag(),
} as const;

const OPTIONS = record<BetaVAELossOptions>(BETA_VAE_LOSS_FIELDS);

/** The terms of the loss, each `[]`; Python's names. */
export type VaeLossTerms = {
  /** Reconstruction. */
  readonly rec_loss: tf.Tensor;
  /** Divergence from the prior, unweighted. */
  readonly kl_loss: tf.Tensor;
  /** rec_loss + beta·kl_loss. */
  readonly loss: tf.Tensor;
};

/** What the divergence of a batch may need beside the posterior. */
export interface LatentDraws {
  /** Draws of the posterior, `[B, …]`; needed by `"mmd"`. */
  readonly z?: tf.Tensor;
  /** Draws of the prior, as z; needed by `"mmd"`. */
  readonly prior?: tf.Tensor;
  /** Factor on beta in this step. Default 1. */
  readonly klWeight?: number;
}

/** rec_loss + beta·kl_loss: see {@link BetaVAELoss.compute}. */
export class BetaVAELoss {
  /** Options with their defaults filled in; capacity null for none. */
  readonly options: Required<Omit<BetaVAELossOptions, "capacity">> & {
    readonly capacity: number | null;
  };

  /**
   * Makes a loss.
   *
   * @param options See {@link BetaVAELossOptions}.
   * @throws {ConfigError} when an option cannot be.
   */
  constructor(options: BetaVAELossOptions = {}) {
    checkOptions(options, OPTIONS, { doing: "Cannot make the loss" });
    this.options = {
      beta: 4,
      defaultDist: "normal",
      freeBits: 0,
      reduction: "sum",
      divergence: "kl",
      useScale: false,
      ...options,
      capacity: options.capacity ?? null,
    };
  }

  /** Weight of the divergence. */
  get beta(): number {
    return this.options.beta;
  }

  /** What a plain tensor is taken for. */
  get defaultDist(): DistributionName {
    return this.options.defaultDist;
  }

  /**
   * All terms of a batch.
   *
   * @param x What was to be reconstructed, `[B, …]`; a constant.
   * @param p The decoder's answer, of x's shape: a tensor, {@link Normal}, {@link Laplace} or {@link Bernoulli}.
   * @param q The posterior `{ mean, logVar }` `[B, …latent]`, or a {@link Normal}.
   * @param draws See {@link LatentDraws}.
   * @throws {ShapeError} when p is of another shape, or the batch is empty.
   */
  compute(
    x: tf.Tensor,
    p: Reconstruction,
    q: DiagonalNormal | Normal,
    draws: LatentDraws = {},
  ): VaeLossTerms {
    const { beta, capacity, reduction } = this.options;
    const values = reduction === "mean" ? x.size / x.shape[0] : 1;
    const rec_loss = this.reconstructionLoss(x, p);
    const kl_loss = this.#divergenceOf(q, draws);
    const pulled = capacity === null
      ? kl_loss
      : absoluteError(kl_loss, toScalar(capacity), { reduction: "sum" });
    const weight = beta * (draws.klWeight ?? 1) / values;
    return { loss: tf.add(rec_loss, tf.mul(pulled, toScalar(weight))), rec_loss, kl_loss };
  }

  /**
   * The first term: Σ (x̂ − x)²/B, Σ |x̂ − x|/B or the Bernoulli likelihood/B, sums over all values.
   *
   * @param x `[B, …]`.
   * @param p As in {@link compute}.
   * @throws {ShapeError} when p is of another shape, or the batch is empty.
   * @throws {TypeError} when p is anything else.
   */
  reconstructionLoss(x: tf.Tensor, p: Reconstruction): tf.Tensor {
    requireSamples(x);
    const total = this.#errorOf(x, this.#asDistribution(p));
    const { reduction } = this.options;
    return tf.mul(total, toScalar(1 / (reduction === "mean" ? x.size : x.shape[0])));
  }

  /**
   * The second: Σ over latents of the mean over the batch of ½(e^logVar + mean² − 1 − logVar), finite for every log-variance
   * that e^logVar is.
   *
   * @param q As in {@link compute}.
   * @throws {ShapeError} when the batch is empty.
   */
  klDivergence(q: DiagonalNormal | Normal): tf.Tensor {
    const mean = q instanceof Normal ? q.loc : q.mean;
    requireSamples(mean);
    const shape: [number, number] = [mean.shape[0], mean.size / mean.shape[0]];
    return normalDivergence({
      mean: tf.reshape(mean, shape),
      logVar: tf.reshape(q.logVar, shape),
    }, { freeBits: this.options.freeBits });
  }

  #divergenceOf(q: DiagonalNormal | Normal, { z, prior }: LatentDraws): tf.Tensor {
    if (this.options.divergence === "kl") return this.klDivergence(q);
    if (!z || !prior) {
      throw new ConfigError(
        "divergence",
        'Cannot compute the loss: divergence "mmd" needs draws of the posterior and of the prior; give both',
      );
    }
    const flat = (draws: tf.Tensor) => tf.reshape(draws, [draws.shape[0], -1]);
    return meanDiscrepancy(flat(z), flat(prior));
  }

  #asDistribution(p: Reconstruction): Normal | Laplace | Bernoulli {
    if (p instanceof Normal || p instanceof Laplace || p instanceof Bernoulli) return p;
    if (!(p instanceof tf.Tensor)) {
      throw new TypeError(
        `Cannot compute the loss: the decoder gave ${typeof p}, needs a tensor, a Normal, a Laplace or a Bernoulli`,
      );
    }
    if (this.defaultDist === "bernoulli") return new Bernoulli({ probs: p });
    return this.defaultDist === "laplace" ? new Laplace(p) : new Normal(p);
  }

  #errorOf(x: tf.Tensor, p: Normal | Laplace | Bernoulli): tf.Tensor {
    const found = p instanceof Bernoulli ? p.probs : p.loc;
    requireSameShape(x, found);
    if (p instanceof Bernoulli) return bernoulliLikelihood(p.probs, x);
    if (this.options.useScale) return likelihood(x, p);
    const error = p instanceof Laplace ? absoluteError : squaredError;
    return error(p.loc, x, { reduction: "sum" });
  }
}

/** Σ of the negative log-likelihood, scale and constants included. */
function likelihood(x: tf.Tensor, { name, loc, scale }: Normal | Laplace): tf.Tensor {
  const spread = typeof scale === "number" ? toScalar(scale) : scale;
  const ones = tf.onesLike(x);
  const inUnits = tf.div(tf.sub(loc, x), spread);
  const logScale = tf.sum(tf.mul(ones, tf.log(spread)));
  const zeros = tf.zerosLike(x);
  if (name === "laplace") {
    const error = absoluteError(inUnits, zeros, { reduction: "sum" });
    return tf.add(tf.add(error, logScale), toScalar(x.size * Math.LN2));
  }
  const half = tf.mul(squaredError(inUnits, zeros, { reduction: "sum" }), toScalar(0.5));
  return tf.add(tf.add(half, logScale), toScalar(x.size * 0.5 * Math.log(2 * Math.PI)));
}

function requireSamples({ shape }: tf.Tensor): void {
  if (shape.length > 0 && shape[0] > 0) return;
  throw new ShapeError(
    `Cannot compute the loss: the batch has shape [${shape}], needs at least one sample along its first axis`,
    shape,
    "[B, …], B at least 1",
  );
}

function requireSameShape(x: tf.Tensor, found: tf.Tensor): void {
  if (found.shape.join() === x.shape.join()) return;
  throw new ShapeError(
    `Cannot compute the loss: the decoder gave shape [${found.shape}], needs the input's [${x.shape}]; ` +
      "change the decoder's last layer",
    found.shape,
    `[${x.shape}]`,
  );
}
