/**
 * The models of `deno task bench:tape`: plain forward functions on the names of `./ops`, as a user would write them.
 * `peers/torch_tape.py` has the same ones in PyTorch.
 */
import { RandomStream } from "../src/base/random.ts";
import { crossEntropy } from "../src/losses/cross_entropy.ts";
import { squaredError } from "../src/losses/pointwise.ts";
import * as ops from "../src/ops/mod.ts";
import { Layers } from "./tape_layers.ts";

const { tf } = ops;
type Tensor = ReturnType<typeof ops.linear>;

/** Sizes; each model reads those it has. */
export interface ModelSizes {
  /** Sequences, or rows. */
  readonly batch: number;
  /** Steps of a sequence. */
  readonly length: number;
  readonly layers: number;
  readonly width: number;
  readonly heads: number;
  /** Values of a step, words of a vocabulary, channels, or values of a row. */
  readonly features: number;
}

/** A model with its data on the current engine. */
export interface TapeModel {
  readonly layers: Layers;
  /** Loss of a step. */
  readonly loss: () => Tensor;
  /** Frees weights and data. */
  readonly dispose: () => void;
}

/** Name, full size and making of a model. */
export interface ModelKind {
  readonly name: string;
  readonly title: string;
  readonly sizes: ModelSizes;
  readonly build: (layers: Layers, sizes: ModelSizes) => { data: Tensor; loss: () => Tensor };
}

/** Share of values that dropout drops. */
const RATE = 0.1;

function normal(shape: number[]): Tensor {
  const size = shape.reduce((a, b) => a * b, 1);
  return tf.tensor(RandomStream.fromSeed(3).normals(size), shape);
}

/** Post-norm blocks, as in BERT: norm(x + attention), norm(x + feed-forward). */
function encoder(layers: Layers, { batch, length, width, heads, features, ...sizes }: ModelSizes) {
  const data = normal([batch, length, features]);
  const embed = layers.linear("embed", features, width);
  const blocks = Array.from({ length: sizes.layers }, (_, i) => ({
    attend: layers.attention(`${i}`, width, { heads, causal: false, rate: RATE }),
    first: layers.norm(`${i}.norm1`, width),
    up: layers.linear(`${i}.up`, width, 4 * width),
    down: layers.linear(`${i}.down`, 4 * width, width),
    second: layers.norm(`${i}.norm2`, width),
  }));
  const read = layers.linear("read", width, features);
  return {
    data,
    loss() {
      let x = layers.dropout(embed(data, { isData: true }), RATE);
      for (const { attend, first, up, down, second } of blocks) {
        x = first(tf.add(x, layers.dropout(attend(x), RATE)));
        const inner = layers.dropout(up(x, { activation: "gelu" }), RATE);
        x = second(tf.add(x, layers.dropout(down(inner), RATE)));
      }
      return squaredError(read(x), data);
    },
  };
}

/** Pre-norm blocks with causal attention, as in GPT-2. */
function decoder(layers: Layers, { batch, length, width, heads, features, ...sizes }: ModelSizes) {
  const draws = RandomStream.fromSeed(3);
  const words = Int32Array.from({ length: batch * length }, () => draws.integer(features));
  const data = tf.tensor2d(words, [batch, length], "int32");
  const positions = layers.weight("positions", [length, width], 0.02);
  const embed = layers.embedding("words", features, width);
  const blocks = Array.from({ length: sizes.layers }, (_, i) => ({
    first: layers.norm(`${i}.norm1`, width),
    attend: layers.attention(`${i}`, width, { heads, causal: true, rate: RATE }),
    second: layers.norm(`${i}.norm2`, width),
    up: layers.linear(`${i}.up`, width, 4 * width),
    down: layers.linear(`${i}.down`, 4 * width, width),
  }));
  const last = layers.norm("last", width);
  const read = layers.linear("read", width, features);
  return {
    data,
    loss() {
      let x = layers.dropout(tf.add(embed(data), positions), RATE);
      for (const { first, attend, second, up, down } of blocks) {
        x = tf.add(x, layers.dropout(attend(first(x)), RATE));
        const inner = up(second(x), { activation: "gelu-tanh" });
        x = tf.add(x, layers.dropout(down(inner), RATE));
      }
      return crossEntropy(read(last(x)), data);
    },
  };
}

function recurrent(layers: Layers, { batch, length, width, features, ...sizes }: ModelSizes) {
  const data = normal([batch, length, features]);
  const cells = Array.from(
    { length: sizes.layers },
    (_, i) => layers.lstm(`${i}`, i === 0 ? features : width, width),
  );
  const read = layers.linear("read", width, features);
  return {
    data,
    loss() {
      let x: Tensor = data;
      cells.forEach((cell, i) => {
        x = layers.dropout(cell(x, { isData: i === 0 }), RATE);
      });
      return squaredError(read(x), data);
    },
  };
}

/** Channels double and places halve on the way down; nearest neighbours on the way up. */
function convolutional(layers: Layers, sizes: ModelSizes) {
  const { batch, length, width, features } = sizes;
  const data = normal([batch, length, features]);
  const widths = Array.from({ length: sizes.layers }, (_, i) => width * 2 ** i);
  const down = widths.map((outputs, i) =>
    layers.convolution(`down${i}`, i === 0 ? features : widths[i - 1], outputs, 2)
  );
  const [deepest, coarse] = [widths.at(-1)!, length / 2 ** widths.length];
  const encode = layers.linear("encode", coarse * deepest, 32);
  const decode = layers.linear("decode", 32, coarse * deepest);
  const back = widths.toReversed();
  const up = back.map((inputs, i) => layers.convolution(`up${i}`, inputs, back[i + 1] ?? width, 1));
  const read = layers.convolution("read", width, features, 1);
  return {
    data,
    loss() {
      let x: Tensor = data;
      down.forEach((convolve, i) => {
        x = ops.relu(convolve(x, { isData: i === 0 }));
      });
      const code = layers.dropout(encode(tf.reshape(x, [batch, coarse * deepest])), RATE);
      x = tf.reshape(decode(code), [batch, coarse, deepest]);
      for (const convolve of up) x = ops.upsampleNearest(ops.relu(convolve(x)), 2);
      return squaredError(read(x), data);
    },
  };
}

/** Widths halve towards the middle. */
function dense(layers: Layers, { batch, width, features, ...sizes }: ModelSizes) {
  const data = normal([batch, features]);
  const down = Array.from({ length: sizes.layers }, (_, i) => width / 2 ** i);
  const widths = [features, ...down, ...down.toReversed().slice(1), features];
  const all = widths.slice(1).map((outputs, i) => layers.linear(`${i}`, widths[i], outputs));
  return {
    data,
    loss() {
      let x: Tensor = data;
      all.forEach((layer, i) => {
        if (i === all.length - 1) x = layer(x);
        else x = layers.dropout(layer(x, { activation: "relu", isData: i === 0 }), RATE);
      });
      return squaredError(x, data);
    },
  };
}

/** The models in the order of the report. */
export const MODELS: readonly ModelKind[] = [
  {
    name: "encoder-2x128",
    title: "post-norm transformer encoder, 2×128",
    sizes: { batch: 8, length: 100, layers: 2, width: 128, heads: 4, features: 100 },
    build: encoder,
  },
  {
    name: "encoder-4x256",
    title: "post-norm transformer encoder, 4×256",
    sizes: { batch: 8, length: 100, layers: 4, width: 256, heads: 8, features: 100 },
    build: encoder,
  },
  {
    name: "gpt-2x128",
    title: "GPT, 2×128",
    sizes: { batch: 8, length: 100, layers: 2, width: 128, heads: 4, features: 256 },
    build: decoder,
  },
  {
    name: "lstm-2x128",
    title: "LSTM, 2×128, 50 steps",
    sizes: { batch: 16, length: 50, layers: 2, width: 128, heads: 1, features: 100 },
    build: recurrent,
  },
  {
    name: "conv1d",
    title: "1-D convolutional autoencoder, reflect padding",
    sizes: { batch: 20, length: 256, layers: 5, width: 32, heads: 1, features: 3 },
    build: convolutional,
  },
  {
    name: "dense",
    title: "dense autoencoder",
    sizes: { batch: 256, length: 1, layers: 3, width: 512, heads: 1, features: 1000 },
    build: dense,
  },
];

/** The same models, so small that a step takes a millisecond. */
export function smallSizes({ sizes }: ModelKind): ModelSizes {
  const { heads, features, layers } = sizes;
  return {
    batch: 2,
    length: 2 ** layers * 2,
    layers: Math.min(layers, 3),
    width: 16,
    heads,
    features: Math.min(features, 12),
  };
}

/**
 * Makes a model on the current engine.
 *
 * @param kind One of {@link MODELS}.
 * @param sizes Its own sizes by default.
 */
export function buildModel(kind: ModelKind, sizes: ModelSizes = kind.sizes): TapeModel {
  const layers = new Layers();
  const { data, loss } = kind.build(layers, sizes);
  return { layers, loss, dispose: () => tf.dispose([data, ...layers.variables.values()]) };
}
