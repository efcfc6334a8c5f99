/**
 * The activations of a linear layer and their derivatives, composed of stock operations for engines without kernels of
 * their own (linear_contract.ts). Not on the tape.
 */
import type { LinearActivation } from "../backends/linear_contract.ts";
import { toScalar } from "../backends/tensors.ts";
import { tf } from "../deps/tfjs.ts";

/** An activation and its derivative at z; `slope` is leaky ReLU's. */
interface Formulas {
  value(z: tf.Tensor, slope: number): tf.Tensor;
  derivative(z: tf.Tensor, slope: number): tf.Tensor;
}

const times = (x: tf.Tensor, factor: number) => tf.mul(x, toScalar(factor));
const plus = (x: tf.Tensor, term: number) => tf.add(x, toScalar(term));
/** 1 − x. */
const complement = (x: tf.Tensor) => tf.sub(toScalar(1), x);
/** Φ(z). */
const below = (z: tf.Tensor) => times(plus(tf.erf(times(z, Math.SQRT1_2)), 1), 0.5);
/** The argument of the tanh in the approximate GELU. */
const inner = (z: tf.Tensor) =>
  times(tf.add(z, times(tf.mul(tf.square(z), z), 0.044715)), Math.sqrt(2 / Math.PI));

function stepAt0(z: tf.Tensor, slope: number): tf.Tensor {
  const positive = tf.cast(tf.greater(z, toScalar(0)), "float32");
  return tf.add(positive, times(complement(positive), slope));
}

const FORMULAS: Readonly<Record<LinearActivation, Formulas>> = {
  linear: { value: (z) => z, derivative: (z) => tf.onesLike(z) },
  relu: { value: (z) => tf.relu(z), derivative: (z) => stepAt0(z, 0) },
  "leaky-relu": { value: (z, slope) => tf.mul(z, stepAt0(z, slope)), derivative: stepAt0 },
  tanh: {
    value: (z) => tf.tanh(z),
    derivative: (z) => complement(tf.square(tf.tanh(z))),
  },
  sigmoid: {
    value: (z) => tf.sigmoid(z),
    derivative: (z) => {
      const s = tf.sigmoid(z);
      return tf.mul(s, complement(s));
    },
  },
  silu: {
    value: (z) => tf.mul(z, tf.sigmoid(z)),
    derivative: (z) => {
      const s = tf.sigmoid(z);
      return tf.mul(s, plus(tf.mul(z, complement(s)), 1));
    },
  },
  gelu: {
    value: (z) => tf.mul(z, below(z)),
    derivative: (z) => {
      const density = times(tf.exp(times(tf.square(z), -0.5)), 1 / Math.sqrt(2 * Math.PI));
      return tf.add(below(z), tf.mul(z, density));
    },
  },
  "gelu-tanh": {
    value: (z) => times(tf.mul(z, plus(tf.tanh(inner(z)), 1)), 0.5),
    derivative: (z) => {
      const t = tf.tanh(inner(z));
      const steep = times(plus(times(tf.square(z), 3 * 0.044715), 1), Math.sqrt(2 / Math.PI));
      const bend = times(tf.mul(z, complement(tf.square(t))), 0.5);
      return tf.add(times(plus(t, 1), 0.5), tf.mul(bend, steep));
    },
  },
  softplus: { value: (z) => tf.softplus(z), derivative: (z) => tf.sigmoid(z) },
};

/** f(z). */
export function activated(
  z: tf.Tensor,
  { activation, slope }: { readonly activation: LinearActivation; readonly slope: number },
): tf.Tensor {
  return FORMULAS[activation].value(z, slope);
}

/** dy·f′(z). */
export function activationGradient(
  dy: tf.Tensor,
  z: tf.Tensor,
  { activation, slope }: { readonly activation: LinearActivation; readonly slope: number },
): tf.Tensor {
  return tf.mul(dy, FORMULAS[activation].derivative(z, slope));
}
