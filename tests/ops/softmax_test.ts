import { selectBackend } from "../../src/backends/registry.ts";
import { toHost, toTensor } from "../../src/backends/tensors.ts";
import { ShapeError } from "../../src/base/errors.ts";
import { RandomStream } from "../../src/base/random.ts";
import { assert, assertEquals, assertThrows } from "../../src/deps/std.ts";
import { tf } from "../../src/deps/tfjs.ts";
import { logSoftmax, softmax } from "../../src/ops/softmax.ts";
import { assertClose } from "../support/closeness.ts";
import { forEachBackend } from "../support/engines.ts";
import { assertGradientsMatchDifferences } from "../support/finite_differences.ts";
import { normalArray } from "../support/random_arrays.ts";

Deno.test("softmax and its logarithm equal their formulas row by row", async () => {
  await selectBackend("reference");
  const x = normalArray(RandomStream.fromSeed(61), [2, 3, 5], 3);
  const expected = x.data.map((v, i) => {
    const start = i - i % 5;
    const row = x.data.subarray(start, start + 5);
    return v - Math.log(row.reduce((sum, u) => sum + Math.exp(u), 0));
  });
  tf.tidy(() => {
    const tensor = toTensor(x.data, x.shape);
    assertEquals(softmax(tensor).shape, [2, 3, 5]);
    assertClose(logSoftmax(tensor).dataSync(), expected, { tolerance: 1e-13 });
    assertClose(softmax(tensor).dataSync(), expected.map(Math.exp), { tolerance: 1e-13 });
  });
});

Deno.test("the tape's gradients of softmax and its logarithm equal finite differences", async () => {
  await selectBackend("reference");
  for (const shape of [[7], [4, 6], [2, 3, 1]]) {
    const x = normalArray(RandomStream.fromSeed(62), shape);
    assertGradientsMatchDifferences(([x]) => softmax(x), { x });
    assertGradientsMatchDifferences(([x]) => logSoftmax(x), { x });
  }
});

await forEachBackend("softmax stays finite for large values", async () => {
  const [y, logs] = tf.tidy(() => {
    const x = tf.tensor2d([[1000, 0, -1000], [-1e30, -1e30, -1e30]]);
    return [softmax(x), logSoftmax(x)];
  });
  assertClose(await toHost(y), [1, 0, 0, 1 / 3, 1 / 3, 1 / 3], { tolerance: 1e-6 });
  const values = await toHost(logs);
  assertClose(values.subarray(0, 3), [0, -1000, -2000], { tolerance: 1e-6 });
  assert(values.subarray(3).every((v) => Math.abs(v + Math.log(3)) < 1e-6));
  tf.dispose([y, logs]);
});

Deno.test("softmax refuses a tensor without values to compare", async () => {
  await selectBackend("cpu");
  tf.tidy(() => {
    assertThrows(() => softmax(tf.scalar(1)), ShapeError, "x has shape []");
    assertThrows(() => logSoftmax(tf.zeros([3, 0])), ShapeError, "x has shape [3,0]");
    assertEquals(softmax(tf.zeros([0, 3])).shape, [0, 3]);
  });
});
