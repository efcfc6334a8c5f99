/**
 * The Python package's test suite [recurrent-vae §9], items 24 to 36: training, checkpoints, held-out evaluation.
 */
import { toHost } from "../../src/backends/tensors.ts";
import type { NdArray } from "../../src/base/arrays.ts";
import type { BatchLoader } from "../../src/base/batches.ts";
import { ShapeError } from "../../src/base/errors.ts";
import { RandomStream } from "../../src/base/random.ts";
import { splitSubjects } from "../../src/data/splits.ts";
import {
  assert,
  assertEquals,
  assertFalse,
  assertNotEquals,
  assertRejects,
} from "../../src/deps/std.ts";
import { tf } from "../../src/deps/tfjs.ts";
import { evaluate } from "../../src/pipelines/recurrent_vae/evaluate.ts";
import { evaluateHeldOut } from "../../src/pipelines/recurrent_vae/held_out.ts";
import { frameBatchOf } from "../../src/models/recurrent_vae/inputs.ts";
import { RecurrentVae } from "../../src/models/recurrent_vae/model.ts";
import { fit } from "../../src/pipelines/recurrent_vae/fit.ts";
import { createOptimiser } from "../../src/training/optimisers.ts";
import { loadRun, saveRun } from "../../src/training/run_folder.ts";
import { filesBelow, inTemporaryFolder } from "../training/temporary_folder.ts";
import { selectFastEngine } from "../support/engines.ts";

const SETUP = { tolTime: 3, batchSize: 2, epochs: 1, learningRate: 1e-3, seed: 0 } as const;
const FULL = [91, 109, 91] as const;
const SMALL = [33, 35, 40] as const;

await selectFastEngine();

function modelOf(spatialShape: readonly [number, number, number]): RecurrentVae {
  return new RecurrentVae({ ...SETUP, spatialShape }, { subjects: 4 });
}

/** Standard-normal runs `[count, 3, Z, Y, X]`. */
function runsOf(spatialShape: readonly number[], count: number, seed = 0): NdArray<Float32Array> {
  const shape = [count, 3, ...[...spatialShape].reverse()];
  const length = shape.reduce((a, b) => a * b, 1);
  // Drawing from the quantile function takes a while at full size: one frame's worth, repeated with a shift.
  const draws = RandomStream.fromSeed(seed).normals(Math.min(length, 200_003));
  return { data: Float32Array.from({ length }, (_, i) => draws[i % draws.length]), shape };
}

function loaderOf(spatialShape: readonly number[]): BatchLoader {
  const pairs = [[0, 1], [2, 3]].map((rows) =>
    frameBatchOf(runsOf(spatialShape, 2, rows[0]), rows)
  );
  return { subjects: 4, batches: () => pairs };
}

Deno.test("parity 24, 25: one full-size step has finite loss, components and gradients, z included", async () => {
  const model = modelOf(FULL);
  const { losses, gradients } = await model.computeGradients(frameBatchOf(runsOf(FULL, 2), [0, 1]));
  for (const [name, value] of Object.entries(losses)) assert(Number.isFinite(value), name);
  assertEquals([...gradients.keys()], [...model.variables.keys()]);
  for (const [key, gradient] of gradients) {
    assert((await toHost(gradient)).every(Number.isFinite), key);
  }
  const towardsOffsets = await toHost(gradients.get("z_vectors")!);
  assert(towardsOffsets.every((value) => value !== 0));
  tf.dispose([...gradients.values()]);
  model.dispose();
});

Deno.test("parity 26: one full-size epoch changes F; H is [4, 3, 10] and finite", async () => {
  const model = modelOf(FULL);
  const before = model.transitionMatrix.data;
  const { allHHistory, lastIndex, trainLossHistory } = await fit(model, loaderOf(FULL), {
    learningRate: 1e-6,
  });
  assertNotEquals(model.transitionMatrix.data, before);
  assertEquals(allHHistory.shape, [4, 3, 10]);
  assert(allHHistory.data.every((value) => Number.isFinite(value) && value !== 0));
  assertEquals([lastIndex, trainLossHistory.length], [[2, 3], 1]);
  model.dispose();
});

Deno.test("parity 27: evaluate gives arrays without gradient and leaves evaluation mode", async () => {
  const model = modelOf(SMALL);
  const before = await model.stateDict();
  const { mu, h } = await evaluate(model, runsOf(SMALL, 2), { subjects: [0, 1] });
  assert(mu.data instanceof Float32Array && h.data instanceof Float32Array);
  assertFalse(model.training);
  assertEquals(await model.stateDict(), before);
  model.dispose();
});

Deno.test("parity 28: two epochs emit exactly two lines with [epoch", async () => {
  const model = modelOf(SMALL);
  const lines: string[] = [];
  await fit(model, loaderOf(SMALL), {
    epochs: 2,
    learningRate: 1e-6,
    log: (line) => lines.push(line),
  });
  assertEquals(lines.filter((line) => line.includes("[epoch")).length, 2);
  assertEquals(lines.length, 2);
  model.dispose();
});

Deno.test("parity 29: a full round trip brings back weights, buffers, optimiser, epoch, history and configuration", async () => {
  await inTemporaryFolder(async (folder) => {
    const model = modelOf(SMALL);
    const optimiser = createOptimiser("adam", model.variables);
    const options = { epochs: 2, learningRate: 1e-4, optimiser };
    const { trainLossHistory } = await fit(model, loaderOf(SMALL), options);
    await saveRun(folder, model, {
      optimiser,
      epoch: 2,
      config: { ...model.config },
      history: trainLossHistory,
    });
    const files = await filesBelow(folder);
    for (
      const name of [
        "weights.safetensors",
        "optimiser.safetensors",
        "config.json",
        "history.json",
        "version.json",
      ]
    ) assert(files.includes(name), name);

    const other = new RecurrentVae({ ...SETUP, spatialShape: SMALL, seed: 7 }, { subjects: 4 });
    const otherOptimiser = createOptimiser("adam", other.variables);
    const found = await loadRun(folder, other, { optimiser: otherOptimiser });
    assertEquals(await other.stateDict(), await model.stateDict());
    assertEquals(await otherOptimiser.state(), await optimiser.state());
    assertEquals([found.epoch, found.history], [2, trainLossHistory]);
    assertEquals(found.config?.latentDim, 10);
    [optimiser, otherOptimiser, model, other].forEach((thing) => thing.dispose());
  });
});

Deno.test("parity 30: a minimal save holds the model only", async () => {
  await inTemporaryFolder(async (folder) => {
    const model = modelOf(SMALL);
    await saveRun(folder, model);
    const found = await loadRun(folder, model);
    for (const part of ["optimiser", "config", "history", "training"] as const) {
      assertEquals(found[part], undefined, part);
    }
    model.dispose();
  });
});

Deno.test("parity 31: five folds of ten partition the subjects", () => {
  const folds = splitSubjects(10, 5, { seed: 0 });
  const all = Array.from({ length: 10 }, (_, i) => i);
  assertEquals(folds.flatMap(({ test }) => [...test]).sort((a, b) => a - b), all);
  for (const { train, test } of folds) {
    assertEquals([...train, ...test].sort((a, b) => a - b), all);
    assert(test.every((row) => !train.includes(row)));
  }
});

Deno.test("parity 32: folds are deterministic in the seed, and another seed differs", () => {
  assertEquals(splitSubjects(10, 5, { seed: 3 }), splitSubjects(10, 5, { seed: 3 }));
  assertNotEquals(splitSubjects(10, 5, { seed: 3 }), splitSubjects(10, 5, { seed: 4 }));
});

Deno.test("parity 33: a held-out result has its keys, a finite error, and shapes [2, 10] and [2, 3, 10]", async () => {
  const model = modelOf(SMALL);
  for (const objective of ["training", "original"] as const) {
    const result = await evaluateHeldOut(model, runsOf(SMALL, 2), { objective, innerSteps: 2 });
    assert(Number.isFinite(result.reconMse) && Number.isFinite(result.zeroOffsetMse));
    assertEquals(result.zTest.shape, [2, 10]);
    assertEquals(result.hTest.shape, [2, 3, 10]);
    assertEquals(result.mseHistory.length, 3);
  }
  const frames = { ...runsOf(SMALL, 2), shape: [2, 3, 40, 35 * 33] };
  await assertRejects(() => evaluateHeldOut(model, frames), ShapeError, "6D");
  model.dispose();
});

Deno.test("parity 34: z moves from an equal start within five steps, with either objective", async () => {
  const model = modelOf(SMALL);
  const start = { data: RandomStream.fromSeed(1).normals(20), shape: [2, 10] };
  const moved: number[] = [];
  for (const objective of ["training", "original"] as const) {
    const { zTest } = await evaluateHeldOut(model, runsOf(SMALL, 2), {
      objective,
      start,
      innerSteps: 5,
    });
    moved.push(Math.max(...Array.from(zTest.data, (z, i) => Math.abs(z - start.data[i]))));
  }
  assert(moved[0] > 1e-2, `the objective scaled as in training moved z by ${moved[0]}`);
  // [recurrent-vae §6.4]: the original objective is nearly flat, so that z stays at its random start.
  assert(moved[1] > 0 && moved[1] < 1e-3, `the original objective moved z by ${moved[1]}`);
  model.dispose();
});

Deno.test("parity 35: lambdaZ 1 gives a smaller Σ|z| than 0 from the same seed", async () => {
  const model = modelOf(SMALL);
  const sums: number[] = [];
  for (const lambdaZ of [0, 1]) {
    const { zTest } = await evaluateHeldOut(model, runsOf(SMALL, 2), {
      objective: "original",
      seed: 5,
      innerSteps: 20,
      innerLr: 1e-2,
      lambdaZ,
    });
    sums.push(Array.from(zTest.data, Math.abs).reduce((a, b) => a + b));
  }
  assert(sums[1] < sums[0], `${sums[1]} is not below ${sums[0]}`);
  model.dispose();
});

Deno.test("parity 36: held-out evaluation changes no parameter, buffer or mode, also when it fails", async () => {
  const model = modelOf(SMALL);
  const before = await model.stateDict();
  const tensors = tf.memory().numTensors;
  await evaluateHeldOut(model, runsOf(SMALL, 2), { innerSteps: 2 });
  const short = runsOf(SMALL, 1);
  const tooFew = { data: short.data.subarray(0, short.data.length / 3), shape: [1, 1, 40, 35, 33] };
  await assertRejects(() => evaluateHeldOut(model, tooFew), ShapeError, "timepoints");
  assertEquals(await model.stateDict(), before);
  assert(model.training);
  assertEquals(tf.memory().numTensors, tensors);
  model.dispose();
});
