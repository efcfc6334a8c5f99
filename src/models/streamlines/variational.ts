/** The variational autoencoder [streamlines §4.2]. */
import type { NdArray } from "../../base/arrays.ts";
import type { StepPosition } from "../../base/batches.ts";
import { toHost, toScalar, toTensor } from "../../backends/tensors.ts";
import { tf } from "../../deps/tfjs.ts";
import { squaredError } from "../../losses/pointwise.ts";
import { concatenate } from "../../ops/parts.ts";
import type { ParameterEntry } from "../../parameters/entry.ts";
import type { LossTerms } from "../../training/tape_gradients.ts";
import type { StepOutcome } from "../../training/trainable.ts";
import {
  channelsOf,
  type CompleteConfig,
  completeConfig,
  type StreamlineConfig,
  type StreamlineKind,
} from "./config.ts";
import { type Conditions, type StreamlineBatch, StreamlineModel } from "./model.ts";
import {
  decoderEntries,
  headEntries,
  type NetworkUse,
  runDecoder,
  runHead,
  runTrunk,
  trunkEntries,
} from "./network.ts";
import { safeExp } from "./safe_exponential.ts";
import {
  type PrincipalAxes,
  principalStart,
  shortcutCode,
  shortcutEntries,
  shortcutPoints,
} from "./shortcut.ts";

/** Options of {@link StreamlineVae}. */
export interface VaeOptions {
  /** Of starting values and noise; default 0. */
  readonly seed?: number;
  /** Factor on the divergence; default 1. */
  readonly beta?: number;
  /** Epochs over which the factor rises from 0; default 0. */
  readonly klRamp?: number;
  /**
   * mm, deviation of the Gaussian likelihood: the error is then summed over coordinates and divided by 2σ². Default none:
   * the mean squared error, the original's.
   */
  readonly sigma?: number;
  /** Adds a linear way past the network. Default false. */
  readonly shortcut?: boolean;
}

/** A posterior and a draw from it. */
export interface Posterior {
  /** `[B, D]`. */
  readonly mean: tf.Tensor;
  /** `[B, D]`. */
  readonly logVar: tf.Tensor;
  /** `[B, D]`. */
  readonly z: tf.Tensor;
}

/** A variational autoencoder of streamlines. */
export class StreamlineVae extends StreamlineModel {
  /** Which of the five kinds. */
  readonly kind: StreamlineKind = "vae";
  /** As given. */
  protected readonly options: VaeOptions;

  /**
   * Makes a model with starting values.
   *
   * @param config See {@link StreamlineConfig}.
   * @param options See {@link VaeOptions}.
   * @param further Entries of a model that has more.
   * @throws {ConfigError} naming the field that cannot be used.
   */
  constructor(
    config: StreamlineConfig = {},
    options: VaeOptions = {},
    further: (complete: CompleteConfig) => ParameterEntry[] = () => [],
  ) {
    const complete = completeConfig(config);
    const beside = complete.classes.length + complete.attributes;
    const entries = [
      ...trunkEntries(complete),
      ...headEntries("encoder.z_mean", complete),
      ...headEntries("encoder.z_log_var", complete),
      ...further(complete),
      ...decoderEntries(complete, complete.latentDim + beside),
      ...(options.shortcut ? shortcutEntries(complete) : []),
    ];
    super(complete, entries, options.seed ?? 0);
    this.options = options;
  }

  /** Codes `[B, latentDim]` (posterior means) of streamlines in the unit of the model, `[B, P, 3]`. */
  encodeUnits(x: tf.Tensor): tf.Tensor {
    const use = this.use();
    return this.posteriorMean(x, runTrunk(x, this.config, use), use);
  }

  /** Streamlines `[B, P, 3]` in the unit of the model, of codes `[B, latentDim]`. */
  decodeUnits(z: tf.Tensor, beside: Conditions = {}): tf.Tensor {
    return this.points(z, beside, this.use());
  }

  /** The mean of the posterior, from x and what the trunk makes of it. */
  protected posteriorMean(x: tf.Tensor, h: tf.Tensor, use: NetworkUse): tf.Tensor {
    const mean = runHead(h, "encoder.z_mean", use);
    return this.options.shortcut ? tf.add(mean, shortcutCode(x, use)) : mean;
  }

  /** The posterior of x in the network's units, and a draw by the given noise `[B, D]`. */
  posterior(
    x: tf.Tensor,
    noise: tf.Tensor,
    use: NetworkUse,
  ): Posterior & { readonly h: tf.Tensor } {
    const h = runTrunk(x, this.config, use);
    const mean = this.posteriorMean(x, h, use);
    const logVar = runHead(h, "encoder.z_log_var", use);
    const z = tf.add(mean, tf.mul(safeExp(tf.mul(logVar, toScalar(0.5))), noise));
    return { h, mean, logVar, z };
  }

  /** y in the network's units of codes and what stands beside them. */
  points(z: tf.Tensor, beside: Conditions, use: NetworkUse): tf.Tensor {
    const told = conditionTensor(beside, this.config, z.shape[0]);
    const y = runDecoder(told ? concatenate([z, told], 1) : z, this.config, use);
    return this.options.shortcut ? tf.add(y, shortcutPoints(z, use)) : y;
  }

  /** The reconstruction term. */
  protected reconstruction(y: tf.Tensor, x: tf.Tensor): tf.Tensor {
    const { sigma } = this.options;
    const error = squaredError(y, x);
    if (sigma === undefined) return error;
    const { points, scale } = this.config;
    return tf.mul(error, toScalar((3 * points * scale ** 2) / (2 * sigma ** 2)));
  }

  /** The factor on the divergence in an epoch. */
  protected beta(epoch: number): number {
    const { beta = 1, klRamp = 0 } = this.options;
    return klRamp > 0 ? beta * Math.min(1, epoch / klRamp) : beta;
  }

  /** The loss terms of a batch in the network's units. */
  terms(
    x: tf.Tensor,
    { noise, beside = {}, beta = this.options.beta ?? 1, posterior: given }: {
      readonly noise: tf.Tensor;
      readonly beside?: Conditions;
      readonly beta?: number;
      /** Where it is there already. */
      readonly posterior?: Posterior;
    },
    use: NetworkUse,
  ): LossTerms {
    const posterior = given ?? this.posterior(x, noise, use);
    const y = this.points(posterior.z, beside, use);
    const reconstruction = this.reconstruction(y, x);
    const divergence = divergenceFromStandard(posterior);
    const loss = tf.add(reconstruction, tf.mul(divergence, toScalar(beta)));
    return { loss, reconstruction, divergence };
  }

  /** Loss and gradients of a batch; noise is drawn from the seed and the position. */
  computeGradients(batch: StreamlineBatch, position: StepPosition): Promise<StepOutcome> {
    const drawn = this.noise(batch, position, { width: this.config.latentDim, purpose: "noise" });
    return this.gradientsOf((use) => {
      const x = this.toUnits(toTensor(batch.x.data, batch.x.shape));
      const noise = toTensor(drawn.data, drawn.shape);
      return this.terms(x, { noise, beside: batch, beta: this.beta(position.epoch) }, use);
    });
  }

  /**
   * Means and variances of the posterior of streamlines.
   *
   * @param streamlines `[N, P, 3]` in mm.
   * @returns `[N, D]` each, and the mean divergence from N(0, I) in nats.
   */
  async posteriorOf(
    streamlines: NdArray,
  ): Promise<{ mean: NdArray; variance: NdArray; divergence: number }> {
    const [count] = streamlines.shape;
    const width = this.config.latentDim;
    const [mean, variance] = [new Float32Array(count * width), new Float32Array(count * width)];
    let divergence = 0;
    for (let first = 0; first < count; first += 128) {
      const rows = Math.min(128, count - first);
      const size = 3 * this.config.points;
      const both = tf.tidy(() => {
        const part = streamlines.data.subarray(first * size, (first + rows) * size);
        const x = this.toUnits(toTensor(part, [rows, this.config.points, 3]));
        const found = this.posterior(x, tf.zeros([rows, width]), this.use());
        return tf.concat([found.mean, found.logVar], 1);
      });
      const values = await toHost(both);
      both.dispose();
      for (let i = 0; i < rows; i++) {
        for (let d = 0; d < width; d++) {
          const m = values[i * 2 * width + d];
          const v = Math.exp(values[i * 2 * width + width + d]);
          mean[(first + i) * width + d] = m;
          variance[(first + i) * width + d] = v;
          divergence += (v + m * m - 1 - Math.log(v)) / 2 / count;
        }
      }
    }
    const shape = [count, width];
    return { mean: { data: mean, shape }, variance: { data: variance, shape }, divergence };
  }

  /**
   * Starts the shortcut from principal axes.
   *
   * @param principal Axes in the network's units, with the deviations of the scores as divisors.
   */
  async startFromAxes(principal: PrincipalAxes): Promise<void> {
    const last = `decoder.conv${channelsOf(this.config).length}`;
    this.loadStateDict(principalStart(await this.stateDict(), principal, ["encoder.z_mean", last]));
  }
}

/** Mean over rows of Σ_d −½(1 + ℓ − μ² − e^ℓ), with the clipped exponential. */
export function divergenceFromStandard({ mean, logVar }: Omit<Posterior, "z">): tf.Tensor {
  const inner = tf.sub(
    tf.sub(tf.add(logVar, toScalar(1)), tf.square(mean)),
    safeExp(logVar),
  );
  return tf.mul(tf.sum(inner), toScalar(-0.5 / mean.shape[0]));
}

/** Bundles one-hot and attributes side by side, `[B, C + A]`; null where the model is told nothing. */
export function conditionTensor(
  { labels, attributes }: Conditions,
  { classes, attributes: width }: CompleteConfig,
  rows: number,
): tf.Tensor | null {
  const columns = classes.length + width;
  if (columns === 0) return null;
  const data = new Float32Array(rows * columns);
  for (let i = 0; i < rows; i++) {
    if (labels && classes.length > 0) data[i * columns + labels[i]] = 1;
    for (let a = 0; a < width; a++) {
      data[i * columns + classes.length + a] = attributes?.data[i * width + a] ?? 0;
    }
  }
  return toTensor(data, [rows, columns]);
}
