/** Behaviour of the model's methods beyond parity: modes, streaming, noise, offsets, one step. */
import { selectBackend } from "../../src/backends/registry.ts";
import { toHost, toTensor } from "../../src/backends/tensors.ts";
import type { NdArray } from "../../src/base/arrays.ts";
import { BackendError, ConfigError, RecvaeError, ShapeError } from "../../src/base/errors.ts";
import { RandomStream } from "../../src/base/random.ts";
import {
  assert,
  assertEquals,
  assertNotEquals,
  assertRejects,
  assertThrows,
} from "../../src/deps/std.ts";
import { tf } from "../../src/deps/tfjs.ts";
import { frameBatchOf } from "../../src/models/recurrent_vae/inputs.ts";
import { RecurrentVae } from "../../src/models/recurrent_vae/model.ts";
import { assertClose } from "../support/closeness.ts";
import { randomModel, randomRuns } from "../support/random_model.ts";
import { TINY_SHAPE, tinyModel } from "../support/tiny_training.ts";

await selectBackend("cpu");

const FRAMES = 5;
const runs = randomRuns(TINY_SHAPE, { batch: 2, frames: FRAMES, seed: 3 });

/** The same draws whoever the subjects are. */
const NOISE: NdArray = {
  data: RandomStream.fromSeed(6).normals(FRAMES * 2 * 3),
  shape: [FRAMES, 2, 3],
};

async function buffersOf(model: RecurrentVae): Promise<unknown[]> {
  return [...await model.stateDict()].filter(([key]) => /running|tracked/.test(key));
}

Deno.test("in training mode a rollout advances the running statistics once per frame, in evaluation mode never", async () => {
  const model = tinyModel();
  const before = await buffersOf(model);
  await model.eval().forward(runs);
  assertEquals(await buffersOf(model), before);
  await model.train().forward(runs);
  assertNotEquals(await buffersOf(model), before);
  const state = await model.stateDict();
  assertEquals(state.get("encoder1.1.num_batches_tracked")!.data, BigInt64Array.of(5n));
  assertEquals(state.get("decoder2.1.num_batches_tracked")!.data, BigInt64Array.of(5n));
  model.dispose();
});

Deno.test("a rollout and a training step advance the running statistics alike", async () => {
  const [a, b] = [tinyModel(), tinyModel()];
  const noise = RandomStream.fromSeed(8);
  await a.forward(runs, { noise });
  const { gradients } = await b.computeGradients(frameBatchOf(runs), { noise });
  assertEquals(await buffersOf(a), await buffersOf(b));
  tf.dispose([...gradients.values()]);
  a.dispose();
  b.dispose();
});

Deno.test("the chunking of frames changes neither states nor reconstructions nor losses beyond rounding", async () => {
  const model = tinyModel().eval();
  const whole = await model.forward(runs, { framesPerChunk: FRAMES });
  for (const framesPerChunk of [1, 2, 4]) {
    const parts = await model.forward(runs, { framesPerChunk });
    assertClose(parts.h.data, whole.h.data, { tolerance: 1e-6 });
    assertClose(parts.mu.data, whole.mu.data, { tolerance: 1e-6 });
    assert(Math.abs(parts.losses.loss / whole.losses.loss - 1) < 1e-6);
  }
  model.dispose();
});

Deno.test("a streamed rollout hands reconstructions over in time order and holds none", async () => {
  const model = tinyModel().eval();
  const { mu } = await model.forward(runs);
  const size = runs.data.length / (2 * FRAMES);
  const starts: number[] = [];
  const before = tf.memory().numTensors;
  await model.rollout(frameBatchOf(runs), {
    framesPerChunk: 2,
    onFrames: ({ start, count, reconstruction }) => {
      starts.push(start);
      assertEquals(reconstruction.length, count * 2 * size);
      const frame = reconstruction.subarray(0, size);
      assertClose(frame, mu.data.subarray(start * size, (start + 1) * size), { tolerance: 1e-6 });
    },
  });
  assertEquals(starts, [0, 2, 4]);
  assertEquals(tf.memory().numTensors, before);
  model.dispose();
});

Deno.test("noise enters in evaluation mode too; the same stream gives the same states", async () => {
  const model = tinyModel().eval();
  const roll = (seed: number) => model.forward(runs, { noise: RandomStream.fromSeed(seed) });
  assertEquals((await roll(1)).h, (await roll(1)).h);
  assertNotEquals((await roll(1)).h, (await roll(2)).h);
  model.dispose();
});

Deno.test("states depend on neither offsets nor F; offsets change the reconstruction, F only loss2", async () => {
  const model = tinyModel().eval();
  const before = await model.forward(runs, { subjects: [0, 1], noise: NOISE });
  const moved = await model.forward(runs, { subjects: [2, 3], noise: NOISE });
  assertEquals(moved.h, before.h);
  assertNotEquals(moved.mu, before.mu);
  model.updateTransitionMatrix({ data: new Float32Array(4 * 5 * 3), shape: [4, 5, 3] });
  const after = await model.forward(runs, { subjects: [0, 1], noise: NOISE });
  assertEquals([after.h, after.mu, after.losses.loss1], [
    before.h,
    before.mu,
    before.losses.loss1,
  ]);
  assertNotEquals(after.losses.loss2, before.losses.loss2);
  model.dispose();
});

Deno.test("single steps make up the rollout", async () => {
  const model = tinyModel().eval();
  const whole = await model.forward(runs, { noise: NOISE });
  const [x, mu, h] = whole;
  let previous: NdArray = { data: new Float32Array(6), shape: [2, 3] };
  for (let t = 0; t < FRAMES; t++) {
    const epsilon = { data: NOISE.data.subarray(t * 6, (t + 1) * 6), shape: [1, 2, 3] };
    const step = await model.step(x[t], previous, { noise: epsilon });
    assertClose(step.reconstruction.data, mu[t].data, { tolerance: 1e-6 });
    assertClose(step.h.data, h[t].data, { tolerance: 1e-6 });
    assertEquals([step.h.shape, step.reconstruction.shape], [[2, 3], [2, 8, 8, 9]]);
    previous = step.h;
  }
  model.dispose();
});

Deno.test("tensors in, tensors out, with the same numbers", async () => {
  const model = tinyModel().eval();
  const tensor = toTensor(runs.data, runs.shape);
  const fromTensor = await model.forward(tensor);
  const fromArray = await model.forward(runs);
  assert(fromTensor.mu instanceof tf.Tensor);
  assertEquals(fromTensor.mu.shape, fromArray.mu.shape);
  assertEquals(await toHost(fromTensor.h), fromArray.h.data);
  const h = toTensor(new Float32Array(6).fill(0.5), [2, 3]);
  const gh = await model.g(h);
  assertEquals(await toHost(gh), (await model.g({ data: await toHost(h), shape: [2, 3] })).data);
  model.dispose();
});

Deno.test("surplus frames are ignored", async () => {
  const model = tinyModel().eval();
  const longer = randomRuns(TINY_SHAPE, { batch: 1, frames: 7, seed: 4 });
  const cut = {
    data: longer.data.subarray(0, (longer.data.length * 5) / 7),
    shape: [...longer.shape],
  };
  cut.shape[1] = 5;
  const a = await model.forward(longer);
  const b = await model.forward(cut);
  assertEquals([a.h, a.mu], [b.h, b.mu]);
  model.dispose();
});

Deno.test("a bias in front of batch statistics has gradient exactly zero, elsewhere it has not", async () => {
  const zeros = async (normalization: "batch" | "group") => {
    const model = await randomModel(
      { spatialShape: [16, 16, 16], tolTime: 2, normalization },
      { subjects: 2, seed: 1 },
    );
    const data = randomRuns([16, 16, 16], { batch: 2, frames: 2, seed: 2 });
    const { gradients } = await model.computeGradients(frameBatchOf(data));
    const found: string[] = [];
    for (const [key, gradient] of gradients) {
      if ((await toHost(gradient)).every((value) => value === 0)) found.push(key);
      gradient.dispose();
    }
    model.dispose();
    return found;
  };
  const biases = ["encoder1.0.bias", "encoder2.0.bias", "encoder3.0.bias", "encoder4.0.bias"];
  // One voxel at the bottom: decoder1's bias is absorbed as well [recurrent-vae §3.2].
  assertEquals(await zeros("batch"), [...biases, "decoder1.0.bias"]);
  assertEquals(await zeros("group"), []);
});

Deno.test("offsets of subjects that the table does not have are refused; given offsets are used instead", async () => {
  const model = tinyModel().eval();
  await assertRejects(() => model.forward(runs, { subjects: [0, 9] }), ShapeError, "subject 9");
  const table = await model.subjectOffsets();
  const offsets = { data: table.data.slice(0, 6), shape: [2, 3] };
  const given = await model.forward(runs, { subjects: [7, 8], offsets, noise: NOISE });
  const looked = await model.forward(runs, { subjects: [0, 1], noise: NOISE });
  assertEquals([given.h, given.mu], [looked.h, looked.mu]);
  model.dispose();
});

Deno.test("inputs of another shape are refused in words", async () => {
  const model = tinyModel();
  const refused: [() => Promise<unknown>, string][] = [
    [() => model.encode({ data: new Float32Array(8), shape: [2, 2, 2] }), "[B, Z, Y, X]"],
    [() => model.forward({ data: new Float32Array(8), shape: [2, 2, 2] }), "6D"],
    [() => model.forward(runs, { subjects: [0] }), "1 subjects for a batch of 2"],
    [() => model.forward({ data: new Float32Array(8), shape: runs.shape }), "found 8 values"],
    [() => model.g({ data: new Float32Array(5), shape: [2, 3] }), "found 5 values"],
    [
      () => model.forward(runs, { noise: { data: new Float32Array(6), shape: [1, 2, 3] } }),
      "noise",
    ],
    [
      () => model.forward(runs, { initialState: { data: new Float32Array(4), shape: [4] } }),
      "latent_dim",
    ],
    [() => model.forward(runs, { framesPerChunk: 0 }), "framesPerChunk"],
  ];
  for (const [call, words] of refused) await assertRejects(call, Error, words);
  model.dispose();
});

Deno.test("97×115×97, fMRIPrep's MNI grid, trains as any other size does", async () => {
  const model = tinyModel({ spatialShape: [97, 115, 97], channels: [1, 1, 1, 1], tolTime: 1 });
  assertEquals(model.architecture.bottom, [6, 7, 6]);
  const data = randomRuns([97, 115, 97], { batch: 2, frames: 1, seed: 1 });
  const { losses, gradients } = await model.computeGradients(frameBatchOf(data));
  assert(Number.isFinite(losses.loss));
  assertEquals(gradients.size, model.variables.size);
  tf.dispose([...gradients.values()]);
  model.dispose();
});

Deno.test("volumes of 2×2×2 voxels train with one level", async () => {
  const model = tinyModel({ spatialShape: [2, 2, 2], channels: undefined, tolTime: 2 });
  assertEquals(model.config.channels, [4]);
  const batch = frameBatchOf(randomRuns([2, 2, 2], { batch: 3, frames: 2, seed: 1 }));
  const { losses, gradients } = await model.computeGradients(batch);
  assert(Number.isFinite(losses.loss));
  tf.dispose([...gradients.values()]);
  model.dispose();
});

Deno.test("a model needs a number of subjects and a running engine", async () => {
  const build = (subjects: number) => new RecurrentVae({ spatialShape: TINY_SHAPE }, { subjects });
  for (const subjects of [0, -1, 1.5, NaN, undefined as unknown as number]) {
    assertThrows(() => build(subjects), ConfigError, `subjects is ${subjects}`);
  }
  const engine = await selectBackend("cpu");
  await engine.stop();
  assertThrows(() => build(2), BackendError, "selectBackend() first");
  await selectBackend("cpu");
});

Deno.test("a disposed model says so, and disposing twice is harmless", async () => {
  const model = tinyModel();
  model.dispose();
  model.dispose();
  await assertRejects(() => model.forward(runs), RecvaeError, "it was disposed");
});
