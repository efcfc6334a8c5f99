/** The variational autoencoder as an estimator [vae §3]. */
import type { FloatArray, NdArray } from "../../base/arrays.ts";
import { ConfigError, ShapeError } from "../../base/errors.ts";
import { givenFields } from "../../base/given_fields.ts";
import { RandomStream } from "../../base/random.ts";
import { toHost, toScalar, toTensor } from "../../backends/tensors.ts";
import { tf } from "../../deps/tfjs.ts";
import { BetaVAELoss, type VaeLossTerms } from "../../losses/beta_vae_loss.ts";
import { type DistributionName, Normal, type Reconstruction } from "../../losses/distributions.ts";
import type { DiagonalNormal } from "../../losses/normal_divergence.ts";
import type { Network } from "../../networks/network.ts";
import { linear } from "../../ops/linear.ts";
import { tidied } from "../../ops/tensor_scope.ts";
import { ParameterStore } from "../../parameters/parameter_store.ts";
import { drawStartingValues } from "../../parameters/starting_values.ts";
import type { StateDict } from "../../parameters/state_dict.ts";
import type { NamedArrays } from "../../training/weight_holder.ts";
import { type StepPlace, TransformerEstimator } from "./base_estimator.ts";
import {
  asTensor,
  type ReadBatch,
  readLoader,
  type Samples,
  samplesOf,
  stackRows,
  type VaeBatch,
  type VaeLoader,
} from "./batches.ts";
import { assemble, type DecoderNetwork } from "./assembly.ts";
import { klWeightAt, type ResolvedVaeOptions, resolveOptions, type VAEOptions } from "./options.ts";
import { readEstimator, writeEstimator } from "./saved_estimator.ts";
import { scoreSamples, type VaeScore } from "./scoring.ts";

/** What a step may be told beside its batch. */
export interface StepOptions extends Partial<StepPlace> {
  /** ε instead of a drawn one, as the means. */
  readonly noise?: FloatArray;
}

/** A posterior on the host. */
export interface EncodedSamples {
  /** Means `[N, D]`. */
  readonly mu: NdArray;
  /** Log-variances `[N, D]`. */
  readonly logVar: NdArray;
}

/** Networks and the like for {@link VAE.load}. */
export type LoadVaeOptions = Partial<VAEOptions>;

/** encoder → (mu, logVar) → z → decoder; see the page of the model. */
export class VAE extends TransformerEstimator {
  /** Samples to features. */
  readonly encoder: Network;
  /** Latents to samples. */
  readonly decoder: DecoderNetwork;
  /** Width of the features. */
  readonly encoderOutDim: number;
  /** Width of the latents. */
  readonly latentDim: number;
  /** Weight of the divergence. */
  readonly beta: number;
  /** What a plain result of the decoder is the mean of. */
  readonly defaultDist: DistributionName;
  /** Seed. */
  readonly randomState: number;
  /** The loss. */
  readonly criterion: BetaVAELoss;
  /** Whether `transform` draws. May be changed. */
  stochasticTransform: boolean;
  /** Learning rate. May be changed. */
  lr: number;
  /** Weight decay. May be changed. */
  weightDecay: number;
  /** Options with their defaults. */
  readonly options: ResolvedVaeOptions;
  readonly #store: ParameterStore;
  readonly #sample: readonly number[] | null;

  /**
   * Makes an estimator on the current engine, its starting values drawn from `randomState` as PyTorch's layers draw theirs.
   *
   * @param options See {@link VAEOptions}.
   * @throws {ConfigError} naming the option that cannot be.
   * @throws {ShapeError} when the encoder's width is not `encoderOutDim`.
   */
  constructor(options: VAEOptions) {
    super(options);
    const resolved = resolveOptions(options);
    this.options = resolved;
    const { beta, defaultDist, latentDim, randomState = 0 } = resolved;
    const { encoder, decoder, encoderOutDim, entries, sample } = assemble(resolved);
    this.encoder = encoder;
    this.decoder = decoder;
    this.encoderOutDim = encoderOutDim;
    this.latentDim = latentDim;
    this.beta = beta;
    this.defaultDist = defaultDist;
    this.randomState = randomState;
    this.stochasticTransform = resolved.stochasticTransform;
    this.lr = resolved.lr;
    this.weightDecay = resolved.weightDecay;
    const { freeBits, capacity, reduction, divergence, noiseScale } = resolved;
    this.criterion = new BetaVAELoss(givenFields({
      ...{ beta, defaultDist, freeBits, capacity, reduction, divergence },
      useScale: noiseScale !== "fixed" ? true : undefined,
    }));
    this.#sample = sample;
    const random = RandomStream.fromSeed(randomState).split("weights");
    this.#store = new ParameterStore(entries, drawStartingValues(entries, { random }));
  }

  /** What is trained: encoder, decoder, heads, in this order. */
  get variables(): ReadonlyMap<string, tf.Variable> {
    return this.#store.parameters;
  }

  /** The head of the means, `[D, E]` and `[D]`. */
  get fcMu(): { readonly weight: tf.Tensor; readonly bias: tf.Tensor } {
    return this.#head("fc_mu");
  }

  /** The head of the log-variances. */
  get fcLogVar(): { readonly weight: tf.Tensor; readonly bias: tf.Tensor } {
    return this.#head("fc_logvar");
  }

  /**
   * The posterior of a batch; differentiable. The caller's to free.
   *
   * @param x `[B, …]`.
   * @param options Whether dropout drops; default false.
   * @throws {ShapeError} when the encoder's width is not `encoderOutDim`.
   */
  posterior(
    x: tf.Tensor,
    options: StepOptions & { readonly training?: boolean } = {},
  ): DiagonalNormal {
    const h = this.encoder.forward(this.#asInput(x), this.#use("encoder", options));
    const width = h.shape[h.shape.length - 1];
    if (width !== this.encoderOutDim) {
      throw new ShapeError(
        `Encoding: the encoder gave shape [${h.shape}], needs [B, ${this.encoderOutDim}] as encoderOutDim says`,
        h.shape,
        `[B, ${this.encoderOutDim}]`,
      );
    }
    const apply = ({ weight, bias }: { weight: tf.Tensor; bias: tf.Tensor }) =>
      linear(h, weight, { bias });
    return { mean: apply(this.fcMu), logVar: apply(this.fcLogVar) };
  }

  /**
   * z = mu + ε·e^(logVar/2), always drawn; differentiable. The caller's to free.
   *
   * @param x `[B, …]`.
   * @param options ε, or where the step stands.
   */
  forward(x: Samples, options: StepOptions = {}): tf.Tensor {
    return tidied(() => this.#draw(this.posterior(asTensor(x), options), "forward", options));
  }

  /**
   * Decodes on the tape.
   *
   * @param z `[B, latentDim]`.
   * @param options Whether dropout drops; default false.
   */
  decodeTensor(
    z: tf.Tensor,
    options: StepOptions & { readonly training?: boolean } = {},
  ): Reconstruction {
    const out = this.decoder.forward(z, this.#use("decoder", options));
    if (this.options.noiseScale === "fixed" || !(out instanceof tf.Tensor)) return out;
    return new Normal(out, tf.exp(this.#store.tensor("log_noise_scale")));
  }

  /**
   * Loss terms of a training batch, each `[]` and differentiable; the caller's to free. Targets are ignored.
   *
   * @param batch Samples, `[x, y]` or `{ x }`.
   * @param index 0-based batch of the epoch.
   * @param options ε, epoch.
   */
  trainingStep(batch: VaeBatch, index = 0, options: StepOptions = {}): VaeLossTerms {
    return this.#step(samplesOf(batch), { ...options, batch: index }, true);
  }

  /** The same in evaluation mode; z is drawn here too. */
  validationStep(batch: VaeBatch, index = 0, options: StepOptions = {}): VaeLossTerms {
    return this.#step(samplesOf(batch), { ...options, batch: index }, false);
  }

  /**
   * Features of a batch: a draw, or the means without `stochasticTransform`. The caller's to free.
   *
   * @param batch Samples, `[x, y]` or `{ x }`.
   * @param index 0-based batch.
   * @param options ε.
   */
  transformStep(batch: VaeBatch, index = 0, options: StepOptions = {}): tf.Tensor {
    return tidied(() => {
      const q = this.posterior(asTensor(samplesOf(batch)), options);
      return this.stochasticTransform
        ? this.#draw(q, "transform", { ...options, batch: index })
        : q.mean;
    });
  }

  /** {@link trainingStep} or {@link validationStep}, for the training loop. */
  lossTerms(
    { x }: ReadBatch,
    { training, ...place }: StepPlace & { readonly training: boolean },
  ): VaeLossTerms {
    const { epoch, batch } = place;
    const step = training ? this.trainingStep : this.validationStep;
    return step.call(this, x, batch, { epoch });
  }

  /** {@link transformStep}, for {@link transform}. */
  transformBatch({ x }: ReadBatch, { batch }: { readonly batch: number }): tf.Tensor {
    return this.transformStep(x, batch);
  }

  /**
   * Decodes draws of the prior, in evaluation mode: means (or probabilities), no observation noise added.
   *
   * @param count Samples, at least 0.
   * @param options `seed`; default `randomState`.
   * @returns `[count, …sample]`.
   * @throws {ConfigError} when the count is no whole number of at least 0.
   */
  sample(
    count: number,
    { seed = this.randomState }: { readonly seed?: number } = {},
  ): Promise<NdArray> {
    const draws = RandomStream.fromSeed(seed).split("sample").normals(count * this.latentDim);
    return this.decode({ data: draws, shape: [count, this.latentDim] });
  }

  /**
   * Decodes latents.
   *
   * @param z `[N, latentDim]`.
   * @returns `[N, …sample]`: means, or probabilities.
   * @throws {ShapeError} when z is of another width.
   */
  async decode(z: NdArray): Promise<NdArray> {
    if (z.shape.length !== 2 || z.shape[1] !== this.latentDim) {
      throw new ShapeError(
        `Decoding: latents have shape [${z.shape}], needs [N, ${this.latentDim}]`,
        z.shape,
        `[N, ${this.latentDim}]`,
      );
    }
    if (z.shape[0] > 0) {
      return await this.#inParts(z, (part) => locationOf(this.decodeTensor(asTensor(part))));
    }
    const one = await this.decode({
      data: new Float32Array(this.latentDim),
      shape: [1, this.latentDim],
    });
    return { data: new Float32Array(0), shape: [0, ...one.shape.slice(1)] };
  }

  /**
   * Posteriors of all samples, rows in order.
   *
   * @param loader Batches, or one array of all samples.
   */
  async encode(loader: VaeLoader): Promise<EncodedSamples> {
    const means: NdArray[] = [];
    const logVars: NdArray[] = [];
    for await (const { x } of (await readLoader(loader)).batches(0)) {
      const q = tidied(() => ({ ...this.posterior(asTensor(x)) }));
      means.push({ data: await toHost(q.mean), shape: q.mean.shape });
      logVars.push({ data: await toHost(q.logVar), shape: q.logVar.shape });
      tf.dispose([q.mean, q.logVar]);
    }
    requireSome(means);
    return { mu: stackRows(means), logVar: stackRows(logVars) };
  }

  /**
   * Reconstructions from the posterior means, rows in order, in the shape of the samples.
   *
   * @param loader Batches, or one array of all samples.
   */
  async reconstruct(loader: VaeLoader): Promise<NdArray> {
    const parts: NdArray[] = [];
    for await (const { x } of (await readLoader(loader)).batches(0)) {
      const result = tidied(() => locationOf(this.decodeTensor(this.posterior(asTensor(x)).mean)));
      const sameSize = result.size === x.data.length;
      parts.push({ data: await toHost(result), shape: sameSize ? x.shape : result.shape });
      result.dispose();
    }
    requireSome(parts);
    return stackRows(parts);
  }

  /**
   * What becomes of a sample when one latent moves.
   *
   * @param latent Which, 0-based.
   * @param options `values` it takes, default −3 … 3 in steps of 1; `from`, the other latents, default 0.
   * @returns `[values, …sample]`.
   * @throws {ConfigError} when there is no such latent.
   */
  traverse(
    latent: number,
    options: { readonly values?: readonly number[]; readonly from?: ArrayLike<number> } = {},
  ): Promise<NdArray> {
    const { values = [-3, -2, -1, 0, 1, 2, 3], from = new Float32Array(this.latentDim) } = options;
    if (!Number.isInteger(latent) || latent < 0 || latent >= this.latentDim) {
      throw new ConfigError(
        "latent",
        `Cannot traverse: latent is ${latent}, needs a whole number from 0 to ${
          this.latentDim - 1
        }`,
      );
    }
    const rows = values.flatMap((value) =>
      Array.from(from, (other, d) => d === latent ? value : other)
    );
    return this.decode({ data: Float32Array.from(rows), shape: [values.length, this.latentDim] });
  }

  /**
   * Loss terms, squared error and the divergence of every latent.
   *
   * @param loader Batches, or one array of all samples.
   */
  score(loader: VaeLoader): Promise<VaeScore> {
    return scoreSamples(this, loader);
  }

  /** All weights on the host, PyTorch's names and layouts. */
  stateDict(): Promise<StateDict> {
    return this.#store.export();
  }

  /**
   * Takes weights over.
   *
   * @throws {CheckpointError} when names or shapes do not fit; nothing is changed then.
   */
  loadStateDict(state: NamedArrays): void {
    this.#store.load(new Map(state));
  }

  /** As {@link stateDict}, for the training loop. */
  exportWeights(): Promise<StateDict> {
    return this.stateDict();
  }

  /** As {@link loadStateDict}, for the training loop. */
  importWeights(weights: NamedArrays): void {
    this.loadStateDict(weights);
  }

  /**
   * Writes weights, options, networks and the fitted flag to a folder.
   *
   * @param folder Made if need be.
   * @throws {WriteError} when the disk refuses.
   */
  save(folder: string): Promise<void> {
    return writeEstimator(folder, this);
  }

  /**
   * Reads what {@link save} wrote, or the run of `recvae train vae`.
   *
   * @param folder Of either.
   * @param options Networks of your own, which are not in the folder; other options to change.
   * @throws {CheckpointError} naming what is missing or damaged.
   */
  static async load(folder: string, options: LoadVaeOptions = {}): Promise<VAE> {
    const saved = await readEstimator(folder, options);
    const vae = new VAE(saved.options);
    vae.loadStateDict(saved.weights);
    vae.fitted = saved.fitted;
    vae.epochsTrained = saved.epochsTrained;
    return vae;
  }

  /** Frees every tensor. */
  dispose(): void {
    this.#store.dispose();
  }

  #step(x: Samples, place: StepOptions, training: boolean): VaeLossTerms {
    return tidied(() => {
      const input = this.#asInput(asTensor(x));
      const q = this.posterior(input, { ...place, training });
      const z = this.#draw(q, training ? "training" : "validation", place);
      const p = this.decodeTensor(z, { ...place, training });
      const prior = this.criterion.options.divergence === "mmd"
        ? this.#noise(z.shape, "prior", place)
        : undefined;
      const klWeight = training ? klWeightAt(place.epoch ?? 0, this.options) : 1;
      return { ...this.criterion.compute(input, p, q, { z, prior, klWeight }) };
    });
  }

  #draw(q: DiagonalNormal, purpose: string, { noise, ...place }: StepOptions): tf.Tensor {
    const epsilon = noise
      ? toTensor(noise, q.mean.shape)
      : this.#noise(q.mean.shape, purpose, place);
    const deviation = tf.exp(tf.mul(q.logVar, toScalar(0.5)));
    return tf.add(q.mean, tf.mul(epsilon, deviation));
  }

  /** Standard normal numbers that depend on seed, purpose, epoch and batch alone. */
  #noise(shape: number[], purpose: string, { epoch = 0, batch = 0 }: StepOptions): tf.Tensor {
    const stream = this.#stream(purpose, { epoch, batch });
    return toTensor(stream.normals(shape.reduce((product, n) => product * n, 1)), shape);
  }

  #stream(purpose: string, { epoch = 0, batch = 0 }: StepOptions): RandomStream {
    return RandomStream.fromSeed(this.randomState).split(purpose).split(epoch).split(batch);
  }

  #use(
    part: "encoder" | "decoder",
    { training = false, ...place }: StepOptions & { training?: boolean },
  ) {
    return {
      tensor: (key: string) => this.#store.tensor(`${part}.${key}`),
      training,
      draw: this.#stream(part, place),
    };
  }

  #head(name: string) {
    const tensor = (part: string) => this.#store.tensor(`${name}.${part}`);
    return { weight: tensor("weight"), bias: tensor("bias") };
  }

  /** Images of one channel may come without their channel axis. */
  #asInput(x: tf.Tensor): tf.Tensor {
    const needed = this.#sample;
    const [batch, ...found] = x.shape;
    if (!needed || found.join() === needed.join()) return x;
    return [...found, 1].join() === needed.join() ? tf.reshape(x, [batch, ...needed]) : x;
  }

  async #inParts(z: NdArray, compute: (part: NdArray) => tf.Tensor): Promise<NdArray> {
    const parts: NdArray[] = [];
    for await (const { x } of (await readLoader(z)).batches(0)) {
      const result = tidied(() => compute(x));
      parts.push({ data: await toHost(result), shape: result.shape });
      result.dispose();
    }
    return stackRows(parts);
  }
}

function locationOf(p: Reconstruction): tf.Tensor {
  if (p instanceof tf.Tensor) return p;
  return p.name === "bernoulli" ? p.probs : p.loc;
}

function requireSome(parts: readonly NdArray[]): void {
  if (parts.length > 0) return;
  throw new ConfigError(
    "loader",
    "Cannot go through the samples: the loader has no batches, needs one",
  );
}
