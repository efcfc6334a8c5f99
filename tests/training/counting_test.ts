/** Runs counted in steps, validation that is not made in every epoch, and schedules that see the metrics. */
import { ConfigError } from "../../src/base/errors.ts";
import { selectBackend } from "../../src/backends/registry.ts";
import { assertAlmostEquals, assertEquals, assertRejects } from "../../src/deps/std.ts";
import { CheckpointStore, loadCheckpoint, saveCheckpoint } from "../../src/training/checkpoint.ts";
import { type LoopOptions, runTraining } from "../../src/training/loop.ts";
import { createOptimiser } from "../../src/training/optimisers.ts";
import { trainingStateOf } from "../../src/training/run_folder.ts";
import { createSchedule, type ScheduleOptions } from "../../src/training/schedules.ts";
import type { EpochMetrics } from "../../src/training/training_state.ts";
import { TinyAdversary, tinyRows } from "../support/tiny_phases.ts";
import { inTemporaryFolder } from "./temporary_folder.ts";

await selectBackend("cpu");

/** Trains the reconstruction alone: four batches an epoch. */
async function train(options: Partial<LoopOptions>, model = oneModel()) {
  const result = await runTraining(model, tinyRows(), {
    optimiser: createOptimiser("adam", model.own("reconstruction")),
    schedule: createSchedule("cosine", { learningRate: 0.05, per: "step", steps: 10 }),
    ...options,
  });
  return { result, model };
}

function oneModel(): TinyAdversary {
  const model = new TinyAdversary();
  model.phases = model.phases.slice(0, 1);
  return model;
}

Deno.test("a number of steps ends a run within an epoch, whose metrics are those of the batches so far", async () => {
  const losses: number[] = [];
  const told: number[] = [];
  const { result, model } = await train({
    steps: 6,
    onBatch: (report) => losses.push(report.losses.loss),
    callbacks: [(epoch) => void told.push(epoch)],
  });
  assertEquals([result.ended, losses.length, told], ["completed", 6, [0, 1]]);
  assertAlmostEquals(result.metrics[1].loss, (losses[4] + losses[5]) / 2, 1e-12);
  assertEquals(result.weightsOf, null);
  const { position, metrics } = await result.state();
  assertEquals([position, metrics.length], [{ epoch: 1, batch: 2 }, 1]);
  const whole = await train({ steps: 8 });
  assertEquals((await whole.result.state()).position, { epoch: 2, batch: 0 });
  assertEquals([whole.result.metrics.length, whole.result.weightsOf], [2, 1]);
  const shorter = await train({ steps: 8, epochs: 1 });
  assertEquals([shorter.result.ended, shorter.result.metrics.length], ["completed", 1]);
  [model, whole.model, shorter.model].forEach((each) => each.dispose());
});

for (const keepBest of [false, true]) {
  const kept = keepBest ? ", the best epoch kept" : "";
  Deno.test(`k steps, saved, and resumed to n in a new model end with the bits of n in one go${kept}`, () =>
    inTemporaryFolder(async (folder) => {
      const options = {
        keepBest,
        validateEvery: { steps: 3 },
        validate: (epoch: number) => Promise.resolve({ heldOut: 10 - epoch }),
      };
      const expected = await train({ ...options, steps: 10 });
      for (const steps of [4, 7]) {
        const store = new CheckpointStore(`${folder}/${steps}`);
        const first = await train({ ...options, steps });
        await saveCheckpoint(store, first.model, { training: await first.result.state() });
        const model = oneModel();
        const resumeFrom = trainingStateOf((await loadCheckpoint(store, model))!)!;
        const { result } = await train({ ...options, steps: 10, resumeFrom }, model);
        assertEquals(result.metrics, expected.result.metrics);
        assertEquals(result.weightsOf, expected.result.weightsOf);
        assertEquals(await model.exportWeights(), await expected.model.exportWeights());
        [first.model, model].forEach((each) => each.dispose());
      }
      expected.model.dispose();
    }));
}

Deno.test("neither epochs nor steps, and steps without batches, are refused", async () => {
  const none = await assertRejects(() => train({}), ConfigError, "epochs and steps are undefined");
  assertEquals(none.field, "epochs");
  const model = oneModel();
  const empty = () =>
    runTraining(model, { batches: () => [] }, {
      steps: 3,
      optimiser: createOptimiser("sgd", model.own("reconstruction")),
      schedule: createSchedule("constant", { learningRate: 1, epochs: 1 }),
    });
  await assertRejects(empty, ConfigError, "epoch 1 has no batches");
  for (const validateEvery of [0, 1.5, { steps: 0 }, { epochs: 2 }]) {
    const options = { epochs: 1, validateEvery } as Partial<LoopOptions>;
    assertEquals((await assertRejects(() => train(options), ConfigError)).field, "validateEvery");
  }
  model.dispose();
});

Deno.test("validation every second epoch stands in those epochs, and patience ends only there", async () => {
  const validated: number[] = [];
  const errors = [0, 5, 0, 4, 0, 4, 0, 4, 0, 4];
  const { result, model } = await train({
    epochs: 10,
    validateEvery: 2,
    validate: (epoch) => {
      validated.push(epoch);
      return Promise.resolve({ error: errors[epoch] });
    },
    earlyStopping: { patience: 3, monitor: "error" },
  });
  assertEquals(validated, [1, 3, 5, 7]);
  assertEquals(result.metrics.map(({ error }) => error ?? null), [
    ...[null, 5, null, 4, null, 4, null, 4],
  ]);
  assertEquals([result.ended, result.weightsOf], ["early-stopping", 3]);
  const again = await train({
    epochs: 10,
    validateEvery: 2,
    earlyStopping: { patience: 3, monitor: "error" },
    resumeFrom: await result.state(),
  });
  assertEquals([again.result.ended, again.result.metrics.length], ["early-stopping", 8]);
  await assertRejects(
    () =>
      train({
        epochs: 3,
        validateEvery: 2,
        validate: () => Promise.resolve({ error: 1 }),
        earlyStopping: { patience: 1, monitor: "eror" },
      }),
    ConfigError,
    '"eror"',
  );
  [model, again.model].forEach((each) => each.dispose());
});

Deno.test("validation by steps gives an epoch the values of its latest, and none where none was due", async () => {
  const calls: number[] = [];
  let steps = 0;
  const { result, model } = await train({
    epochs: 4,
    onBatch: ({ step }) => steps = step,
    validateEvery: { steps: 6 },
    validate: (epoch) => {
      calls.push(steps);
      return Promise.resolve({ at: steps, epoch });
    },
    earlyStopping: { patience: 9, monitor: "at" },
  });
  assertEquals(calls, [6, 12]);
  assertEquals(result.metrics.map(({ at }) => at), [undefined, 6, 12, undefined]);
  model.dispose();
});

/** Metrics of epochs with these losses. */
function history(losses: readonly (number | null)[], name = "loss"): EpochMetrics[] {
  return losses.map((value, epoch) => ({ epoch, loss: 0, [name]: value }) as EpochMetrics);
}

Deno.test("the plateau lowers the rate after more than `patience` epochs without improvement", () => {
  const shape: ScheduleOptions = {
    learningRate: 1,
    factor: 0.5,
    patience: 1,
    threshold: 0.1,
    etaMin: 0.2,
  };
  const schedule = createSchedule("plateau", shape);
  // Improvements are at 10 and 8: 9.5 and 7.9 are within a tenth of the best.
  const losses = [10, 9.5, 8, 7.9, 7.8, 7.7, 7.6, NaN, null, 7.5, 7.5, 7.5];
  const metrics = history(losses);
  const rates = Array.from(
    { length: 13 },
    (_, epoch) => schedule.rateAt({ epoch, step: 0, metrics: metrics.slice(0, epoch) }),
  );
  assertEquals(rates, [1, 1, 1, 1, 1, 0.5, 0.5, 0.25, 0.25, 0.2, 0.2, 0.2, 0.2]);
  // Pure: what lies ahead of the position does not matter, nor how often it was asked.
  assertEquals([5, 7, 5].map((epoch) => schedule.rateAt({ epoch, step: 0, metrics })), [
    0.5,
    0.25,
    0.5,
  ]);
  assertEquals(schedule.rateAt({ epoch: 9, step: 40 }), 1);
});

Deno.test("a plateau's threshold is a share of the best value's size, and epochs without its metric do not count", () => {
  const schedule = createSchedule("plateau", {
    learningRate: 1,
    patience: 0,
    threshold: 0.1,
    monitor: "score",
  });
  const rate = (scores: readonly number[]) =>
    schedule.rateAt({ epoch: 9, step: 0, metrics: history(scores, "score") });
  assertEquals([rate([-10, -10.5]), rate([-10, -12])], [0.1, 1]);
  assertEquals(schedule.rateAt({ epoch: 9, step: 0, metrics: history([1, 1, 1]) }), 1);
});

Deno.test("steps are the length of a schedule that is counted in them", () => {
  const given = { learningRate: 1, per: "step" } as const;
  const schedule = createSchedule("cosine", { ...given, steps: 10 });
  const same = createSchedule("cosine", { ...given, epochs: 5, stepsPerEpoch: 2 });
  for (const step of [0, 3, 10, 12]) {
    assertEquals(schedule.rateAt({ epoch: 0, step }), same.rateAt({ epoch: 0, step }));
  }
});

Deno.test("a plateau in the loop follows the metrics of the finished epochs, also after a resumption", async () => {
  const errors = [5, 5, 5, 4, 4, 4];
  const options: Partial<LoopOptions> = {
    schedule: createSchedule("plateau", {
      learningRate: 0.5,
      factor: 0.5,
      patience: 0,
      monitor: "error",
    }),
    validate: (epoch) => Promise.resolve({ error: errors[epoch] }),
  };
  const used: number[] = [];
  const onBatch: LoopOptions["onBatch"] = ({ learningRate }) => used.push(learningRate);
  const whole = await train({ ...options, epochs: 6, onBatch });
  const rates = [0.5, 0.5, 0.25, 0.125, 0.125, 0.0625];
  assertEquals(whole.result.metrics.map(({ learningRate }) => learningRate), rates);
  assertEquals(used.filter((_, i) => i % 4 === 0), rates);
  const half = await train({ ...options, epochs: 3 });
  const resumeFrom = await half.result.state();
  const rest = await train({ ...options, epochs: 6, resumeFrom }, half.model);
  assertEquals(rest.result.metrics, whole.result.metrics);
  [whole.model, half.model].forEach((model) => model.dispose());
});
