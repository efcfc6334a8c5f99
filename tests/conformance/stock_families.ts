/**
 * Operations of TensorFlow.js that models, losses and optimisers use: elementwise, reductions, and those that
 * only move values, which must be exact.
 */
import type { NdArray } from "../../src/base/arrays.ts";
import { RandomStream } from "../../src/base/random.ts";
import { tf } from "../../src/deps/tfjs.ts";
import { between, normalArray, pick } from "../support/random_arrays.ts";
import { type Case, type Family, upload } from "./battery.ts";
import { fromSquares, scaled, sumTolerance, UNIT_ROUNDOFF as u } from "./rounding.ts";

/** One operation of one or two inputs and the error permitted per value. */
interface Elementwise {
  readonly run: (a: tf.Tensor, b: tf.Tensor) => tf.Tensor;
  /** Maps inputs to where the operation is defined. */
  readonly domain?: (value: number) => number;
  /** Permitted |difference| from the result and the (first) input. */
  readonly error: (result: number, a: number) => number;
}

const ROUNDED = (result: number) => 8 * u * Math.abs(result) + 1e-37;
const EXACT = () => 0;
const positive = (v: number) => Math.fround(Math.abs(v) + 0.01);

/**
 * Correctly rounded or nearly so: four units in the last place. exp: 4 + 2|x| units, log: 2⁻²¹ near 1, which is
 * what GPU shading languages promise; tanh and sigmoid: four units near 1.
 */
const ELEMENTWISE: Readonly<Record<string, Elementwise>> = {
  add: { run: tf.add, error: (y, a) => ROUNDED(y) + 2 * u * Math.abs(a) },
  sub: { run: tf.sub, error: (y, a) => ROUNDED(y) + 2 * u * Math.abs(a) },
  mul: { run: tf.mul, error: ROUNDED },
  div: { run: tf.div, domain: positive, error: ROUNDED },
  maximum: { run: tf.maximum, error: EXACT },
  minimum: { run: tf.minimum, error: EXACT },
  squaredDifference: {
    run: tf.squaredDifference,
    error: (y, a) => ROUNDED(y) + 8 * u * Math.sqrt(Math.abs(y)) * Math.abs(a),
  },
  greater: { run: tf.greater, error: EXACT },
  lessEqual: { run: tf.lessEqual, error: EXACT },
  equal: { run: (a) => tf.equal(a, a), error: EXACT },
  where: { run: (a, b) => tf.where(tf.greater(a, b), a, b), error: EXACT },
  neg: { run: (a) => tf.neg(a), error: EXACT },
  abs: { run: (a) => tf.abs(a), error: EXACT },
  sign: { run: (a) => tf.sign(a), error: EXACT },
  square: { run: (a) => tf.square(a), error: ROUNDED },
  sqrt: { run: (a) => tf.sqrt(a), domain: positive, error: ROUNDED },
  rsqrt: { run: (a) => tf.rsqrt(a), domain: positive, error: ROUNDED },
  exp: { run: (a) => tf.exp(a), error: (y, a) => (4 + 2 * Math.abs(a)) * 2 * u * y },
  log: {
    run: (a) => tf.log(a),
    domain: positive,
    error: (y) => 2 ** -21 + ROUNDED(y),
  },
  tanh: { run: (a) => tf.tanh(a), error: () => 8 * u },
  sigmoid: { run: (a) => tf.sigmoid(a), error: () => 8 * u },
  erf: { run: (a) => tf.erf(a), error: () => 16 * u },
  softplus: { run: (a) => tf.softplus(a), error: (y) => ROUNDED(y) + 16 * u },
  elu: { run: (a) => tf.elu(a), error: (y) => ROUNDED(y) + 16 * u },
  relu: { run: (a) => tf.relu(a), error: EXACT },
  leakyRelu: { run: (a) => tf.leakyRelu(a, 0.2), error: ROUNDED },
  clipByValue: { run: (a) => tf.clipByValue(a, -0.5, 0.75), error: EXACT },
};

/** Shapes of a and b: equal, scalar, row, column, inner axis. */
function pairOfShapes(random: RandomStream): [number[], number[]] {
  const shape = drawShape(random);
  const kind = random.integer(5);
  if (kind < 2) return [shape, shape];
  if (kind === 2) return [shape, []];
  if (kind === 3) return [shape, shape.slice(1)];
  return [shape, shape.map((n, axis) => axis === 0 ? n : 1)];
}

function drawShape(random: RandomStream): number[] {
  if (random.uniform() < 0.05) return [0, 3];
  return Array.from({ length: between(random, 1, 4) }, () => between(random, 1, 9));
}

/** Elementwise operations with broadcasting. */
export const ELEMENTWISE_FAMILY: Family = {
  name: "elementwise operations",
  cases: (count) => {
    const names = Object.keys(ELEMENTWISE);
    return Array.from({ length: count }, (_, i) => elementwiseCase(names[i % names.length], i));
  },
};

function elementwiseCase(name: string, i: number): Case {
  const random = RandomStream.fromSeed(i).split("elementwise");
  const { run, domain, error } = ELEMENTWISE[name];
  const [shapeA, shapeB] = pairOfShapes(random);
  const mapped = ({ data, shape }: NdArray<Float64Array>) => ({
    data: domain ? data.map(domain) : data,
    shape,
  });
  const inputs = {
    a: mapped(normalArray(random, shapeA, 3)),
    b: mapped(normalArray(random, shapeB)),
  };
  return {
    label: `${name} [${shapeA}] [${shapeB}]`,
    inputs,
    run: ({ a, b }) => [tf.cast(run(a, b), "float32")],
    tolerances: ([values]) => [values.map((value, k) => error(value, inputs.a.data[k]))],
  };
}

/** Sums, means, extrema and softmax over random axes. */
export const REDUCTION_FAMILY: Family = {
  name: "reductions",
  cases: (count) => Array.from({ length: count }, (_, i) => reductionCase(i)),
};

function reductionCase(i: number): Case {
  const random = RandomStream.fromSeed(i).split("reductions");
  const shape = Array.from({ length: between(random, 1, 4) }, () => between(random, 1, 12));
  const axes = shape.map((_, axis) => axis).filter(() => random.uniform() < 0.6);
  const keepDims = random.uniform() < 0.3;
  const name = pick(random, ["sum", "mean", "max", "min", "softmax"] as const);
  const inputs = { x: normalArray(random, shape) };
  const terms = axes.reduce((product, axis) => product * shape[axis], 1);
  const run: Case["run"] = ({ x }) => [
    name === "softmax" ? tf.softmax(x) : tf[name](x, axes, keepDims),
  ];
  return {
    label: `${name} of [${shape}] over [${axes}]`,
    inputs,
    run,
    tolerances([values]) {
      if (name === "max" || name === "min") return [values.map(() => 0)];
      // Each exponential errs by (4 + 2|x|) units, |x| ≤ 10 here, their sum like a sum.
      if (name === "softmax") return [scaled(values, 60 * u + sumTolerance(shape.at(-1)!))];
      const squares = { x: { data: inputs.x.data.map((v) => v * v), shape } };
      const sums = tf.tidy(() => run(upload(squares))[0].dataSync());
      // The mean of squares is Σt²/K, its root q/√K: K times less than q takes another √K.
      const part = name === "mean" ? 1 / Math.sqrt(terms) : 1;
      return [fromSquares(sums, terms).map((tolerance) => tolerance * part)];
    },
  };
}

/** Operations that move values; every value must arrive bit by bit. */
export const MOVEMENT_FAMILY: Family = {
  name: "operations that move values",
  cases: (count) => {
    const names = Object.keys(MOVEMENTS);
    return Array.from({ length: count }, (_, i) => movementCase(names[i % names.length], i));
  },
};

type Movement = (x: tf.Tensor, shape: readonly number[], random: RandomStream) => tf.Tensor[];

const MOVEMENTS: Readonly<Record<string, Movement>> = {
  reshape: (x) => [tf.reshape(x, [-1])],
  transpose: (x, shape, random) => [tf.transpose(x, [...random.permutation(shape.length)])],
  slice: (x, shape, random) => {
    const begin = shape.map((n) => random.integer(n));
    const size = shape.map((n, axis) => between(random, 1, n - begin[axis]));
    return [tf.slice(x, begin, size)];
  },
  stridedSlice: (x, shape) => [
    tf.stridedSlice(x, shape.map(() => 0), [...shape], shape.map(() => 2)),
  ],
  concat: (x, shape, random) => [tf.concat([x, x, x], random.integer(shape.length))],
  stack: (x, shape, random) => [tf.stack([x, x], random.integer(shape.length + 1))],
  unstack: (x, shape, random) => tf.unstack(x, random.integer(shape.length)),
  split: (x, shape, random) => {
    const axis = random.integer(shape.length);
    const first = between(random, 1, shape[axis]);
    return tf.split(x, first === shape[axis] ? [first] : [first, shape[axis] - first], axis);
  },
  tile: (x, shape, random) => [tf.tile(x, shape.map(() => between(random, 1, 3)))],
  pad: (x, shape, random) => [
    tf.pad(x, shape.map(() => [random.integer(3), random.integer(3)] as [number, number]), 0.5),
  ],
  gather: (x, shape, random) => {
    const axis = random.integer(shape.length);
    const rows = Array.from({ length: 5 }, () => random.integer(shape[axis]));
    return [tf.gather(x, tf.tensor1d(rows, "int32"), axis)];
  },
  gatherBatches: (x, shape, random) => {
    const [samples, length] = [shape[0], shape[1] ?? 1];
    const batches = tf.reshape(x, [samples, length, -1]);
    const rows = Array.from({ length: samples * 4 }, () => random.integer(length));
    return [tf.gather(batches, tf.tensor2d(rows, [samples, 4], "int32"), 1, 1)];
  },
  stridedSliceBackwards: (x, shape, random) => {
    const begin = shape.map((n) => random.integer(n));
    const steps = shape.map(() => pick(random, [-1, -2, -3]));
    // Bits of the end mask: every axis runs to its first place.
    return [tf.stridedSlice(x, begin, shape.map(() => 0), steps, 0, 2 ** shape.length - 1)];
  },
  stridedSliceMasks: (x, shape) => [
    tf.stridedSlice(x, [0], [1], [1], 0, 0, 0, 0, 1),
    tf.stridedSlice(x, shape.map(() => 0), [...shape], shape.map(() => 3), 1, 1),
  ],
  mirrorPad: (x, shape, random) => [
    tf.mirrorPad(x, shape.map((n) => [random.integer(n), random.integer(n)]), "reflect"),
    tf.mirrorPad(x, shape.map((n) => [random.integer(n + 1), 0]), "symmetric"),
  ],
  segments: (x, shape, random) => {
    // Every row in a segment of its own, one dropped: sums are exact.
    const rows = tf.tensor1d([...random.permutation(shape[0])].map((s) => s - 1), "int32");
    return [tf.unsortedSegmentSum(x, rows, shape[0] + 1)];
  },
  scatter: (x, shape, random) => {
    const rows = [...random.permutation(shape[0] + 2)].slice(0, shape[0]);
    const places = tf.tensor2d(rows, [shape[0], 1], "int32");
    return [tf.scatterND(places, x, [shape[0] + 2, ...shape.slice(1)])];
  },
  oneHot: (_, shape, random) => {
    const places = shape.map((n) => random.integer(n + 2) - 1);
    return [tf.cast(tf.oneHot(tf.tensor1d(places, "int32"), 5, 2, -1), "float32")];
  },
  reverse: (x, shape, random) => [tf.reverse(x, random.integer(shape.length))],
  expandDims: (x, shape, random) => [tf.expandDims(x, random.integer(shape.length + 1))],
  broadcastTo: (x, shape) => [tf.broadcastTo(x, [2, ...shape])],
  zerosLike: (x) => [tf.zerosLike(x), tf.onesLike(x), tf.fill([2, 3], 0.25)],
};

function movementCase(name: string, i: number): Case {
  const random = RandomStream.fromSeed(i).split("movement");
  const shape = Array.from({ length: between(random, 1, 4) }, () => between(random, 1, 7));
  const choices = random.split("choices");
  return {
    label: `${name} of [${shape}]`,
    inputs: { x: normalArray(random, shape) },
    // A fresh stream per run: every engine is asked for the same thing.
    run: ({ x }) => MOVEMENTS[name](x, shape, choices.split("run")),
    tolerances: (results) => results.map((values) => values.map(() => 0)),
  };
}
