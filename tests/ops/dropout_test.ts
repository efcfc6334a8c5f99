import { startWasm } from "../../src/backends/wasm/mod.ts";
import { selectBackend } from "../../src/backends/registry.ts";
import { toHost, toTensor } from "../../src/backends/tensors.ts";
import { ConfigError } from "../../src/base/errors.ts";
import { philox4x32 } from "../../src/base/philox.ts";
import { RandomStream } from "../../src/base/random.ts";
import { assert, assertAlmostEquals, assertEquals, assertThrows } from "../../src/deps/std.ts";
import { tf } from "../../src/deps/tfjs.ts";
import { dropout } from "../../src/ops/dropout.ts";
import { forEachBackend } from "../support/engines.ts";
import { assertGradientsMatchDifferences } from "../support/finite_differences.ts";
import { normalArray } from "../support/random_arrays.ts";

const stream = RandomStream.fromSeed(71).split("dropout test");
const COUNT = 40_003;

/** 1 where a value is kept, from the definition: word i of the Philox sequence of the stream. */
function keptBy(stream: RandomStream, count: number, rate: number): number[] {
  const [k0, k1, c2, c3] = stream.split("dropout").identity;
  return Array.from({ length: count }, (_, i) => {
    const counter = Uint32Array.of(Math.floor(i / 4), 0, c2, c3);
    const words = philox4x32(counter, Uint32Array.of(k0, k1), new Uint32Array(4));
    return words[i % 4] >= Math.round(rate * 2 ** 32) ? 1 : 0;
  });
}

await forEachBackend(
  "dropout keeps what the stream says, scaled, whatever the engine",
  async () => {
    for (const [count, rate] of [[COUNT, 0.3], [1, 0.5], [7, 0.9], [0, 0.5], [257, 0.1]]) {
      const kept = keptBy(stream, count, rate);
      const y = await hostValues(() => dropout(tf.fill([count], 3), { rate, stream }));
      assertEquals(y.map((v) => v === 0 ? 0 : 1), kept);
      const scaled = Math.fround(3 / (1 - rate));
      assert(y.every((v) => v === 0 || Math.abs(v - scaled) < 1e-6 * scaled));
    }
  },
);

await forEachBackend("the gradient of dropout has the mask of the forward call", async () => {
  const run = (x: tf.Tensor) => dropout(x, { rate: 0.4, stream });
  const y = await hostValues(() => run(tf.fill([31, 9], 2)));
  const dx = await hostValues(() => tf.grad(run)(tf.zeros([31, 9]), tf.fill([31, 9], 2)));
  assertEquals(dx, y);
});

async function hostValues(make: () => tf.Tensor): Promise<number[]> {
  const tensor = tf.tidy(make);
  const values = [...await toHost(tensor)];
  tensor.dispose();
  return values;
}

Deno.test("the mask has the rate asked for, and differs between streams", () => {
  const kept = keptBy(stream, COUNT, 0.3);
  const share = kept.reduce((sum, v) => sum + v, 0) / COUNT;
  assertAlmostEquals(share, 0.7, 5 * Math.sqrt(0.21 / COUNT));
  const other = keptBy(stream.split(1), COUNT, 0.3);
  const both = kept.reduce((sum, v, i) => sum + v * other[i], 0) / COUNT;
  assertAlmostEquals(both, 0.49, 5 * Math.sqrt(0.25 / COUNT));
});

Deno.test("the mask depends on the stream alone, not on how far it has advanced", async () => {
  await selectBackend("cpu");
  const fresh = RandomStream.fromSeed(5), used = RandomStream.fromSeed(5);
  used.normals(17);
  tf.tidy(() => {
    const x = tf.ones([100]);
    const [a, b] = [fresh, used].map((stream) => dropout(x, { rate: 0.5, stream }).dataSync());
    assertEquals([...a], [...b]);
  });
});

Deno.test("dropout gives the same bits on any number of threads", async () => {
  const results: number[][] = [];
  for (const threads of [1, 2, 3]) {
    const engine = await startWasm({ threads });
    const x = RandomStream.fromSeed(6).normals(COUNT);
    results.push(
      tf.tidy(() => [...dropout(toTensor(x, [COUNT]), { rate: 0.25, stream }).dataSync()]),
    );
    await engine.stop();
  }
  assertEquals(results[1], results[0]);
  assertEquals(results[2], results[0]);
});

Deno.test("the tape's gradients of dropout equal finite differences", async () => {
  await selectBackend("reference");
  const x = normalArray(RandomStream.fromSeed(72), [6, 7]);
  assertGradientsMatchDifferences(([x]) => dropout(x, { rate: 0.35, stream }), { x });
  assertGradientsMatchDifferences(
    ([x]) => dropout(x, { rate: 0.35, stream, training: false }),
    { x },
  );
});

Deno.test("dropout is the identity outside training and at rate 0, and refuses other rates", async () => {
  await selectBackend("cpu");
  tf.tidy(() => {
    const x = tf.tensor1d([1, -2, 3]);
    assertEquals([...dropout(x, { rate: 0.9, stream, training: false }).dataSync()], [1, -2, 3]);
    assertEquals([...dropout(x, { rate: 0, stream }).dataSync()], [1, -2, 3]);
    for (const rate of [1, -0.1, NaN]) {
      assertThrows(() => dropout(x, { rate, stream }), ConfigError, `rate is ${rate}`);
    }
  });
});
