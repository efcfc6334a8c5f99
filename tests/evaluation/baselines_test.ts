/** Reconstruction scores and baselines against their definitions. */
import { selectBackend } from "../../src/backends/registry.ts";
import { ConfigError, ShapeError } from "../../src/base/errors.ts";
import {
  assert,
  assertAlmostEquals,
  assertEquals,
  assertRejects,
  assertThrows,
} from "../../src/deps/std.ts";
import { compareWithBaselines, meanImage } from "../../src/pipelines/recurrent_vae/baselines.ts";
import { scoreReconstruction } from "../../src/evaluation/reconstruction_score.ts";
import { frameBatchOf } from "../../src/models/recurrent_vae/inputs.ts";
import { randomRuns } from "../support/random_model.ts";
import { TINY_SHAPE, tinyModel } from "../support/tiny_training.ts";

const VOXELS = 9 * 8 * 8;

Deno.test("a perfect reconstruction scores error 0, correlation 1 and contrast 1", () => {
  const { data } = randomRuns(TINY_SHAPE, { batch: 1, frames: 3, seed: 1 });
  const score = scoreReconstruction(data, data, { voxels: VOXELS });
  assertEquals([score.mse, score.contrast, score.frames], [0, 1, 3]);
  assertAlmostEquals(score.correlation, 1, 1e-12);
});

Deno.test("half the contrast with a shift keeps the correlation; a flat image has none", () => {
  const { data } = randomRuns(TINY_SHAPE, { batch: 1, frames: 1, seed: 1 });
  const half = scoreReconstruction(data, data.map((v) => 0.5 * v + 3), { voxels: VOXELS });
  assertAlmostEquals(half.correlation, 1, 1e-12);
  assertAlmostEquals(half.contrast, 0.5, 1e-12);
  const flat = scoreReconstruction(data, new Float64Array(VOXELS), { voxels: VOXELS });
  assertEquals(flat.contrast, 0);
  assert(Number.isNaN(flat.correlation));
});

Deno.test("a mask restricts every score; another size is refused", () => {
  const x = Float64Array.of(1, 2, 3, 100);
  const r = Float64Array.of(1, 2, 4, 0);
  const mask = Float64Array.of(1, 1, 1, 0);
  const score = scoreReconstruction(x, r, { voxels: 4, mask });
  assertAlmostEquals(score.mse, 1 / 3, 1e-12);
  assertThrows(() => scoreReconstruction(x, r.subarray(1), { voxels: 4, mask }), ShapeError);
});

Deno.test("the baselines are what they say", async () => {
  await selectBackend("cpu");
  const model = tinyModel().eval();
  const training = [
    frameBatchOf(randomRuns(TINY_SHAPE, { batch: 2, frames: 5, seed: 1 })),
    frameBatchOf(randomRuns(TINY_SHAPE, { batch: 1, frames: 5, seed: 2 }), [2]),
  ];
  const runs = randomRuns(TINY_SHAPE, { batch: 2, frames: 5, seed: 3 });
  const heldOut = [frameBatchOf(runs)];
  const compared = await compareWithBaselines(model, { training, heldOut });

  const mean = await meanImage(training, 5);
  const direct = new Float64Array(VOXELS);
  for (const [seed, batch] of [[1, 2], [2, 1]]) {
    randomRuns(TINY_SHAPE, { batch, frames: 5, seed }).data.forEach((v, i) => {
      direct[i % VOXELS] += v / 15;
    });
  }
  direct.forEach((v, i) => assertAlmostEquals(mean[i], v, 1e-12));

  let trainingError = 0, ownError = 0;
  for (let b = 0; b < 2; b++) {
    const run = runs.data.subarray(b * 5 * VOXELS, (b + 1) * 5 * VOXELS);
    for (let v = 0; v < VOXELS; v++) {
      const series = Array.from({ length: 5 }, (_, t) => run[t * VOXELS + v]);
      const own = series.reduce((a, c) => a + c) / 5;
      for (const value of series) {
        trainingError += (value - mean[v]) ** 2 / (10 * VOXELS);
        ownError += (value - own) ** 2 / (10 * VOXELS);
      }
    }
  }
  assertAlmostEquals(compared.trainingMean.mse, trainingError, 1e-9);
  assertAlmostEquals(compared.ownMean.mse, ownError, 1e-9);
  assert(compared.pca.mse < compared.trainingMean.mse);
  assertEquals([compared.components, compared.model.frames, compared.pca.frames], [3, 10, 10]);
  assertEquals(model.training, false);
  model.dispose();
});

Deno.test("the model's score follows from its own reconstruction", async () => {
  await selectBackend("cpu");
  const model = tinyModel();
  const runs = randomRuns(TINY_SHAPE, { batch: 2, frames: 5, seed: 3 });
  const batch = frameBatchOf(runs);
  const zeros = (shape: number[]) => ({
    data: new Float32Array(shape.reduce((a, b) => a * b)),
    shape,
  });
  const { mu } = await model.eval().forward(batch, {
    noise: zeros([5, 2, 3]),
    offsets: zeros([2, 3]),
  });
  model.train();
  const compared = await compareWithBaselines(model, { training: [batch], heldOut: [batch] });
  const expected = scoreReconstruction(Float32Array.from(runs.data), mu.data, { voxels: VOXELS });
  assertAlmostEquals(compared.model.mse, expected.mse, 1e-9);
  assertAlmostEquals(compared.model.correlation, expected.correlation, 1e-6);
  assert(model.training);
  await assertRejects(
    () => compareWithBaselines(model, { training: [], heldOut: [batch] }),
    ConfigError,
  );
  model.dispose();
});
