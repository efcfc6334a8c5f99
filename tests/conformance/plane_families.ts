/** 1-D and 2-D convolutions, padding, up-sampling, pooling, parts and embedding in the battery, gradients included. */
import { RandomStream } from "../../src/base/random.ts";
import type { NdArray } from "../../src/base/arrays.ts";
import { toTensor } from "../../src/backends/tensors.ts";
import { tf } from "../../src/deps/tfjs.ts";
import { conv1d, conv2d, convTranspose1d, convTranspose2d } from "../../src/ops/convolution.ts";
import { embedding } from "../../src/ops/embedding.ts";
import { type PaddingMode, reflectPad, replicatePad } from "../../src/ops/padding.ts";
import { concatenate, gather, slice, split } from "../../src/ops/parts.ts";
import { averagePool, maxPool } from "../../src/ops/pooling.ts";
import { upsampleLinear, upsampleNearest } from "../../src/ops/upsampling.ts";
import { between, normalArray, pick } from "../support/random_arrays.ts";
import "../../src/ops/stock_gradients.ts";
import { type Case, type CaseInputs, type CaseTensors, type Family, upload } from "./battery.ts";
import { fromSquares, UNIT_ROUNDOFF } from "./rounding.ts";

const MODES: readonly PaddingMode[] = ["zero", "reflect", "replicate"];

/** y and its gradients in all inputs, for one dy. */
type Operation = (inputs: readonly tf.Tensor[]) => tf.Tensor;

/** The values of dy for a result of this shape, each passed through `of`. */
type Towards = (shape: readonly number[], of: (value: number) => number) => tf.Tensor;

/** Standard normal, from a fixed stream. */
function towards(random: RandomStream): Towards {
  return (shape, of) => toTensor(normalArray(random.split("dy"), shape).data.map(of), shape);
}

/**
 * The results of an operation that is linear in each input: y, then the gradient in every input. The order of the
 * inputs is that of their names.
 */
function withGradients(
  operation: Operation,
  dy: Towards,
  of: (value: number) => number = (value) => value,
): Case["run"] {
  return (inputs: CaseTensors) => {
    const list = Object.values(inputs);
    const y = operation(list);
    const gradients = tf.grads((...all: tf.Tensor[]) => operation(all))(list, dy(y.shape, of));
    return [y, ...gradients];
  };
}

/** A case whose results are sums of products: tolerances from the same sums of squares. */
function productsCase(
  label: string,
  inputs: CaseInputs,
  { terms, operation, dy }: { terms: readonly number[]; operation: Operation; dy: Towards },
): Case {
  const square = (value: number) => value * value;
  const squared = withGradients(operation, dy, square);
  return {
    label,
    inputs,
    run: withGradients(operation, dy),
    tolerances() {
      const squares = Object.fromEntries(
        Object.entries(inputs).map(([name, { data, shape }]) => [
          name,
          { data: data.map(square), shape },
        ]),
      );
      const sums = tf.tidy(() => squared(upload(squares)).map((tensor) => tf.keep(tensor)));
      const result = sums.map((tensor, r) => fromSquares(tensor.dataSync(), terms[r]));
      tf.dispose(sums);
      return result;
    },
  };
}

const CHANNELS = [[1, 1], [1, 16], [3, 4], [4, 3], [5, 7], [8, 8], [16, 1], [16, 16], [17, 20]];

/** conv1d, conv2d and their transposes with every padding, stride and dilation, and their gradients. */
export const PLANE_CONVOLUTION: Family = {
  name: "1-D and 2-D convolutions",
  cases: (count) => Array.from({ length: count }, (_, i) => convolutionCase(i)),
};

function convolutionCase(i: number): Case {
  const random = RandomStream.fromSeed(i).split("plane convolution");
  const axes = 1 + i % 2;
  const transposed = i % 4 >= 2;
  const each = (low: number, high: number) =>
    Array.from({ length: axes }, () => between(random, low, high));
  const kernel = each(1, axes === 1 ? 7 : 5);
  const stride = each(1, 3);
  const dilation = random.uniform() < 0.5 ? each(1, 1) : each(1, 4);
  const reach = kernel.map((k, a) => dilation[a] * (k - 1));
  const padding = reach.map((n) => random.integer(Math.min(n, 4) + 1));
  const mode = transposed ? "zero" : pick(random, MODES);
  const lengths = reach.map((n, a) =>
    between(random, Math.max(1, n + 1 - 2 * padding[a], padding[a] + 1), n + 9)
  );
  const [ci, co] = pick(random, CHANNELS);
  const samples = i % 29 === 7 ? 0 : between(random, 1, 3);
  const bias = i % 3 === 0;
  const geometry = { stride, dilation, padding };
  const output = lengths.map((n, a) =>
    transposed
      ? (n - 1) * stride[a] - 2 * padding[a] + reach[a] + 1
      : Math.floor((n + 2 * padding[a] - reach[a] - 1) / stride[a]) + 1
  );
  if (output.some((n) => n < 1)) return convolutionCase(i + 1000);
  const inputs: Record<string, NdArray<Float64Array>> = {
    x: normalArray(random, [samples, ...lengths, ci]),
    filter: normalArray(random, [...kernel, ...(transposed ? [co, ci] : [ci, co])]),
    ...(bias ? { bias: normalArray(random, [co]) } : {}),
  };
  const taps = product(kernel);
  const places = samples * product(transposed ? lengths : output);
  const forward = transposed
    ? [convTranspose1d, convTranspose2d][axes - 1]
    : [conv1d, conv2d][axes - 1];
  return productsCase(
    `${
      transposed ? "transposed " : ""
    }[${samples}, ${lengths}] ${ci} → ${co}, kernel [${kernel}], ` +
      `stride [${stride}], dilation [${dilation}], ${mode} padding [${padding}]`,
    inputs,
    {
      dy: towards(random),
      // Mirrored places are added on top of each other on the way back.
      terms: [taps * ci + 1, taps * co * 9, places, samples * product(output)],
      operation: ([x, filter, b]) =>
        forward(x, filter, { ...geometry, bias: b, ...(transposed ? {} : { paddingMode: mode }) }),
    },
  );
}

/** Operations with few taps on each axis, and those that move values, with their gradients. */
export const TAP_FAMILY: Family = {
  name: "padding, pooling, up-sampling and parts",
  cases: (count) => {
    const names = Object.keys(OPERATIONS);
    return Array.from({ length: count }, (_, i) => tapCase(names[i % names.length], i));
  },
};

type Draw = (x: readonly number[], random: RandomStream) => Operation;

const OPERATIONS: Readonly<Record<string, Draw>> = {
  reflectPad: (shape, random) => {
    const padding = spatial(shape, (n) => random.integer(n));
    return ([x]) => reflectPad(x, { before: padding, after: padding.map((n) => n >> 1) });
  },
  replicatePad: (shape, random) => {
    const padding = spatial(shape, () => random.integer(5));
    return ([x]) => replicatePad(x, { before: padding.map((n) => n >> 1), after: padding });
  },
  upsampleNearest: (shape, random) => {
    const factor = spatial(shape, () => between(random, 1, 3));
    return ([x]) => upsampleNearest(x, factor);
  },
  upsampleLinear: (shape, random) => {
    const factor = spatial(shape, () => between(random, 1, 3));
    const alignCorners = random.uniform() < 0.5;
    return ([x]) => upsampleLinear(x, factor, { alignCorners });
  },
  averagePool: (shape, random) => {
    const options = { ...drawWindows(shape, random), countPadding: random.uniform() < 0.5 };
    return ([x]) => averagePool(x, options);
  },
  maxPool: (shape, random) => {
    const options = drawWindows(shape, random);
    return ([x]) => maxPool(x, options);
  },
  concatenate: (shape, random) => {
    const axis = random.integer(shape.length);
    return ([x]) => concatenate([x, tf.mul(x, 1), x], axis);
  },
  split: (shape, random) => {
    const axis = random.integer(shape.length);
    const first = random.integer(shape[axis] + 1);
    // The second part alone: the first has no gradient of its own.
    return ([x]) => split(x, [first, shape[axis] - first], { axis })[first < shape[axis] ? 1 : 0];
  },
  slice: (shape, random) => {
    const axis = random.integer(shape.length);
    const begin = random.integer(shape[axis]);
    const step = pick(random, [1, 1, 2, -1, -2]);
    return ([x]) => slice(x, { axis, begin, step });
  },
  gather: (shape, random) => {
    const axis = random.integer(shape.length);
    const places = Array.from({ length: 5 }, () => random.integer(shape[axis]));
    return ([x]) => gather(x, places, { axis });
  },
  gatherOnEngine: (shape, random) => {
    const axis = random.integer(shape.length);
    const places = Array.from({ length: 5 }, () => random.integer(shape[axis]));
    return ([x]) => gather(x, tf.tensor1d(places, "int32"), { axis });
  },
  embedding: ([samples, ...rest], random) => {
    const rows = samples * product(rest.slice(0, -1));
    const list = Array.from({ length: 7 }, () => random.integer(rows));
    return ([x]) =>
      embedding(tf.tensor2d(list, [1, 7], "int32"), tf.reshape(x, [rows, rest.at(-1)!]));
  },
};

function tapCase(name: string, i: number): Case {
  const random = RandomStream.fromSeed(i).split("taps");
  const axes = between(random, 1, 3);
  const channels = pick(random, [1, 2, 3, 4, 5, 16, 18, 33]);
  const shape = [
    between(random, 1, 3),
    ...Array.from({ length: axes }, () => between(random, 1, 7)),
    channels,
  ];
  const operation = OPERATIONS[name](shape, random.split("options"));
  const inputs = { x: normalArray(random, shape) };
  const label = `${name} of [${shape}]`;
  const dy = towards(random);
  if (name === "maxPool") return largestCase(label, inputs, withGradients(operation, dy));
  return productsCase(label, inputs, { terms: [64, 64], operation, dy });
}

/** The largest value is exact, its gradient a sum of at most as many dy as windows overlap. */
function largestCase(label: string, inputs: CaseInputs, run: Case["run"]): Case {
  return {
    label,
    inputs,
    run,
    tolerances: (
      [y, dx],
    ) => [y.map(() => 0), dx.map((v) => 16 * UNIT_ROUNDOFF * (2 + Math.abs(v)))],
  };
}

function drawWindows(shape: readonly number[], random: RandomStream) {
  const kernel = spatial(shape, (n) => between(random, 1, Math.min(n, 4)));
  return {
    kernel,
    stride: kernel.map((k) => between(random, 1, k + 1)),
    padding: kernel.map((k) => random.integer(Math.floor(k / 2) + 1)),
  };
}

function spatial(shape: readonly number[], of: (length: number) => number): number[] {
  return shape.slice(1, -1).map(of);
}

function product(numbers: readonly number[]): number {
  return numbers.reduce((result, n) => result * n, 1);
}
