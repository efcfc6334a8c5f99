/** The time-parallel step against a plain tape over all frames, in float64 [recurrent-vae §12]. */
import { selectBackend } from "../../src/backends/registry.ts";
import { toHost } from "../../src/backends/tensors.ts";
import type { FloatArray } from "../../src/base/arrays.ts";
import { RandomStream } from "../../src/base/random.ts";
import { assert, assertEquals, assertRejects } from "../../src/deps/std.ts";
import { tf } from "../../src/deps/tfjs.ts";
import { ConfigError, ShapeError } from "../../src/base/errors.ts";
import { frameBatchOf, subjectNoise } from "../../src/models/recurrent_vae/inputs.ts";
import type { RecurrentVaeOptions } from "../../src/models/recurrent_vae/config.ts";
import { RecurrentVae } from "../../src/models/recurrent_vae/model.ts";
import { relativeError } from "../support/fixture_tensors.ts";
import { randomModel, randomRuns } from "../support/random_model.ts";
import { NIGHTLY } from "../support/nightly.ts";
import { unrolledStep } from "../support/unrolled.ts";

/** Agreement required of two float64 computations of the same gradient. */
const FLOAT64 = 1e-10;

const SIZES = [[23, 27, 21], [33, 35, 40]] as const;

interface Case {
  readonly name: string;
  readonly options: RecurrentVaeOptions;
  readonly chunkings: readonly { framesPerChunk: number; memoryBudget: number }[];
}

const MEMORIES = [0, 1e9] as const;
const CASES: readonly Case[] = [
  {
    name: "batch norm",
    options: {},
    chunkings: [1, 2, 4, 6].flatMap((framesPerChunk) =>
      MEMORIES.map((memoryBudget) => ({ framesPerChunk, memoryBudget }))
    ),
  },
  {
    name: "KL divergence with an annealing weight and other sigmas",
    options: { temporalLoss: "kl", klWeight: 0.3, sigH: 0.7, sigX: 1.3 },
    chunkings: [{ framesPerChunk: 4, memoryBudget: 0 }],
  },
  {
    name: "group norm",
    options: { normalization: "group" },
    chunkings: [{ framesPerChunk: 4, memoryBudget: 0 }, { framesPerChunk: 1, memoryBudget: 1e9 }],
  },
  {
    name: "a wide decoder with a clamped output",
    options: { decoderChannels: [24, 12, 8, 6], outputActivation: "clamp" },
    chunkings: [{ framesPerChunk: 3, memoryBudget: 0 }],
  },
];

for (const spatialShape of SIZES) {
  for (const { name, options, chunkings } of CASES) {
    // The larger size repeats the essential cases only.
    if (spatialShape[0] === 33 && name.startsWith("a wide")) continue;
    Deno.test(`the time-parallel step equals the tape over all frames: ${spatialShape.join("×")}, ${name}`, async () => {
      await selectBackend("reference");
      const frames = 6;
      const config = { spatialShape, tolTime: frames, ...options };
      const model = await randomModel(config, { subjects: 3, seed: 11 });
      const runs = randomRuns(spatialShape, { batch: 2, frames, seed: 5 });
      const batch = frameBatchOf(runs, [2, 0]);
      const { latentDim } = model.config;
      const noise = Float64Array.from(
        subjectNoise(RandomStream.fromSeed(3), { subjects: [2, 0], frames, dim: latentDim }),
      );
      const initialState = RandomStream.fromSeed(4).normals64(2 * latentDim);
      const expected = await unrolledStep(model, batch, { noise, initialState });
      const before = await model.stateDict();
      // By day the larger size takes two ways of cutting.
      const tried = NIGHTLY || spatialShape[0] !== 33 ? chunkings : chunkings.slice(0, 2);
      for (const chunking of tried) {
        const what = JSON.stringify(chunking);
        model.loadStateDict(before);
        const { losses, gradients } = await model.computeGradients(batch, {
          noise: { data: noise, shape: [frames, 2, latentDim] },
          initialState: { data: initialState, shape: [2, latentDim] },
          ...chunking,
        });
        assert(relativeError([losses.loss], [expected.loss]) < FLOAT64, `${what}: loss`);
        assertEquals([...gradients.keys()], [...model.variables.keys()], what);
        for (const [key, gradient] of gradients) {
          const found = await toHost(gradient);
          gradient.dispose();
          compare(`${what}: ${key}`, found, expected.gradients.get(key)!);
        }
        for (const [key, values] of expected.buffers) {
          compare(`${what}: ${key}`, model.state.buffer(key), values);
        }
      }
      model.dispose();
    });
  }
}

/** Relative L2 difference; gradients that vanish identically are compared with 1e-10 itself. */
function compare(what: string, found: FloatArray, expected: FloatArray): void {
  const size = Math.hypot(...expected);
  const error = size < 1e-9 ? Math.hypot(...found) : relativeError(found, expected);
  assert(error < FLOAT64, `${what}: relative difference ${error}, needs at most ${FLOAT64}`);
}

Deno.test("the bits of a step do not depend on the memory budget", async () => {
  await selectBackend("cpu");
  const spatialShape = [23, 27, 21] as const;
  const model = await randomModel({ spatialShape, tolTime: 5 }, { subjects: 2, seed: 1 });
  const batch = frameBatchOf(randomRuns(spatialShape, { batch: 2, frames: 5, seed: 2 }));
  const before = await model.stateDict();
  const results: FloatArray[][] = [];
  for (const memoryBudget of [0, 3e5, 1e9]) {
    model.loadStateDict(before);
    const { gradients } = await model.computeGradients(batch, { framesPerChunk: 2, memoryBudget });
    results.push(await Promise.all([...gradients.values()].map(toHost)));
    tf.dispose([...gradients.values()]);
  }
  assertEquals(results[1], results[0]);
  assertEquals(results[2], results[0]);
  model.dispose();
});

Deno.test("a step leaves no tensor behind but its gradients, and its memory does not grow with the frames", async () => {
  await selectBackend("cpu");
  const spatialShape = [23, 27, 21] as const;
  const peaks: number[] = [];
  for (const frames of [4, 12]) {
    const model = new RecurrentVae({ spatialShape, tolTime: frames }, { subjects: 2 });
    const batch = frameBatchOf(randomRuns(spatialShape, { batch: 2, frames, seed: 2 }));
    const options = { framesPerChunk: 2, memoryBudget: 0 };
    const start = tf.memory();
    let peak = 0;
    const watched = {
      ...batch,
      read: (from: number, count: number) => {
        peak = Math.max(peak, tf.memory().numBytes);
        return batch.read(from, count);
      },
    };
    const { gradients } = await model.computeGradients(watched, options);
    assertEquals(tf.memory().numTensors - start.numTensors, gradients.size);
    tf.dispose([...gradients.values()]);
    assertEquals(tf.memory().numTensors, start.numTensors);
    peaks.push(peak - start.numBytes);
    model.dispose();
  }
  // Latent arrays and features grow by about 1 kB per frame and subject [recurrent-vae §11]; activations do not.
  const growth = peaks[1] - peaks[0];
  assert(growth < 8 * 2 * 2000, `peak memory grew by ${growth} bytes for 8 more frames`);
});

Deno.test("a step reads every frame twice, or once when its activations are kept", async () => {
  await selectBackend("cpu");
  const spatialShape = [9, 8, 8] as const;
  const model = await randomModel({ spatialShape, tolTime: 3 }, { subjects: 2, seed: 7 });
  const batch = frameBatchOf(randomRuns(spatialShape, { batch: 2, frames: 3, seed: 2 }));
  for (const [memoryBudget, times] of [[0, 2], [1e9, 1]]) {
    const reads = [0, 0, 0];
    const counting = {
      ...batch,
      read: (from: number, count: number) => {
        reads[from]++;
        return batch.read(from, count);
      },
    };
    const { gradients } = await model.computeGradients(counting, {
      framesPerChunk: 1,
      memoryBudget,
    });
    tf.dispose([...gradients.values()]);
    assertEquals(reads, [times, times, times]);
  }
  model.dispose();
});

Deno.test("a step that fails midway frees what it held", async () => {
  await selectBackend("cpu");
  const spatialShape = [23, 27, 21] as const;
  const model = new RecurrentVae({ spatialShape, tolTime: 4 }, { subjects: 2 });
  const batch = frameBatchOf(randomRuns(spatialShape, { batch: 2, frames: 4, seed: 2 }));
  const before = tf.memory().numTensors;
  // Four readings on the way forwards, four on the way back.
  for (const failAt of [1, 3, 7]) {
    let reads = 0;
    const failing = {
      ...batch,
      read: (from: number, count: number) => {
        if (++reads === failAt) throw new Error("disk gone");
        return batch.read(from, count);
      },
    };
    await assertRejects(
      () => model.computeGradients(failing, { framesPerChunk: 1, memoryBudget: 0 }),
      Error,
      "disk gone",
    );
    assertEquals(tf.memory().numTensors, before, `failure at read ${failAt}`);
  }
  model.dispose();
});

Deno.test("a voxel weight masks the reconstruction error and its gradient", async () => {
  await selectBackend("reference");
  const spatialShape = [9, 8, 8] as const;
  const config = { spatialShape, tolTime: 2, lambdaZ: 0 };
  const model = await randomModel(config, { subjects: 2, seed: 7 });
  const runs = randomRuns(spatialShape, { batch: 2, frames: 2, seed: 8 });
  const mask = Float64Array.from({ length: 9 * 8 * 8 }, (_, i) => i % 3 === 0 ? 1 : 0);
  const voxelWeight = { data: mask, shape: [8, 8, 9] };
  const masked = await model.computeGradients(frameBatchOf(runs), { voxelWeight });
  const { mu } = await model.forward(runs);
  let sum = 0;
  for (let i = 0; i < runs.data.length; i++) {
    sum += mask[i % mask.length] * (runs.data[i] - mu.data[i]) ** 2;
  }
  assert(Math.abs(masked.losses.loss1 - sum / (2 * 2 * 2)) < 1e-9);
  tf.dispose([...masked.gradients.values()]);
  model.dispose();
});

Deno.test("a batch of one subject is refused when batch norm would see one value per channel", async () => {
  await selectBackend("cpu");
  const spatialShape = [23, 27, 21] as const;
  const runs = randomRuns(spatialShape, { batch: 1, frames: 2, seed: 2 });
  const model = new RecurrentVae({ spatialShape, tolTime: 2 }, { subjects: 1 });
  const error = await assertRejects(
    () => model.computeGradients(frameBatchOf(runs)),
    ConfigError,
  );
  assertEquals(error.field, "batchSize");
  model.dispose();
  const grouped = new RecurrentVae(
    { spatialShape, tolTime: 2, normalization: "group" },
    { subjects: 1 },
  );
  const { losses, gradients } = await grouped.computeGradients(frameBatchOf(runs));
  assert(Number.isFinite(losses.loss));
  tf.dispose([...gradients.values()]);
  grouped.dispose();
});

Deno.test("a batch of other volumes or subjects than the model's is refused", async () => {
  await selectBackend("cpu");
  const model = new RecurrentVae({ spatialShape: [8, 8, 8], tolTime: 2 }, { subjects: 2 });
  const runs = (shape: readonly [number, number, number], frames = 2) =>
    randomRuns(shape, { batch: 2, frames, seed: 2 });
  const step = (batch: ReturnType<typeof frameBatchOf>) => () => model.computeGradients(batch);
  await assertRejects(step(frameBatchOf(runs([8, 9, 8]))), ShapeError, "8×9×8");
  await assertRejects(step(frameBatchOf(runs([8, 8, 8], 1))), ShapeError, "timepoints");
  await assertRejects(step(frameBatchOf(runs([8, 8, 8]), [0, 2])), ShapeError, "subject 2");
  model.dispose();
});
