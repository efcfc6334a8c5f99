import { assert, assertEquals } from "../../src/deps/std.ts";
import type { BatchLoader } from "../../src/base/batches.ts";
import type { FrameBatch } from "../../src/base/frames.ts";
import { RandomStream } from "../../src/base/random.ts";
import { selectBackend } from "../../src/backends/registry.ts";
import { RecurrentVae } from "../../src/models/recurrent_vae/model.ts";
import { CheckpointStore, loadCheckpoint, saveCheckpoint } from "../../src/training/checkpoint.ts";
import { fit, type FitOptions } from "../../src/pipelines/recurrent_vae/fit.ts";
import type { OptimiserKind } from "../../src/training/optimisers.ts";
import { trainingStateOf } from "../../src/training/run_folder.ts";
import { createSchedule } from "../../src/training/schedules.ts";
import { inTemporaryFolder } from "./temporary_folder.ts";

const SUBJECTS = 5;
const EPOCHS = 4;
const BATCHES = 3;
const OPTIONS = {
  spatialShape: [9, 8, 5],
  tolTime: 3,
  latentDim: 3,
  encOutDim: 4,
  channels: [2, 3],
  batchSize: 2,
} as const;

const newModel = (seed: number) => new RecurrentVae({ ...OPTIONS, seed }, { subjects: SUBJECTS });

/** Scans of noise in an order that is a function of the epoch. `onBatch` hears of every batch that is handed out. */
function loader(onBatch: () => void = () => {}): BatchLoader<FrameBatch> {
  const [X, Y, Z] = OPTIONS.spatialShape;
  const random = RandomStream.fromSeed(1);
  const frame = (subject: number, t: number) =>
    random.split("scan").split(subject).split(t).normals(X * Y * Z);
  return {
    subjects: SUBJECTS,
    *batches(epoch) {
      const order = [...random.split("order").split(epoch).permutation(SUBJECTS)];
      for (let start = 0; start < SUBJECTS; start += OPTIONS.batchSize) {
        const subjects = order.slice(start, start + OPTIONS.batchSize);
        onBatch();
        yield {
          subjects,
          frames: OPTIONS.tolTime,
          spatialShape: OPTIONS.spatialShape,
          read: (first, count) => {
            const frames = Array.from({ length: count }, (_, g) => first + g);
            return Float32Array.from(
              frames.flatMap((t) => subjects.flatMap((subject) => [...frame(subject, t)])),
            );
          },
        };
      }
    },
  };
}

function options(optimiser: OptimiserKind): FitOptions {
  const shape = {
    learningRate: 1e-2,
    epochs: EPOCHS,
    per: "step",
    stepsPerEpoch: BATCHES,
  } as const;
  return {
    epochs: EPOCHS,
    optimiser,
    schedule: createSchedule("warmup-cosine", shape),
    clipNorm: 100,
    earlyStopping: { patience: 50 },
  };
}

/** Everything that could differ: weights, buffers, trajectories, metrics, and the whole training state. */
async function fingerprint(model: RecurrentVae, result: Awaited<ReturnType<typeof fit>>) {
  const state = await result.state();
  return {
    weights: [...await model.stateDict()].map(([name, { data }]) => [name, [...data].map(String)]),
    trajectories: [...result.allHHistory.data],
    metrics: result.metrics,
    history: result.trainLossHistory,
    lastIndex: result.lastIndex,
    position: state.position,
    earlyStopping: state.earlyStopping,
    step: state.optimiser.step,
    slots: [...state.optimiser.tensors].map(([name, { data }]) => [name, [...data]]),
  };
}

for (
  const [kind, optimiser, stopAfter] of [
    ["at the end of an epoch", "adamw", 2 * BATCHES],
    ["in the middle of an epoch", "adamw", 2 * BATCHES + 1],
    ["in the first batch", "sgd", 1],
  ] as const
) {
  Deno.test(`${optimiser} stopped ${kind}, saved, and resumed in a new model ends with the same bits`, () =>
    inTemporaryFolder(async (folder) => {
      await selectBackend("cpu");
      const whole = newModel(7);
      const expected = await fingerprint(whole, await fit(whole, loader(), options(optimiser)));

      // The signal comes while a batch is being processed; that batch is finished.
      const stop = new AbortController();
      let seen = 0;
      const first = newModel(7);
      const half = await fit(first, loader(() => void seen++), {
        ...options(optimiser),
        onBatch: () => void (seen === stopAfter && stop.abort()),
        signal: stop.signal,
      });
      assertEquals(half.ended, "interrupted");
      const store = new CheckpointStore(folder);
      await saveCheckpoint(store, first, { training: await half.state() });

      // Another seed: whatever the checkpoint does not bring back would show. The noise's seed is the run's.
      const second = newModel(8);
      const training = trainingStateOf((await loadCheckpoint(store, second))!)!;
      const resumed = await fit(second, loader(), {
        ...options(optimiser),
        random: RandomStream.fromSeed(7).split("noise"),
        resumeFrom: training,
      });
      assertEquals(resumed.ended, "completed");
      assertEquals(await fingerprint(second, resumed), expected);
      for (const model of [whole, first, second]) model.dispose();
    }));
}

Deno.test("two runs of one seed have the same bits, of another seed others", async () => {
  await selectBackend("cpu");
  const run = async (seed: number) => {
    const model = newModel(seed);
    const print = await fingerprint(model, await fit(model, loader(), options("sgd")));
    model.dispose();
    return JSON.stringify(print);
  };
  const first = await run(7);
  assertEquals(await run(7), first);
  assert(await run(8) !== first);
});
