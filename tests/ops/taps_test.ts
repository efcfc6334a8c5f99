import { selectBackend } from "../../src/backends/registry.ts";
import { toTensor } from "../../src/backends/tensors.ts";
import { ConfigError, ShapeError } from "../../src/base/errors.ts";
import { RandomStream } from "../../src/base/random.ts";
import { assertEquals, assertThrows } from "../../src/deps/std.ts";
import { tf } from "../../src/deps/tfjs.ts";
import { reflectPad, replicatePad } from "../../src/ops/padding.ts";
import { averagePool, maxPool } from "../../src/ops/pooling.ts";
import { upsampleLinear, upsampleNearest } from "../../src/ops/upsampling.ts";
import { forEachBackend } from "../support/engines.ts";
import { assertGradientsMatchDifferences } from "../support/finite_differences.ts";
import { normalArray } from "../support/random_arrays.ts";

/** A sequence of one channel. */
function sequence(...values: number[]): tf.Tensor {
  return toTensor(Float32Array.from(values), [1, values.length, 1]);
}

async function valuesOf(make: () => tf.Tensor): Promise<number[]> {
  const y = tf.tidy(make);
  const values = [...await y.data()];
  y.dispose();
  return values;
}

await forEachBackend("padding mirrors or repeats the edge", async () => {
  assertEquals(await valuesOf(() => reflectPad(sequence(1, 2, 3), 2)), [3, 2, 1, 2, 3, 2, 1]);
  assertEquals(
    await valuesOf(() => replicatePad(sequence(1, 2, 3), { before: 2, after: 1 })),
    [1, 1, 1, 2, 3, 3],
  );
  const plane = () => toTensor(Float32Array.of(1, 2, 3, 4), [1, 2, 2, 1]);
  assertEquals(
    await valuesOf(() => reflectPad(plane(), { before: [1, 0], after: [0, 1] })),
    [3, 4, 3, 1, 2, 1, 3, 4, 3],
  );
});

await forEachBackend("up-sampling repeats or interpolates", async () => {
  assertEquals(await valuesOf(() => upsampleNearest(sequence(1, 2), 3)), [1, 1, 1, 2, 2, 2]);
  assertEquals(await valuesOf(() => upsampleLinear(sequence(1, 3), 2)), [1, 1.5, 2.5, 3]);
  const aligned = { alignCorners: true };
  assertEquals(await valuesOf(() => upsampleLinear(sequence(0, 4, 2), 1, aligned)), [0, 4, 2]);
  assertEquals(await valuesOf(() => upsampleLinear(sequence(0, 3), 2, aligned)), [0, 1, 2, 3]);
  const plane = () => toTensor(Float32Array.of(0, 4), [1, 1, 2, 1]);
  assertEquals(
    await valuesOf(() => upsampleLinear(plane(), 2)),
    [0, 1, 3, 4, 0, 1, 3, 4],
  );
});

await forEachBackend("pooling averages windows and takes their largest values", async () => {
  const x = () => sequence(1, 5, 3, -4, -2);
  assertEquals(await valuesOf(() => averagePool(x(), { kernel: 2 })), [3, -0.5]);
  const padded = { kernel: 2, stride: 2, padding: 1 };
  assertEquals(await valuesOf(() => averagePool(x(), padded)), [0.5, 4, -3]);
  assertEquals(
    await valuesOf(() => averagePool(x(), { ...padded, countPadding: false })),
    [1, 4, -3],
  );
  // Places outside are no zeros: −2 stands beside one.
  assertEquals(await valuesOf(() => maxPool(x(), { kernel: 3, stride: 2, padding: 1 })), [
    5,
    5,
    -2,
  ]);
});

await forEachBackend("a NaN in a window is its largest value", async () => {
  const y = await valuesOf(() => maxPool(sequence(1, NaN, 3, 4, 5, NaN), { kernel: 2 }));
  assertEquals(y, [NaN, 4, NaN]);
});

await forEachBackend("the gradient of max pooling goes to the first of equal values", async () => {
  const dx = await valuesOf(() =>
    tf.grad((x: tf.Tensor) => maxPool(x, { kernel: 3, stride: 2 }))(
      sequence(2, 2, 2, 1, 2),
      sequence(10, 7),
    )
  );
  assertEquals(dx, [10, 0, 7, 0, 0]);
});

const SHAPES = [[2, 6, 3], [2, 4, 5, 2], [1, 3, 4, 3, 2]];
const OPERATIONS: Readonly<Record<string, (x: tf.Tensor) => tf.Tensor>> = {
  reflectPad: (x) => reflectPad(x, 2),
  replicatePad: (x) => replicatePad(x, { before: 1, after: 3 }),
  upsampleNearest: (x) => upsampleNearest(x, 2),
  upsampleLinear: (x) => upsampleLinear(x, 3),
  "upsampleLinear with aligned corners": (x) => upsampleLinear(x, 2, { alignCorners: true }),
  averagePool: (x) => averagePool(x, { kernel: 3, stride: 2, padding: 1 }),
  maxPool: (x) => maxPool(x, { kernel: 2, stride: 1 }),
};

for (const [name, operation] of Object.entries(OPERATIONS)) {
  Deno.test(`the tape's gradient of ${name} equals finite differences in 1, 2 and 3 axes`, async () => {
    await selectBackend("reference");
    for (const shape of SHAPES) {
      assertGradientsMatchDifferences(
        ([x]) => tf.square(operation(x)),
        { x: normalArray(RandomStream.fromSeed(51), shape) },
      );
    }
  });
}

Deno.test("padding, up-sampling and pooling say what does not fit", async () => {
  await selectBackend("cpu");
  tf.tidy(() => {
    const x = tf.zeros([1, 4, 2]);
    assertThrows(() => reflectPad(tf.zeros([4, 2]), 1), ShapeError, "x has shape [4, 2]");
    assertThrows(() => reflectPad(x, 4), ConfigError, "padding is [4]");
    assertThrows(() => reflectPad(x, -1), ConfigError, "before is -1");
    assertThrows(() => replicatePad(x, { before: [1, 2] }), ConfigError, "before is [1, 2]");
    assertThrows(() => upsampleNearest(x, 0), ConfigError, "factor is 0");
    assertThrows(() => upsampleLinear(x, 1.5), ConfigError, "factor is 1.5");
    assertThrows(() => maxPool(x, { kernel: 5 }), ShapeError, "of at least [5] for windows of [5]");
    assertThrows(() => maxPool(x, { kernel: 2, padding: 2 }), ConfigError, "at most half a window");
    assertEquals(maxPool(tf.zeros([0, 4, 2]), { kernel: 2 }).shape, [0, 2, 2]);
  });
});
