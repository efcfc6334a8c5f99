/** Activations and their derivatives, softmax and dropout: scalar, in float64. */
import type { FloatArray } from "../../base/arrays.ts";
import { erf } from "../../base/erf.ts";
import { philox4x32 } from "../../base/philox.ts";
import type { ActivationName, DropoutAttributes } from "../activation_contract.ts";

/** A function of one number, with the attribute `alpha` of the activation. */
export type ScalarFunction = (x: number, alpha: number) => number;

/** f and f′ by name. */
export const ACTIVATION_FUNCTIONS: Readonly<
  Record<ActivationName, { readonly value: ScalarFunction; readonly slope: ScalarFunction }>
> = {
  relu: { value: (x) => x < 0 ? 0 : x, slope: (x) => x > 0 ? 1 : 0 },
  "leaky-relu": {
    value: (x, alpha) => x > 0 ? x : alpha * x,
    slope: (x, alpha) => x > 0 ? 1 : alpha,
  },
  elu: {
    value: (x, alpha) => x > 0 ? x : alpha * Math.expm1(x),
    slope: (x, alpha) => x > 0 ? 1 : alpha * Math.exp(x),
  },
  tanh: { value: Math.tanh, slope: (x) => 1 - Math.tanh(x) ** 2 },
  sigmoid: { value: sigmoid, slope: (x) => sigmoid(x) * sigmoid(-x) },
  silu: {
    value: (x) => x * sigmoid(x),
    slope: (x) => sigmoid(x) * (1 + x * sigmoid(-x)),
  },
  softplus: {
    value: (x) => Math.max(x, 0) + Math.log1p(Math.exp(-Math.abs(x))),
    slope: sigmoid,
  },
  gelu: {
    value: (x) => x * normalBelow(x),
    slope: (x) => normalBelow(x) + x * Math.exp(-x * x / 2) / Math.sqrt(2 * Math.PI),
  },
  "gelu-tanh": {
    value: (x) => x / 2 * (1 + Math.tanh(geluArgument(x))),
    slope(x) {
      const t = Math.tanh(geluArgument(x));
      const inner = Math.sqrt(2 / Math.PI) * (1 + 3 * 0.044715 * x * x);
      return (1 + t) / 2 + x / 2 * (1 - t * t) * inner;
    },
  },
};

function sigmoid(x: number): number {
  return 1 / (1 + Math.exp(-x));
}

/** Φ(x), the share of a standard normal below x. */
function normalBelow(x: number): number {
  return (1 + erf(x * Math.SQRT1_2)) / 2;
}

function geluArgument(x: number): number {
  return Math.sqrt(2 / Math.PI) * (x + 0.044715 * x ** 3);
}

/**
 * Softmax of rows, or its logarithm.
 *
 * @param y Overwritten, same length as x.
 * @param x `[rows, columns]`.
 * @param shape Columns and kind.
 */
export function softmaxRows(
  y: FloatArray,
  x: FloatArray,
  { columns, logarithmic }: { readonly columns: number; readonly logarithmic: boolean },
): void {
  for (let start = 0; start < x.length; start += columns) {
    let most = -Infinity, sum = 0;
    for (let i = start; i < start + columns; i++) most = Math.max(most, x[i]);
    for (let i = start; i < start + columns; i++) sum += Math.exp(x[i] - most);
    const logarithm = Math.log(sum);
    for (let i = start; i < start + columns; i++) {
      y[i] = logarithmic ? x[i] - most - logarithm : Math.exp(x[i] - most) / sum;
    }
  }
}

/**
 * Gradient of {@link softmaxRows} from its result.
 *
 * @param dx Overwritten, same length as y.
 * @param inputs dy and y.
 * @param shape Columns and kind.
 */
export function softmaxRowsGradient(
  dx: FloatArray,
  { dy, y }: { readonly dy: FloatArray; readonly y: FloatArray },
  { columns, logarithmic }: { readonly columns: number; readonly logarithmic: boolean },
): void {
  for (let start = 0; start < y.length; start += columns) {
    let sum = 0;
    for (let i = start; i < start + columns; i++) sum += logarithmic ? dy[i] : dy[i] * y[i];
    for (let i = start; i < start + columns; i++) {
      dx[i] = logarithmic ? dy[i] - Math.exp(y[i]) * sum : y[i] * (dy[i] - sum);
    }
  }
}

/**
 * Dropout by the words of a Philox sequence.
 *
 * @param y Overwritten, same length as x.
 * @param x Values.
 * @param attributes Stream, threshold, factor.
 */
export function dropValues(y: FloatArray, x: FloatArray, attributes: DropoutAttributes): void {
  const { identity, threshold, scale } = attributes;
  const key = Uint32Array.of(identity[0], identity[1]);
  const counter = Uint32Array.of(0, 0, identity[2], identity[3]);
  const words = new Uint32Array(4);
  for (let i = 0; i < x.length; i++) {
    if (i % 4 === 0) {
      counter[0] = i / 4;
      philox4x32(counter, key, words);
    }
    y[i] = words[i % 4] < threshold ? 0 : scale * x[i];
  }
}
