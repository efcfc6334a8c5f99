/** Distributions that a decoder may return instead of plain values, with the names PyTorch has for them. */
import { toScalar } from "../backends/tensors.ts";
import { tf } from "../deps/tfjs.ts";
import { sigmoid } from "../ops/activations.ts";

/** Names of the distributions of a reconstruction. */
export type DistributionName = "normal" | "laplace" | "bernoulli";

/** Those names. */
export const DISTRIBUTION_NAMES: readonly DistributionName[] = ["normal", "laplace", "bernoulli"];

/** A normal distribution per value. */
export class Normal {
  /** Which it is. */
  readonly name = "normal";
  /**
   * Makes one.
   *
   * @param loc Mean, any shape.
   * @param scale Standard deviation, a number or a tensor of that shape.
   */
  constructor(readonly loc: tf.Tensor, readonly scale: tf.Tensor | number = 1) {}

  /** log scale², of the shape of `loc`. */
  get logVar(): tf.Tensor {
    if (typeof this.scale !== "number") return tf.mul(tf.log(this.scale), toScalar(2));
    return tf.mul(tf.onesLike(this.loc), toScalar(2 * Math.log(this.scale)));
  }
}

/** A Laplace distribution per value. */
export class Laplace {
  /** Which it is. */
  readonly name = "laplace";
  /**
   * Makes one.
   *
   * @param loc Median, any shape.
   * @param scale A number or a tensor of that shape.
   */
  constructor(readonly loc: tf.Tensor, readonly scale: tf.Tensor | number = 1) {}
}

/** A Bernoulli distribution per value. */
export class Bernoulli {
  /** Which it is. */
  readonly name = "bernoulli";
  /** Probability of 1, any shape. */
  readonly probs: tf.Tensor;
  /**
   * Makes one; logits become probabilities first, so that both give the same loss.
   *
   * @param from `probs` in 0 … 1, or `logits`.
   */
  constructor(from: { readonly probs: tf.Tensor } | { readonly logits: tf.Tensor }) {
    this.probs = "probs" in from ? from.probs : sigmoid(from.logits);
  }
}

/** What a decoder may return. */
export type Reconstruction = tf.Tensor | Normal | Laplace | Bernoulli;
