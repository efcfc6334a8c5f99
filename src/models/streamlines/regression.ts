/**
 * The original's conditional model: a regression of one attribute, and a prior of the code that depends on it
 * [streamlines §4.3]. Its prior is a line in the space of codes, so that what it generates is one shape in different sizes;
 * kept for parity.
 */
import type { StepPosition } from "../../base/batches.ts";
import { toScalar, toTensor } from "../../backends/tensors.ts";
import { tf } from "../../deps/tfjs.ts";
import { linear } from "../../ops/linear.ts";
import { linearEntries } from "../../parameters/layers.ts";
import type { LossTerms } from "../../training/tape_gradients.ts";
import type { StepOutcome } from "../../training/trainable.ts";
import { firstAttribute } from "./autoencoder.ts";
import type { StreamlineConfig, StreamlineKind } from "./config.ts";
import type { StreamlineBatch } from "./model.ts";
import { headEntries, type NetworkUse, runHead } from "./network.ts";
import { safeExp } from "./safe_exponential.ts";
import { type Posterior, StreamlineVae, type VaeOptions } from "./variational.ts";

/** Everything the encoder gives. */
export interface RegressionPosterior extends Posterior {
  /** Attribute: mean, log variance and draw, `[B, 1]` each. */
  readonly rMean: tf.Tensor;
  /** Log-variance of the regressed attribute, `[B, 1]`. */
  readonly rLogVar: tf.Tensor;
  /** Sampled attribute, `[B, 1]`. */
  readonly r: tf.Tensor;
  /** Prior of the code at r: `[B, D]`, and one log variance for all its values, `[B, 1]`. */
  readonly priorMean: tf.Tensor;
  /** Log-variance of the prior at that attribute, `[B, latentDim]`. */
  readonly priorLogVar: tf.Tensor;
}

/** A variational autoencoder whose prior depends on a regressed attribute. */
export class RegressionVae extends StreamlineVae {
  /** Which of the five kinds. */
  override readonly kind: StreamlineKind = "regression";

  /**
   * Makes a model with starting values.
   *
   * @param config See {@link StreamlineConfig}.
   * @param options See {@link VaeOptions}.
   * @throws {ConfigError} naming the field that cannot be used.
   */
  constructor(config: StreamlineConfig = {}, options: VaeOptions = {}) {
    super({ ...config, classes: [], attributes: 0 }, options, (complete) => [
      ...headEntries("encoder.r_mean", complete, 1),
      ...headEntries("encoder.r_log_var", complete, 1),
      ...linearEntries("generator.pz_mean", { inputs: [1], outputs: [complete.latentDim] }),
      ...linearEntries("generator.pz_log_var", { inputs: [1], outputs: [1] }),
    ]);
  }

  /** The prior of codes at attribute values `[B, 1]`. */
  priorAt(r: tf.Tensor, use: NetworkUse): { mean: tf.Tensor; logVar: tf.Tensor } {
    const through = (name: string) =>
      linear(r, use.tensor(`generator.${name}.weight`), {
        bias: use.tensor(`generator.${name}.bias`),
      });
    return { mean: through("pz_mean"), logVar: through("pz_log_var") };
  }

  /** All eight results of the encoder, by the given noise. */
  regress(
    x: tf.Tensor,
    { noise, attributeNoise }: { readonly noise: tf.Tensor; readonly attributeNoise: tf.Tensor },
    use: NetworkUse,
  ): RegressionPosterior {
    const posterior = this.posterior(x, noise, use);
    const rMean = runHead(posterior.h, "encoder.r_mean", use);
    const rLogVar = runHead(posterior.h, "encoder.r_log_var", use);
    const r = tf.add(rMean, tf.mul(safeExp(tf.mul(rLogVar, toScalar(0.5))), attributeNoise));
    const prior = this.priorAt(r, use);
    return { ...posterior, rMean, rLogVar, r, priorMean: prior.mean, priorLogVar: prior.logVar };
  }

  /** The loss terms of a batch in the network's units; `attribute` `[B]` is z-scored. */
  regressionTerms(
    x: tf.Tensor,
    given: {
      readonly noise: tf.Tensor;
      readonly attributeNoise: tf.Tensor;
      readonly attribute: tf.Tensor;
      readonly beta?: number;
    },
    use: NetworkUse,
  ): LossTerms {
    const found = this.regress(x, given, use);
    const reconstruction = this.reconstruction(this.points(found.z, {}, use), x);
    const divergence = divergenceFromPrior(found);
    const label = attributeLoss(found, tf.reshape(given.attribute, [-1, 1]));
    const { beta = this.options.beta ?? 1 } = given;
    const loss = tf.add(tf.add(reconstruction, tf.mul(divergence, toScalar(beta))), label);
    return { loss, reconstruction, divergence, label };
  }

  /** Loss and gradients of a batch; noise is drawn from the seed and the position. */
  override computeGradients(
    batch: StreamlineBatch,
    position: StepPosition,
  ): Promise<StepOutcome> {
    const { latentDim } = this.config;
    const drawn = this.noise(batch, position, { width: latentDim, purpose: "noise" });
    const own = this.noise(batch, position, { width: 1, purpose: "attribute noise" });
    return this.gradientsOf((use) =>
      this.regressionTerms(this.toUnits(toTensor(batch.x.data, batch.x.shape)), {
        noise: toTensor(drawn.data, drawn.shape),
        attributeNoise: toTensor(own.data, own.shape),
        attribute: firstAttribute(batch)!,
        beta: this.beta(position.epoch),
      }, use)
    );
  }

  /**
   * The weight constraints, to be called after each update: every weight of the prior's mean becomes ±1, that of its
   * variance 0.
   */
  constrain(): void {
    tf.tidy(() => {
      const mean = this.variables.get("generator.pz_mean.weight")!;
      mean.assign(tf.div(mean, tf.add(tf.abs(mean), toScalar(1e-7))));
      const variance = this.variables.get("generator.pz_log_var.weight")!;
      variance.assign(tf.zerosLike(variance));
    });
  }
}

/** The divergence of the posterior from the prior at r; division by the prior's variance is a product, so that none underflows. */
function divergenceFromPrior(found: RegressionPosterior): tf.Tensor {
  const { mean, logVar, priorMean, priorLogVar } = found;
  const precision = safeExp(tf.neg(priorLogVar));
  const distance = tf.mul(tf.square(tf.sub(mean, priorMean)), precision);
  const inner = tf.sub(
    tf.sub(tf.sub(tf.add(logVar, toScalar(1)), priorLogVar), distance),
    tf.mul(safeExp(logVar), precision),
  );
  return tf.mul(tf.sum(inner), toScalar(-0.5 / mean.shape[0]));
}

/** The mean of ½(r_mean − r)²/e^ℓ + ½ℓ. */
function attributeLoss({ rMean, rLogVar }: RegressionPosterior, known: tf.Tensor): tf.Tensor {
  const misfit = tf.mul(tf.square(tf.sub(rMean, known)), safeExp(tf.neg(rLogVar)));
  return tf.mul(tf.mean(tf.add(misfit, rLogVar)), toScalar(0.5));
}
