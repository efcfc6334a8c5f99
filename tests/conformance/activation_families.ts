/** Activations, softmax, dropout and layer normalisation, each with its gradient by the tape, in the battery. */
import type { NdArray } from "../../src/base/arrays.ts";
import { RandomStream } from "../../src/base/random.ts";
import { tf } from "../../src/deps/tfjs.ts";
import {
  elu,
  gelu,
  leakyRelu,
  relu,
  sigmoid,
  silu,
  softplus,
  tanh,
} from "../../src/ops/activations.ts";
import { dropout } from "../../src/ops/dropout.ts";
import { layerNorm } from "../../src/ops/layer_norm.ts";
import { logSoftmax, softmax } from "../../src/ops/softmax.ts";
import { between, normalArray, pick, uniformArray } from "../support/random_arrays.ts";
import type { Case, Family } from "./battery.ts";
import { statisticsOf } from "./norm_statistics.ts";
import { fromSquares, scaled, sumTolerance, UNIT_ROUNDOFF as u } from "./rounding.ts";

const ACTIVATIONS: Readonly<Record<string, (x: tf.Tensor) => tf.Tensor>> = {
  relu,
  leakyRelu: (x) => leakyRelu(x, { slope: 0.125 }),
  elu: (x) => elu(x, { alpha: 0.75 }),
  tanh,
  sigmoid,
  silu,
  softplus,
  gelu,
  geluTanh: (x) => gelu(x, { approximate: "tanh" }),
};

/** Every activation, with its gradient. */
export const ACTIVATION_FAMILY: Family = {
  name: "activations",
  cases: (count) => {
    const names = Object.keys(ACTIVATIONS);
    return Array.from({ length: count }, (_, i) => activationCase(names[i % names.length], i));
  },
};

/**
 * Functions of order 1 err by about 4 units of 1, times |x| where they are multiplied by it: 16u·(1 + |x|). Exponentials err by
 * (4 + 2|x|) units of at most 1, which grows alike. The derivative of GELU by tanh has |x|³ inside.
 */
function activationCase(name: string, i: number): Case {
  const random = RandomStream.fromSeed(i).split("activations");
  const shape = drawShape(random, i);
  const x = normalArray(random, shape, pick(random, [0.1, 1, 5]));
  const dy = normalArray(random, shape);
  const run = ACTIVATIONS[name];
  return {
    label: `${name} of [${shape}]`,
    inputs: { x, dy },
    run: ({ x, dy }) => [run(x), tf.grad(run)(x, dy)],
    tolerances: () => [
      x.data.map((v) => 16 * u * (1 + Math.abs(v))),
      x.data.map((v, k) => 24 * u * (1 + Math.abs(v)) * Math.abs(dy.data[k]) + 1e-37),
    ],
  };
}

/** Softmax and its logarithm, with gradients. */
export const SOFTMAX_FAMILY: Family = {
  name: "softmax and its logarithm",
  cases: (count) => Array.from({ length: count }, (_, i) => softmaxCase(i)),
};

function softmaxCase(i: number): Case {
  const random = RandomStream.fromSeed(i).split("softmax");
  const shape = drawShape(random, i);
  const x = normalArray(random, shape, pick(random, [1, 3]));
  const dy = normalArray(random, shape);
  const logarithmic = i % 2 === 1;
  const run = logarithmic ? logSoftmax : softmax;
  return {
    label: `${run.name} of [${shape}]`,
    inputs: { x, dy },
    run: ({ x, dy }) => [run(x), tf.grad(run)(x, dy)],
    tolerances: ([y]) =>
      softmaxTolerances(y, { dy, columns: shape[shape.length - 1], logarithmic }),
  };
}

/**
 * Each exponential errs by (4 + 2|x|) units, |x| ≤ 30 here, their sum like a sum: δ of the probability p; the logarithm
 * errs by that and 2⁻²¹, what GPU shading languages promise of log near 1. dx = p·(dy − Σ dy·p), or dy − p·Σ dy.
 */
function softmaxTolerances(
  y: Float64Array,
  { dy, columns, logarithmic }: {
    readonly dy: NdArray<Float64Array>;
    readonly columns: number;
    readonly logarithmic: boolean;
  },
): Float64Array[] {
  const relative = 100 * u + sumTolerance(columns);
  const gradient = y.map((value, k) => {
    const row = Math.floor(k / columns) * columns;
    let sum = 0, magnitude = 0;
    for (let c = row; c < row + columns; c++) {
      const term = logarithmic ? dy.data[c] : dy.data[c] * y[c];
      sum += term;
      magnitude += Math.abs(term);
    }
    const p = logarithmic ? Math.exp(value) : value;
    const logarithm = logarithmic ? 2 ** -21 : 0;
    const inside = Math.abs(dy.data[k]) * (logarithmic ? 4 * u : relative * p);
    return inside + p * (2 * relative + logarithm) * (Math.abs(sum) + magnitude) + 1e-37;
  });
  if (!logarithmic) return [scaled(y, relative), gradient];
  return [y.map((v) => relative + 2 ** -21 + 8 * u * Math.abs(v)), gradient];
}

/** Dropout and its gradient: what is dropped is exactly 0. */
export const DROPOUT_FAMILY: Family = {
  name: "dropout",
  cases: (count) =>
    Array.from({ length: count }, (_, i) => {
      const random = RandomStream.fromSeed(i).split("dropout");
      const shape = drawShape(random, i);
      const rate = pick(random, [0.05, 0.1, 0.5, 0.9]);
      const stream = random.split("mask");
      const run = (x: tf.Tensor) => dropout(x, { rate, stream });
      return {
        label: `dropout ${rate} of [${shape}]`,
        inputs: { x: normalArray(random, shape), dy: normalArray(random, shape) },
        run: ({ x, dy }) => [run(x), tf.grad(run)(x, dy)],
        tolerances: (results) => results.map((values) => values.map((v) => 4 * u * Math.abs(v))),
      };
    }),
};

/** Layer normalisation and its gradients. */
export const LAYER_NORM_FAMILY: Family = {
  name: "layer normalisation",
  cases: (count) => Array.from({ length: count }, (_, i) => layerNormCase(i)),
};

function layerNormCase(i: number): Case {
  const random = RandomStream.fromSeed(i).split("layer norm");
  const shape = drawShape(random, i);
  const channels = shape[shape.length - 1];
  const offset = Math.fround((i % 4 === 2 ? 100 : 2) * (2 * random.uniform() - 1));
  const values = normalArray(random, shape);
  const inputs = {
    x: { data: values.data.map((v) => Math.fround(v + offset)), shape },
    gamma: uniformArray(random, [channels], [-2, 2]),
    beta: normalArray(random, [channels]),
    dy: normalArray(random, shape),
  };
  const run = (x: tf.Tensor, gamma: tf.Tensor, beta: tf.Tensor) => layerNorm(x, { gamma, beta });
  return {
    label: `layerNorm of [${shape}] around ${offset}`,
    inputs,
    run: ({ x, gamma, beta, dy }) => [
      run(x, gamma, beta),
      ...tf.grads(run)([x, gamma, beta], dy),
    ],
    tolerances: () => layerNormTolerances(inputs, channels),
  };
}

/**
 * x̂ errs by e = (δm + 2u(|x| + |m|))/σ + |x̂|(δv/(2σ²) + 5u) as in norm_families.ts; y by |γ|·(e + 2u|x̂|) + 3u|β|;
 * dγ = Σ dy·x̂ like a sum and by Σ|dy|·e; dx = r(γ·dy − A − x̂·B) by r times the errors of A and B, sums of C terms
 * divided by C, of x̂ in both, and of r itself.
 */
function layerNormTolerances(
  { x, gamma, beta, dy }: Record<"x" | "gamma" | "beta" | "dy", NdArray<Float64Array>>,
  channels: number,
): Float64Array[] {
  const rows = channels === 0 ? 0 : x.data.length / channels;
  const statistics = statisticsOf(x, {
    shape: [rows, channels],
    sampleGroups: rows,
    channelGroups: 1,
  });
  const [y, dx] = [new Float64Array(x.data.length), new Float64Array(x.data.length)];
  const [squares, errors, betaSquares] = [0, 0, 0].map(() => new Float64Array(channels));
  statistics.forEach(({ mean, variance, meanError, varianceError }, row) => {
    const total = variance + 1e-5, deviation = Math.sqrt(total);
    const own = varianceError / (2 * total) + 5 * u;
    const at = (c: number) => {
      const value = x.data[row * channels + c], g = dy.data[row * channels + c];
      const normal = (value - mean) / deviation;
      const error = (meanError + 2 * u * (Math.abs(value) + Math.abs(mean))) / deviation +
        Math.abs(normal) * own;
      return { g, normal, error, term: Math.abs(gamma.data[c] * g) };
    };
    let magnitude = 0, product = 0, productError = 0;
    for (let c = 0; c < channels; c++) {
      const { g, normal, error, term } = at(c);
      magnitude += term / channels;
      product += term * Math.abs(normal) / channels;
      productError += term * error / channels;
      squares[c] += (g * normal) ** 2;
      betaSquares[c] += g * g;
      errors[c] += Math.abs(g) * error;
    }
    const relative = sumTolerance(channels) + own;
    for (let c = 0; c < channels; c++) {
      const { normal, error, term } = at(c), i = row * channels + c;
      y[i] = Math.abs(gamma.data[c]) * (error + 2 * u * Math.abs(normal)) +
        3 * u * Math.abs(beta.data[c]) + 1e-37;
      dx[i] = (term * (own + 4 * u) + relative * (magnitude + Math.abs(normal) * product) +
            Math.abs(normal) * productError + error * product) / deviation + 1e-37;
    }
  });
  const dGamma = fromSquares(squares, rows).map((tolerance, c) => tolerance + errors[c]);
  return [y, dx, dGamma, fromSquares(betaSquares, rows)];
}

/** Shapes with rows of every length: one value, long rows, many short ones, none. */
function drawShape(random: RandomStream, i: number): number[] {
  if (i % 50 === 3) return [0, 5];
  if (i % 50 === 7) return [3, 1500];
  if (i % 50 === 11) return [700, 37];
  return [
    ...Array.from({ length: random.integer(3) }, () => between(random, 1, 7)),
    between(random, 1, 40),
  ];
}
