/**
 * Arrays of a frame's size are given back as soon as they have been used: left to V8's collector they pile up to some
 * hundred MiB, so that memory would grow with the number of frames. bench/memory.ts measures whole programs.
 */
import { selectBackend } from "../../src/backends/registry.ts";
import { toHost, toTensor } from "../../src/backends/tensors.ts";
import { type FloatArray } from "../../src/base/arrays.ts";
import { rollOut } from "../../src/pipelines/recurrent_vae/rollouts.ts";
import { buildDataLoader } from "../../src/data/loader.ts";
import { syntheticCohort } from "../../src/data/synthetic.ts";
import { assert, assertEquals } from "../../src/deps/std.ts";
import { tf } from "../../src/deps/tfjs.ts";
import { compareWithBaselines } from "../../src/pipelines/recurrent_vae/baselines.ts";
import { fitPca, Pca } from "../../src/linalg/pca.ts";
import { frameBatchOf } from "../../src/models/recurrent_vae/inputs.ts";
import type { RecurrentVae } from "../../src/models/recurrent_vae/model.ts";
import { readBack } from "../../src/ops/read_back.ts";
import { forEachBackend } from "../support/engines.ts";
import { randomRuns } from "../support/random_model.ts";
import { TINY_SHAPE, tinyModel } from "../support/tiny_training.ts";

/** Collects the reconstructions that a model hands over. */
function collectFrames(model: RecurrentVae): FloatArray[] {
  const frames: FloatArray[] = [];
  const rollout = model.rollout.bind(model);
  model.rollout = (batch, options = {}) =>
    rollout(batch, {
      ...options,
      onFrames: (given) => {
        frames.push(given.reconstruction);
        assert(given.reconstruction.length > 0);
        return options.onFrames?.(given);
      },
    });
  return frames;
}

const left = (arrays: readonly FloatArray[]) => arrays.filter(({ length }) => length > 0).length;

Deno.test("scores and baselines leave no frames behind", async () => {
  await selectBackend("cpu");
  const model = tinyModel().eval();
  const frames = collectFrames(model);
  const projections: FloatArray[] = [];
  const { reconstruct } = Pca.prototype;
  Pca.prototype.reconstruct = function (row) {
    projections.push(reconstruct.call(this, row));
    return projections.at(-1) as Float64Array;
  };
  try {
    await compareWithBaselines(model, {
      training: [frameBatchOf(randomRuns(TINY_SHAPE, { batch: 2, frames: 5, seed: 1 }))],
      heldOut: [frameBatchOf(randomRuns(TINY_SHAPE, { batch: 2, frames: 5, seed: 3 }))],
    });
  } finally {
    Pca.prototype.reconstruct = reconstruct;
    model.dispose();
  }
  assert(frames.length > 0);
  assertEquals([left(frames), projections.length, left(projections)], [0, 10, 0]);
});

Deno.test("a written rollout leaves no frames behind but the first", async () => {
  await selectBackend("cpu");
  const loader = await buildDataLoader(syntheticCohort({ spatialShape: TINY_SHAPE, frames: 5 }));
  const model = tinyModel();
  const frames = collectFrames(model);
  const { firstFrames } = await rollOut(model, loader, { row: 1 });
  assert(frames.length > 0);
  assertEquals(left(frames), 0);
  assertEquals(firstFrames.reconstruction.length, 9 * 8 * 8);
  model.dispose();
  loader.close();
});

Deno.test("principal components give every centred row back", async () => {
  const rows = Array.from(
    { length: 20 },
    (_, i) => Float64Array.from({ length: 100 }, (_, c) => Math.sin(i * 7 + c)),
  );
  let returned = 0;
  const { transfer } = ArrayBuffer.prototype;
  ArrayBuffer.prototype.transfer = function (size) {
    if (this.byteLength === 800 && size === 0) returned++;
    return transfer.call(this, size);
  };
  try {
    // Tiles of 8 rows: the rows from 0, 8 and 16 on are read for the products, then all for the axes.
    await fitPca({ rows: 20, columns: 100, read: (i) => rows[i] }, 2, { tileBytes: 6400 });
  } finally {
    ArrayBuffer.prototype.transfer = transfer;
  }
  assertEquals(returned, 20 + 12 + 4 + 20);
  assertEquals(rows[19].length, 100);
});

await forEachBackend("values read back are the reader's own, whole arrays", async () => {
  const x = toTensor(Float32Array.of(1, 2, 3), [3]);
  const y = tf.cast(tf.tensor1d([1, 0, 1], "bool"), "float32");
  for (const tensor of [x, y, tf.reshape(x, [3, 1])]) {
    const expected = [...await tensor.data()];
    const { values: alone } = await readBack({ values: tensor });
    for (const values of [await toHost(tensor), alone]) {
      assertEquals([...values], expected);
      assertEquals(values.buffer.byteLength, values.byteLength);
      values.fill(9);
    }
    assertEquals([...await toHost(tensor)], expected);
  }
  tf.dispose([x, y]);
});
