/** What all streamline models share: parameters, coordinates, encoding and decoding of arrays. */
import type { NdArray } from "../../base/arrays.ts";
import type { RowBatch, StepPosition } from "../../base/batches.ts";
import { RandomStream } from "../../base/random.ts";
import { ShapeError } from "../../base/errors.ts";
import { toHost, toScalar, toTensor } from "../../backends/tensors.ts";
import { tf } from "../../deps/tfjs.ts";
import { readBack } from "../../ops/read_back.ts";
import type { ParameterEntry } from "../../parameters/entry.ts";
import { ParameterStore } from "../../parameters/parameter_store.ts";
import { drawStartingValues } from "../../parameters/starting_values.ts";
import { type LossTerms, tapeGradients } from "../../training/tape_gradients.ts";
import type { StepOutcome } from "../../training/trainable.ts";
import type { NamedArrays } from "../../training/weight_holder.ts";
import type { CompleteConfig, StreamlineKind } from "./config.ts";
import type { NetworkUse } from "./network.ts";

/** Some streamlines to train on. */
export interface StreamlineBatch extends RowBatch {
  /** `[B, P, 3]`, mm. */
  readonly x: NdArray;
  /** Bundle of each. */
  readonly labels?: Int32Array;
  /** `[B, A]`, z-scored. */
  readonly attributes?: NdArray;
}

/** What a decoder is told beside codes. */
export interface Conditions {
  /** Bundle of each. */
  readonly labels?: ArrayLike<number>;
  /** `[N, A]`, z-scored. */
  readonly attributes?: NdArray;
}

/** Streamlines per call of the engine when nothing is trained. */
const CHUNK = 128;

/** Keras' share of the old in running statistics. */
const MOMENTUM = 0.99;

/** A model of streamlines: network, weights and the space of its coordinates. */
export abstract class StreamlineModel {
  /** Which kind. */
  abstract readonly kind: StreamlineKind;
  /** The complete configuration. */
  readonly config: CompleteConfig;
  /** Entries of the network, in the order of files. */
  readonly entries: readonly ParameterEntry[];
  /** The numbers. */
  protected readonly store: ParameterStore;
  /** Of the noise of training. */
  protected readonly seed: number;

  /**
   * Makes a model with starting values.
   *
   * @param config Complete.
   * @param entries Of its network.
   * @param seed Of starting values and noise.
   */
  constructor(config: CompleteConfig, entries: readonly ParameterEntry[], seed: number) {
    this.config = config;
    this.entries = entries;
    this.seed = seed;
    const random = RandomStream.fromSeed(seed).split("weights");
    this.store = new ParameterStore(entries, drawStartingValues(entries, { random }));
  }

  /** Trained variables by name. */
  get variables(): ReadonlyMap<string, tf.Variable> {
    return this.store.parameters;
  }

  /** Losses and gradients of a batch. */
  abstract computeGradients(batch: StreamlineBatch, position: StepPosition): Promise<StepOutcome>;

  /** Codes (posterior means) from coordinates in the network's units, `[B, D]`. */
  abstract encodeUnits(x: tf.Tensor): tf.Tensor;

  /** Coordinates in the network's units from codes and what is told beside them, `[B, P, 3]`. */
  abstract decodeUnits(z: tf.Tensor, beside: Conditions): tf.Tensor;

  /**
   * Codes of streamlines: posterior means where the model is variational.
   *
   * @param streamlines `[N, P, 3]` in mm.
   * @returns `[N, D]`.
   * @throws {ShapeError} when they have another number of points.
   */
  async encode(streamlines: NdArray): Promise<NdArray> {
    this.checkPoints(streamlines.shape);
    return await inChunks(
      streamlines,
      [this.config.latentDim],
      (x) => this.encodeUnits(this.toUnits(x)),
    );
  }

  /**
   * Streamlines of codes.
   *
   * @param latents `[N, D]`.
   * @param beside Bundles and attributes, where the model is told them.
   * @returns `[N, P, 3]` in mm.
   */
  decode(latents: NdArray, beside: Conditions = {}): Promise<NdArray> {
    const shape = [this.config.points, 3];
    return inChunks(
      latents,
      shape,
      (z, first) => this.toMillimetres(this.decodeUnits(z, partOf(beside, first, z.shape[0]))),
    );
  }

  /**
   * Streamlines encoded and decoded.
   *
   * @param streamlines `[N, P, 3]` in mm.
   * @param beside Bundles and attributes, where the model is told them.
   */
  async reconstruct(streamlines: NdArray, beside: Conditions = {}): Promise<NdArray> {
    return await this.decode(await this.encode(streamlines), beside);
  }

  /** mm → the network's units. */
  toUnits(x: tf.Tensor): tf.Tensor {
    const { centre, scale } = this.config;
    if (scale === 1 && centre.every((mm) => mm === 0)) return x;
    const origin = toTensor(Float64Array.from(centre), [1, 1, 3]);
    return tf.mul(tf.sub(x, origin), toScalar(1 / scale));
  }

  /** The network's units → mm. */
  toMillimetres(y: tf.Tensor): tf.Tensor {
    const { centre, scale } = this.config;
    if (scale === 1 && centre.every((mm) => mm === 0)) return y;
    const origin = toTensor(Float64Array.from(centre), [1, 1, 3]);
    return tf.add(tf.mul(y, toScalar(scale)), origin);
  }

  /** Copies the weights to the host. */
  stateDict(): Promise<NamedArrays> {
    return this.store.export();
  }

  /**
   * Takes weights over.
   *
   * @throws {CheckpointError} when they do not fit.
   */
  loadStateDict(state: NamedArrays): void {
    this.store.load(new Map(state));
  }

  /** Copies all weights and buffers to the host. */
  exportWeights(): Promise<NamedArrays> {
    return this.stateDict();
  }

  /** Takes weights over, strictly. */
  importWeights(weights: NamedArrays): void {
    this.loadStateDict(weights);
  }

  /** Frees everything. */
  dispose(): void {
    this.store.dispose();
  }

  /** Parameters for a pass. */
  use(options: Omit<NetworkUse, "tensor"> = {}): NetworkUse {
    return { ...options, tensor: (key) => this.store.tensor(key) };
  }

  /** Gradients of a forward pass by the tape; folds the batch statistics of norm layers into the running ones. */
  protected async gradientsOf(
    terms: (use: NetworkUse) => LossTerms,
    variables: ReadonlyMap<string, tf.Variable> = this.variables,
  ): Promise<StepOutcome> {
    const statistics = new Map<string, { mean: tf.Tensor; variance: tf.Tensor }>();
    const use = this.use({
      training: true,
      onStatistics(layer, { mean, variance }) {
        statistics.set(layer, { mean: tf.keep(mean), variance: tf.keep(variance) });
      },
    });
    try {
      const outcome = await tapeGradients(variables, () => terms(use));
      for (const [layer, found] of statistics) await this.#fold(layer, found);
      return outcome;
    } finally {
      for (const { mean, variance } of statistics.values()) tf.dispose([mean, variance]);
    }
  }

  async #fold(layer: string, found: { mean: tf.Tensor; variance: tf.Tensor }): Promise<void> {
    const { mean, variance } = await readBack(found);
    for (const [key, values] of [["mean", mean], ["var", variance]] as const) {
      const name = `${layer}.running_${key}`;
      const before = this.store.buffer(name);
      this.store.setBuffer(
        name,
        values.map((value, i) => MOMENTUM * before[i] + (1 - MOMENTUM) * value) as typeof values,
      );
    }
    this.store.advance(`${layer}.num_batches_tracked`, 1);
  }

  /** Variables whose names begin so. */
  protected variablesOf(...prefixes: readonly string[]): ReadonlyMap<string, tf.Variable> {
    return new Map(
      [...this.variables].filter(([key]) => prefixes.some((prefix) => key.startsWith(prefix))),
    );
  }

  /** Standard normals `[B, width]` of a batch: a function of seed, epoch and row. */
  protected noise(batch: StreamlineBatch, { epoch }: StepPosition, { width, purpose }: {
    readonly width: number;
    readonly purpose: string;
  }): NdArray {
    const root = RandomStream.fromSeed(this.seed).split(purpose).split(epoch);
    const data = new Float32Array(batch.rows.length * width);
    batch.rows.forEach((row, i) => data.set(root.split(row).normals(width), i * width));
    return { data, shape: [batch.rows.length, width] };
  }

  /** Refuses streamlines of another number of points. */
  private checkPoints([, points, axes]: readonly number[]): void {
    if (points === this.config.points && axes === 3) return;
    throw new ShapeError(
      `Cannot encode streamlines of ${points} points, the model has ${this.config.points}; resample them`,
      [points, axes],
      `[N, ${this.config.points}, 3]`,
    );
  }
}

/** Rows `first` … of what is told beside codes. */
function partOf({ labels, attributes }: Conditions, first: number, count: number): Conditions {
  const width = attributes?.shape[1] ?? 0;
  return {
    labels: labels && Array.from({ length: count }, (_, i) => labels[first + i]),
    attributes: attributes && {
      data: attributes.data.slice(first * width, (first + count) * width) as Float32Array,
      shape: [count, width],
    },
  };
}

/** Runs rows through a function, some at a time. */
async function inChunks(
  { data, shape: [rows, ...inner] }: NdArray,
  outer: readonly number[],
  compute: (x: tf.Tensor, first: number) => tf.Tensor,
): Promise<NdArray> {
  const [width, wide] = [inner, outer].map((axes) => axes.reduce((a, b) => a * b, 1));
  const result = new Float32Array(rows * wide);
  for (let first = 0; first < rows; first += CHUNK) {
    const count = Math.min(CHUNK, rows - first);
    const part = data.subarray(first * width, (first + count) * width);
    const y = tf.tidy(() => compute(toTensor(part, [count, ...inner]), first));
    try {
      result.set(await toHost(y), first * wide);
    } finally {
      y.dispose();
    }
  }
  return { data: result, shape: [rows, ...outer] };
}
