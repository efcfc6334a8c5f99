import { selectBackend } from "../../src/backends/registry.ts";
import type { NdArray } from "../../src/base/arrays.ts";
import { ShapeError } from "../../src/base/errors.ts";
import { RandomStream } from "../../src/base/random.ts";
import { assertThrows } from "../../src/deps/std.ts";
import { tf } from "../../src/deps/tfjs.ts";
import { assertGradientsMatchDifferences } from "../support/finite_differences.ts";

const random = RandomStream.fromSeed(3).split("stock gradients");

/** Values of a size between 0.5 and 1.5: away from zeros, kinks and poles; negative ones too where asked for. */
function values(shape: number[], signed = false): NdArray<Float64Array> {
  const data = Float64Array.from(random.uniforms(shape.reduce((a, b) => a * b)), (u, i) => {
    const size = 0.5 + u;
    return signed && i % 2 === 1 ? -size : size;
  });
  return { data, shape };
}

const one: Record<string, (x: tf.Tensor) => tf.Tensor> = {
  abs: (x) => tf.abs(x),
  exp: (x) => tf.exp(x),
  neg: (x) => tf.neg(x),
  relu: (x) => tf.relu(x),
  leakyRelu: (x) => tf.leakyRelu(x, 0.1),
  sigmoid: (x) => tf.sigmoid(x),
  softmax: (x) => tf.softmax(x),
  softplus: (x) => tf.softplus(x),
  square: (x) => tf.square(x),
  tanh: (x) => tf.tanh(x),
  clipByValue: (x) => tf.clipByValue(x, -0.4, 0.4),
  reshape: (x) => tf.reshape(x, [4, 3]),
  expandDims: (x) => tf.expandDims(x, 1),
  pad: (x) => tf.pad(x, [[1, 0], [0, 2]]),
  slice: (x) => tf.slice(x, [1, 1], [2, 2]),
  transpose: (x) => tf.transpose(x),
  sum: (x) => tf.sum(x, 1),
  mean: (x) => tf.mean(x, 0),
  split: (x) => tf.split(x, [1, 3], 1)[1],
  unstack: (x) => tf.unstack(x, 0)[1],
  gather: (x) => tf.gather(x, tf.tensor1d([2, 0, 2], "int32")),
  "gather of a table of rows": (x) => tf.gather(x, tf.tensor2d([[2, 0], [1, 2]], [2, 2], "int32")),
};

const positive: Record<string, (x: tf.Tensor) => tf.Tensor> = {
  log: (x) => tf.log(x),
  sqrt: (x) => tf.sqrt(x),
  rsqrt: (x) => tf.rsqrt(x),
};

const two: Record<string, (a: tf.Tensor, b: tf.Tensor) => tf.Tensor> = {
  add: (a, b) => tf.add(a, b),
  sub: (a, b) => tf.sub(a, b),
  mul: (a, b) => tf.mul(a, b),
  div: (a, b) => tf.div(a, b),
  squaredDifference: (a, b) => tf.squaredDifference(a, b),
  maximum: (a, b) => tf.maximum(a, b),
  minimum: (a, b) => tf.minimum(a, b),
};

async function onReference(work: () => void): Promise<void> {
  await selectBackend("reference");
  work();
}

for (const [name, operation] of Object.entries(one)) {
  Deno.test(`the tape's gradient of tf.${name} equals finite differences`, () =>
    onReference(() =>
      assertGradientsMatchDifferences(([x]) => operation(x), { x: values([3, 4], true) })
    ));
}

for (const [name, operation] of Object.entries(positive)) {
  Deno.test(`the tape's gradient of tf.${name} equals finite differences`, () =>
    onReference(() =>
      assertGradientsMatchDifferences(([x]) => operation(x), { x: values([3, 4]) })
    ));
}

for (const [name, operation] of Object.entries(two)) {
  Deno.test(`the tape's gradient of tf.${name} equals finite differences, also where it repeats`, () =>
    onReference(() => {
      assertGradientsMatchDifferences(([a, b]) => operation(a, b), {
        a: values([3, 4], true),
        b: values([3, 4], true),
      });
      assertGradientsMatchDifferences(([a, b]) => operation(a, b), {
        a: values([3, 4], true),
        b: values([4]),
      });
      assertGradientsMatchDifferences(([a, b]) => operation(a, b), {
        a: values([3, 1]),
        b: values([3, 4], true),
      });
    }));
}

Deno.test("the tape's gradients of tf.matMul, concat and stack equal finite differences", () =>
  onReference(() => {
    for (const [first, second] of [[false, false], [true, false], [false, true], [true, true]]) {
      assertGradientsMatchDifferences(([a, b]) => tf.matMul(a, b, first, second), {
        a: values(first ? [2, 4, 3] : [2, 3, 4], true),
        b: values(second ? [2, 5, 4] : [2, 4, 5], true),
      });
    }
    const pair = { a: values([3, 4], true), b: values([3, 4], true) };
    assertGradientsMatchDifferences(([a, b]) => tf.concat([a, b], 1), pair);
    assertGradientsMatchDifferences(([a, b]) => tf.stack([a, b], 1), pair);
  }));

Deno.test("a gather along another axis has no gradient here, and says so", () =>
  onReference(() => {
    const x = tf.ones([3, 4]);
    const rows = tf.tensor1d([0, 2], "int32");
    const loss = () => tf.sum(tf.gather(x, rows, 1)) as tf.Scalar;
    assertThrows(() => tf.engine().gradients(loss, [x]), ShapeError, "transpose before gathering");
    tf.dispose([x, rows]);
  }));
