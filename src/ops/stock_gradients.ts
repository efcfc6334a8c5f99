/**
 * Gradients of the usual stock operations of TensorFlow.js on its tape. TensorFlow.js registers its own only with
 * the union package, which brings a hundred others; with these, a model's forward function may mix the operations
 * of this library with `tf.add`, `tf.reshape`, `tf.concat`, … An operation without one makes the tape say so.
 *
 * Importing this module registers them, once for the process.
 */
import { runKernel } from "../backends/kernel_calls.ts";
import { ShapeError } from "../base/errors.ts";
import { tf } from "../deps/tfjs.ts";

/** Values of a kernel's gradient by input name, as functions: unneeded ones are not computed. */
type Gradients = Record<string, () => tf.Tensor>;

/** From dy, the saved tensors (inputs, then outputs) and the kernel's attributes. */
// deno-lint-ignore no-explicit-any
type Formula = (dy: tf.Tensor, saved: tf.Tensor[], attributes: any) => Gradients;

interface Saves {
  readonly inputs?: string[];
  readonly output?: boolean;
}

function gradient(kernelName: string, saves: Saves, formula: Formula): void {
  tf.registerGradient({
    kernelName,
    inputsToSave: saves.inputs ?? [],
    outputsToSave: [saves.output ?? false],
    gradFunc: (dy, saved, attributes) => formula(dy as tf.Tensor, saved, attributes),
  });
}

// One input.
const X = { inputs: ["x"] };
const Y = { output: true };
gradient("Abs", X, (dy, [x]) => ({ x: () => tf.mul(dy, tf.sign(x)) }));
gradient("Exp", Y, (dy, [y]) => ({ x: () => tf.mul(dy, y) }));
gradient("Relu", X, (dy, [x]) => ({ x: () => tf.mul(dy, tf.step(x)) }));
gradient("Neg", {}, (dy) => ({ x: () => tf.neg(dy) }));
gradient("Log", X, (dy, [x]) => ({ x: () => tf.div(dy, x) }));
gradient("Sqrt", Y, (dy, [y]) => ({ x: () => tf.div(dy, tf.mul(y, 2)) }));
gradient("Softplus", X, (dy, [x]) => ({ x: () => tf.mul(dy, tf.sigmoid(x)) }));
gradient("Cast", X, (dy, [x]) => ({ x: () => tf.cast(dy, x.dtype) }));
gradient(
  "ExpandDims",
  { inputs: ["input"] },
  (dy, [x]) => ({ input: () => tf.reshape(dy, x.shape) }),
);
gradient("Rsqrt", X, (dy, [x]) => ({
  x: () => tf.div(dy, tf.mul(tf.mul(x, tf.sqrt(x)), -2)),
}));
gradient("Sigmoid", Y, (dy, [y]) => ({ x: () => tf.mul(dy, tf.mul(y, tf.sub(1, y))) }));
gradient("Softmax", Y, (dy, [y]) => ({
  logits: () => {
    const weighted = tf.mul(dy, y);
    return tf.sub(weighted, tf.mul(tf.sum(weighted, -1, true), y));
  },
}));
gradient("Square", X, (dy, [x]) => ({ x: () => tf.mul(dy, tf.mul(x, 2)) }));
gradient("Tanh", Y, (dy, [y]) => ({ x: () => tf.mul(dy, tf.sub(1, tf.square(y))) }));
gradient("LeakyRelu", X, (dy, [x], { alpha }) => ({
  x: () => tf.where(tf.greater(x, 0), dy, tf.mul(dy, alpha)),
}));
gradient("ClipByValue", X, (dy, [x], { clipValueMin, clipValueMax }) => ({
  x: () => {
    const inside = tf.logicalAnd(tf.greaterEqual(x, clipValueMin), tf.lessEqual(x, clipValueMax));
    return tf.where(inside, dy, tf.zerosLike(dy));
  },
}));
gradient("Identity", {}, (dy) => ({ x: () => dy }));
gradient("Reshape", X, (dy, [x]) => ({ x: () => tf.reshape(dy, x.shape) }));
gradient("PadV2", X, (dy, [x], { paddings }) => ({
  x: () => tf.slice(dy, paddings.map(([before]: [number, number]) => before), x.shape),
}));
gradient("Slice", X, (dy, [x], { begin, size }) => ({
  x: () => {
    const [from, lengths] = tf.slice_util.parseSliceParams(x, begin, size);
    return tf.pad(dy, x.shape.map((n, a) => [from[a], n - from[a] - lengths[a]]));
  },
}));
gradient("Transpose", {}, (dy, _, { perm }) => ({
  x: () => tf.transpose(dy, tf.backend_util.getUndoAxesPermutation(perm)),
}));
gradient("Sum", X, (dy, [x], { axis }) => ({ x: () => spread(dy, x.shape, axis) }));
gradient("Mean", X, (dy, [x], { axis }) => ({
  x: () => tf.mul(spread(dy, x.shape, axis), dy.size / x.size),
}));

// Two inputs.
const AB = { inputs: ["a", "b"] };
gradient("Add", AB, (dy, [a, b]) => ({
  a: () => collect(dy, a.shape),
  b: () => collect(dy, b.shape),
}));
gradient("Sub", AB, (dy, [a, b]) => ({
  a: () => collect(dy, a.shape),
  b: () => collect(tf.neg(dy), b.shape),
}));
gradient("Multiply", AB, (dy, [a, b]) => ({
  a: () => collect(tf.mul(dy, b), a.shape),
  b: () => collect(tf.mul(dy, a), b.shape),
}));
gradient("RealDiv", AB, (dy, [a, b]) => ({
  a: () => collect(tf.div(dy, b), a.shape),
  b: () => collect(tf.neg(tf.div(tf.mul(dy, a), tf.square(b))), b.shape),
}));
gradient("SquaredDifference", AB, (dy, [a, b]) => {
  const twice = () => tf.mul(tf.mul(dy, 2), tf.sub(a, b));
  return { a: () => collect(twice(), a.shape), b: () => collect(tf.neg(twice()), b.shape) };
});
gradient("Maximum", AB, (dy, [a, b]) => ({
  a: () => collect(tf.mul(dy, tf.cast(tf.greaterEqual(a, b), "float32")), a.shape),
  b: () => collect(tf.mul(dy, tf.cast(tf.less(a, b), "float32")), b.shape),
}));
gradient("Minimum", AB, (dy, [a, b]) => ({
  a: () => collect(tf.mul(dy, tf.cast(tf.lessEqual(a, b), "float32")), a.shape),
  b: () => collect(tf.mul(dy, tf.cast(tf.greater(a, b), "float32")), b.shape),
}));
gradient("BatchMatMul", AB, (dy, [a, b], { transposeA, transposeB }) => ({
  a: () => transposeA ? tf.matMul(b, dy, transposeB, true) : tf.matMul(dy, b, false, !transposeB),
  b: () => transposeB ? tf.matMul(dy, a, true, transposeA) : tf.matMul(a, dy, !transposeA, false),
}));
gradient("Conv3D", { inputs: ["x", "filter"] }, (dy, [x, filter], { strides, pad }) => ({
  x: () =>
    runKernel("Conv3DBackpropInputV2", { dy, filter }, { strides, pad, inputShape: x.shape })[0],
  filter: () =>
    runKernel("Conv3DBackpropFilterV2", { x, dy }, { strides, pad, filterShape: filter.shape })[0],
}));

// Parts of tensors.
gradient("GatherV2", { inputs: ["x", "indices"] }, (dy, [x, indices], { axis, batchDims }) => {
  if (axis !== 0 || batchDims !== 0) {
    throw new ShapeError(
      `Cannot differentiate a gather along axis ${axis} with ${batchDims} batch axes: needs the first axis and none; ` +
        "transpose before gathering",
      x.shape,
      "a gather along the first axis",
    );
  }
  const rows = tf.reshape(dy, [indices.size, ...x.shape.slice(1)]);
  return {
    x: () => tf.unsortedSegmentSum(rows, tf.reshape(indices, [-1]) as tf.Tensor1D, x.shape[0]),
    indices: () => indices,
  };
});
tf.registerGradient({
  kernelName: "Concat",
  saveAllInputs: true,
  gradFunc(dy, parts, { axis }) {
    const sizes = parts.map(({ shape }) => shape[axis as number]);
    const gradients = tf.split(dy as tf.Tensor, sizes, axis as number);
    return Object.fromEntries(gradients.map((part, i) => [i, () => part]));
  },
});
tf.registerGradient({
  kernelName: "Pack",
  saveAllInputs: true,
  gradFunc(dy, _, { axis }) {
    const gradients = tf.unstack(dy as tf.Tensor, axis as number);
    return Object.fromEntries(gradients.map((part, i) => [i, () => part]));
  },
});
tf.registerGradient({
  kernelName: "SplitV",
  gradFunc: (dy, _, { axis }) => ({ x: () => tf.concat(dy as tf.Tensor[], axis as number) }),
});
tf.registerGradient({
  kernelName: "Unpack",
  gradFunc: (dy, _, { axis }) => ({ value: () => tf.stack(dy as tf.Tensor[], axis as number) }),
});

/** dy of a sum over axes, repeated along them. */
function spread(dy: tf.Tensor, shape: readonly number[], axis: number | number[]): tf.Tensor {
  const axes = tf.util.parseAxisParam(axis, [...shape]);
  const kept = shape.map((size, i) => axes.includes(i) ? 1 : size);
  return tf.mul(tf.reshape(dy, kept), tf.ones([...shape]));
}

/** dy of a broadcast, summed along what was repeated. */
function collect(dy: tf.Tensor, shape: number[]): tf.Tensor {
  const axes = tf.broadcast_util.getReductionAxes(shape, dy.shape);
  return tf.reshape(axes.length > 0 ? tf.sum(dy, axes) : dy, shape);
}
