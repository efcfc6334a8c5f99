/**
 * What a network is to a model that is given one: a table of parameters and a differentiable forward pass. The layers of
 * layers.ts and {@link sequential} make such networks; a user's own is any object of this kind.
 */
import type { RandomStream } from "../base/random.ts";
import type { tf } from "../deps/tfjs.ts";
import type { ParameterEntry } from "../parameters/entry.ts";

/** What a forward pass may use. */
export interface NetworkUse {
  /**
   * A parameter's tensor, in memory layout.
   *
   * @param key Its name in the network's own table.
   */
  tensor(key: string): tf.Tensor;
  /** Whether dropout drops. */
  readonly training: boolean;
  /** For what is random in the pass; a function of seed, epoch and batch. */
  readonly draw: RandomStream;
}

/** One line of a network's table. */
export interface LayerFacts {
  /** Name and kind: `"conv1: convolution 3, stride 2"`. */
  readonly name: string;
  /** Axes of one sample after it, PyTorch's order. */
  readonly shape: readonly number[];
  /** Numbers in it. */
  readonly parameters: number;
}

/** A network. */
export interface Network {
  /** Its parameters, with names of its own (`"conv1.weight"`). */
  readonly entries: readonly ParameterEntry[];
  /**
   * Of an encoder that flattens images: the axes in PyTorch's order, `[C, X, Y, Z]`, of which its output `[B, E]` is the
   * reverse; what reads it permutes its weights in files. Default: the output is no flattened image.
   */
  readonly outputAxes?: readonly number[];
  /** Its layers, for people. */
  readonly layers?: readonly LayerFacts[];
  /** Plain data from which a ready network can be made again. */
  readonly description?: NetworkDescription;
  /**
   * The forward pass: synchronous, of operations with gradients.
   *
   * @param x A batch; its first axis is B.
   * @param use Parameters, mode and random numbers.
   */
  forward(x: tf.Tensor, use: NetworkUse): tf.Tensor;
}

/** A ready network as plain data. */
export interface NetworkDescription {
  /** Which one, e.g. `"convEncoder"`. */
  readonly kind: string;
  /** Its options, complete. */
  readonly options: Readonly<Record<string, unknown>>;
}

/** Numbers in a network. */
export function parameterCount({ entries }: Network): number {
  const size = (shape: readonly number[]) => shape.reduce((product, n) => product * n, 1);
  return entries.reduce((sum, { shape }) => sum + size(shape), 0);
}
