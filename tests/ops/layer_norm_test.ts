import { selectBackend } from "../../src/backends/registry.ts";
import { toTensor } from "../../src/backends/tensors.ts";
import { startWasm } from "../../src/backends/wasm/mod.ts";
import { ShapeError } from "../../src/base/errors.ts";
import { RandomStream } from "../../src/base/random.ts";
import { assertEquals, assertThrows } from "../../src/deps/std.ts";
import { tf } from "../../src/deps/tfjs.ts";
import { layerNorm } from "../../src/ops/layer_norm.ts";
import { assertClose } from "../support/closeness.ts";
import { assertGradientsMatchDifferences } from "../support/finite_differences.ts";
import { normalArray, uniformArray } from "../support/random_arrays.ts";

function draw(seed: number, shape: readonly number[]) {
  const random = RandomStream.fromSeed(seed);
  const channels = shape[shape.length - 1];
  return {
    x: normalArray(random, shape, 2),
    gamma: uniformArray(random, [channels], [-1.5, 1.5]),
    beta: normalArray(random, [channels]),
  };
}

Deno.test("layerNorm equals its formula row by row", async () => {
  await selectBackend("reference");
  const { x, gamma, beta } = draw(81, [2, 3, 6]);
  const expected = x.data.map((v, i) => {
    const c = i % 6;
    const row = x.data.subarray(i - c, i - c + 6);
    const mean = row.reduce((sum, u) => sum + u, 0) / 6;
    const variance = row.reduce((sum, u) => sum + (u - mean) ** 2, 0) / 6;
    return gamma.data[c] * (v - mean) / Math.sqrt(variance + 1e-3) + beta.data[c];
  });
  tf.tidy(() => {
    const [tx, tg, tb] = [x, gamma, beta].map((a) => toTensor(a.data, a.shape));
    const y = layerNorm(tx, { gamma: tg, beta: tb }, { epsilon: 1e-3 });
    assertEquals(y.shape, [2, 3, 6]);
    assertClose(y.dataSync(), expected, { tolerance: 1e-13 });
  });
});

Deno.test("the tape's gradients of layerNorm equal finite differences", async () => {
  await selectBackend("reference");
  for (const shape of [[5, 4], [2, 3, 7], [6]]) {
    assertGradientsMatchDifferences(
      ([x, gamma, beta]) => layerNorm(x, { gamma, beta }),
      draw(82, shape),
    );
  }
});

Deno.test("layerNorm and its gradient give the same bits on any number of threads", async () => {
  const { x, gamma, beta } = draw(83, [1100, 67]);
  const results: number[][] = [];
  for (const threads of [1, 2, 3]) {
    const engine = await startWasm({ threads });
    results.push(tf.tidy(() => {
      const tensors = [x, gamma, beta].map((a) => toTensor(a.data, a.shape));
      const run = (x: tf.Tensor, gamma: tf.Tensor, beta: tf.Tensor) =>
        layerNorm(x, { gamma, beta });
      const gradients = tf.grads(run)(tensors, tensors[0]);
      return [run(tensors[0], tensors[1], tensors[2]), ...gradients].flatMap((
        t,
      ) => [...t.dataSync()]);
    }));
    await engine.stop();
  }
  assertEquals(results[1], results[0]);
  assertEquals(results[2], results[0]);
});

Deno.test("layerNorm refuses shapes that do not fit, and takes no rows at all", async () => {
  await selectBackend("cpu");
  tf.tidy(() => {
    const gamma = tf.ones([3]), beta = tf.zeros([3]);
    assertThrows(
      () => layerNorm(tf.zeros([2, 4]), { gamma, beta }),
      ShapeError,
      "gamma has shape [3]",
    );
    assertEquals(layerNorm(tf.zeros([0, 3]), { gamma, beta }).shape, [0, 3]);
  });
});
