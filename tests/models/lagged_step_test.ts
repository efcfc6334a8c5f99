/**
 * The lagged model's step against its mathematics: an ordinary tape through the whole rollout, finite differences, chunk
 * borders, missing frames, and what must not move.
 */
import type { FloatArray, SpatialShape } from "../../src/base/arrays.ts";
import type { FrameBatch } from "../../src/base/frames.ts";
import { RandomStream } from "../../src/base/random.ts";
import { selectBackend } from "../../src/backends/registry.ts";
import { toHost, toTensor } from "../../src/backends/tensors.ts";
import { tf } from "../../src/deps/tfjs.ts";
import { assert, assertAlmostEquals, assertEquals, assertThrows } from "../../src/deps/std.ts";
import { CheckpointError, ConfigError } from "../../src/base/errors.ts";
import type { LaggedOptions } from "../../src/models/recurrent_vae/lagged/lagged_config.ts";
import { LaggedTraining } from "../../src/models/recurrent_vae/lagged/lagged_training.ts";
import { LaggedVae } from "../../src/models/recurrent_vae/lagged/lagged_vae.ts";
import "../../src/ops/stock_gradients.ts";
import { relativeError } from "../support/fixture_tensors.ts";

const SHAPE: SpatialShape = [5, 4, 6];
const SIZE = 5 * 4 * 6;
/** Every third voxel is outside: no axis of the mask is like another. */
const VOXELS = Int32Array.from({ length: SIZE }, (_, i) => i).filter((i) => i % 3 !== 1);
const [B, T, D] = [2, 5, 3];
const stream = RandomStream.fromSeed(4);

/** A model whose every weight is drawn, so that no path is still. */
async function drawnModel(options: Partial<LaggedOptions> = {}): Promise<LaggedVae> {
  const model = new LaggedVae({
    spatialShape: SHAPE,
    latentDim: D,
    encOutDim: 4,
    channels: [4],
    tolTime: T,
    ...options,
  }, { subjects: B, voxels: VOXELS });
  const state = await model.stateDict();
  for (const [key, { data, shape }] of state) {
    if (key === "voxel_index" || key === "residual_autocorrelation") continue;
    const drawn = Float64Array.from(stream.split(key).normals(data.length));
    const values = key === "q"
      ? drawn.map((value) => 0.5 + value * value)
      : key === "z_vectors" && !model.config.offsets
      ? new Float64Array(data.length)
      : drawn.map((value) => 0.3 * value);
    state.set(key, { data: values, shape });
  }
  model.loadStateDict(state);
  return model;
}

function volumes(seed: number): FloatArray {
  return Float64Array.from(stream.split(`volumes ${seed}`).normals(B * T * SIZE));
}

function batchOf(values: FloatArray, more: Partial<FrameBatch> = {}): FrameBatch {
  return {
    subjects: [0, 1],
    frames: T,
    spatialShape: SHAPE,
    read: (start, count) =>
      values.slice(start * B * SIZE, (start + count) * B * SIZE) as FloatArray,
    ...more,
  };
}

const NOISE = {
  data: Float64Array.from(stream.split("noise").normals(T * B * D)),
  shape: [T, B, D],
};

const CASES: Readonly<Record<string, Partial<LaggedOptions>>> = {
  "all options on": { noise: "voxel", offsets: true, predictive: 0.3, klWeight: 1 },
  "no convolutions, lag 0": { channels: [], lag: 0, predictive: 0.3, offsets: true },
};

for (const [name, options] of Object.entries(CASES)) {
  Deno.test(`lagged step, ${name}: finite differences of the loss`, async () => {
    await selectBackend("reference");
    const model = await drawnModel(options);
    const batch = batchOf(volumes(0));
    const lossOf = async (key: string) => {
      const { losses, gradients } = await model.computeGradients(batch, { noise: NOISE });
      gradients.forEach((gradient) => gradient.dispose());
      // In the penalty on the lag and in the predictions the noise is a constant.
      const apart = key === "log_sig_x" ? losses.lossLag + losses.lossPrediction : 0;
      return losses.loss - apart;
    };
    const { gradients } = await model.computeGradients(batch, { noise: NOISE });
    for (const [key, gradient] of gradients) {
      const variable = model.state.parameters.get(key)!;
      const values = await toHost(variable);
      const found = await toHost(gradient);
      gradient.dispose();
      const i = Math.floor(values.length / 2);
      const moved = async (step: number) => {
        const changed = values.slice() as Float64Array;
        changed[i] += step;
        assign(variable, changed);
        return await lossOf(key);
      };
      const slope = (await moved(1e-5) - await moved(-1e-5)) / 2e-5;
      assign(variable, values);
      assertAlmostEquals(found[i], slope, 1e-5 * Math.max(1, Math.abs(slope)), `${key}[${i}]`);
    }
    model.dispose();
  });
}

function assign(variable: tf.Variable, values: FloatArray): void {
  const tensor = toTensor(values, variable.shape);
  variable.assign(tensor);
  tensor.dispose();
}

Deno.test("lagged step: an ordinary tape through the whole rollout, linear paths, to 1e-10", async () => {
  await selectBackend("reference");
  const model = await drawnModel({ channels: [] });
  const spread = model.state.parameters.get("hidden2log_var.weight")!;
  assign(spread, (await toHost(spread)).map((value) => 0.1 * value) as FloatArray);
  const values = volumes(1);
  const { gradients, losses } = await model.computeGradients(batchOf(values), {
    noise: NOISE,
    framesPerChunk: 1,
  });
  const names = [...gradients.keys()];
  const variables = names.map((name) => model.state.parameters.get(name)!);
  const { value, grads } = tf.variableGrads(() => tapedLoss(model, values), variables);
  assertAlmostEquals((await toHost(value))[0], losses.loss, 1e-10 * Math.abs(losses.loss));
  for (const [i, name] of names.entries()) {
    const expected = await toHost(grads[variables[i].name]);
    const error = relativeError(await toHost(gradients.get(name)!), expected);
    assert(error < 1e-10, `${name}: ${error}`);
  }
  tf.dispose([value, grads, ...gradients.values()]);
  model.dispose();
});

/** The loss frame by frame, as its definition reads. */
function tapedLoss(model: LaggedVae, values: FloatArray): tf.Scalar {
  const of = (key: string) => model.state.tensor(key) as tf.Tensor2D;
  const V = VOXELS.length;
  const a = toTensor(Float64Array.of(1 / (B * T)), []);
  const scalar = (x: number) => toTensor(Float64Array.of(x), []);
  const sigma = of("log_sig_x");
  const precision = tf.exp(tf.mul(sigma, scalar(-2)));
  let h: tf.Tensor2D = tf.zeros([B, D]);
  let loss: tf.Tensor = tf.mul(sigma, scalar(V));
  for (let t = 0; t < T; t++) {
    const masked = new Float64Array(B * V);
    for (let b = 0; b < B; b++) {
      VOXELS.forEach((voxel, v) => masked[b * V + v] = values[(t * B + b) * SIZE + voxel]);
    }
    const x = toTensor(masked, [B, V]) as tf.Tensor2D;
    const epsilon = toTensor(NOISE.data.slice(t * B * D, (t + 1) * B * D), [B, D]);
    const head = (name: string) =>
      tf.add(tf.matMul(h, of(`${name}.weight`), false, true), of(`${name}.bias`));
    const mu = tf.add(
      tf.matMul(x, of("linear_encoder.weight"), false, true),
      head("hidden2mu"),
    );
    const logVar = head("hidden2log_var"); // within the identity of the bound
    const gh = tf.matMul(h, of("F_mat"), false, true);
    const next = tf.add(mu, tf.mul(tf.exp(tf.mul(logVar, scalar(0.5))), epsilon)) as tf.Tensor2D;
    const r = tf.add(
      tf.add(
        tf.matMul(next, of("linear_decoder.weight"), false, true),
        tf.matMul(h, of("lag_decoder.weight"), false, true),
      ),
      of("voxel_mean"),
    );
    const error = tf.mul(tf.sum(tf.square(tf.sub(x, r))), tf.mul(precision, scalar(0.5)));
    const q = of("q");
    const distance = tf.div(tf.add(tf.exp(logVar), tf.square(tf.sub(mu, gh))), q);
    const kl = tf.sum(tf.sub(tf.add(tf.sub(tf.log(q), logVar), distance), scalar(1)));
    const factor = scalar(model.config.klWeight / 2);
    loss = tf.add(loss, tf.mul(a, tf.add(error, tf.mul(factor, kl))));
    h = next;
  }
  const constant = toTensor(Float64Array.from(precision.dataSync()), []);
  const norm = tf.sum(tf.square(of("lag_decoder.weight")));
  const penalty = tf.mul(tf.mul(norm, constant), scalar(model.config.lagPenalty / 2));
  return tf.add(loss, penalty) as tf.Scalar;
}

Deno.test("lagged step: frames that are missing or outside the mask are never read", async () => {
  await selectBackend("reference");
  const model = await drawnModel();
  const observed = Float32Array.of(1, 1, 0, 1, 1, 1, 0, 0, 1, 1); // [B, T]
  const values = volumes(2);
  const spoilt = values.slice() as FloatArray;
  for (let b = 0; b < B; b++) {
    for (let t = 0; t < T; t++) {
      const from = (t * B + b) * SIZE;
      if (observed[b * T + t] === 0) spoilt.fill(NaN, from, from + SIZE);
      else for (let i = 1; i < SIZE; i += 3) spoilt[from + i] = 1e6;
    }
  }
  const results = [];
  for (const data of [values, spoilt]) {
    const step = await model.computeGradients(batchOf(data, { observed }), { noise: NOISE });
    const gradients = await Promise.all([...step.gradients.values()].map(toHost));
    step.gradients.forEach((gradient) => gradient.dispose());
    results.push({ losses: step.losses, gradients });
  }
  assertEquals(results[1], results[0]);
  model.dispose();
});

Deno.test("lagged step: a run alone and the same run padded with missing frames are equal", async () => {
  await selectBackend("reference");
  const model = await drawnModel({ tolTime: 3 });
  const values = volumes(3);
  const noise = (frames: number) => ({
    data: NOISE.data.slice(0, frames * B * D),
    shape: [frames, B, D],
  });
  const alone = await model.computeGradients(batchOf(values, { frames: 3 }), {
    noise: noise(3),
    frames: 3,
  });
  const observed = Float32Array.of(1, 1, 1, 0, 0, 1, 1, 1, 0, 0);
  const padded = await model.computeGradients(batchOf(values, { observed }), {
    noise: noise(T),
    frames: T,
  });
  assertAlmostEquals(padded.losses.loss, alone.losses.loss, 1e-12);
  for (const [name, gradient] of alone.gradients) {
    const error = relativeError(await toHost(padded.gradients.get(name)!), await toHost(gradient));
    assert(error < 1e-10, `${name}: ${error}`);
  }
  tf.dispose([...alone.gradients.values(), ...padded.gradients.values()]);
  model.dispose();
});

Deno.test("lagged step: kept activations and recomputed ones give the same gradients", async () => {
  await selectBackend("reference");
  const model = await drawnModel();
  const batch = batchOf(volumes(4));
  const of = async (memoryBudget: number) => {
    const { gradients } = await model.computeGradients(batch, { noise: NOISE, memoryBudget });
    const values = await Promise.all([...gradients.values()].map(toHost));
    gradients.forEach((gradient) => gradient.dispose());
    return values;
  };
  const before = tf.memory().numTensors;
  assertEquals(await of(0), await of(2 ** 30));
  assertEquals(tf.memory().numTensors, before, "tensors are left over");
  model.dispose();
});

Deno.test("lagged model: the encoder's gradient is 0 in the first step, biases before single channels always", async () => {
  await selectBackend("reference");
  const model = new LaggedVae({
    spatialShape: SHAPE,
    latentDim: D,
    channels: [4],
    tolTime: T,
  }, { subjects: B, voxels: VOXELS });
  const session = new LaggedTraining(model);
  const { gradients } = await session.computeGradients(batchOf(volumes(5)), { epoch: 0, batch: 0 });
  for (const [name, gradient] of gradients) {
    const values = await toHost(gradient);
    if (/^encoder/.test(name)) assert(values.every((value) => value === 0), name);
    gradient.dispose();
  }
  model.dispose();
  const drawn = await drawnModel();
  const step = await drawn.computeGradients(batchOf(volumes(5)), { noise: NOISE });
  assert((await toHost(step.gradients.get("encoder1.0.bias")!)).every((value) => value === 0));
  assert((await toHost(step.gradients.get("encoder1.0.weight")!)).some((value) => value !== 0));
  step.gradients.forEach((gradient) => gradient.dispose());
  drawn.dispose();
});

Deno.test("lagged model: weights bring their mask, and others are refused", async () => {
  await selectBackend("reference");
  const model = await drawnModel();
  const weights = await model.stateDict();
  const index = weights.get("voxel_index")!;
  assert(index.data instanceof BigInt64Array);
  assertEquals(Array.from(index.data, Number), [...VOXELS]);
  const again = new LaggedVae(model.config, { subjects: B, weights });
  assertEquals(again.voxelIndex, VOXELS);
  const without = new Map(weights);
  without.delete("voxel_index");
  assertThrows(
    () => new LaggedVae(model.config, { subjects: B, weights: without }),
    CheckpointError,
    "voxel_index",
  );
  const others = new LaggedVae(model.config, { subjects: B });
  assertThrows(() => others.loadStateDict(weights), CheckpointError, "voxels");
  for (const voxels of [Int32Array.of(), Int32Array.of(3, 2), Int32Array.of(SIZE)]) {
    assertThrows(
      () => new LaggedVae(model.config, { subjects: B, voxels }),
      ConfigError,
      "ascending",
    );
  }
  [model, again, others].forEach((one) => one.dispose());
});
