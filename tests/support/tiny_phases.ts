/**
 * An adversarial autoencoder of plain variables, small enough for tests of the loop: codes of one number for rows of two,
 * in three phases (reconstruction, critic, generator) with gradients written out.
 */
import type { BatchSource, RowBatch } from "../../src/base/batches.ts";
import { RandomStream } from "../../src/base/random.ts";
import { rowStream } from "../../src/base/row_stream.ts";
import { toHost, toTensor } from "../../src/backends/tensors.ts";
import { tf } from "../../src/deps/tfjs.ts";
import type {
  PhasedTrainable,
  TrainingPhase,
  UpdatePosition,
} from "../../src/training/trainable.ts";
import type { NamedArrays } from "../../src/training/weight_holder.ts";

/** Rows N. */
export const ROWS = 7;

/** Two numbers for each of the rows. */
export interface TinyBatch extends RowBatch {
  readonly values: Float32Array;
}

/** Batches of two rows in an order that changes with the epoch; the last has one. */
export function tinyRows(
  options: { readonly describe?: (row: number) => string } = {},
): BatchSource<TinyBatch> {
  return {
    ...options,
    *batches(epoch) {
      const order = RandomStream.fromSeed(5).split(epoch).permutation(ROWS);
      for (let start = 0; start < ROWS; start += 2) {
        const rows = [...order.subarray(start, start + 2)];
        yield { rows, values: Float32Array.from(rows.flatMap((row) => [row / ROWS, 1 - row / 5])) };
      }
    },
  };
}

const SHAPES = { encoder: [2, 1], decoder: [1, 2], critic: [1, 1], bias: [1] } as const;

/** Values of the variables. */
type Values = Readonly<Record<keyof typeof SHAPES, readonly number[]>>;

/** Losses of a phase, and the gradients by variable. */
interface Terms {
  readonly losses: { readonly loss: number } & Readonly<Record<string, number>>;
  readonly gradients: Partial<Values>;
}

/** The model in training. */
export class TinyAdversary implements PhasedTrainable<TinyBatch> {
  readonly variables: ReadonlyMap<string, tf.Variable>;
  phases: readonly TrainingPhase<TinyBatch>[];

  constructor() {
    const random = RandomStream.fromSeed(3);
    this.variables = new Map(
      Object.entries(SHAPES).map(([name, shape]) => {
        const size = shape.reduce((product: number, n) => product * n, 1);
        const values = toTensor(random.split(name).normals(size), shape);
        const variable = tf.variable(values);
        values.dispose();
        return [name, variable];
      }),
    );
    this.phases = [
      this.#phase("reconstruction", ["encoder", "decoder"], reconstruction),
      { ...this.#phase("critic", ["critic", "bias"], critic), repeats: 2, clipNorm: 1 },
      { ...this.#phase("generator", ["encoder"], generator), rateFactor: 0.5 },
    ];
  }

  /** Of one phase. */
  own(phase: string): ReadonlyMap<string, tf.Variable> {
    return this.phases.find(({ name }) => name === phase)!.variables;
  }

  async exportWeights(): Promise<NamedArrays> {
    const copies = [...this.variables].map(async ([name, variable]) =>
      [name, { data: await toHost(variable), shape: [...variable.shape] }] as const
    );
    return new Map(await Promise.all(copies));
  }

  importWeights(weights: NamedArrays): void {
    for (const [name, { data, shape }] of weights) {
      const values = toTensor(Float32Array.from(data as Float32Array), shape);
      this.variables.get(name)!.assign(values);
      values.dispose();
    }
  }

  stateDict(): Promise<NamedArrays> {
    return this.exportWeights();
  }

  loadStateDict(weights: NamedArrays): void {
    this.importWeights(weights);
  }

  dispose(): void {
    for (const variable of this.variables.values()) variable.dispose();
  }

  #phase(
    name: string,
    own: readonly (keyof Values)[],
    terms: (values: Values, x: readonly number[][], drawn: readonly number[]) => Terms,
  ): TrainingPhase<TinyBatch> {
    const variables = new Map(own.map((key) => [key as string, this.variables.get(key)!]));
    const computeGradients = async (
      { rows, values }: TinyBatch,
      { epoch, repeat = 0 }: UpdatePosition,
    ) => {
      const weights = [...await this.exportWeights()].map(([key, { data }]) => [key, [...data]]);
      const x = rows.map((_, b) => [...values.subarray(2 * b, 2 * b + 2)]);
      const drawn = rows.map((row) =>
        rowStream(1, { epoch, row }).split("noise").split(repeat).normal()
      );
      const { losses, gradients } = terms(Object.fromEntries(weights), x, drawn);
      const tensors = Object.entries(gradients).map(([key, gradient]) =>
        [key, toTensor(Float32Array.from(gradient), SHAPES[key as keyof Values])] as const
      );
      return { losses, gradients: new Map(tensors) };
    };
    return { name, variables, computeGradients };
  }
}

const mean = (values: readonly number[]) => values.reduce((sum, v) => sum + v, 0) / values.length;
const codesOf = ({ encoder }: Values, x: readonly number[][]) =>
  x.map((row) => row[0] * encoder[0] + row[1] * encoder[1]);

/** Mean of (code·decoder − x)². */
function reconstruction(values: Values, x: readonly number[][]): Terms {
  const { decoder } = values;
  const codes = codesOf(values, x);
  const errors = x.map((row, b) => row.map((value, j) => codes[b] * decoder[j] - value));
  const back = errors.map((row) => row[0] * decoder[0] + row[1] * decoder[1]);
  return {
    losses: { loss: mean(errors.flat().map((error) => error ** 2)) },
    gradients: {
      encoder: [0, 1].map((i) => mean(x.map((row, b) => back[b] * row[i]))),
      decoder: [0, 1].map((j) => mean(errors.map((row, b) => row[j] * codes[b]))),
    },
  };
}

/** How much higher codes are judged than drawn numbers, and the mean square of the judgement of those. */
function critic(values: Values, x: readonly number[][], drawn: readonly number[]): Terms {
  const [[weight], [bias]] = [values.critic, values.bias];
  const judged = drawn.map((z) => weight * z + bias);
  const gap = weight * (mean(codesOf(values, x)) - mean(drawn));
  return {
    losses: { loss: gap + mean(judged.map((value) => value ** 2)), gap },
    gradients: {
      critic: [
        mean(codesOf(values, x)) - mean(drawn) +
        2 * mean(judged.map((value, b) => value * drawn[b])),
      ],
      bias: [2 * mean(judged)],
    },
  };
}

/** The judgement of codes, to be raised. Has a gradient of the critic too, which is not the generator's to use. */
function generator(values: Values, x: readonly number[][]): Terms {
  const [[weight], [bias]] = [values.critic, values.bias];
  const code = mean(codesOf(values, x));
  return {
    losses: { loss: -(weight * code + bias) },
    gradients: {
      encoder: [0, 1].map((i) => -weight * mean(x.map((row) => row[i]))),
      critic: [-code],
    },
  };
}
