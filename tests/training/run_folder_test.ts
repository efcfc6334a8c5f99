import {
  assert,
  assertEquals,
  assertFalse,
  assertRejects,
  assertStringIncludes,
} from "../../src/deps/std.ts";
import type { NdArray, NumericArray } from "../../src/base/arrays.ts";
import { CheckpointError } from "../../src/base/errors.ts";
import { selectBackend } from "../../src/backends/registry.ts";
import { toTensor } from "../../src/backends/tensors.ts";
import { tf } from "../../src/deps/tfjs.ts";
import { CheckpointStore, loadCheckpoint, saveCheckpoint } from "../../src/training/checkpoint.ts";
import type { TrainingState } from "../../src/training/loop.ts";
import { createOptimiser } from "../../src/training/optimisers.ts";
import { loadRun, saveRun, trainingStateOf } from "../../src/training/run_folder.ts";
import type { NamedArrays } from "../../src/training/weight_holder.ts";
import { filesBelow, inTemporaryFolder } from "./temporary_folder.ts";

/** A model that holds arrays and nothing else. */
class ArrayModel {
  constructor(public arrays: NamedArrays) {}
  stateDict(): Promise<NamedArrays> {
    return Promise.resolve(this.arrays);
  }
  loadStateDict(state: NamedArrays) {
    this.arrays = state;
  }
}

const weights = new Map<string, NdArray<NumericArray>>([
  ["layer.weight", { data: Float32Array.of(0.1, -2, 3e-38, 4), shape: [2, 2] }],
  ["layer.num_batches_tracked", { data: BigInt64Array.of(7n), shape: [] }],
]);
const config = { latentDim: 10, spatialShape: [91, 109, 91] };
const history = [{ epoch: 0, loss: 2.5, h: Float32Array.of(1, 2) }];

const plain = (arrays: NamedArrays) =>
  [...arrays].map(([name, { data, shape }]) => [name, data, shape]);

/** An Adam after one step, and its variable. */
async function usedOptimiser() {
  await selectBackend("cpu");
  const start = toTensor(Float32Array.of(1, 2, 3), [3]);
  const variables = new Map([["p", tf.variable(start)]]);
  const optimiser = createOptimiser("adam", variables);
  optimiser.step(new Map([["p", start]]), 0.1);
  return { optimiser, variables, gradient: start };
}

Deno.test("checkpoint round trip: every part is there again afterwards", () =>
  inTemporaryFolder(async (folder) => {
    const { optimiser, variables } = await usedOptimiser();
    const dir = `${folder}/runs/first`;
    const options = {
      optimiser,
      epoch: 2,
      config,
      history,
      random: { seed: 2022, epoch: 2 },
      normalisation: { kind: "minmax" },
    };
    assertEquals(await saveRun(dir, new ArrayModel(weights), options), dir);
    const names = await filesBelow(dir);
    for (
      const name of [
        "weights.safetensors",
        "optimiser.safetensors",
        "config.json",
        "history.json",
        "random.json",
        "normalisation.json",
        "version.json",
      ]
    ) assert(names.includes(name), name);
    assertEquals(names.length, 7);

    const model = new ArrayModel(new Map());
    const fresh = createOptimiser("adam", variables);
    const run = await loadRun(dir, model, { optimiser: fresh });
    assertEquals(plain(model.arrays), plain(weights));
    assertEquals(run.epoch, 2);
    assertEquals(run.history, [{ epoch: 0, loss: 2.5, h: [1, 2] }]);
    assertEquals(run.config, config);
    assertEquals(run.random, { seed: 2022, epoch: 2 });
    assertEquals(run.normalisation, { kind: "minmax" });
    assertEquals(run.version?.format, 1);
    const [before, after] = [await optimiser.state(), await fresh.state()];
    assertEquals([after.kind, after.step, after.options], [before.kind, 1, before.options]);
    assertEquals(plain(after.tensors), plain(before.tensors));
  }));

Deno.test("minimal save: only the weights and versions; the result lacks the optional parts", () =>
  inTemporaryFolder(async (folder) => {
    await saveRun(folder, new ArrayModel(weights));
    assertEquals(await filesBelow(folder), ["version.json", "weights.safetensors"]);
    const run = await loadRun(folder, new ArrayModel(new Map()));
    assertEquals(Object.keys(run), ["version"]);
  }));

Deno.test("config.json holds the fields and __epoch__, indented by 2, each optional", () =>
  inTemporaryFolder(async (folder) => {
    const text = () => Deno.readTextFile(`${folder}/config.json`);
    await saveRun(folder, new ArrayModel(weights), { config: { a: 1 }, epoch: 3 });
    assertEquals(await text(), '{\n  "a": 1,\n  "__epoch__": 3\n}\n');
    await saveRun(folder, new ArrayModel(weights), { epoch: 3 });
    assertEquals(JSON.parse(await text()), { __epoch__: 3 });
    const run = await loadRun(folder, new ArrayModel(new Map()));
    assertEquals([run.epoch, run.config], [3, undefined]);
    await saveRun(folder, new ArrayModel(weights), { config: { a: 1 } });
    assertEquals(JSON.parse(await text()), { a: 1 });
  }));

Deno.test("parts of an earlier save do not survive a save without them", () =>
  inTemporaryFolder(async (folder) => {
    const { optimiser } = await usedOptimiser();
    await saveRun(folder, new ArrayModel(weights), { optimiser, epoch: 1, history });
    await saveRun(folder, new ArrayModel(weights), { epoch: 2 });
    const run = await loadRun(folder, new ArrayModel(new Map()));
    assertEquals(Object.keys(run).sort(), ["epoch", "version"]);
  }));

Deno.test("a missing folder or missing weights are named", () =>
  inTemporaryFolder(async (folder) => {
    const model = new ArrayModel(new Map());
    const error = await assertRejects(
      () => loadRun(`${folder}/none`, model),
      CheckpointError,
      "no such folder",
    );
    assertEquals(error.path, `${folder}/none`);
    await Deno.writeTextFile(`${folder}/config.json`, "{}");
    await assertRejects(() => loadRun(folder, model), CheckpointError, "weights.safetensors");
  }));

Deno.test("damaged files are named, and the model stays as it was", () =>
  inTemporaryFolder(async (folder) => {
    const { optimiser } = await usedOptimiser();
    for (
      const name of [
        "weights.safetensors",
        "optimiser.safetensors",
        "config.json",
        "history.json",
        "random.json",
        "version.json",
      ]
    ) {
      const options = { optimiser, epoch: 1, config, history, random: { seed: 1, epoch: 1 } };
      await saveRun(folder, new ArrayModel(weights), options);
      await Deno.truncate(`${folder}/${name}`, 12);
      const untouched = new ArrayModel(new Map());
      await assertRejects(() => loadRun(folder, untouched), CheckpointError, `${name} is damaged`);
      assertEquals(untouched.arrays.size, 0);
    }
  }));

Deno.test("files of different epochs side by side are recognised as a save cut short", () =>
  inTemporaryFolder(async (folder) => {
    const { optimiser } = await usedOptimiser();
    await saveRun(`${folder}/old`, new ArrayModel(weights), { optimiser, epoch: 1, config });
    await saveRun(`${folder}/new`, new ArrayModel(weights), { optimiser, epoch: 2, config });
    // A process killed after the first rename of the second save.
    await Deno.copyFile(`${folder}/new/weights.safetensors`, `${folder}/old/weights.safetensors`);
    await assertRejects(
      () => loadRun(`${folder}/old`, new ArrayModel(new Map())),
      CheckpointError,
      "different epochs",
    );
  }));

Deno.test("files of a newer format are refused", () =>
  inTemporaryFolder(async (folder) => {
    await saveRun(folder, new ArrayModel(weights));
    await Deno.writeTextFile(`${folder}/version.json`, '{"recvae":"9.0.0","format":2}');
    const error = await assertRejects(
      () => loadRun(folder, new ArrayModel(new Map())),
      CheckpointError,
      "format 2",
    );
    assertStringIncludes(error.message, "9.0.0");
  }));

Deno.test("a checkpoint brings back the state of the training loop bit for bit", () =>
  inTemporaryFolder(async (folder) => {
    const { optimiser } = await usedOptimiser();
    const training: TrainingState = {
      position: { epoch: 3, batch: 2 },
      metrics: [{ epoch: 0, loss: 1 / 3, lossZ: 1e-300 }],
      totals: { loss: 0.1 + 0.2 },
      lastIndex: [4, 1],
      optimiser: await optimiser.state(),
      earlyStopping: { best: Math.PI, bestEpoch: 1 },
      model: new Map([["states", { data: Float32Array.of(0.1, 0.2), shape: [1, 2, 1] }]]),
    };
    const store = new CheckpointStore(`${folder}/checkpoints`);
    const generation = await saveCheckpoint(store, new ArrayModel(weights), { training, epoch: 3 });
    const model = new ArrayModel(new Map());
    const loaded = await loadCheckpoint(store, model);
    assertEquals([loaded?.generation, generation, loaded?.rejected], [1, 1, []]);
    assertEquals(plain(model.arrays), plain(weights));
    const again = trainingStateOf(loaded!)!;
    assertEquals(plain(again.model), plain(training.model));
    assertEquals(plain(again.optimiser.tensors), plain(training.optimiser.tensors));
    const { model: _a, optimiser: _b, ...values } = again;
    const { model: _c, optimiser: _d, ...expected } = training;
    assertEquals(values, expected);
    optimiser.loadState(again.optimiser);
  }));

Deno.test("an empty store gives null, a run without training state no state to resume from", () =>
  inTemporaryFolder(async (folder) => {
    const store = new CheckpointStore(folder);
    assertEquals(await loadCheckpoint(store, new ArrayModel(new Map())), null);
    await saveCheckpoint(store, new ArrayModel(weights));
    const loaded = await loadCheckpoint(store, new ArrayModel(new Map()));
    assertEquals(trainingStateOf(loaded!), null);
    assertFalse("optimiser" in loaded!);
  }));
