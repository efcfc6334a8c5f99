import { selectBackend } from "../../src/backends/registry.ts";
import { toTensor } from "../../src/backends/tensors.ts";
import { ConfigError, ShapeError } from "../../src/base/errors.ts";
import { RandomStream } from "../../src/base/random.ts";
import { assertEquals, assertThrows } from "../../src/deps/std.ts";
import { tf } from "../../src/deps/tfjs.ts";
import { embedding } from "../../src/ops/embedding.ts";
import { concatenate, gather, slice, split } from "../../src/ops/parts.ts";
import { FLOAT32_ENGINES, forEachBackend } from "../support/engines.ts";
import { assertGradientsMatchDifferences } from "../support/finite_differences.ts";
import { normalArray } from "../support/random_arrays.ts";
import "../../src/ops/stock_gradients.ts";

const COUNT = Float32Array.of(1, 2, 3, 4, 5, 6);

await forEachBackend("slices run in steps, backwards too", async () => {
  const parts = tf.tidy(() => {
    const x = toTensor(COUNT, [1, 6]);
    return [
      slice(x, { axis: 1, begin: 1, length: 3 }),
      slice(x, { axis: 1, step: 2 }),
      slice(x, { axis: -1, begin: 5, step: -2 }),
      slice(x, { axis: 1, begin: 6, length: 0 }),
    ];
  });
  const values = await Promise.all(parts.map((part) => part.data()));
  tf.dispose(parts);
  assertEquals(values.map((one) => [...one]), [[2, 3, 4], [1, 3, 5], [6, 4, 2], []]);
});

await forEachBackend("the gradient of an embedding adds the rows of equal index", async () => {
  const dTable = tf.tidy(() =>
    tf.grad((table: tf.Tensor) => embedding(tf.tensor2d([[2, 0], [2, 2]], [2, 2], "int32"), table))(
      tf.zeros([4, 2]),
      tf.tensor3d([1, 2, 3, 4, 5, 6, 7, 8], [2, 2, 2]),
    )
  );
  assertEquals([...await dTable.data()], [3, 4, 0, 0, 13, 16, 0, 0]);
  dTable.dispose();
});

await forEachBackend("a part that nobody used has a gradient of zeros", async () => {
  const dx = tf.tidy(() =>
    tf.grad((x: tf.Tensor) => split(x, [1, 2, 3])[1])(
      toTensor(COUNT, [1, 6]),
      tf.tensor2d([7, 8], [1, 2]),
    )
  );
  assertEquals([...await dx.data()], [0, 7, 8, 0, 0, 0]);
  dx.dispose();
});

await forEachBackend("nothing gathered and nothing embedded have gradients of zeros", async () => {
  const gradients = tf.tidy(() => {
    const x = tf.ones([2, 3]);
    const none = tf.zeros([0], "int32");
    return [
      tf.grad((v: tf.Tensor) => gather(v, [], { axis: 1 }))(x, tf.zeros([2, 0])),
      tf.grad((v: tf.Tensor) => gather(v, none))(x, tf.zeros([0, 3])),
      tf.grad((v: tf.Tensor) => embedding(none, v))(x, tf.zeros([0, 3])),
    ];
  });
  for (const gradient of gradients) assertEquals([...await gradient.data()], [0, 0, 0, 0, 0, 0]);
  tf.dispose(gradients);
}, { engines: ["reference", ...FLOAT32_ENGINES] });

Deno.test("the tape's gradients of parts equal finite differences along every axis", async () => {
  await selectBackend("reference");
  for (const axis of [0, 1, 2]) {
    const random = RandomStream.fromSeed(61);
    const x = normalArray(random, [3, 4, 5]);
    const y = normalArray(random, [3, 4, 5]);
    assertGradientsMatchDifferences(([a, b]) => tf.square(concatenate([a, b, a], axis)), { x, y });
    assertGradientsMatchDifferences(([a]) => tf.square(slice(a, { axis, begin: 1 })), { x });
    assertGradientsMatchDifferences(([a]) => tf.square(slice(a, { axis, step: 2 })), { x });
    assertGradientsMatchDifferences(([a]) => tf.square(gather(a, [2, 0, 2], { axis })), { x });
    assertGradientsMatchDifferences(
      ([a]) => tf.square(gather(a, tf.tensor1d([2, 0, 2], "int32"), { axis })),
      { x },
    );
    assertGradientsMatchDifferences(([a]) => {
      const [first, , last] = split(a, [1, 1, a.shape[axis] - 2], { axis });
      return tf.mul(tf.square(first), tf.sum(tf.square(last)));
    }, { x });
    assertGradientsMatchDifferences(([a]) => tf.square(split(a, [a.shape[axis]], { axis })[0]), {
      x,
    });
  }
});

Deno.test("the tape's gradient of an embedding equals finite differences", async () => {
  await selectBackend("reference");
  assertGradientsMatchDifferences(
    ([table]) => tf.square(embedding(tf.tensor2d([[1, 4], [1, 0]], [2, 2], "int32"), table)),
    { table: normalArray(RandomStream.fromSeed(62), [5, 3]) },
  );
});

Deno.test("parts and embedding say what does not fit", async () => {
  await selectBackend("cpu");
  tf.tidy(() => {
    const x = tf.zeros([2, 3]);
    assertThrows(() => concatenate([], 0), ConfigError, "found no tensor");
    assertThrows(() => concatenate([x, tf.zeros([2, 4])], 0), ShapeError, "needs [any, 3]");
    assertThrows(
      () => concatenate([x], 2),
      ConfigError,
      "axis is 2, needs a whole number in -2 … 1",
    );
    assertThrows(() => split(x, [1, 1]), ShapeError, "add up to 2, needs 3");
    assertThrows(() => split(x, [1.5, 1.5]), ConfigError, "needs whole numbers");
    assertThrows(() => slice(x, { axis: 1, begin: 2, length: 2 }), ConfigError, "places in 0 … 2");
    assertThrows(() => slice(x, { step: 0 }), ConfigError, "step 0");
    assertThrows(
      () => gather(x, [0, 2]),
      ConfigError,
      "found place 2, needs whole numbers in 0 … 1",
    );
    assertThrows(() => gather(x, tf.tensor1d([0, 1])), ShapeError, "needs an int32 tensor");
    assertThrows(() => embedding(tf.tensor1d([0]), x), ShapeError, "needs int32");
    assertThrows(() => embedding(tf.tensor1d([0], "int32"), tf.zeros([2])), ShapeError, "[V, E]");
  });
});
