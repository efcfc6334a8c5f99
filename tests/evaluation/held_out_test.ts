/** Held-out fitting where it matters: does fitting z lower the error? [recurrent-vae §6.4] */
import { selectBackend } from "../../src/backends/registry.ts";
import { ConfigError } from "../../src/base/errors.ts";
import { assert, assertEquals, assertRejects } from "../../src/deps/std.ts";
import { evaluateHeldOut, type HeldOutResult } from "../../src/pipelines/recurrent_vae/held_out.ts";
import { randomRuns } from "../support/random_model.ts";
import { TINY_SHAPE, tinyModel } from "../support/tiny_training.ts";

await selectBackend("cpu");

Deno.test("fitting z with the objective scaled as in training lowers the error below that of z = 0", async () => {
  const model = tinyModel();
  const runs = randomRuns(TINY_SHAPE, { batch: 2, frames: 5, seed: 1 });
  const { reconMse, zeroOffsetMse, mseHistory } = await evaluateHeldOut(model, runs, {
    innerSteps: 60,
  });
  assert(reconMse < zeroOffsetMse, `${reconMse} against ${zeroOffsetMse} with z = 0`);
  assertEquals(mseHistory.at(-1), reconMse);
  model.dispose();
});

Deno.test("chunking and the memory budget change neither z nor the error beyond rounding", async () => {
  const model = tinyModel();
  const runs = randomRuns(TINY_SHAPE, { batch: 2, frames: 5, seed: 1 });
  const results: HeldOutResult[] = [];
  for (const [framesPerChunk, memoryBudget] of [[5, 1e9], [2, 0], [1, 0]]) {
    results.push(
      await evaluateHeldOut(model, runs, { innerSteps: 3, framesPerChunk, memoryBudget }),
    );
  }
  for (const other of results.slice(1)) {
    assert(Math.abs(other.reconMse / results[0].reconMse - 1) < 1e-5);
    other.zTest.data.forEach((z, i) => assert(Math.abs(z - results[0].zTest.data[i]) < 1e-4));
  }
  model.dispose();
});

Deno.test("zero steps score z as it starts; two runs with one seed agree", async () => {
  const model = tinyModel();
  const runs = randomRuns(TINY_SHAPE, { batch: 2, frames: 5, seed: 1 });
  const score = () => evaluateHeldOut(model, runs, { innerSteps: 0, start: "random", seed: 4 });
  const [a, b] = [await score(), await score()];
  assertEquals(a, b);
  assert(a.zTest.data.some((z) => z !== 0));
  const zero = await evaluateHeldOut(model, runs, { innerSteps: 0, seed: 4 });
  assertEquals(zero.reconMse, zero.zeroOffsetMse);
  model.dispose();
});

Deno.test("options out of range are refused by name", async () => {
  const model = tinyModel();
  const runs = randomRuns(TINY_SHAPE, { batch: 1, frames: 5, seed: 1 });
  for (
    const [field, options] of [
      ["innerSteps", { innerSteps: -1 }],
      ["innerLr", { innerLr: 0 }],
      ["objective", { objective: "mean" as "original" }],
    ] as const
  ) {
    const error = await assertRejects(() => evaluateHeldOut(model, runs, options), ConfigError);
    assertEquals(error.field, field);
  }
  model.dispose();
});
