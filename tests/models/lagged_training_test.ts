/** Training the lagged model: resumed runs, the end of an epoch with missing frames, and many voxels. */
import type { FrameBatch } from "../../src/base/frames.ts";
import { RandomStream } from "../../src/base/random.ts";
import { selectBackend } from "../../src/backends/registry.ts";
import { assert, assertAlmostEquals, assertEquals } from "../../src/deps/std.ts";
import { fitLinearStart } from "../../src/linalg/linear_start.ts";
import { ridgeTransition } from "../../src/linalg/run_transition.ts";
import {
  laggedOptimiser,
  LaggedTraining,
} from "../../src/models/recurrent_vae/lagged/lagged_training.ts";
import { LaggedVae } from "../../src/models/recurrent_vae/lagged/lagged_vae.ts";
import type { StateDict } from "../../src/parameters/state_dict.ts";
import { runTraining } from "../../src/training/loop.ts";
import { createOptimiser } from "../../src/training/optimisers.ts";
import { createSchedule } from "../../src/training/schedules.ts";
import type { TrainingState } from "../../src/training/training_state.ts";
import { NIGHTLY } from "../support/nightly.ts";
import { selectFastEngine } from "../support/engines.ts";

const RUNS = 3;
const FRAMES = 6;
const SHAPE = [4, 5, 4] as const;
const EPOCHS = 3;
const scans = Array.from(
  { length: RUNS },
  (_, row) => RandomStream.fromSeed(1).split(row).normals(FRAMES * 80),
);

function runOf(row: number): FrameBatch {
  return {
    subjects: [row],
    frames: FRAMES,
    spatialShape: SHAPE,
    read: (start, count) => scans[row].slice(start * 80, (start + count) * 80),
  };
}

const loader = {
  *batches(epoch: number) {
    for (let b = 0; b < RUNS; b++) yield runOf((b + epoch) % RUNS);
  },
};

/** Weights after three epochs; `stopAfter` batches the run is interrupted and goes on in a new model. */
async function train(stopAfter?: number): Promise<StateDict> {
  const first = await trainPart({ stopAfter });
  if (stopAfter === undefined) return first.weights;
  assertEquals(first.ended, "interrupted");
  return (await trainPart({ from: first })).weights;
}

interface Part {
  readonly ended: string;
  readonly weights: StateDict;
  readonly state: TrainingState;
}

async function trainPart(
  { stopAfter = Infinity, from }: { readonly stopAfter?: number; readonly from?: Part },
): Promise<Part> {
  const model = new LaggedVae({
    spatialShape: SHAPE,
    latentDim: 2,
    tolTime: FRAMES,
    epochs: EPOCHS,
    noise: "voxel",
    offsets: true,
  }, { subjects: RUNS, ...(from ? { weights: from.weights } : {}) });
  if (!from) {
    const runs = scans.map((data) => ({
      frames: FRAMES,
      read: (start: number, count: number) => data.slice(start * 80, (start + count) * 80),
    }));
    model.begin(await fitLinearStart(runs, { latentDim: 2 }));
  }
  const session = new LaggedTraining(model);
  const options = laggedOptimiser(model.config, model.voxels.count);
  const optimiser = createOptimiser("adamw", model.variables, options);
  const { learningRate } = model.config;
  const stopping = new AbortController();
  let batches = 0;
  const result = await runTraining(session, loader, {
    epochs: EPOCHS,
    optimiser,
    schedule: createSchedule("cosine", { learningRate, epochs: EPOCHS }),
    signal: stopping.signal,
    onBatch: () => {
      if (++batches === stopAfter) stopping.abort();
    },
    ...(from ? { resumeFrom: from.state } : {}),
  });
  const part = {
    ended: result.ended,
    weights: await model.stateDict(),
    state: await result.state(),
  };
  optimiser.dispose();
  model.dispose();
  return part;
}

Deno.test("a resumed run of the lagged model ends in the same bits, stopped between epochs or within one", async () => {
  await selectFastEngine();
  const whole = await train();
  for (const stopAfter of [RUNS, RUNS + 1]) {
    const resumed = await train(stopAfter);
    for (const [key, { data }] of whole) {
      assertEquals(Array.from(resumed.get(key)!.data, Number), Array.from(data, Number), key);
    }
  }
});

Deno.test("the end of an epoch leaves missing frames out of F and q", async () => {
  await selectBackend("reference");
  const model = new LaggedVae({ spatialShape: SHAPE, latentDim: 2, tolTime: FRAMES }, {
    subjects: 1,
  });
  const drawn = await model.stateDict();
  const encoder = drawn.get("linear_encoder.weight")!;
  const values = RandomStream.fromSeed(2).normals(encoder.data.length);
  drawn.set("linear_encoder.weight", { data: values, shape: encoder.shape });
  model.loadStateDict(drawn);
  const session = new LaggedTraining(model);
  const observed = Float32Array.of(1, 1, 0, 1, 1, 1);
  const batch = { ...runOf(0), observed };
  const { gradients } = await session.computeGradients(batch, { epoch: 0, batch: 0 });
  gradients.forEach((gradient) => gradient.dispose());
  session.endEpoch();
  const states = session.states.data as Float64Array;
  const expected = ridgeTransition([{ states, observed }], 2, { rho: model.config.rho });
  assertEquals(expected.rows, 4);
  model.transitionMatrix.data.forEach((value, i) =>
    assertAlmostEquals(value, expected.transition[i], 1e-6)
  );
  model.dispose();
});

Deno.test("with many voxels training stays near principal components, since P moves more slowly", async () => {
  const shape = NIGHTLY ? [30, 25, 20] as const : [15, 10, 10] as const;
  await selectFastEngine();
  const size = shape[0] * shape[1] * shape[2];
  const [runs, frames, D] = [4, 40, 3];
  const stream = RandomStream.fromSeed(3);
  const maps = stream.split("maps").normals(size * D);
  const films = Array.from({ length: runs }, (_, n) => {
    const noise = stream.split(n).normals(frames * size);
    const latents = stream.split("latents").split(n).normals(frames * D);
    const state = new Float64Array(D);
    for (let t = 0; t < frames; t++) {
      for (let d = 0; d < D; d++) state[d] = 0.8 * state[d] + latents[t * D + d];
      for (let i = 0; i < size; i++) {
        for (let d = 0; d < D; d++) noise[t * size + i] += 0.3 * state[d] * maps[i * D + d];
      }
    }
    return noise;
  });
  const read = (n: number) => (start: number, count: number) =>
    films[n].slice(start * size, (start + count) * size);
  const model = new LaggedVae({
    spatialShape: shape,
    latentDim: D,
    tolTime: frames,
    epochs: 10,
    channels: [],
  }, { subjects: runs - 1 });
  const training = Array.from({ length: runs - 1 }, (_, n) => ({ frames, read: read(n) }));
  model.begin(await fitLinearStart(training, { latentDim: D }));
  const share = async () => {
    let left = 0, all = 0;
    await model.rollFrames({ ...batchOf(runs - 1), subjects: [0] }, {
      onFrames: ({ start, count, reconstruction }) => {
        const x = read(runs - 1)(start, count);
        x.forEach((value, i) => {
          left += (value - reconstruction[i]) ** 2;
          all += value ** 2;
        });
      },
    });
    return 1 - left / all;
  };
  const batchOf = (n: number): FrameBatch => ({
    subjects: [n],
    frames,
    spatialShape: shape,
    read: read(n),
  });
  const before = await share();
  const session = new LaggedTraining(model);
  const optimiser = createOptimiser(
    "adamw",
    model.variables,
    laggedOptimiser(model.config, size),
  );
  await runTraining(session, {
    *batches() {
      for (let n = 0; n < runs - 1; n++) yield batchOf(n);
    },
  }, {
    epochs: 10,
    optimiser,
    schedule: createSchedule("cosine", { learningRate: model.config.learningRate, epochs: 10 }),
    clipNorm: 10,
  });
  const after = await share();
  assert(before > 0.2 && after > before - 0.005, `${before} before, ${after} after`);
  optimiser.dispose();
  model.dispose();
});
