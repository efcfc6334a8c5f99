import { selectBackend } from "../../src/backends/registry.ts";
import { toTensor } from "../../src/backends/tensors.ts";
import { ShapeError } from "../../src/base/errors.ts";
import { RandomStream } from "../../src/base/random.ts";
import { assertEquals, assertThrows } from "../../src/deps/std.ts";
import { tf } from "../../src/deps/tfjs.ts";
import { linear, linearGradient } from "../../src/ops/linear.ts";
import { assertClose } from "../support/closeness.ts";
import { assertGradientsMatchDifferences } from "../support/finite_differences.ts";
import { normalArray } from "../support/random_arrays.ts";
import "../../src/ops/stock_gradients.ts";

Deno.test("linear multiplies by the weight in PyTorch's layout and adds the bias", async () => {
  await selectBackend("cpu");
  tf.tidy(() => {
    const x = toTensor(Float32Array.of(1, 2, 3, 4, 5, 6), [2, 3]);
    const weight = toTensor(Float32Array.of(1, 0, -1, 2, 2, 2), [2, 3]);
    const bias = toTensor(Float32Array.of(10, 20), [2]);
    assertEquals([...linear(x, weight, { bias }).dataSync()], [8, 32, 8, 50]);
    assertEquals([...linear(x, weight).dataSync()], [-2, 12, -2, 30]);
  });
});

Deno.test("the tape's gradients of linear equal finite differences", async () => {
  await selectBackend("reference");
  const random = RandomStream.fromSeed(31);
  assertGradientsMatchDifferences(
    ([x, weight, bias]) => tf.tanh(linear(x, weight, { bias })),
    {
      x: normalArray(random, [5, 4], 0.5),
      weight: normalArray(random, [3, 4], 0.5),
      bias: normalArray(random, [3]),
    },
  );
});

Deno.test("linearGradient equals the tape of TensorFlow.js' own operations", async () => {
  await selectBackend("reference");
  const random = RandomStream.fromSeed(32);
  tf.tidy(() => {
    const x = toTensor(normalArray(random, [5, 4]).data, [5, 4]);
    const weight = toTensor(normalArray(random, [3, 4]).data, [3, 4]);
    const bias = toTensor(normalArray(random, [3]).data, [3]);
    const dy = toTensor(normalArray(random, [5, 3]).data, [5, 3]);
    const stock = (x: tf.Tensor, weight: tf.Tensor, bias: tf.Tensor) =>
      tf.add(tf.matMul(x, weight, false, true), bias);
    const [dx, dWeight, dBias] = tf.grads(stock)([x, weight, bias], dy);
    const gradient = linearGradient(dy, { x, weight });
    assertClose(gradient.dx.dataSync(), dx.dataSync(), { tolerance: 1e-14 });
    assertClose(gradient.dWeight.dataSync(), dWeight.dataSync(), { tolerance: 1e-14 });
    assertClose(gradient.dBias.dataSync(), dBias.dataSync(), { tolerance: 1e-14 });
  });
});

Deno.test("linear refuses shapes that do not fit", async () => {
  await selectBackend("cpu");
  tf.tidy(() => {
    const x = tf.zeros([2, 3]), weight = tf.zeros([4, 3]);
    assertThrows(() => linear(x, tf.zeros([4, 2])), ShapeError, "x has shape [2, 3]");
    assertThrows(
      () => linear(x, weight, { bias: tf.zeros([3]) }),
      ShapeError,
      "bias has shape [3]",
    );
    assertThrows(
      () => linearGradient(tf.zeros([2, 3]), { x, weight }),
      ShapeError,
      "dy has shape [2, 3]",
    );
  });
});
