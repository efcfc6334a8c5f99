/**
 * A variational autoencoder whose decoder is told bundle and length, and is held to the length it was told
 * [streamlines §4.5].
 */
import type { StepPosition } from "../../base/batches.ts";
import { RandomStream } from "../../base/random.ts";
import { toScalar, toTensor } from "../../backends/tensors.ts";
import { tf } from "../../deps/tfjs.ts";
import { squaredError } from "../../losses/pointwise.ts";
import { concatenate, slice } from "../../ops/parts.ts";
import type { StepOutcome } from "../../training/trainable.ts";
import type { StreamlineConfig, StreamlineKind } from "./config.ts";
import type { Conditions, StreamlineBatch } from "./model.ts";
import { StreamlineVae, type VaeOptions } from "./variational.ts";

/** Options of {@link ConditionalStreamlineVae}. */
export interface ConditionalOptions extends VaeOptions {
  /** mm: mean and deviation by which the first attribute, the length, is z-scored. */
  readonly length: { readonly mean: number; readonly deviation: number };
  /** Factor on the consistency term; default 300. */
  readonly consistency?: number;
  /** Deviations by which the length asked for differs from one of the bundle; default 0.3. */
  readonly jitter?: number;
}

/** A conditional variational autoencoder. */
export class ConditionalStreamlineVae extends StreamlineVae {
  /** Which of the five kinds. */
  override readonly kind: StreamlineKind = "conditional";
  readonly #options: ConditionalOptions;

  /**
   * Makes a model with starting values.
   *
   * @param config With the names of bundles; its attributes are the length alone.
   * @param options See {@link ConditionalOptions}.
   * @throws {ConfigError} naming the field that cannot be used.
   */
  constructor(config: StreamlineConfig, options: ConditionalOptions) {
    super({ ...config, attributes: 1 }, options);
    this.#options = options;
  }

  /** Loss and gradients of a batch; noise is drawn from the seed and the position. */
  override computeGradients(
    batch: StreamlineBatch,
    position: StepPosition,
  ): Promise<StepOutcome> {
    const { latentDim } = this.config;
    const drawn = this.noise(batch, position, { width: latentDim, purpose: "noise" });
    const prior = this.noise(batch, position, { width: latentDim, purpose: "prior" });
    const asked = this.#askedOf(batch, position);
    return this.gradientsOf((use) => {
      const x = this.toUnits(toTensor(batch.x.data, batch.x.shape));
      const posterior = this.posterior(x, toTensor(drawn.data, drawn.shape), use);
      const own = this.terms(x, {
        noise: toTensor(drawn.data, drawn.shape),
        beside: batch,
        beta: this.beta(position.epoch),
        posterior,
      }, use);
      // Half of the codes are the batch's own, half of the prior: with those of the prior alone, lengths near the data are biased.
      const rows = batch.rows.length;
      const half = Math.ceil(rows / 2);
      const codes = concatenate([
        slice(posterior.z, { length: half }),
        slice(toTensor(prior.data, prior.shape), { begin: half }),
      ], 0);
      const y = this.points(codes, asked, use);
      const wanted = toTensor(asked.attributes!.data, [rows]);
      const consistency = squaredError(this.#measured(y), wanted);
      const weight = this.#options.consistency ?? 300;
      const loss = tf.add(own.loss, tf.mul(consistency, toScalar(weight)));
      return { ...own, loss, consistency };
    });
  }

  /** Lengths of streamlines in the network's units, z-scored, `[B]`. */
  #measured(y: tf.Tensor): tf.Tensor {
    const { mean, deviation } = this.#options.length;
    const length = tf.mul(arcLengths(y), toScalar(this.config.scale));
    return tf.mul(tf.sub(length, toScalar(mean)), toScalar(1 / deviation));
  }

  /** Bundles of the batch, and for each the length of another of its streamlines, give or take some. */
  #askedOf({ rows, labels, attributes }: StreamlineBatch, { epoch }: StepPosition): Conditions {
    const random = RandomStream.fromSeed(this.seed).split("asked").split(epoch).split(rows[0] ?? 0);
    const members = new Map<number, number[]>();
    rows.forEach((_, i) => {
      const label = labels?.[i] ?? 0;
      members.set(label, [...(members.get(label) ?? []), i]);
    });
    const jitter = this.#options.jitter ?? 0.3;
    const data = Float32Array.from(rows, (_, i) => {
      const own = members.get(labels?.[i] ?? 0)!;
      const other = own[random.integer(own.length)];
      return (attributes?.data[other] ?? 0) + jitter * random.normal();
    });
    return { labels, attributes: { data, shape: [rows.length, 1] } };
  }
}

/**
 * Arc lengths. Differentiable.
 *
 * @param y `[B, P, 3]`.
 * @returns `[B]`, in y's unit.
 */
export function arcLengths(y: tf.Tensor): tf.Tensor {
  const last = y.shape[1]! - 1;
  const steps = tf.sub(
    slice(y, { axis: 1, begin: 1, length: last }),
    slice(y, { axis: 1, begin: 0, length: last }),
  );
  // The root has no derivative where two points coincide.
  const squares = tf.add(tf.sum(tf.square(steps), 2), toScalar(1e-12));
  return tf.sum(tf.sqrt(squares), 1);
}
