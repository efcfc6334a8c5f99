/** What the recurrent cells check and share. */
import { ConfigError } from "../base/errors.ts";
import { tf } from "../deps/tfjs.ts";
import { runDifferentiableMany } from "./differentiable.ts";
import { requireShape } from "./shape_checks.ts";

/** Weights of a layer in PyTorch's layout; G gates one after the other (LSTM: i, f, g, o; GRU: r, z, n). */
export interface CellWeights {
  /** `[G·H, I]`, PyTorch's `weight_ih_l0`. */
  readonly weightIh: tf.Tensor;
  /** `[G·H, H]`, PyTorch's `weight_hh_l0`. */
  readonly weightHh: tf.Tensor;
  /** `[G·H]`, PyTorch's `bias_ih_l0`; none by default. */
  readonly biasIh?: tf.Tensor | null;
  /** `[G·H]`, PyTorch's `bias_hh_l0`; none by default. */
  readonly biasHh?: tf.Tensor | null;
}

/** Sizes of a layer: B sequences of T steps, I features, H units. */
export interface CellSizes {
  readonly batch: number;
  readonly steps: number;
  readonly width: number;
}

/** The two ways through a cell, with its inputs by name. */
export interface CellPasses<Inputs> {
  /** Results, and what the way back reads beside the inputs. */
  forward(inputs: Inputs): { readonly results: tf.Tensor[]; readonly kept: tf.Tensor[] };
  /** Gradients by the name of the input. */
  gradient(
    dys: readonly tf.Tensor[],
    inputs: Inputs,
    kept: readonly tf.Tensor[],
  ): Readonly<Record<string, tf.Tensor>>;
}

/**
 * Puts a cell on the tape.
 *
 * @param inputs By name; those that are null (biases) stay null in both passes, and have no gradient.
 * @param passes See {@link CellPasses}.
 * @returns The results.
 */
export function runCell<Inputs extends object>(
  inputs: Inputs,
  { forward, gradient }: CellPasses<Inputs>,
): tf.Tensor[] {
  const given = Object.entries(inputs).filter(([, tensor]) => tensor !== null);
  const names = given.map(([name]) => name);
  const named = (tensors: readonly tf.Tensor[]): Inputs => ({
    ...inputs,
    ...Object.fromEntries(names.map((name, i) => [name, tensors[i]])),
  });
  return runDifferentiableMany(given.map(([, tensor]) => tensor), {
    forward(tensors, save) {
      const { results, kept } = forward(named(tensors));
      save([...tensors, ...kept]);
      return results;
    },
    gradient(dys, saved) {
      const gradients = gradient(dys, named(saved), saved.slice(names.length));
      return names.map((name) => gradients[name]);
    },
  });
}

/**
 * Checks a layer's tensors.
 *
 * @param cell Its name and number of gates.
 * @param tensors Input `[B, T, I]`, weights, initial states `[B, H]` by name.
 * @throws {ShapeError} when shapes do not fit.
 * @throws {ConfigError} when there is no step.
 */
export function checkCell(
  cell: { readonly name: string; readonly gates: number },
  tensors: {
    readonly x: tf.Tensor;
    readonly weights: CellWeights;
    readonly initial: Readonly<Record<string, tf.Tensor | undefined>>;
  },
): CellSizes {
  const { x, weights: { weightIh, weightHh, biasIh, biasHh }, initial } = tensors;
  const { gates } = cell;
  const doing = `Computing ${cell.name}`;
  requireShape(doing, "x", { shape: x.shape, pattern: [-1, -1, -1], words: "[B, T, I]" });
  const [batch, steps, features] = x.shape as [number, number, number];
  const width = weightHh.shape[1] ?? 0;
  const rows = gates * width;
  const check = (name: string, shape: readonly number[], pattern: number[], words: string) =>
    requireShape(doing, name, { shape, pattern, words });
  check("weightHh", weightHh.shape, [rows, width], `[${gates}·H, H]`);
  check("weightIh", weightIh.shape, [rows, features], `[${gates}·H, I]`);
  if (biasIh) check("biasIh", biasIh.shape, [rows], `[${gates}·H]`);
  if (biasHh) check("biasHh", biasHh.shape, [rows], `[${gates}·H]`);
  for (const [name, state] of Object.entries(initial)) {
    if (state) check(name, state.shape, [batch, width], "[B, H]");
  }
  if (steps === 0) {
    throw new ConfigError("x", `${doing}: found sequences of 0 steps, needs at least 1`);
  }
  return { batch, steps, width };
}

/** Time indices in the order of the walk. */
export function walkOrder(steps: number, reverse: boolean): number[] {
  const order = Array.from({ length: steps }, (_, t) => t);
  return reverse ? order.reverse() : order;
}

/** Columns `gate`·H … of `[B, G·H]`. */
export function gateOf(gates: tf.Tensor, gate: number, width: number): tf.Tensor {
  return tf.slice(gates, [0, gate * width], [gates.shape[0], width]);
}

/** 2-D matrix products of tensors whose rank is only known here. */
export function matrixProduct(
  a: tf.Tensor,
  b: tf.Tensor,
  transposes: { readonly a?: boolean; readonly b?: boolean } = {},
): tf.Tensor {
  return tf.matMul(a as tf.Tensor2D, b as tf.Tensor2D, transposes.a, transposes.b);
}

/** x·weightᵀ + bias of all steps, split into steps: T tensors `[B, G·H]`. */
export function projectedSteps(
  x: tf.Tensor,
  weight: tf.Tensor,
  bias: tf.Tensor | null,
): tf.Tensor[] {
  const [batch, steps, features] = x.shape as [number, number, number];
  const product = matrixProduct(tf.reshape(x, [batch * steps, features]), weight, { b: true });
  const sum = bias ? tf.add(product, bias) : product;
  return tf.unstack(tf.reshape(sum, [batch, steps, weight.shape[0]]), 1);
}

/** Gradients of the two products and biases from δ `[B, T, G·H]` on both sides of the sum. */
export function weightGradients(tensors: {
  readonly x: tf.Tensor;
  readonly weightIh: tf.Tensor;
  readonly before: tf.Tensor;
  readonly delta: tf.Tensor;
  readonly deltaHidden: tf.Tensor;
}) {
  const flat = (tensor: tf.Tensor) => tf.reshape(tensor, [-1, tensor.shape[2]!]);
  const [delta, deltaHidden] = [flat(tensors.delta), flat(tensors.deltaHidden)];
  return {
    dx: tf.reshape(matrixProduct(delta, tensors.weightIh), tensors.x.shape),
    dWeightIh: matrixProduct(delta, flat(tensors.x), { a: true }),
    dWeightHh: matrixProduct(deltaHidden, flat(tensors.before), { a: true }),
    dBiasIh: tf.sum(delta, 0),
    dBiasHh: tf.sum(deltaHidden, 0),
  };
}
