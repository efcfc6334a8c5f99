/**
 * Gradients of the stock operations that the tests put on the gradient tape. TensorFlow.js registers its own
 * only with the union package, which brings a hundred others. Finite differences and the gradient functions
 * of the library are compared with what these formulas give, so an error here fails there.
 *
 * Importing this module registers them.
 */
import { tf } from "../../src/deps/tfjs.ts";

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
gradient("BatchMatMul", AB, (dy, [a, b], { transposeA, transposeB }) => ({
  a: () => transposeA ? tf.matMul(b, dy, transposeB, true) : tf.matMul(dy, b, false, !transposeB),
  b: () => transposeB ? tf.matMul(dy, a, true, transposeA) : tf.matMul(a, dy, !transposeA, false),
}));
gradient("Conv3D", { inputs: ["x", "filter"] }, (dy, [x, filter], { strides, pad }) => ({
  x: () => kernel("Conv3DBackpropInputV2", { dy, filter }, { strides, pad, inputShape: x.shape }),
  filter: () =>
    kernel("Conv3DBackpropFilterV2", { x, dy }, { strides, pad, filterShape: filter.shape }),
}));

// Parts of tensors. A gather is along the first axis, with a list of rows.
gradient("GatherV2", { inputs: ["x", "indices"] }, (dy, [x, indices]) => ({
  x: () => tf.unsortedSegmentSum(dy, indices as tf.Tensor1D, x.shape[0]),
  indices: () => indices,
}));
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

function kernel(name: string, inputs: object, attributes: object): tf.Tensor {
  return tf.engine().runKernel(
    name,
    inputs as tf.NamedTensorMap,
    attributes as tf.NamedAttrMap,
  ) as tf.Tensor;
}
