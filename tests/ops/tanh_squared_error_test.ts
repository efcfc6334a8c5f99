import { selectBackend } from "../../src/backends/registry.ts";
import { toTensor } from "../../src/backends/tensors.ts";
import { ConfigError, ShapeError } from "../../src/base/errors.ts";
import { RandomStream } from "../../src/base/random.ts";
import { assertEquals, assertThrows } from "../../src/deps/std.ts";
import { tf } from "../../src/deps/tfjs.ts";
import {
  tanhSquaredError,
  tanhSquaredErrorWithGradient,
} from "../../src/ops/tanh_squared_error.ts";
import { assertClose } from "../support/closeness.ts";
import { assertGradientsMatchDifferences } from "../support/finite_differences.ts";
import { normalArray, uniformArray } from "../support/random_arrays.ts";
import { tanhError } from "../support/spec_formulas.ts";
import "../../src/ops/stock_gradients.ts";

const SHAPE = [6, 2, 3, 2, 1];

Deno.test("the error behind tanh equals the formula, with and without mask", async () => {
  await selectBackend("reference");
  const random = RandomStream.fromSeed(41);
  const a = normalArray(random, SHAPE);
  const target = uniformArray(random, SHAPE, [-1, 1]);
  const mask = uniformArray(random, SHAPE.slice(1), [0, 1]);
  for (const weight of [null, mask]) {
    for (const sampleGroups of [1, 2, 6]) {
      tf.tidy(() => {
        const sums = tanhSquaredError(toTensor(a.data, SHAPE), toTensor(target.data, SHAPE), {
          weight: weight ? toTensor(weight.data, weight.shape) : null,
          sampleGroups,
        });
        const expected = tanhError(a, target, {
          weight: weight?.data ?? null,
          groups: sampleGroups,
        });
        assertEquals(sums.shape, [sampleGroups]);
        assertClose(sums.dataSync(), expected, { tolerance: 1e-14 });
      });
    }
  }
});

Deno.test("the tape's gradients of the error equal finite differences", async () => {
  await selectBackend("reference");
  const random = RandomStream.fromSeed(42);
  const mask = uniformArray(random, SHAPE.slice(1), [0, 1]);
  const inputs = { a: normalArray(random, SHAPE), target: uniformArray(random, SHAPE, [-1, 1]) };
  assertGradientsMatchDifferences(
    ([a, target]) => tanhSquaredError(a, target, { sampleGroups: 3 }),
    inputs,
  );
  assertGradientsMatchDifferences(
    ([a, target]) =>
      tanhSquaredError(a, target, { sampleGroups: 2, weight: toTensor(mask.data, mask.shape) }),
    inputs,
  );
});

Deno.test("the derivative of the fused call is the tape's times the scale", async () => {
  await selectBackend("reference");
  const random = RandomStream.fromSeed(43);
  tf.tidy(() => {
    const a = toTensor(normalArray(random, SHAPE).data, SHAPE);
    const target = toTensor(uniformArray(random, SHAPE, [-1, 1]).data, SHAPE);
    const total = (a: tf.Tensor) => tf.sum(tanhSquaredError(a, target)) as tf.Scalar;
    const tape = tf.grad(total)(a).dataSync();
    const { sums, derivative } = tanhSquaredErrorWithGradient(a, target, {
      sampleGroups: 2,
      derivativeScale: 0.25,
    });
    assertClose(derivative.dataSync(), tape.map((v) => 0.25 * v), { tolerance: 1e-15 });
    assertClose([tf.sum(sums).dataSync()[0]], total(a).dataSync(), { tolerance: 1e-14 });
  });
});

Deno.test("the error refuses shapes and groups that do not fit", async () => {
  await selectBackend("cpu");
  tf.tidy(() => {
    const a = tf.zeros([4, 2, 2, 2, 1]);
    assertThrows(() => tanhSquaredError(a, tf.zeros([4, 2, 2, 1, 1])), ShapeError, "target");
    assertThrows(
      () => tanhSquaredError(a, a, { weight: tf.zeros([2, 2, 1, 1]) }),
      ShapeError,
      "weight",
    );
    assertThrows(() => tanhSquaredError(a, a, { sampleGroups: 3 }), ConfigError, "4 samples");
  });
});
