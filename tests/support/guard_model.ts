/** The guard family's model: a linear autoencoder with a gradient written by hand. */
import type { NdArray } from "../../src/base/arrays.ts";
import type { BatchSource, RowBatch } from "../../src/base/batches.ts";
import { RandomStream } from "../../src/base/random.ts";
import { toHost, toTensor } from "../../src/backends/tensors.ts";
import { tf } from "../../src/deps/tfjs.ts";
import { linearEntries } from "../../src/parameters/layers.ts";
import { ParameterStore } from "../../src/parameters/parameter_store.ts";
import { drawStartingValues } from "../../src/parameters/starting_values.ts";
import type { StepOutcome, Trainable } from "../../src/training/trainable.ts";
import type { NamedArrays } from "../../src/training/weight_holder.ts";

/** Some rows of a table. */
interface TableBatch extends RowBatch {
  /** `[M, C]`. */
  readonly x: NdArray;
}

/** r = (x·Eᵀ)·Dᵀ + b, with E `[K, C]` and D `[C, K]`. */
export class LinearAutoencoder implements Trainable<TableBatch> {
  readonly latentDim: number;
  readonly #store: ParameterStore;

  constructor(columns: number, { latentDim, seed }: { latentDim: number; seed: number }) {
    const entries = [
      ...linearEntries("encoder", { inputs: [columns], outputs: [latentDim], bias: false }),
      ...linearEntries("decoder", { inputs: [latentDim], outputs: [columns] }),
    ];
    this.latentDim = latentDim;
    const random = RandomStream.fromSeed(seed);
    this.#store = new ParameterStore(entries, drawStartingValues(entries, { random }));
  }

  get variables() {
    return this.#store.parameters;
  }

  /** Batches of four rows in an order of their own in every epoch. */
  loader({ data, shape: [rows, columns] }: NdArray, seed: number): BatchSource<TableBatch> {
    return {
      *batches(epoch) {
        const order = RandomStream.fromSeed(seed).split("order").split(epoch).permutation(rows);
        for (let start = 0; start < rows; start += 4) {
          const taken = [...order.subarray(start, start + 4)];
          const values = taken.flatMap((
            row,
          ) => [...data.subarray(row * columns, (row + 1) * columns)]);
          const x = { data: Float32Array.from(values), shape: [taken.length, columns] };
          yield { rows: taken, x };
        }
      },
    };
  }

  /** The loss is the mean of (r − x)². */
  async computeGradients({ x: { data, shape } }: TableBatch): Promise<StepOutcome> {
    const { loss, ...gradients } = tf.tidy(() => {
      const [E, D, b] = [...this.variables.values()];
      const x = toTensor(data, shape) as tf.Tensor2D;
      const z = tf.matMul(x, E, false, true);
      const error = tf.sub(tf.add(tf.matMul(z, D, false, true), b), x);
      const dr = tf.mul(error, 2 / data.length);
      return {
        loss: tf.mean(tf.square(error)),
        "encoder.weight": tf.matMul(tf.matMul(dr, D), x, true, false),
        "decoder.weight": tf.matMul(dr, z, true, false),
        "decoder.bias": tf.sum(dr, 0),
      };
    });
    const [value] = await toHost(loss);
    loss.dispose();
    return { losses: { loss: value }, gradients: new Map(Object.entries(gradients)) };
  }

  /** Codes `[N, K]` of rows. */
  encode(rows: NdArray): Promise<NdArray> {
    return this.#run(rows, ([E], x) => tf.matMul(x, E, false, true));
  }

  /** Rows `[N, C]` out of their codes. */
  reconstruct(rows: NdArray): Promise<NdArray> {
    return this.#run(
      rows,
      ([E, D, b], x) => tf.add(tf.matMul(tf.matMul(x, E, false, true), D, false, true), b),
    );
  }

  stateDict(): Promise<NamedArrays> {
    return this.#store.export();
  }

  loadStateDict(state: NamedArrays): void {
    this.#store.load(new Map(state));
  }

  exportWeights(): Promise<NamedArrays> {
    return this.stateDict();
  }

  importWeights(weights: NamedArrays): void {
    this.loadStateDict(weights);
  }

  dispose(): void {
    this.#store.dispose();
  }

  async #run(
    { data, shape }: NdArray,
    compute: (variables: tf.Tensor[], x: tf.Tensor) => tf.Tensor,
  ): Promise<NdArray> {
    const result = tf.tidy(() => compute([...this.variables.values()], toTensor(data, shape)));
    try {
      return { data: await toHost(result), shape: result.shape };
    } finally {
      result.dispose();
    }
  }
}
