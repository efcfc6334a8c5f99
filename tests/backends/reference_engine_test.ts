import { selectBackend } from "../../src/backends/registry.ts";
import { toHost, toScalar, toTensor } from "../../src/backends/tensors.ts";
import { BackendError, ShapeError } from "../../src/base/errors.ts";
import { RandomStream } from "../../src/base/random.ts";
import { assert, assertEquals, assertInstanceOf, assertThrows } from "../../src/deps/std.ts";
import { tf } from "../../src/deps/tfjs.ts";
import { assertClose } from "../support/closeness.ts";
import { normalArray } from "../support/random_arrays.ts";
import "../../src/ops/stock_gradients.ts";

Deno.test("values keep float64 through operations, the tape and back to the host", async () => {
  await selectBackend("reference");
  const third = toTensor(Float64Array.of(1 / 3), [1]);
  const loss = (x: tf.Tensor) => tf.sum(tf.mul(tf.exp(x), toScalar(0.1))) as tf.Scalar;
  const gradient = tf.grad(loss)(third);
  const values = await toHost(gradient);
  assertInstanceOf(values, Float64Array);
  assertClose(values, [0.1 * Math.exp(1 / 3)], { tolerance: 1e-15 });
  tf.dispose([third, gradient]);
});

Deno.test("a tensor owns its values on every engine", async () => {
  for (const name of ["cpu", "reference"] as const) {
    await selectBackend(name);
    const buffer = Float32Array.of(1, 2);
    const wide = Float64Array.of(1, 2);
    const [a, b] = [toTensor(buffer, [2]), toTensor(wide, [2])];
    buffer[0] = wide[0] = 9;
    assertEquals([...a.dataSync(), ...b.dataSync()], [1, 2, 1, 2], name);
    const copy = await toHost(a);
    copy[0] = 7;
    assertEquals(a.dataSync()[0], 1, name);
    tf.dispose([a, b]);
  }
});

Deno.test("values that do not fill the shape are refused", async () => {
  await selectBackend("cpu");
  assertThrows(() => toTensor(new Float32Array(5), [2, 3]), ShapeError, "found 5 values, needs 6");
});

Deno.test("memory is given back when the last name of a value is disposed of", async () => {
  const engine = await selectBackend("reference");
  const { used } = engine.memory();
  const x = toTensor(new Float64Array(10), [10]);
  const alias = tf.reshape(x, [2, 5]);
  assertEquals(engine.memory().used, used + 80);
  x.dispose();
  assertEquals(engine.memory().used, used + 80, "the reshaped tensor still needs the values");
  assertEquals(alias.dataSync().length, 10);
  alias.dispose();
  assertEquals(engine.memory().used, used);
});

Deno.test("a hundred steps of a small model leave no tensors and no bytes behind", async () => {
  const engine = await selectBackend("reference");
  const x = toTensor(normalArray(RandomStream.fromSeed(1), [4, 3]).data, [4, 3]);
  const w = toTensor(normalArray(RandomStream.fromSeed(2), [3, 2]).data, [3, 2]);
  const step = () =>
    tf.grad((w: tf.Tensor) => tf.mean(tf.square(tf.leakyRelu(tf.matMul(x, w), 0.2))) as tf.Scalar)(
      w,
    ).dispose();
  step();
  const before = [tf.memory().numTensors, tf.memory().numDataBuffers, engine.memory().used];
  for (let i = 0; i < 100; i++) step();
  assertEquals([tf.memory().numTensors, tf.memory().numDataBuffers, engine.memory().used], before);
  tf.dispose([x, w]);
});

Deno.test("a tensor made on another engine is moved over when it is used", async () => {
  await selectBackend("cpu");
  const x = toTensor(Float32Array.of(1, 2, 3), [3]);
  await selectBackend("reference");
  const doubled = tf.add(x, x);
  assertEquals([...doubled.dataSync()], [2, 4, 6]);
  tf.dispose([x, doubled]);
});

/** Calls with kernels that the battery does not reach, for comparison with the stock CPU kernels. */
const CALLS: Readonly<Record<string, (x: tf.Tensor) => tf.Tensor>> = {
  "gatherND": (x) => tf.gatherND(x, tf.tensor2d([[0, 1], [3, 4], [1, 1]], [3, 2], "int32")),
  "scatterND": (x) =>
    tf.scatterND(tf.tensor2d([[1], [3], [1], [0]], [4, 1], "int32"), x, [5, 5, 6]),
  "unsortedSegmentSum": (x) =>
    tf.unsortedSegmentSum(x as tf.Tensor1D, tf.tensor1d([0, 2, 0, 1], "int32"), 3),
  "oneHot": () => tf.oneHot(tf.tensor1d([0, 3, 7, 1], "int32"), 4),
  "stridedSlice with masks": (x) =>
    tf.stridedSlice(x, [0, 4, 0], [0, 0, 0], [1, -2, 3], 0, 5, 0, 0, 0),
  "batched gather": (x) =>
    tf.gather(x, tf.tensor2d([0, 4, 2, 1, 1, 3, 0, 0], [4, 2], "int32"), 1, 1),
  "range": () => tf.range(0.5, 3, 0.5),
  "argMax": (x) => tf.argMax(x, 1),
  "prod": (x) => tf.prod(x, 0),
  "all": (x) => tf.all(tf.greater(x, -1), 2),
  "any": (x) => tf.any(tf.greater(x, 1), 2),
  "logical operations": (x) =>
    tf.logicalOr(tf.logicalAnd(tf.greater(x, 0), tf.less(x, 1)), tf.logicalNot(tf.less(x, 2))),
  "where by rows": (x) => tf.where(tf.tensor3d([1, 0, 0, 1], [4, 1, 1], "bool"), x, tf.neg(x)),
  "floor, mod, pow": (x) => tf.pow(tf.mod(tf.floor(x), 3), 2),
  "softplus and step": (x) => tf.add(tf.softplus(x), tf.step(x, 0.25)),
  "sine and cosine": (x) => tf.sub(tf.sin(x), tf.cos(x)),
  "log1p, expm1, reciprocal": (x) => tf.reciprocal(tf.log1p(tf.abs(tf.expm1(x)))),
  "isNaN, isInf, isFinite": (x) =>
    tf.add(
      tf.cast(tf.isNaN(tf.log(x)), "int32"),
      tf.add(tf.cast(tf.isInf(tf.div(x, 0)), "int32"), tf.cast(tf.isFinite(x), "int32")),
    ),
  "cast to int32": (x) => tf.cast(tf.mul(x, 10), "int32"),
  "addN": (x) => tf.addN([x, x, x]),
  "fused matMul": (x) =>
    tf.fused.matMul({
      a: tf.reshape(x, [20, 6]),
      b: tf.slice(tf.reshape(x, [20, 6]), [0, 0], [5, 6]),
      transposeB: true,
      bias: tf.tensor1d([1, 2, 3, 4, 5]),
      activation: "relu",
    }),
  "conv3d same": (x) => stockConvolution(x, "same", 2),
  "conv3d valid": (x) => stockConvolution(x, "valid", 1),
  "conv3d gradients": (x) => {
    const inputs = [
      tf.reshape(x, [1, 4, 5, 3, 2]),
      tf.reshape(tf.slice(x, [0, 0, 0], [4, 2, 6]), [2, 2, 2, 2, 3]),
    ];
    const forward = (x: tf.Tensor, w: tf.Tensor) =>
      tf.conv3d(x as tf.Tensor5D, w as tf.Tensor5D, 2, "same");
    return tf.concat(tf.grads(forward)(inputs).map((gradient) => tf.reshape(gradient, [-1])), 0);
  },
};

function stockConvolution(x: tf.Tensor, pad: "same" | "valid", stride: number): tf.Tensor {
  const filter = tf.reshape(tf.slice(x, [0, 0, 0], [4, 3, 4]), [2, 3, 2, 2, 2]) as tf.Tensor5D;
  return tf.conv3d(tf.reshape(x, [1, 4, 5, 3, 2]) as tf.Tensor5D, filter, stride, pad);
}

for (const [name, call] of Object.entries(CALLS)) {
  Deno.test(`${name} agrees with the stock CPU kernels`, async () => {
    const { data, shape } = normalArray(RandomStream.fromSeed(5), [4, 5, 6]);
    const evaluate = async (engine: "cpu" | "reference") => {
      await selectBackend(engine);
      const result = tf.tidy(() => call(toTensor(data, shape)));
      const found = { shape: result.shape, dtype: result.dtype, values: await result.data() };
      result.dispose();
      return found;
    };
    const stock = await evaluate("cpu");
    const ours = await evaluate("reference");
    assertEquals([ours.shape, ours.dtype], [stock.shape, stock.dtype]);
    assert(stock.values.length > 0);
    assertClose(ours.values, stock.values, { tolerance: 2e-6 });
  });
}

Deno.test("dtypes, indices and activations that the reference engine does not know are refused", async () => {
  await selectBackend("reference");
  const x = toTensor(new Float64Array(6), [2, 3]);
  assertThrows(() => tf.tensor(["text"]), BackendError, "dtype is string");
  assertThrows(
    () => tf.gather(x, tf.tensor1d([2], "int32")),
    BackendError,
    "index is 2, needs 0 … 1",
  );
  assertThrows(
    () => tf.fused.matMul({ a: x, b: x, transposeB: true, activation: "elu" }),
    BackendError,
    'activation is "elu"',
  );
  x.dispose();
});
