import { selectBackend } from "../../src/backends/registry.ts";
import { assert, assertAlmostEquals } from "../../src/deps/std.ts";
import { LaggedVae } from "../../src/models/recurrent_vae/lagged/lagged_vae.ts";
import { RecurrentVae } from "../../src/models/recurrent_vae/model.ts";
import { latentMaps } from "../../src/pipelines/recurrent_vae/latent_maps.ts";

const GRID = [8, 9, 8] as const;
const STATES = [{
  data: Float32Array.from({ length: 30 }, (_, i) => Math.sin(i * i) + i % 3),
  shape: [10, 3],
}];

Deno.test("a latent map is the change of the decoded volume for a small step from the mean state", async () => {
  await selectBackend("cpu");
  const model = new RecurrentVae(
    { spatialShape: GRID, tolTime: 9, channels: [4, 8], latentDim: 3, normalization: "group" },
    { subjects: 3 },
  );
  const { maps, deviations } = await latentMaps(model, STATES);
  const mean = [0, 1, 2].map((d) =>
    STATES[0].data.reduce((sum, value, i) => sum + (i % 3 === d ? value / 10 : 0), 0)
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

Deno.test("without convolutions the maps are the linear weights times the deviations, 0 outside the mask", async () => {
  await selectBackend("cpu");
  const voxels = Int32Array.from({ length: 100 }, (_, k) => 5 * k + 3);
  const model = new LaggedVae(
    { spatialShape: GRID, latentDim: 3, channels: [], decoderChannels: [] },
    { subjects: 1, voxels },
  );
  const state = await model.stateDict();
  const weights = Float32Array.from({ length: 300 }, (_, i) => Math.sin(7 * i));
  state.set("linear_decoder.weight", { data: weights, shape: [100, 3] });
  model.loadStateDict(state);
  const { maps, deviations } = await latentMaps(model, STATES);
  const inside = new Map(Array.from(voxels, (voxel, v) => [voxel, v]));
  for (let d = 0; d < 3; d++) {
    for (let i = 0; i < 576; i++) {
      const v = inside.get(i);
      const expected = v === undefined ? 0 : weights[3 * v + d] * deviations[d];
      assertAlmostEquals(maps[d * 576 + i], expected, 1e-5);
    }
  }
  model.dispose();
});
