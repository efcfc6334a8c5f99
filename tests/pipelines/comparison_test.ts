import type { FloatArray } from "../../src/base/arrays.ts";
import { selectBackend } from "../../src/backends/registry.ts";
import { selectSubjects } from "../../src/data/cohort.ts";
import { buildDataLoader } from "../../src/data/loader.ts";
import { plantedCohort } from "../../src/data/planted.ts";
import { assert, assertAlmostEquals, assertEquals } from "../../src/deps/std.ts";
import { RecurrentVae } from "../../src/models/recurrent_vae/model.ts";
import {
  compareHeldOut,
  comparisonsOf,
  voxelsOf,
} from "../../src/pipelines/recurrent_vae/comparison.ts";
import { comparedConvolutional } from "../../src/pipelines/recurrent_vae/compared_models.ts";
import { latentMaps } from "../../src/pipelines/recurrent_vae/latent_maps.ts";

const GRID = [8, 9, 8] as const;
const FRAMES = 9;

async function setup() {
  await selectBackend("cpu");
  const cohort = plantedCohort({ runs: 4, frames: FRAMES, spatialShape: GRID, seed: 5 });
  const mask = new Float32Array(8 * 9 * 8).map((_, i) => i % 3 === 0 ? 0 : 1);
  const train = await buildDataLoader(selectSubjects(cohort, [0, 1, 2]), {
    normalization: "run-z-score",
    mask,
  });
  const heldOut = await buildDataLoader(selectSubjects(cohort, [3]), {
    normalization: train.normalization,
  });
  const model = new RecurrentVae(
    {
      spatialShape: [...GRID],
      tolTime: FRAMES,
      channels: [4, 8],
      latentDim: 3,
      normalization: "group",
      seed: 3,
    },
    { subjects: 3 },
  );
  await model.updateTransitionMatrix({
    data: Float32Array.from({ length: 3 * FRAMES * 3 }, (_, i) => Math.sin(i)),
    shape: [3, FRAMES, 3],
  });
  return { train, heldOut, model };
}

Deno.test("the model's scores are those of its rollout and of decode(F·h), inside the mask, with noise and offsets 0", async () => {
  const { train, heldOut, model } = await setup();
  const found = await compareHeldOut(comparedConvolutional(model, voxelsOf(train)), {
    train,
    heldOut,
  }, { fitOffsets: 1 });
  const voxels = voxelsOf(train);
  assertEquals(voxels.length, 384);
  const noise = { data: new Float32Array(FRAMES * 3), shape: [FRAMES, 1, 3] };
  const offsets = { data: new Float32Array(3), shape: [1, 3] };
  const forward = await model.eval().forward(heldOut.batch([0]), { subjects: [0], noise, offsets });
  const at = (data: FloatArray, t: number) => Array.from(voxels, (v) => data[t * 576 + v]);
  const shareOf = async (predict: (t: number) => Promise<number[]> | number[], first: number) => {
    let error = 0, total = 0;
    for (let t = first; t < FRAMES; t++) {
      const prediction = await predict(t);
      // The mean of the training frames is 0 after run-z-score, but for rounding.
      at(forward.x.data, t).forEach((x, v) => {
        error += (x - prediction[v]) ** 2;
        total += x * x;
      });
    }
    return 1 - error / total;
  };
  assertAlmostEquals(
    found.model.model.share,
    await shareOf((t) => at(forward.mu.data, t), 0),
    1e-6,
  );
  const state = await shareOf(async (t) => {
    const prior = await model.g({ data: forward.h.data.slice((t - 1) * 3, t * 3), shape: [1, 3] });
    return at((await model.decode(prior)).data, 0);
  }, 1);
  assertAlmostEquals(found.model.modelState.share, state, 1e-6);
  assert(found.model.modelAhead.share !== found.model.modelState.share);
  assert(found.fitted !== null && found.fitted.share !== found.model.model.share);
  assertEquals([found.components, found.runs], [3, ["sub-04"]]);
  const [reconstruction, ahead] = comparisonsOf(found);
  assertEquals([reconstruction.methods.length, ahead.methods.length], [4, 6]);
  assertEquals(reconstruction.methods.filter(({ seen }) => seen).length, 1);
  model.dispose();
});

Deno.test("a latent map is the change of the decoded volume for a small step from the mean state", async () => {
  const { model } = await setup();
  const states = [{
    data: Float32Array.from({ length: 30 }, (_, i) => Math.sin(i * i) + i % 3),
    shape: [10, 3],
  }];
  const { maps, deviations } = await latentMaps(comparedConvolutional(model), states);
  const mean = [0, 1, 2].map((d) =>
    [0, 1, 2, 3, 4, 5, 6, 7, 8, 9].reduce((sum, t) => sum + states[0].data[3 * t + d], 0) / 10
  );
  const volume = async (shift: number[]) =>
    (await model.decode({ data: Float32Array.from(mean, (m, d) => m + shift[d]), shape: [1, 3] }))
      .data;
  const step = 0.02;
  for (const d of [0, 2]) {
    const moved = await volume([0, 1, 2].map((k) => k === d ? step * deviations[d] : 0));
    const still = await volume([0, 0, 0]);
    let error = 0, size = 0;
    for (let v = 0; v < 576; v++) {
      error += ((moved[v] - still[v]) / step - maps[d * 576 + v]) ** 2;
      size += maps[d * 576 + v] ** 2;
    }
    assert(size > 0 && error / size < 0.05, `${error / size}`);
  }
  model.dispose();
});
