/** Whole training runs on the WebAssembly engine: independent of the number of threads, and without leaks. */
import type { NumericArray } from "../../../src/base/arrays.ts";
import { selectBackend } from "../../../src/backends/registry.ts";
import { buildDataLoader } from "../../../src/data/loader.ts";
import { syntheticCohort } from "../../../src/data/synthetic.ts";
import { assert, assertEquals } from "../../../src/deps/std.ts";
import { tf } from "../../../src/deps/tfjs.ts";
import { RecurrentVae } from "../../../src/models/recurrent_vae/model.ts";
import { fit } from "../../../src/pipelines/recurrent_vae/fit.ts";
import { createOptimiser } from "../../../src/training/optimisers.ts";
import { checkTensors } from "../../../src/training/watchdog.ts";
import { tinyLoader, tinyModel } from "../../support/tiny_training.ts";

/** Odd sizes, four levels, several frames per chunk: every kernel of the model, split into many slices. */
const SPATIAL_SHAPE = [33, 35, 40] as const;

/** Everything that two epochs of training leave behind. */
async function trainOn(threads: number) {
  const engine = await selectBackend("wasm", { threads });
  const frames = 3;
  const cohort = syntheticCohort({ nCn: 2, nAd: 2, frames, spatialShape: SPATIAL_SHAPE });
  const loader = await buildDataLoader(cohort, { batchSize: 2 });
  const model = new RecurrentVae({ spatialShape: SPATIAL_SHAPE, tolTime: frames }, { subjects: 4 });
  const options = { epochs: 2, optimiser: "adamw", learningRate: 1e-3, clipNorm: 50 } as const;
  const { metrics, allHHistory } = await fit(model, loader, options);
  const weights = [...await model.stateDict()].map(([key, { data }]): [string, NumericArray] => [
    key,
    data,
  ]);
  model.dispose();
  await engine.stop();
  return { threads: engine.threads, metrics, states: allHHistory, weights };
}

Deno.test("wasm engine: training gives the same bits on 1, 2 and 4 threads", async () => {
  const { threads, ...alone } = await trainOn(1);
  assertEquals(threads, 1);
  for (const count of [2, 4]) {
    const { threads, ...together } = await trainOn(count);
    assertEquals(threads, count);
    assertEquals(together, alone);
  }
});

Deno.test("wasm engine: 1,000 steps of the model leave no tensor and no byte behind", async () => {
  const engine = await selectBackend("wasm", { threads: 2 });
  const model = tinyModel({ tolTime: 1 });
  const optimiser = createOptimiser("adamw", model.variables);
  const batches = await Array.fromAsync(tinyLoader({ frames: 1 }).batches(0));
  const step = async (i: number) => {
    const batch = batches[i % batches.length];
    const { gradients, states } = await model.computeGradients(batch);
    await checkTensors(gradients, { epoch: 0, batch: i, subjects: batch.subjects });
    optimiser.step(gradients, 1e-3);
    tf.dispose([...gradients.values()]);
    model.updateTransitionMatrix(states);
  };
  for (let i = 0; i < 10; i++) await step(i);
  const before = { ...engine.memory(), ...tf.memory() };
  for (let i = 0; i < 1000; i++) await step(i);
  assertEquals({ ...engine.memory(), ...tf.memory() }, before);
  const table = await model.subjectOffsets();
  assert(table.data.every(Number.isFinite));
  optimiser.dispose();
  model.dispose();
  await engine.stop();
});
