/**
 * An autoencoder whose codes a critic compares with a prior: the original's procedure of three phases, and a corrected one in
 * which reconstruction and critic are weighed in one update [streamlines §4.4, §7.3].
 */
import type { NdArray } from "../../base/arrays.ts";
import { RandomStream } from "../../base/random.ts";
import { toScalar, toTensor } from "../../backends/tensors.ts";
import { tf } from "../../deps/tfjs.ts";
import {
  type AdversarialObjective,
  criticLoss,
  generatorLoss,
  gradientPenalty,
} from "../../losses/adversarial.ts";
import { squaredError } from "../../losses/pointwise.ts";
import { dropout } from "../../ops/dropout.ts";
import { concatenate } from "../../ops/parts.ts";
import type { LossTerms } from "../../training/tape_gradients.ts";
import type {
  PhasedTrainable,
  StepOutcome,
  TrainingPhase,
  UpdatePosition,
} from "../../training/trainable.ts";
import {
  channelsOf,
  completeConfig,
  type StreamlineConfig,
  type StreamlineKind,
} from "./config.ts";
import { convolutionalCritic, type Critic, type CriticKind, denseCritic } from "./critic.ts";
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
import { gaussianMixturePrior, type PriorKind, swissRollPrior } from "./prior.ts";
import {
  type PrincipalAxes,
  principalStart,
  shortcutCode,
  shortcutEntries,
  shortcutPoints,
} from "./shortcut.ts";
import { conditionTensor } from "./variational.ts";

/** Options of {@link AdversarialAutoencoder}. */
export interface AdversarialOptions {
  /** Of starting values, noise and priors; default 0. */
  readonly seed?: number;
  /** Default `"joint"`; `"original"`: reconstruction, discriminator, encoder against it. */
  readonly procedure?: "joint" | "original";
  /** Default `"dense"`; `"convolutional"`: the original's. */
  readonly critic?: CriticKind;
  /** Default `"wasserstein"`. */
  readonly objective?: AdversarialObjective;
  /** Factor on the gradient penalty; default 10, with `"wasserstein"` only. */
  readonly penalty?: number;
  /** Updates of the critic a batch; default 3. */
  readonly criticSteps?: number;
  /** Factor on the rate of the critic; default 1. */
  readonly criticRate?: number;
  /** Factor on the adversarial term beside the squared error in units of its variance; default 0.05. */
  readonly weight?: number;
  /** Deviation of noise that is added to codes; default 0.15. */
  readonly latentNoise?: number;
  /** Default `"normal"`. */
  readonly prior?: PriorKind;
  /** Of the original's discriminator; default 0.3, 0 for the dense critic. */
  readonly dropout?: number;
  /** Whether the decoder is told the bundle; default true. */
  readonly conditionalDecoder?: boolean;
  /** Adds a linear way past the network. Default false. */
  readonly shortcut?: boolean;
}

/** An adversarial autoencoder. */
export class AdversarialAutoencoder extends StreamlineModel
  implements PhasedTrainable<StreamlineBatch> {
  /** Which of the five kinds. */
  readonly kind: StreamlineKind = "adversarial";
  readonly #options: AdversarialOptions;
  readonly #critic: Critic;

  /**
   * Makes a model with starting values.
   *
   * @param config With the names of bundles, at least one.
   * @param options See {@link AdversarialOptions}.
   * @throws {ConfigError} naming the field that cannot be used.
   */
  constructor(config: StreamlineConfig, options: AdversarialOptions = {}) {
    const complete = completeConfig({ ...config, attributes: 0 });
    const width = complete.latentDim + complete.classes.length;
    const critic = options.critic === "convolutional"
      ? convolutionalCritic(width)
      : denseCritic(width);
    const told = options.conditionalDecoder ?? true;
    super(complete, [
      ...trunkEntries(complete),
      ...headEntries("encoder.fc1", complete),
      ...decoderEntries(complete, told ? width : complete.latentDim),
      ...(options.shortcut ? shortcutEntries(complete) : []),
      ...critic.entries,
    ], options.seed ?? 0);
    this.#options = options;
    this.#critic = critic;
  }

  /** Codes `[B, latentDim]` of streamlines in the unit of the model, `[B, P, 3]`. */
  encodeUnits(x: tf.Tensor): tf.Tensor {
    return this.code(x, this.use());
  }

  /** Streamlines `[B, P, 3]` in the unit of the model, of codes `[B, latentDim]`. */
  decodeUnits(z: tf.Tensor, beside: Conditions = {}): tf.Tensor {
    return this.points(z, beside, this.use());
  }

  /** z of x in the network's units. */
  code(x: tf.Tensor, use: NetworkUse): tf.Tensor {
    const z = runHead(runTrunk(x, this.config, use), "encoder.fc1", use);
    return this.#options.shortcut ? tf.add(z, shortcutCode(x, use)) : z;
  }

  /** y in the network's units. */
  points(z: tf.Tensor, beside: Conditions, use: NetworkUse): tf.Tensor {
    const told = this.#options.conditionalDecoder ?? true;
    const y = runDecoder(told ? this.#withClass(z, beside) : z, this.config, use);
    return this.#options.shortcut ? tf.add(y, shortcutPoints(z, use)) : y;
  }

  /**
   * Starts the shortcut from principal axes.
   *
   * @param principal Axes in the network's units, with the deviations of the scores as divisors.
   */
  async startFromAxes(principal: PrincipalAxes): Promise<void> {
    const last = `decoder.conv${channelsOf(this.config).length}`;
    this.loadStateDict(principalStart(await this.stateDict(), principal, ["encoder.fc1", last]));
  }

  #withClass(z: tf.Tensor, { labels }: Conditions): tf.Tensor {
    const classes = conditionTensor({ labels }, this.config, z.shape[0]);
    return classes ? concatenate([z, classes], 1) : z;
  }

  /** Scores of codes and their classes, `[B, 1]`. */
  score(
    z: tf.Tensor,
    beside: Conditions,
    use: NetworkUse & { drop?(h: tf.Tensor, layer: number): tf.Tensor },
  ): tf.Tensor {
    return this.#critic.score(this.#withClass(z, beside), use);
  }

  /** ∂score/∂v of codes with their classes beside them, v `[B, D + C]`. */
  criticGradient(v: tf.Tensor, use: NetworkUse): tf.Tensor {
    return this.#critic.inputGradient(v, use);
  }

  get phases(): readonly TrainingPhase<StreamlineBatch>[] {
    const { procedure = "joint", criticSteps = 3, criticRate } = this.#options;
    const autoencoder = this.variablesOf("encoder.", "decoder.", "shortcut.");
    const critic = this.variablesOf("disc.");
    const phase = (
      name: string,
      variables: TrainingPhase<StreamlineBatch>["variables"],
      terms: (batch: StreamlineBatch, position: UpdatePosition, use: NetworkUse) => LossTerms,
    ): TrainingPhase<StreamlineBatch> => ({
      name,
      variables,
      computeGradients: (batch, position) =>
        this.gradientsOf((use) => terms(batch, position, use), variables),
    });
    if (procedure === "original") {
      return [
        phase("reconstruction", autoencoder, (batch, _, use) => this.#reconstruction(batch, use)),
        {
          ...phase("discriminator", critic, (...call) => this.#criticTerms(...call)),
          rateFactor: criticRate ?? 0.2,
        },
        phase(
          "generator",
          this.variablesOf("encoder.", "shortcut.encoder."),
          (...call) => this.#generatorTerms(...call),
        ),
      ];
    }
    return [
      {
        ...phase("critic", critic, (...call) => this.#criticTerms(...call)),
        repeats: criticSteps,
        rateFactor: criticRate,
      },
      phase("autoencoder", autoencoder, (...call) => this.#jointTerms(...call)),
    ];
  }

  /** The gradients of the phase that learns to reconstruct; training goes through {@link phases}. */
  computeGradients(batch: StreamlineBatch, position: UpdatePosition): Promise<StepOutcome> {
    const [first, second] = this.phases;
    const phase = this.#options.procedure === "original" ? first : second;
    return phase.computeGradients(batch, position);
  }

  #unitsOf({ x }: StreamlineBatch): tf.Tensor {
    return this.toUnits(toTensor(x.data, x.shape));
  }

  #reconstruction(batch: StreamlineBatch, use: NetworkUse): LossTerms {
    const x = this.#unitsOf(batch);
    return { loss: squaredError(this.points(this.code(x, use), batch, use), x) };
  }

  #noisy(z: tf.Tensor, batch: StreamlineBatch, position: UpdatePosition): tf.Tensor {
    const { latentNoise = 0.15, procedure } = this.#options;
    if (latentNoise === 0 || procedure === "original") return z;
    const { data, shape } = this.noise(batch, position, {
      width: this.config.latentDim,
      purpose: `latent noise ${position.repeat ?? "joint"}`,
    });
    return tf.add(z, tf.mul(toTensor(data, shape), toScalar(latentNoise)));
  }

  #criticTerms(batch: StreamlineBatch, position: UpdatePosition, use: NetworkUse): LossTerms {
    const { objective = this.#defaultObjective, penalty = 10 } = this.#options;
    const drawn = this.#drawPrior(batch, position);
    const real = toTensor(drawn.z.data, drawn.z.shape);
    const fake = this.#noisy(this.code(this.#unitsOf(batch), use), batch, position);
    const scores = {
      real: this.score(real, drawn, { ...use, drop: this.#dropping(position, "real") }),
      fake: this.score(fake, batch, { ...use, drop: this.#dropping(position, "fake") }),
    };
    const judged = criticLoss(scores, objective);
    if (objective !== "wasserstein" || penalty === 0) return { loss: judged };
    const between = this.#interpolates(
      this.#withClass(real, drawn),
      this.#withClass(fake, batch),
      position,
    );
    const steep = gradientPenalty(this.criticGradient(between, use));
    return {
      loss: tf.add(judged, tf.mul(steep, toScalar(penalty))),
      critic: judged,
      penalty: steep,
    };
  }

  get #defaultObjective(): AdversarialObjective {
    return this.#options.procedure === "original" ? "cross-entropy" : "wasserstein";
  }

  #interpolates(real: tf.Tensor, fake: tf.Tensor, position: UpdatePosition): tf.Tensor {
    const shares = this.#stream(position, "interpolates").uniforms(real.shape[0]);
    const share = toTensor(shares, [real.shape[0], 1]);
    return tf.add(fake, tf.mul(share, tf.sub(real, fake)));
  }

  #generatorTerms(batch: StreamlineBatch, position: UpdatePosition, use: NetworkUse): LossTerms {
    const z = this.code(this.#unitsOf(batch), use);
    const scores = this.score(z, batch, { ...use, drop: this.#dropping(position, "generator") });
    return { loss: generatorLoss(scores, this.#options.objective ?? this.#defaultObjective) };
  }

  #jointTerms(batch: StreamlineBatch, position: UpdatePosition, use: NetworkUse): LossTerms {
    const { objective = this.#defaultObjective, weight = 0.05 } = this.#options;
    const x = this.#unitsOf(batch);
    const z = this.#noisy(this.code(x, use), batch, position);
    const reconstruction = squaredError(this.points(z, batch, use), x);
    const generator = generatorLoss(
      this.score(z, batch, { ...use, drop: this.#dropping(position, "generator") }),
      objective,
    );
    const loss = tf.add(reconstruction, tf.mul(generator, toScalar(weight)));
    return { loss, reconstruction, generator };
  }

  #stream({ epoch, batch, repeat = 0 }: UpdatePosition, purpose: string): RandomStream {
    return RandomStream.fromSeed(this.seed).split(purpose).split(epoch).split(batch).split(repeat);
  }

  #dropping(position: UpdatePosition, pass: string) {
    const { critic, dropout: given } = this.#options;
    const rate = given ?? (critic === "convolutional" ? 0.3 : 0);
    if (rate === 0) return undefined;
    const stream = this.#stream(position, `dropout ${pass}`);
    return (h: tf.Tensor, layer: number) => dropout(h, { rate, stream: stream.split(layer) });
  }

  /** Draws from the prior: of the batch's classes, or in the original's way of any. */
  #drawPrior(batch: StreamlineBatch, position: UpdatePosition): Conditions & { z: NdArray } {
    const { latentDim, classes } = this.config;
    const { prior = "normal", procedure } = this.#options;
    const rows = batch.rows.length;
    const random = this.#stream(position, "prior");
    const labels = procedure === "original"
      ? Int32Array.from({ length: rows }, () => random.integer(classes.length))
      : batch.labels ?? new Int32Array(rows);
    const normals = { data: random.normals(rows * latentDim), shape: [rows, latentDim] };
    if (prior === "normal") return { labels, z: normals };
    const mixture = gaussianMixturePrior(normals, labels, { classes: classes.length });
    if (prior === "gaussian-mixture") return { labels, z: mixture };
    // The spiral lies in the first two values, the others are those of the mixture.
    const spiral = swissRollPrior(random.uniforms(rows), labels, classes.length);
    for (let i = 0; i < rows; i++) {
      mixture.data.set(spiral.data.subarray(2 * i, 2 * i + 2), i * latentDim);
    }
    return { labels, z: mixture };
  }
}
