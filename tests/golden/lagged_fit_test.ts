/** Three epochs of training the lagged model, compared with every array of fit.safetensors. */
import type { SpatialShape } from "../../src/base/arrays.ts";
import { toHost } from "../../src/backends/tensors.ts";
import { assert, assertAlmostEquals, assertEquals } from "../../src/deps/std.ts";
import {
  laggedOptimiser,
  LaggedTraining,
} from "../../src/models/recurrent_vae/lagged/lagged_training.ts";
import { LaggedVae } from "../../src/models/recurrent_vae/lagged/lagged_vae.ts";
import { toFileOrder } from "../../src/parameters/state_dict.ts";
import { runTraining } from "../../src/training/loop.ts";
import { createOptimiser } from "../../src/training/optimisers.ts";
import { createSchedule } from "../../src/training/schedules.ts";
import { forEachBackend } from "../support/engines.ts";
import { laggedWeights, maskedBatch } from "../support/lagged_cases.ts";
import { LaggedFixture } from "../support/lagged_fixtures.ts";

const EPOCHS = 3;
const [N, T, D] = [3, 20, 4];

await forEachBackend("lagged fit: three epochs, every array", async ({ name }) => {
  const [fixture, start] = [new LaggedFixture("fit"), new LaggedFixture("start")];
  const small = new LaggedFixture("small");
  const voxels = small.integers("voxel_index");
  const model = new LaggedVae({
    spatialShape: small.config.spatial as SpatialShape,
    latentDim: D,
    encOutDim: 16,
    channels: [4, 16],
    decoderChannels: [16, 4],
    tolTime: T,
    epochs: EPOCHS,
  }, { subjects: N, voxels });
  model.loadStateDict(laggedWeights(fixture, model, { prefix: "start/" }));
  const order = fixture.integers("order");
  const noise = fixture.floats("noise").data;
  const frames = Float32Array.from(start.floats("frames").data);
  const V = voxels.length;
  const batchOf = (row: number) =>
    maskedBatch(frames.subarray(row * T * V, (row + 1) * T * V), {
      frames: T,
      rows: [row],
      voxels,
      spatialShape: small.config.spatial,
    });
  const size = T * D;
  const session = new LaggedTraining(model, {
    noise: ({ epoch }, [row]) => {
      const at = (epoch * N + row) * size;
      return { data: noise.slice(at, at + size), shape: [T, 1, D] };
    },
  });
  const options = laggedOptimiser(model.config, V);
  const { learningRate } = model.config;
  const optimiser = createOptimiser("adamw", model.variables, options);
  const found = {
    losses: [] as number[],
    norms: [] as number[],
    F: [] as number[],
    q: [] as number[],
  };
  const watched = {
    ...bound(session),
    async computeGradients(...[batch, position]: Parameters<LaggedTraining["computeGradients"]>) {
      const result = await session.computeGradients(batch, position);
      const { loss, loss1, kl, loss2, lossZ, lossLag, lossPrediction, lossF } = result.losses;
      found.losses.push(loss, loss1, kl, loss2, lossZ, lossLag, lossPrediction, lossF);
      if (position.epoch === 0 && position.batch === 0) {
        for (const [key, gradient] of result.gradients) {
          const entry = model.architecture.entries.find((one) => one.key === key)!;
          const values = toFileOrder(entry, await toHost(gradient));
          // W_f = V_f = 0, so nothing reaches the encoder in the first step.
          if (/^encoder/.test(key)) assert(values.every((value) => value === 0), key);
          fixture.compare(`first_step/grad/${key}`, values, { float64: name === "reference" });
        }
      }
      return result;
    },
  };
  await runTraining(watched, {
    *batches(epoch) {
      for (let i = 0; i < N; i++) yield batchOf(order[epoch * N + i]);
    },
  }, {
    epochs: EPOCHS,
    optimiser,
    schedule: createSchedule("cosine", { learningRate, epochs: EPOCHS }),
    clipNorm: 10,
    onBatch: ({ gradientNorm }) => found.norms.push(gradientNorm),
    callbacks: [() => {
      found.F.push(...model.state.buffer("F_mat"));
      found.q.push(...model.state.buffer("q"));
    }],
  });
  const float64 = name === "reference";
  fixture.compare("losses", found.losses, { float64 });
  fixture.compare("gradient_norms", found.norms, { float64 });
  fixture.compare("F_mat", found.F, { float64 });
  fixture.compare("q", found.q, { float64 });
  fixture.compare("states", session.states.data, { float64 });
  const end = await model.stateDict();
  for (const key of model.variables.keys()) {
    fixture.compare(`end/${key}`, end.get(key)!.data as Float64Array, { float64 });
  }
  assertEquals(fixture.untouched(), []);
  assertAlmostEquals(found.losses[0], 16.949781, 1e-4);
  optimiser.dispose();
  model.dispose();
}, { engines: ["cpu", "reference", "wasm", "webgpu"] });

/** The session's methods as own properties, to be added to. */
function bound(session: LaggedTraining) {
  return {
    variables: session.variables,
    endEpoch: () => session.endEpoch(),
    exportState: () => session.exportState(),
    importState: (state: Parameters<LaggedTraining["importState"]>[0]) =>
      session.importState(state),
  };
}
