/** The best epoch's weights, and the way back to the last whole epoch when a number is not finite. */
import { selectBackend } from "../../src/backends/registry.ts";
import type { NumericArray } from "../../src/base/arrays.ts";
import type { BatchLoader } from "../../src/base/batches.ts";
import { DivergenceError } from "../../src/base/errors.ts";
import type { FrameBatch } from "../../src/base/frames.ts";
import {
  assert,
  assertEquals,
  assertNotEquals,
  assertRejects,
  assertStringIncludes,
} from "../../src/deps/std.ts";
import type { RecurrentVae } from "../../src/models/recurrent_vae/model.ts";
import { CheckpointStore, loadCheckpoint, saveCheckpoint } from "../../src/training/checkpoint.ts";
import { EarlyStopping } from "../../src/training/early_stopping.ts";
import { fit, type FitOptions } from "../../src/pipelines/recurrent_vae/fit.ts";
import { loadRun, saveRun, trainingStateOf } from "../../src/training/run_folder.ts";
import { tinyLoader, tinyModel } from "../support/tiny_training.ts";
import { inTemporaryFolder } from "./temporary_folder.ts";

await selectBackend("cpu");

type Weights = [string, NumericArray][];

async function weightsOf(model: RecurrentVae): Promise<Weights> {
  return [...await model.stateDict()].map(([key, { data }]) => [key, data]);
}

/** Options under which the epochs have these errors, watched by `keepBest` or `earlyStopping`. */
function watching(errors: readonly number[], options: FitOptions = {}): FitOptions {
  return {
    epochs: errors.length,
    optimiser: "adam",
    learningRate: 1e-3,
    validate: (epoch) => Promise.resolve({ error: errors[epoch] }),
    earlyStopping: { patience: Infinity, monitor: "error" },
    ...options,
  };
}

/** A loader with scans of NaN in one batch. */
function poisoned(epoch: number, batch: number): BatchLoader<FrameBatch> {
  const clean = tinyLoader();
  return {
    ...clean,
    *batches(current: number) {
      let index = 0;
      for (const good of clean.batches(current) as Iterable<FrameBatch>) {
        const bad = current === epoch && index++ === batch;
        yield bad ? { ...good, read: async (...at) => (await good.read(...at)).fill(NaN) } : good;
      }
    },
  };
}

Deno.test("training that watches a metric ends with the weights of its best epoch, and says which", async () => {
  const model = tinyModel();
  const seen: Weights[] = [];
  const result = await fit(
    model,
    tinyLoader(),
    watching([5, 3, 4, 6], {
      callbacks: [async () => void seen.push(await weightsOf(model))],
    }),
  );
  assertEquals(result.weightsOf, 1);
  assertEquals(await weightsOf(model), seen[1]);
  const { lastWeights, bestWeights } = await result.state();
  assertEquals([...lastWeights!].map(([key, { data }]) => [key, data]), seen[3]);
  assertEquals(bestWeights, undefined, "the model holds them");
  model.dispose();
});

Deno.test("keepBest without early stopping watches the training loss; false keeps the last weights", async () => {
  const model = tinyModel();
  const uphill = { name: "constant", rateAt: () => -1e-2 } as const;
  const rising = { epochs: 4, optimiser: "adam", schedule: uphill } as const;
  const best = await fit(model, tinyLoader(), { ...rising, keepBest: true });
  assert(best.metrics[3].loss > best.metrics[0].loss, "the loss was made to rise");
  assertEquals(best.weightsOf, 0);
  model.dispose();
  const other = tinyModel();
  const last = await fit(other, tinyLoader(), watching([5, 3, 4, 6], { keepBest: false }));
  assertEquals(last.weightsOf, 3);
  other.dispose();
});

Deno.test("early stopping ends with the best weights, and stays ended when it is resumed", async () => {
  const model = tinyModel();
  const options = watching([5, 3, 4, 6, 1, 1], {
    earlyStopping: { patience: 2, monitor: "error" },
  });
  const result = await fit(model, tinyLoader(), options);
  assertEquals([result.ended, result.metrics.length, result.weightsOf], ["early-stopping", 4, 1]);
  const best = await weightsOf(model);
  const again = await fit(model, tinyLoader(), { ...options, resumeFrom: await result.state() });
  assertEquals([again.ended, again.metrics.length, again.weightsOf], ["early-stopping", 4, 1]);
  assertEquals(await weightsOf(model), best);
  model.dispose();
});

for (const errors of [[5, 3, 4, 6, 7, 8], [5, 3, 4, 6, 2, 8], [5, 4, 3, 2, 1, 0]]) {
  Deno.test(`a finished run with errors ${errors.slice(0, 4)} goes on from its last weights to ${errors}, bit for bit`, () =>
    inTemporaryFolder(async (folder) => {
      const whole = tinyModel();
      const expected = await fit(whole, tinyLoader(), watching(errors));

      const first = tinyModel();
      const half = await fit(first, tinyLoader(), watching(errors.slice(0, 4)));
      await saveRun(folder, first, { training: await half.state() });
      const second = tinyModel();
      const run = await loadRun(folder, second);
      assertEquals(await weightsOf(second), await weightsOf(first), "the best ones are in use");
      const resumed = await fit(second, tinyLoader(), {
        ...watching(errors),
        resumeFrom: trainingStateOf(run)!,
      });
      assertEquals(resumed.weightsOf, expected.weightsOf);
      assertEquals(await weightsOf(second), await weightsOf(whole));
      assertEquals((await resumed.state()).lastWeights, (await expected.state()).lastWeights);
      [whole, first, second].forEach((model) => model.dispose());
    }));
}

Deno.test("the best weights travel in a checkpoint of an interrupted run", () =>
  inTemporaryFolder(async (folder) => {
    const errors = [5, 3, 4, 6];
    const whole = tinyModel();
    await fit(whole, tinyLoader(), watching(errors));

    const stop = new AbortController();
    const first = tinyModel();
    const half = await fit(
      first,
      tinyLoader(),
      watching(errors, {
        signal: stop.signal,
        onBatch: ({ step }) => void (step === 5 && stop.abort()),
      }),
    );
    assertEquals([half.ended, half.weightsOf], ["interrupted", null]);
    const store = new CheckpointStore(folder);
    await saveCheckpoint(store, first, { training: await half.state() });
    const second = tinyModel();
    const resumeFrom = trainingStateOf((await loadCheckpoint(store, second))!)!;
    const resumed = await fit(second, tinyLoader(), { ...watching(errors), resumeFrom });
    assertEquals(resumed.weightsOf, 1);
    assertEquals(await weightsOf(second), await weightsOf(whole));
    [whole, first, second].forEach((model) => model.dispose());
  }));

Deno.test("a number that is not finite leaves the model as the last whole epoch did", async () => {
  const whole = tinyModel();
  await fit(whole, tinyLoader(), { epochs: 2, optimiser: "adam", learningRate: 1e-3 });
  const expected = await weightsOf(whole);

  // The first batch of the third epoch has changed the weights when the second one turns out to be bad.
  const late = tinyModel();
  const loader = poisoned(2, 1);
  const options = { epochs: 4, optimiser: "adam", learningRate: 1e-3 } as const;
  const error = await assertRejects(() => fit(late, loader, options), DivergenceError);
  assertEquals([error.epoch, error.batch], [2, 1]);
  assertEquals(await weightsOf(late), expected);
  [whole, late].forEach((model) => model.dispose());
});

for (const [kind, badBatch, whole] of [["first", 0, 1], ["second", 1, 2]] as const) {
  Deno.test(`a run that diverges in the ${kind} batch of its third epoch goes on after ${whole} epochs, bit for bit`, async () => {
    const options = { epochs: 4, optimiser: "adam", learningRate: 1e-3, keepBest: true } as const;
    const unbroken = tinyModel();
    const expected = await fit(unbroken, tinyLoader(), options);

    const model = tinyModel();
    const loader = poisoned(2, badBatch);
    const stopped = await fit(model, loader, { ...options, onDivergence: "end" });
    assertEquals([stopped.ended, stopped.metrics.length], ["diverged", whole]);
    assertEquals([stopped.divergence?.epoch, stopped.divergence?.batch], [2, badBatch]);
    const resumeFrom = await stopped.state();
    assertEquals(resumeFrom.position, { epoch: whole, batch: 0 });
    const resumed = await fit(model, tinyLoader(), { ...options, resumeFrom });
    assertEquals(resumed.metrics, expected.metrics);
    assertEquals(await weightsOf(model), await weightsOf(unbroken));
    [unbroken, model].forEach((model) => model.dispose());
  });
}

Deno.test("the advice after a divergence names only what is not on already", async () => {
  const explode = async (options: FitOptions) => {
    const model = tinyModel();
    const failing = fit(model, tinyLoader(), { epochs: 30, learningRate: 1e6, ...options });
    const { message } = await assertRejects(() => failing, DivergenceError);
    model.dispose();
    return message;
  };
  const plain = await explode({});
  assertStringIncludes(plain, "lower the learning rate (it was 1000000), clip gradients, or check");
  const clipped = await explode({ clipNorm: 1e9 });
  assertStringIncludes(clipped, "lower the learning rate (it was 1000000), or check");
  const model = tinyModel();
  const { message } = await assertRejects(
    () => fit(model, poisoned(0, 0), { epochs: 1 }),
    DivergenceError,
  );
  assertStringIncludes(message, "no weight was changed yet");
  assert(!message.includes("learning rate"), message);
  model.dispose();
});

Deno.test("epochs before `from` are no measure, and a metric that is NaN is no best one", () => {
  const stopping = new EarlyStopping({ patience: 2, from: 2 });
  const losses = [1, 2, 9, 8, NaN, 9];
  const steps = losses.map((loss, epoch) => stopping.update({ loss }, epoch));
  assertEquals(steps.map(({ improved }) => improved), [false, false, true, true, false, false]);
  assertEquals(steps.map(({ stop }) => stop), [false, false, false, false, false, true]);
  assertEquals(stopping.state, { best: 8, bestEpoch: 3 });
  const first = new EarlyStopping({ patience: 5 });
  first.update({ loss: NaN }, 0);
  assertEquals(first.state.bestEpoch, null);
  assertEquals(first.update({ loss: 7 }, 1).improved, true);
});

Deno.test("every epoch's row says its learning rate", async () => {
  const model = tinyModel();
  const rates = [0.1, 0.01, 0.001].map((rate) => rate * 1e-3);
  const { metrics } = await fit(model, tinyLoader(), {
    epochs: 3,
    schedule: { name: "constant", rateAt: ({ epoch }) => rates[epoch] },
  });
  assertEquals(metrics.map(({ learningRate }) => learningRate), rates);
  assertNotEquals(metrics[0].loss, metrics[1].loss);
  model.dispose();
});
