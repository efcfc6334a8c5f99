/** Activations, softmax and dropout with their gradients, composed of TensorFlow's own kernels. */
import { tf } from "../../deps/tfjs.ts";
import type {
  ActivationAttributes,
  ActivationName,
  DropoutAttributes,
  SoftmaxAttributes,
} from "../activation_contract.ts";
import { dropValues } from "../scalar/activations.ts";

type Composed = (x: tf.Tensor, alpha: number) => tf.Tensor;

const FUNCTIONS: Readonly<
  Record<ActivationName, { readonly value: Composed; readonly slope: Composed }>
> = {
  relu: { value: (x) => tf.relu(x), slope: (x) => aboveZero(x) },
  "leaky-relu": {
    value: (x, alpha) => tf.leakyRelu(x, alpha),
    slope: (x, alpha) => tf.where(tf.greater(x, 0), tf.onesLike(x), tf.fill(x.shape, alpha)),
  },
  elu: {
    value: (x, alpha) => tf.where(tf.greater(x, 0), x, tf.mul(tf.expm1(tf.minimum(x, 0)), alpha)),
    slope: (x, alpha) =>
      tf.where(tf.greater(x, 0), tf.onesLike(x), tf.mul(tf.exp(tf.minimum(x, 0)), alpha)),
  },
  tanh: { value: (x) => tf.tanh(x), slope: (x) => tf.sub(1, tf.square(tf.tanh(x))) },
  sigmoid: { value: (x) => tf.sigmoid(x), slope: (x) => tf.mul(tf.sigmoid(x), complement(x)) },
  silu: {
    value: (x) => tf.mul(x, tf.sigmoid(x)),
    slope: (x) => tf.mul(tf.sigmoid(x), tf.add(1, tf.mul(x, complement(x)))),
  },
  softplus: { value: (x) => tf.softplus(x), slope: (x) => tf.sigmoid(x) },
  gelu: {
    value: (x) => tf.mul(x, normalBelow(x)),
    slope: (x) =>
      tf.add(
        normalBelow(x),
        tf.mul(tf.mul(x, 1 / Math.sqrt(2 * Math.PI)), tf.exp(tf.mul(tf.square(x), -0.5))),
      ),
  },
  "gelu-tanh": {
    value: (x) => tf.mul(x, tf.sigmoid(geluArgument(x))),
    slope(x) {
      const u = geluArgument(x);
      const inner = tf.mul(
        tf.add(1, tf.mul(tf.square(x), 3 * 0.044715)),
        2 * Math.sqrt(2 / Math.PI),
      );
      return tf.mul(tf.sigmoid(u), tf.add(1, tf.mul(tf.mul(x, inner), complement(u))));
    },
  },
};

/**
 * y = f(x).
 *
 * @param inputs x.
 * @param attributes Which activation.
 */
export function activation(
  { x }: { readonly x: tf.Tensor },
  { activation, alpha }: ActivationAttributes,
): tf.Tensor {
  return FUNCTIONS[activation].value(x, alpha);
}

/**
 * dx = dy·f′(x).
 *
 * @param inputs dy and x.
 * @param attributes Which activation.
 */
export function activationGradient(
  { dy, x }: { readonly dy: tf.Tensor; readonly x: tf.Tensor },
  { activation, alpha }: ActivationAttributes,
): tf.Tensor {
  return tf.mul(dy, FUNCTIONS[activation].slope(x, alpha));
}

/**
 * Softmax over the last axis, or its logarithm.
 *
 * @param inputs x.
 * @param attributes Kind.
 */
export function softmax(
  { x }: { readonly x: tf.Tensor },
  { logarithmic }: SoftmaxAttributes,
): tf.Tensor {
  if (!logarithmic) return tf.softmax(x);
  const centred = tf.sub(x, tf.max(x, -1, true));
  return tf.sub(centred, tf.log(tf.sum(tf.exp(centred), -1, true)));
}

/**
 * Gradient of {@link softmax} from its result.
 *
 * @param inputs dy and y.
 * @param attributes Kind.
 */
export function softmaxGradient(
  { dy, y }: { readonly dy: tf.Tensor; readonly y: tf.Tensor },
  { logarithmic }: SoftmaxAttributes,
): tf.Tensor {
  if (logarithmic) return tf.sub(dy, tf.mul(tf.exp(y), tf.sum(dy, -1, true)));
  return tf.mul(y, tf.sub(dy, tf.sum(tf.mul(dy, y), -1, true)));
}

/**
 * y[i] = scale·x[i] or 0; the mask is made on the host.
 *
 * @param inputs x.
 * @param attributes Stream, threshold, factor.
 */
export function dropout(
  { x }: { readonly x: tf.Tensor },
  attributes: DropoutAttributes,
): tf.Tensor {
  const mask = new Float32Array(x.size);
  dropValues(mask, new Float32Array(x.size).fill(1), attributes);
  return tf.mul(x, tf.tensor(mask, x.shape));
}

function aboveZero(x: tf.Tensor): tf.Tensor {
  return tf.cast(tf.greater(x, 0), "float32");
}

/** 1 − sigmoid(x), without cancellation. */
function complement(x: tf.Tensor): tf.Tensor {
  return tf.sigmoid(tf.neg(x));
}

function normalBelow(x: tf.Tensor): tf.Tensor {
  return tf.mul(tf.add(1, tf.erf(tf.mul(x, Math.SQRT1_2))), 0.5);
}

/** 2√(2/π)(x + 0.044715x³): ½(1 + tanh u) is the sigmoid of 2u, whose slope does not cancel as 1 − tanh² u does. */
function geluArgument(x: tf.Tensor): tf.Tensor {
  const cubic = tf.add(x, tf.mul(tf.mul(tf.square(x), x), 0.044715));
  return tf.mul(cubic, 2 * Math.sqrt(2 / Math.PI));
}
