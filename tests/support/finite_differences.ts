/**
 * Central differences against the gradients of the tape, on the float64 reference engine.
 *
 * L = Σ weights·operation(inputs) with fixed random weights. For every checked entry the difference
 * quotient (L(v + h) − L(v − h))/2h with h = 1e-5 has a truncation error of about h²/6·L''' ≈ 1e-11·L''' and a
 * rounding error of about 1e-16·|L|/h ≈ 1e-11·|L|; both are far below the tolerance of 1e-6 relative to the size
 * of the gradient.
 */
import type { NdArray } from "../../src/base/arrays.ts";
import { RandomStream } from "../../src/base/random.ts";
import { toTensor } from "../../src/backends/tensors.ts";
import { tf } from "../../src/deps/tfjs.ts";
import { assert } from "../../src/deps/std.ts";
import "../../src/ops/stock_gradients.ts";

const STEP = 1e-5;
const RELATIVE_TOLERANCE = 1e-6;

/** Entries checked per input; larger inputs are sampled. */
const ENTRIES = 60;

/** An operation of several tensors with one result. */
export type Operation = (inputs: tf.Tensor[]) => tf.Tensor;

/**
 * Fails unless the tape's gradient of `operation` in every input equals central differences. The current
 * engine must be the reference engine.
 *
 * @param operation The operation.
 * @param inputs Values at which to differentiate.
 */
export function assertGradientsMatchDifferences(
  operation: Operation,
  inputs: Readonly<Record<string, NdArray<Float64Array>>>,
): void {
  const random = RandomStream.fromSeed(7).split("differences");
  const names = Object.keys(inputs);
  const arrays = names.map((name) => inputs[name]);
  const evaluate = (): number =>
    tf.tidy(() => {
      const result = operation(arrays.map(({ data, shape }) => toTensor(data, shape)));
      return weighted(result.dataSync(), weights);
    });
  const weights = outputWeights(operation, arrays, random);
  const gradients = tapeGradients(operation, arrays, weights);
  gradients.forEach((gradient, which) => {
    const { data } = arrays[which];
    const scale = Math.sqrt(gradient.reduce((sum, g) => sum + g * g, 0) / gradient.length);
    const order = random.permutation(data.length).subarray(0, ENTRIES);
    for (const i of order) {
      const value = data[i];
      data[i] = value + STEP;
      const above = evaluate();
      data[i] = value - STEP;
      const below = evaluate();
      data[i] = value;
      const quotient = (above - below) / (2 * STEP);
      const error = Math.abs(quotient - gradient[i]);
      assert(
        error <= RELATIVE_TOLERANCE * Math.max(Math.abs(gradient[i]), scale, 1e-3),
        `d/d${names[which]}[${i}]: tape ${gradient[i]}, differences ${quotient}`,
      );
    }
  });
}

function outputWeights(
  operation: Operation,
  arrays: NdArray<Float64Array>[],
  random: RandomStream,
): Float64Array {
  const size = tf.tidy(() =>
    operation(arrays.map(({ data, shape }) => toTensor(data, shape))).size
  );
  return Float64Array.from(random.normals(size));
}

/** Gradients of Σ weights·operation by the tape. */
function tapeGradients(
  operation: Operation,
  arrays: NdArray<Float64Array>[],
  weights: Float64Array,
): Float64Array[] {
  const result: Float64Array[] = [];
  tf.tidy(() => {
    const loss = (...inputs: tf.Tensor[]) => {
      const y = operation(inputs);
      return tf.sum(tf.mul(y, toTensor(weights, y.shape))) as tf.Scalar;
    };
    const gradients = tf.grads(loss)(arrays.map(({ data, shape }) => toTensor(data, shape)));
    for (const gradient of gradients) result.push(Float64Array.from(gradient.dataSync()));
  });
  return result;
}

function weighted(values: ArrayLike<number>, weights: Float64Array): number {
  let sum = 0;
  for (let i = 0; i < weights.length; i++) sum += values[i] * weights[i];
  return sum;
}
