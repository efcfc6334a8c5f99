/** Layers for the models of `deno task bench:tape`: weights by name, operations of `./ops`, multiply–adds counted. */
import { RandomStream } from "../src/base/random.ts";
import * as ops from "../src/ops/mod.ts";

const { tf } = ops;
type Tensor = ReturnType<typeof ops.linear>;

/** How a layer is called. */
export interface Use {
  readonly activation?: ops.LinearActivation;
  /** Whether x is data, so that nobody asks for the gradient in it. */
  readonly isData?: boolean;
}

/** Makes layers, and keeps their weights. */
export class Layers {
  /** Weights by name. */
  readonly variables = new Map<string, ReturnType<typeof tf.variable>>();
  /** Of all calls so far, there and back: three times those of the way there, twice where x is data. */
  multiplyAdds = 0;
  readonly #start = RandomStream.fromSeed(1);
  #draw = RandomStream.fromSeed(2);
  #drawn = 0;

  /**
   * Begins a step.
   *
   * @param step Number of the step, which decides what dropout drops.
   */
  begin(step: number): void {
    this.#draw = RandomStream.fromSeed(2).split(step);
    this.#drawn = 0;
    this.multiplyAdds = 0;
  }

  /** A stream that nobody else has. */
  draws(): RandomStream {
    return this.#draw.split(this.#drawn++);
  }

  /** A weight of normal numbers. */
  weight(name: string, shape: number[], deviation: number) {
    const values = this.#start.split(name).normals(shape.reduce((a, b) => a * b, 1));
    for (let i = 0; i < values.length; i++) values[i] *= deviation;
    return this.#variable(name, values, shape);
  }

  /** A weight of equal numbers. */
  constant(name: string, length: number, value: number) {
    return this.#variable(name, new Float32Array(length).fill(value), [length]);
  }

  #variable(name: string, values: Float32Array, shape: number[]) {
    const start = tf.tensor(values, shape);
    const variable = tf.variable(start);
    start.dispose();
    this.variables.set(name, variable);
    return variable;
  }

  /** Linear layer with bias. */
  linear(name: string, inputs: number, outputs: number) {
    const weight = this.weight(`${name}.weight`, [outputs, inputs], inputs ** -0.5);
    const bias = this.constant(`${name}.bias`, outputs, 0);
    return (x: Tensor, { activation = "linear", isData = false }: Use = {}): Tensor => {
      this.#count(x.size * outputs, isData);
      return ops.linear(x, weight, { bias, activation });
    };
  }

  /** Layer norm. */
  norm(name: string, width: number) {
    const gamma = this.constant(`${name}.weight`, width, 1);
    const beta = this.constant(`${name}.bias`, width, 0);
    return (x: Tensor): Tensor => ops.layerNorm(x, { gamma, beta });
  }

  /** Rows of a table. */
  embedding(name: string, entries: number, width: number) {
    const table = this.weight(name, [entries, width], 0.02);
    return (indices: Tensor): Tensor => ops.embedding(indices, table);
  }

  /** Self-attention of `heads` heads between two linear layers, dropout on its weights. */
  attention(name: string, width: number, { heads, causal, rate }: AttentionSettings) {
    const project = this.linear(`${name}.qkv`, width, 3 * width);
    const join = this.linear(`${name}.out`, width, width);
    return (x: Tensor): Tensor => {
      const [query, key, value] = ops.split(project(x), [width, width, width]);
      const [batch, length] = x.shape;
      this.#count(2 * batch * length * length! * width, false);
      const dropout = { rate, random: this.draws() };
      return join(ops.attention({ query, key, value }, { heads, causal, dropout }));
    };
  }

  /** Kernel of 3 places over an x padded by its mirror image. */
  convolution(name: string, inputs: number, outputs: number, stride: number) {
    const filter = this.weight(`${name}.weight`, [3, inputs, outputs], (3 * inputs) ** -0.5);
    const bias = this.constant(`${name}.bias`, outputs, 0);
    return (x: Tensor, { isData = false }: Use = {}): Tensor => {
      const y = ops.conv1d(x, filter, { bias, stride, padding: 1, paddingMode: "reflect" });
      this.#count(y.size * 3 * inputs, isData);
      return y;
    };
  }

  /** LSTM over time. */
  lstm(name: string, inputs: number, units: number) {
    const weights = {
      weightIh: this.weight(`${name}.weight_ih`, [4 * units, inputs], units ** -0.5),
      weightHh: this.weight(`${name}.weight_hh`, [4 * units, units], units ** -0.5),
      biasIh: this.constant(`${name}.bias_ih`, 4 * units, 0),
      biasHh: this.constant(`${name}.bias_hh`, 4 * units, 0),
    };
    return (x: Tensor, { isData = false }: Use = {}): Tensor => {
      const rows = x.shape[0] * x.shape[1]!;
      this.#count(rows * inputs * 4 * units, isData);
      this.#count(rows * units * 4 * units, false);
      return ops.lstm(x, weights).states;
    };
  }

  /** Dropout. */
  dropout(x: Tensor, rate: number): Tensor {
    return ops.dropout(x, { rate, stream: this.draws() });
  }

  #count(forward: number, isData: boolean): void {
    this.multiplyAdds += (isData ? 2 : 3) * forward;
  }
}

/** What kind of attention. */
export interface AttentionSettings {
  readonly heads: number;
  readonly causal: boolean;
  /** Of dropout. */
  readonly rate: number;
}
