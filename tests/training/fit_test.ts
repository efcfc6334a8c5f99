/** The training loop: order of operations, exact resumption, divergence, interruption [recurrent-vae §6.1]. */
import { selectBackend } from "../../src/backends/registry.ts";
import type { NdArray, NumericArray } from "../../src/base/arrays.ts";
import type { FrameBatch } from "../../src/base/frames.ts";
import { CheckpointError, DivergenceError, ShapeError } from "../../src/base/errors.ts";
import { RandomStream } from "../../src/base/random.ts";
import {
  assert,
  assertAlmostEquals,
  assertEquals,
  assertNotEquals,
  assertRejects,
} from "../../src/deps/std.ts";
import { tf } from "../../src/deps/tfjs.ts";
import { subjectNoise } from "../../src/models/recurrent_vae/inputs.ts";
import type { RecurrentVae } from "../../src/models/recurrent_vae/model.ts";
import { fit, type FitOptions } from "../../src/pipelines/recurrent_vae/fit.ts";
import type { TrainingState } from "../../src/training/loop.ts";
import { createOptimiser } from "../../src/training/optimisers.ts";
import { createSchedule } from "../../src/training/schedules.ts";
import { tinyLoader, tinyModel } from "../support/tiny_training.ts";

await selectBackend("cpu");

/** Options under which everything that could break resumption is on. */
function everything(epochs: number): FitOptions {
  return {
    epochs,
    optimiser: "adamw",
    schedule: createSchedule("warmup-cosine", { learningRate: 1e-3, epochs: 4, warmup: 1 }),
    clipNorm: 50,
    earlyStopping: { patience: 10 },
    klWeight: (epoch) => Math.min(1, epoch / 2),
  };
}

async function weightsOf(model: RecurrentVae): Promise<[string, NumericArray][]> {
  return [...await model.stateDict()].map(([key, { data }]) => [key, data]);
}

Deno.test("training k epochs and resuming to n gives the bits of n in one go", async () => {
  const whole = tinyModel({ temporalLoss: "kl" });
  const uninterrupted = await fit(whole, tinyLoader(), everything(4));

  const first = tinyModel({ temporalLoss: "kl" });
  const half = await fit(first, tinyLoader(), everything(2));
  const weights = await first.stateDict();
  const state = throughJson(await half.state());
  const second = tinyModel({ temporalLoss: "kl" });
  second.loadStateDict(weights);
  const resumed = await fit(second, tinyLoader(), { ...everything(4), resumeFrom: state });

  assertEquals(await weightsOf(second), await weightsOf(whole));
  assertEquals(resumed.metrics, uninterrupted.metrics);
  assertEquals(resumed.allHHistory, uninterrupted.allHHistory);
  assertEquals(resumed.trainLossHistory.length, 4);
  [whole, first, second].forEach((model) => model.dispose());
});

Deno.test("a run interrupted in the middle of an epoch resumes with the bits of an uninterrupted one", async () => {
  const whole = tinyModel();
  const uninterrupted = await fit(whole, tinyLoader(), everything(2));

  const stopped = tinyModel();
  const abort = new AbortController();
  const part = await fit(stopped, tinyLoader(), {
    ...everything(2),
    signal: abort.signal,
    onBatch: ({ step }) => step === 3 && abort.abort(),
  });
  assertEquals(part.ended, "interrupted");
  const state = throughJson(await part.state());
  assertEquals(state.position, { epoch: 1, batch: 1 });
  const resumedModel = tinyModel();
  resumedModel.loadStateDict(await stopped.stateDict());
  const resumed = await fit(resumedModel, tinyLoader(), { ...everything(2), resumeFrom: state });

  assertEquals(resumed.ended, "completed");
  assertEquals(await weightsOf(resumedModel), await weightsOf(whole));
  assertEquals(resumed.metrics, uninterrupted.metrics);
  [whole, stopped, resumedModel].forEach((model) => model.dispose());
});

/** What a checkpoint does to a state: numbers through JSON, arrays as they are. */
function throughJson(state: TrainingState): TrainingState {
  const { optimiser, model, ...values } = state;
  return { ...JSON.parse(JSON.stringify(values)), optimiser, model };
}

Deno.test("resuming with another model's trajectory buffer is refused", async () => {
  const model = tinyModel();
  const { state } = await fit(model, tinyLoader(), { epochs: 1 });
  const broken = {
    ...await state(),
    model: new Map<string, NdArray<NumericArray>>([
      ["states", { data: new Float32Array(6), shape: [1, 2, 3] }],
    ]),
  };
  await assertRejects(
    () => fit(model, tinyLoader(), { epochs: 2, resumeFrom: broken }),
    CheckpointError,
    "[1,2,3]",
  );
  model.dispose();
});

Deno.test("noise depends on position and subject, not on the other subjects of a batch", () => {
  const stream = RandomStream.fromSeed(1).split(3).split(0);
  const together = subjectNoise(stream, { subjects: [4, 7], frames: 3, dim: 2 });
  const alone = subjectNoise(stream, { subjects: [7], frames: 3, dim: 2 });
  const ofSubject7 = Array.from(
    { length: 3 },
    (_, t) => together.subarray((2 * t + 1) * 2, (2 * t + 2) * 2),
  );
  assertEquals(ofSubject7.flatMap((row) => [...row]), [...alone]);
});

Deno.test("metrics are unweighted means over batches, and the line logged names them", async () => {
  const model = tinyModel();
  const lines: string[] = [];
  const losses: number[] = [];
  const { metrics, trainLossHistory, lastIndex } = await fit(model, tinyLoader(), {
    epochs: 3,
    logEvery: 2,
    log: (line) => lines.push(line),
    onBatch: (report) => losses.push(report.losses.loss),
  });
  assertEquals(lines.length, 2);
  assert(lines[1].startsWith("[epoch 3/3] mean_loss="), lines[1]);
  assertEquals(trainLossHistory.length, 2);
  metrics.forEach(({ loss }, epoch) => {
    assertAlmostEquals(loss, (losses[2 * epoch] + losses[2 * epoch + 1]) / 2, 1e-12);
  });
  assertEquals(lastIndex?.length, 2);
  model.dispose();
});

Deno.test("lossF of an epoch is that of the F in force during it", async () => {
  const model = tinyModel();
  const before = squaredSum(model.transitionMatrix.data);
  const after: number[] = [];
  const { metrics } = await fit(model, tinyLoader(), {
    epochs: 2,
    callbacks: [() => {
      after.push(squaredSum(model.transitionMatrix.data));
    }],
  });
  assertAlmostEquals(metrics[0].lossF, model.config.rho * before, 1e-9);
  assertAlmostEquals(metrics[1].lossF, model.config.rho * after[0], 1e-9);
  model.dispose();
});

function squaredSum(values: ArrayLike<number>): number {
  return Array.from(values).reduce((sum, value) => sum + value * value, 0);
}

Deno.test("an empty loader still updates F and returns without history", async () => {
  const model = tinyModel();
  const called: number[] = [];
  const { trainLossHistory, lastIndex } = await fit(model, { subjects: 4, batches: () => [] }, {
    epochs: 2,
    callbacks: [(epoch) => void called.push(epoch)],
  });
  assertEquals(trainLossHistory, []);
  assertEquals(lastIndex, null);
  assertEquals(called, []);
  // All-zero buffer, zero initial state: F = 0 [recurrent-vae §5].
  assertEquals([...model.transitionMatrix.data], new Array(9).fill(0));
  model.dispose();
});

Deno.test("a NaN voxel stops training before a weight is touched, naming batch, subjects and tensor", async () => {
  const model = tinyModel();
  const before = await weightsOf(model);
  const clean = tinyLoader();
  const poisoned = {
    ...clean,
    *batches(epoch: number) {
      for (const batch of clean.batches(epoch) as Iterable<FrameBatch>) {
        yield {
          ...batch,
          read: async (start: number, count: number) => {
            const values = await batch.read(start, count);
            if (batch.subjects.includes(1)) values[17] = NaN;
            return values;
          },
        };
      }
    },
  };
  let updates = 0;
  const error = await assertRejects(
    () => fit(model, poisoned, { epochs: 1, learningRate: 1e-9, onBatch: () => updates++ }),
    DivergenceError,
  );
  assert(error.subjects.includes(1));
  assertEquals(error.epoch, 0);
  assertEquals(error.batch, updates);
  assertEquals(error.tensor, "loss");
  if (updates === 0) assertEquals(await weightsOf(model), before);
  for (const [, data] of await weightsOf(model)) {
    for (const value of data) assert(Number.isFinite(Number(value)), "a weight is not finite");
  }
  model.dispose();
});

Deno.test("a learning rate that overflows the weights stops within the epoch, weights named", async () => {
  const model = tinyModel();
  const loader = tinyLoader();
  const oneBatch = {
    subjects: 4,
    *batches(epoch: number) {
      for (const batch of loader.batches(epoch) as Iterable<FrameBatch>) {
        yield batch;
        return;
      }
    },
  };
  const error = await assertRejects(
    () => fit(model, oneBatch, { epochs: 1, learningRate: 1e37 }),
    DivergenceError,
    "weight of",
  );
  assertEquals(error.epoch, 0);
  model.dispose();
});

Deno.test("runs too short are refused with the frame counts", async () => {
  const model = tinyModel();
  const error = await assertRejects(
    () => fit(model, tinyLoader({ frames: 4 }), { epochs: 1 }),
    ShapeError,
    "4 timepoints, needs 5",
  );
  assertEquals(error.found, [4]);
  model.dispose();
});

Deno.test("training with gradient steps lowers the loss; early stopping and callbacks can end it", async () => {
  const model = tinyModel();
  const { metrics } = await fit(model, tinyLoader(), {
    epochs: 12,
    optimiser: "adam",
    learningRate: 5e-3,
  });
  assert(metrics[11].loss1 < 0.9 * metrics[0].loss1, JSON.stringify(metrics.map((m) => m.loss1)));
  const stopped = await fit(model, tinyLoader(), {
    epochs: 50,
    learningRate: 1e-12,
    earlyStopping: { patience: 2, minDelta: 1e6 },
  });
  assertEquals(stopped.ended, "early-stopping");
  assertEquals(stopped.metrics.length, 3);
  const asked = await fit(model, tinyLoader(), {
    epochs: 50,
    callbacks: [(epoch, _metrics, run) => {
      if (epoch === 1) run.stop();
    }],
  });
  assertEquals([asked.ended, asked.metrics.length], ["callback", 2]);
  model.dispose();
});

Deno.test("validation metrics join the epoch's, and early stopping can watch them", async () => {
  const model = tinyModel();
  const { metrics, ended } = await fit(model, tinyLoader(), {
    epochs: 9,
    validate: (epoch) => Promise.resolve({ heldOut: 10 + epoch }),
    earlyStopping: { patience: 1, monitor: "heldOut" },
  });
  assertEquals(ended, "early-stopping");
  assertEquals(metrics.map(({ heldOut }) => heldOut), [10, 11]);
  model.dispose();
});

Deno.test("fit leaves no tensors behind and keeps a caller's optimiser alive", async () => {
  const model = tinyModel();
  const optimiser = createOptimiser("adam", model.variables);
  await fit(model, tinyLoader(), { epochs: 1, optimiser });
  const before = tf.memory().numTensors;
  await fit(model, tinyLoader(), { epochs: 2, optimiser });
  await fit(model, tinyLoader(), { epochs: 1, optimiser: "adam" });
  assertEquals(tf.memory().numTensors, before);
  assertEquals(optimiser.stepCount, 6);
  optimiser.dispose();
  model.dispose();
});

Deno.test("a rho given to fit changes F but not the reported lossF", async () => {
  const plain = tinyModel();
  const strong = tinyModel();
  const a = await fit(plain, tinyLoader(), { epochs: 1 });
  const b = await fit(strong, tinyLoader(), { epochs: 1, rho: 100 });
  assertEquals(a.metrics[0].lossF, b.metrics[0].lossF);
  assertNotEquals([...plain.transitionMatrix.data], [...strong.transitionMatrix.data]);
  plain.dispose();
  strong.dispose();
});
