/** A sequence model in training and in use. */
import { toHost } from "../../backends/tensors.ts";
import { RandomStream } from "../../base/random.ts";
import type { StepPosition } from "../../base/batches.ts";
import type { Autoregression } from "../../linalg/autoregression.ts";
import { tf } from "../../deps/tfjs.ts";
import { gather } from "../../ops/parts.ts";
import { ParameterStore } from "../../parameters/parameter_store.ts";
import { drawStartingValues } from "../../parameters/starting_values.ts";
import { withoutVariables } from "../../training/parameter_groups.ts";
import { tapeGradients } from "../../training/tape_gradients.ts";
import type { StepOutcome, Trainable } from "../../training/trainable.ts";
import type { NamedArrays } from "../../training/weight_holder.ts";
import type { SequenceConfig } from "./config.ts";
import { embed } from "./embedder.ts";
import type { Pass } from "./layers.ts";
import { encodeSequence } from "./lstm_autoencoder.ts";
import {
  AUTOREGRESSION,
  comparedPlaces,
  lossTerms,
  RESIDUAL_SCALE,
  RESIDUAL_SHARE,
  runNetwork,
  sequenceEntries,
  untrainedNames,
} from "./network.ts";
import { type MaskDraws, prepare, type SequenceBatch } from "./preparation.ts";
import { unproject } from "./projection.ts";

/** Share of what is hidden from the BERT styles. */
const MASKING_RATE = 0.2;

/** Share of training batches in which the autoencoder's decoder is given the true volumes. */
const TEACHER_SHARE = 0.5;

/** An autoregressive model, and the size of what it leaves over. */
export interface BasePrediction extends Autoregression {
  /** Mean |residual| on the training runs: the network's outputs are in this unit. */
  readonly scale: number;
  /** Share of the network's output that is added, 0 to 1. */
  readonly share: number;
}

/** What is predicted of a batch. */
export interface SequencePrediction {
  /** `[M, N]`: predictions, in the order of `places`. */
  readonly values: Float32Array;
  /** Row of the batch and volume of each that is predicted, or after which something is. */
  readonly rows: readonly number[];
  readonly volumes: readonly number[];
  /** `[M, N]`: 1 where a value was hidden; netbert alone. */
  readonly hidden?: Uint8Array;
}

/** One of the four self-supervised models. Free it with `dispose`. */
export class SequenceModel implements Trainable<SequenceBatch> {
  /** Sizes and choices. */
  readonly config: SequenceConfig;
  /** What is trained, by name; what the loss does not reach is left out. */
  readonly variables: ReadonlyMap<string, tf.Variable>;
  readonly #store: ParameterStore;
  readonly #seed: number;

  /**
   * A new model.
   *
   * @param config See `sequenceConfig`.
   * @param options `seed` of starting values, masks and dropout.
   */
  constructor(config: SequenceConfig, { seed }: { readonly seed: number }) {
    const entries = sequenceEntries(config);
    const random = RandomStream.fromSeed(seed).split("start");
    this.config = config;
    this.#seed = seed;
    this.#store = new ParameterStore(entries, drawStartingValues(entries, { random }));
    const untrained = untrainedNames(config);
    const { parameters } = this.#store;
    const reaches = [...parameters.keys()].some((name) => untrained.test(name));
    this.variables = reaches ? withoutVariables(parameters, untrained) : parameters;
  }

  /** The autoregressive model under the network; null without one. */
  get base(): BasePrediction | null {
    const order = this.config.autoregression;
    if (order === 0) return null;
    const coefficients = Float64Array.from(this.#store.buffer(AUTOREGRESSION));
    const [scale] = this.#store.buffer(RESIDUAL_SCALE);
    return { order, coefficients, scale, share: this.#store.buffer(RESIDUAL_SHARE)[0] };
  }

  /** Sets the autoregressive model under the network. */
  setBase({ coefficients, scale }: Pick<BasePrediction, "coefficients" | "scale">): void {
    this.#store.setBuffer(AUTOREGRESSION, Float32Array.from(coefficients));
    this.#store.setBuffer(RESIDUAL_SCALE, Float32Array.of(scale));
  }

  /** Sets how much of the network's output is added in use; training does not read it. */
  setShare(share: number): void {
    this.#store.setBuffer(RESIDUAL_SHARE, Float32Array.of(share));
  }

  /** Loss terms and gradients of a batch; masks and dropout are drawn from the seed and the position. */
  async computeGradients(batch: SequenceBatch, position: StepPosition): Promise<StepOutcome> {
    const draw = RandomStream.fromSeed(this.#seed).split("steps")
      .split(position.epoch).split(position.batch);
    const prepared = prepare(
      batch,
      this.config,
      drawMasks(batch, this.config, draw.split("masks")),
    );
    const teacher = draw.split("teacher").uniform() < TEACHER_SHARE;
    const pass = this.#pass(draw.split("dropout"));
    return await tapeGradients(this.variables, () => lossTerms(pass, batch, { prepared, teacher }));
  }

  /**
   * Predicts what is hidden of a batch, or what follows.
   *
   * @param batch Padded sequences.
   * @param masks Draws what is hidden.
   */
  async predict(batch: SequenceBatch, masks: RandomStream): Promise<SequencePrediction> {
    const prepared = prepare(batch, this.config, drawMasks(batch, this.config, masks));
    const { places, volumes } = comparedPlaces(prepared);
    const width = prepared.shape[1];
    const result = tf.tidy(() => {
      const { states } = runNetwork(this.#pass(null), batch, { prepared });
      const chosen = gather(
        tf.reshape(states!, [-1, this.config.embeddingDim]),
        Int32Array.from(places),
      );
      return unproject(this.#pass(null), chosen);
    });
    const values = await this.#read(result);
    const rows = places.map((place) => Math.floor(place / width));
    const [, T, N] = batch.shape;
    const hidden = prepared.hiddenParcels &&
      Uint8Array.from(
        { length: places.length * N },
        (_, i) => {
          const at = Math.floor(i / N);
          return prepared.hiddenParcels![(rows[at] * T + volumes[at]) * N + i % N];
        },
      );
    return { values, rows, volumes, ...(hidden && { hidden }) };
  }

  /**
   * Features of sequences as the last layer has them.
   *
   * @param batch Padded sequences; nothing is hidden.
   * @returns `[B, T, E]`; what stands on padding means nothing.
   */
  async encode(batch: SequenceBatch): Promise<Float32Array> {
    const bare = { ...batch, tokenTypes: undefined };
    const prepared = prepare(bare, { ...this.config, style: "csm", objective: "every" });
    const pass = this.#pass(null);
    const result = tf.tidy(() => {
      if (this.config.architecture === "autoencoder") {
        return encodeSequence(pass, embed(pass, bare, prepared)).layers.at(-1)!.outputs;
      }
      return runNetwork(pass, bare, { prepared }).hidden!.at(-1)!;
    });
    return await this.#read(result);
  }

  /** Copies all weights and buffers to the host. */
  stateDict(): Promise<NamedArrays> {
    return this.#store.export();
  }

  /** Takes weights over, strictly. */
  loadStateDict(state: NamedArrays): void {
    this.#store.load(new Map(state));
  }

  /** The same, for the training loop's way back to an earlier epoch. */
  exportWeights(): Promise<NamedArrays> {
    return this.stateDict();
  }

  /** The same as {@link loadStateDict}. */
  importWeights(weights: NamedArrays): void {
    this.loadStateDict(weights);
  }

  /** Frees everything. */
  dispose(): void {
    this.#store.dispose();
  }

  #pass(draw: RandomStream | null): Pass {
    return { config: this.config, tensor: (key) => this.#store.tensor(key), draw };
  }

  async #read(tensor: tf.Tensor): Promise<Float32Array> {
    try {
      return Float32Array.from(await toHost(tensor));
    } finally {
      tensor.dispose();
    }
  }
}

/** What is hidden of a batch. Where nothing would be, something is: a loss of nothing teaches nothing. */
export function drawMasks(
  { shape: [B, T, N], lengths }: SequenceBatch,
  { style, objective }: SequenceConfig,
  draw: RandomStream,
): MaskDraws {
  if (style === "csm" && objective === "one") {
    const hiddenVolume = Int32Array.from(
      lengths,
      (length) => 1 + draw.integer(Math.max(1, length - 1)),
    );
    return { hiddenVolume };
  }
  if (style !== "bert" && style !== "netbert") return {};
  const width = style === "bert" ? T : N;
  const uniform = draw.uniforms(B * width);
  for (let b = 0; b < B; b++) {
    const end = style === "bert" ? lengths[b] : N;
    const row = uniform.subarray(b * width, b * width + end);
    if (row.every((value) => value < 1 - MASKING_RATE)) row[draw.integer(end)] = 1;
  }
  return { uniform, rate: MASKING_RATE };
}
