/**
 * Held-out scores of the trained lagged model, through the comparison that runs print: every array of scores.safetensors that
 * the network has a part in.
 */
import type { FloatArray, NdArray, NumericArray, SpatialShape } from "../../src/base/arrays.ts";
import { type Cohort, memoryFrames } from "../../src/data/cohort.ts";
import { buildDataLoader } from "../../src/data/loader.ts";
import { assertEquals } from "../../src/deps/std.ts";
import { reportDynamics } from "../../src/evaluation/reported_dynamics.ts";
import { LaggedVae } from "../../src/models/recurrent_vae/lagged/lagged_vae.ts";
import {
  residualAutocorrelation,
  scoreLagged,
} from "../../src/pipelines/recurrent_vae/lagged_scores.ts";
import { forEachBackend } from "../support/engines.ts";
import { LaggedFixture } from "../support/lagged_fixtures.ts";

const ENGINES = ["cpu", "reference", "wasm", "webgpu"] as const;
const GRID = [9, 8, 10] as const;
const FRAMES = 20;

const fit = new LaggedFixture("fit");
const start = new LaggedFixture("start");
const scores = new LaggedFixture("scores");
const voxels = start.integers("voxel_index");
const V = voxels.length;

function trainedModel(): LaggedVae {
  const { D, E } = fit.config;
  const model = new LaggedVae({
    spatialShape: GRID as SpatialShape,
    latentDim: D,
    encOutDim: E,
    channels: [4, 16],
    decoderChannels: [16, 4],
    tolTime: FRAMES,
  }, { subjects: 3, voxels });
  const last = (name: string) => {
    const { data, shape: [epochs, ...shape] } = fit.floats(name);
    const size = data.length / epochs;
    return { data: Float64Array.from(data.subarray((epochs - 1) * size)), shape };
  };
  const { entries } = model.architecture;
  model.loadStateDict(
    new Map<string, NdArray<NumericArray>>(entries.map(({ key, shape }) => {
      if (key === "F_mat" || key === "q") return [key, last(key)];
      if (key === "voxel_index") {
        return [key, { data: BigInt64Array.from(voxels, BigInt), shape: [...shape] }];
      }
      const trained = key !== "residual_autocorrelation" && key !== "z_vectors";
      const size = shape.reduce((product, n) => product * n, 1);
      const data = trained
        ? Float64Array.from(fit.floats(`end/${key}`).data)
        : new Float64Array(size);
      return [key, { data, shape: [...shape] }];
    })),
  );
  return model;
}

function cohortOf(raw: readonly Float32Array[]): Cohort {
  const subjects = raw.map((run, n) => ({
    id: `run-${n}`,
    label: "",
    group: `run-${n}`,
    open: () => memoryFrames(run, { source: `run-${n}`, spatialShape: GRID, frames: FRAMES }),
  }));
  return { subjects, spatialShape: GRID, frames: FRAMES };
}

const mask = new Float32Array(9 * 8 * 10);
voxels.forEach((voxel) => mask[voxel] = 1);
const train = await buildDataLoader(cohortOf(start.runs("raw")), {
  normalization: "run-z-score",
  mask,
});
const heldOut = await buildDataLoader(cohortOf(scores.runs("raw")), {
  normalization: train.normalization,
});

await forEachBackend(
  "lagged scores: reconstructions, states, predictions, φ and all nine shares",
  async () => {
    const model = trainedModel();
    const phi = await residualAutocorrelation(model, train);
    scores.compare("phi", phi);
    model.setResidualAutocorrelation(phi);
    const comparison = await scoreLagged(model, { train, heldOut });
    const { linear } = comparison;
    const nine = [
      ...[linear.pca, linear.pcaLag, comparison.model.model, linear.persistence, linear.voxelAr1],
      ...[linear.pcaVar1, linear.pcaVar1Residual, comparison.model.modelState],
      comparison.model.modelAhead,
    ];
    scores.compare("scores", nine.map(({ share }) => share));
    const states = async (loader: typeof train) => {
      const runs = [];
      for (let row = 0; row < loader.subjects; row++) {
        runs.push(
          (await model.rollFrames(loader.batch([row]))).h.data as FloatArray,
        );
      }
      return runs;
    };
    scores.compare("states", (await states(heldOut)).flatMap((run) => [...run]));
    const trained = await states(train);
    scores.compare("train_states", trained.flatMap((run) => [...run]));
    scores.compare("F_ls", reportDynamics(trained.map((states) => ({ states })), 4)!.transition);

    const [recon, oneStep]: [number[], number[]] = [[], []];
    for (const row of [0, 1]) {
      const x = heldOut.batch([row]).read(0, FRAMES);
      let before: FloatArray | undefined;
      await model.rollFrames(heldOut.batch([row]), {
        predict: true,
        onFrames: ({ start: first, count, reconstruction, predicted }) => {
          for (let g = 0; g < count; g++) {
            const of = (values: FloatArray) => values.slice(g * V, (g + 1) * V);
            const t = first + g;
            if (before) {
              oneStep.push(
                ...of(predicted!).map((value, v) =>
                  value + phi[v] * (x[(t - 1) * 720 + voxels[v]] - before![v])
                ),
              );
            }
            before = of(reconstruction);
            recon.push(...before);
          }
        },
      });
    }
    scores.compare("recon", recon);
    scores.compare("one_step", oneStep);
    assertEquals(scores.untouched().filter((name) => !/^(frames|mean|ar1|var1)$/.test(name)), []);
    model.dispose();
  },
  { engines: ENGINES },
);
