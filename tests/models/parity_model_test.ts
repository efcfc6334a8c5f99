/**
 * The Python package's test suite [recurrent-vae §9], items 13 to 23: the model, at full size where it is there.
 */
import { toHost, toTensor } from "../../src/backends/tensors.ts";
import type { NdArray } from "../../src/base/arrays.ts";
import { ShapeError } from "../../src/base/errors.ts";
import { RandomStream } from "../../src/base/random.ts";
import {
  assert,
  assertEquals,
  assertNotEquals,
  assertRejects,
  assertThrows,
} from "../../src/deps/std.ts";
import { tf } from "../../src/deps/tfjs.ts";
import { solveTransitionMatrix, transitionGradient } from "../../src/linalg/ridge.ts";
import { latentForward } from "../../src/models/recurrent_vae/latent_chain.ts";
import { RecurrentVae } from "../../src/models/recurrent_vae/model.ts";
import { assertClose } from "../support/closeness.ts";
import { selectFastEngine } from "../support/engines.ts";

const SETUP = { tolTime: 3, batchSize: 2, epochs: 1, learningRate: 1e-3, seed: 0 } as const;
const FULL = [91, 109, 91] as const;

await selectFastEngine();

function fullModel(): RecurrentVae {
  return new RecurrentVae(SETUP, { subjects: 4 });
}

/** Standard-normal values. */
function normals(shape: number[], seed = 0): NdArray<Float32Array> {
  const length = shape.reduce((a, b) => a * b, 1);
  return { data: RandomStream.fromSeed(seed).normals(length), shape };
}

Deno.test("parity 13: encode gives [2, 100] and decode [2, 91, 109, 91], from arrays and from tensors", async () => {
  const model = fullModel();
  const volumes = normals([2, ...FULL]);
  const features = await model.encode(volumes);
  assertEquals(features.shape, [2, 100]);
  const decoded = await model.decode(normals([2, 10]));
  assertEquals(decoded.shape, [2, ...FULL]);
  const tensor = toTensor(volumes.data, volumes.shape);
  const fromTensor = await model.encode(tensor);
  assert(fromTensor instanceof tf.Tensor);
  assertEquals(await toHost(fromTensor), features.data);
  tf.dispose([tensor, fromTensor]);
  model.dispose();
});

Deno.test("parity 14: the forward pass unpacks into four lists of length 3", async () => {
  const model = fullModel();
  const result = await model.forward(normals([2, 3, ...FULL]), { subjects: [0, 1] });
  const [x, mu, h, gh] = result;
  assertEquals([x.length, mu.length, h.length, gh.length], [3, 3, 3, 3]);
  for (let t = 0; t < 3; t++) {
    assertEquals(x[t].shape, [2, ...FULL]);
    assertEquals(mu[t].shape, [2, ...FULL]);
    assertEquals(h[t].shape, [2, 10]);
    assertEquals(gh[t].shape, [2, 10]);
  }
  assertEquals(result.mu.shape, [2, 3, ...FULL]);
  assertEquals(h[1].data[13], result.h.data[10 * (3 + 1) + 3]);
  model.dispose();
});

Deno.test("parity 15: two frames with tolTime 3 raise", async () => {
  const model = new RecurrentVae({ ...SETUP, spatialShape: [8, 8, 8] }, { subjects: 4 });
  const error = await assertRejects(
    () => model.forward(normals([2, 2, 8, 8, 8])),
    ShapeError,
    "2 timepoints, needs 3",
  );
  assertEquals(error.found, [2]);
  model.dispose();
});

Deno.test("parity 16: the sampled state keeps engine, type and shape, and is mu + exp(log_var/2)·noise", async () => {
  const [frames, batch, dim, width] = [1, 2, 10, 100];
  const tensor = (shape: number[], seed: number) => {
    const { data } = normals(shape, seed);
    return toTensor(data.map((v) => 0.1 * v), shape);
  };
  const input = {
    features: tensor([frames, batch, width], 1),
    noise: tensor([frames, batch, dim], 2),
    initialState: tensor([batch, dim], 3),
    heads: {
      muWeight: tensor([dim, width + dim], 4),
      muBias: tensor([dim], 5),
      logVarWeight: tensor([dim, width + dim], 6),
      logVarBias: tensor([dim], 7),
    },
    transition: tensor([dim, dim], 8),
  };
  const { h, mu, logVar } = latentForward(input);
  assertEquals([h.shape, h.dtype], [mu.shape, mu.dtype]);
  const [hs, mus, logVars, eps] = await Promise.all([h, mu, logVar, input.noise].map(toHost));
  const expected = Array.from(mus, (m, i) => m + Math.exp(logVars[i] / 2) * eps[i]);
  assertClose(hs, expected, { tolerance: 1e-6 });
});

Deno.test("parity 17: the subject offsets are trained, [4, 10]", async () => {
  const model = fullModel();
  assertEquals(model.variables.get("z_vectors")!.shape, [4, 10]);
  assertEquals((await model.subjectOffsets()).shape, [4, 10]);
  model.dispose();
});

Deno.test("parity 18: F is a buffer, [10, 10], saved and not trained", async () => {
  const model = fullModel();
  assertEquals(model.transitionMatrix.shape, [10, 10]);
  assert(!model.variables.has("F_mat"));
  assertEquals((await model.stateDict()).get("F_mat")!.shape, [10, 10]);
  assertEquals(model.variables.size, 37);
  assertEquals((await model.stateDict()).size, 62);
  model.dispose();
});

Deno.test("parity 19: g(h) = hFᵀ", async () => {
  const model = fullModel();
  const h = normals([3, 10]);
  const { data: F } = model.transitionMatrix;
  const expected = Array.from({ length: 30 }, (_, i) => {
    const [row, d] = [Math.floor(i / 10), i % 10];
    return Array.from({ length: 10 }, (_, k) => h.data[row * 10 + k] * F[d * 10 + k])
      .reduce((a, b) => a + b);
  });
  const gh = await model.g(h);
  assertEquals(gh.shape, [3, 10]);
  assertClose(gh.data, expected, { tolerance: 1e-6 });
  model.dispose();
});

Deno.test("parity 20: the F update changes F and leaves it finite", () => {
  const model = fullModel();
  const before = model.transitionMatrix.data;
  model.updateTransitionMatrix(normals([4, 3, 10]));
  const after = model.transitionMatrix.data;
  assertNotEquals(after, before);
  assert(after.every(Number.isFinite));
  model.dispose();
});

for (const ridgePenalty of ["v2", "v1"] as const) {
  Deno.test(`parity 21: F solves the ridge system written out by hand (${ridgePenalty} penalty)`, () => {
    const [subjects, frames, dim, rho, sigH] = [4, 3, 10, 0.1, 0.8];
    const model = new RecurrentVae({ ...SETUP, ridgePenalty, sigH, rho }, { subjects });
    const states = normals([subjects, frames, dim]);
    const h0 = normals([1, dim], 9);
    model.updateTransitionMatrix(states, { initialState: h0 });
    const { data: F } = model.transitionMatrix;
    const lambda = ridgePenalty === "v2"
      ? 2 * subjects * frames * sigH ** 2 * rho
      : 2 * sigH ** 2 * rho;
    const row = (n: number, t: number) =>
      t < 0 ? h0.data : states.data.subarray((n * frames + t) * dim, (n * frames + t + 1) * dim);
    // Residual of (XᵀX + λI)Fᵀ = XᵀY, entry by entry.
    for (let i = 0; i < dim; i++) {
      for (let j = 0; j < dim; j++) {
        let left = lambda * F[j * dim + i], right = 0;
        for (let n = 0; n < subjects; n++) {
          for (let t = 0; t < frames; t++) {
            const [x, y] = [row(n, t - 1), row(n, t)];
            right += x[i] * y[j];
            for (let k = 0; k < dim; k++) left += x[i] * x[k] * F[j * dim + k];
          }
        }
        assert(Math.abs(left - right) < 1e-5, `entry ${i}, ${j}: ${left} against ${right}`);
      }
    }
    model.dispose();
  });
}

Deno.test("parity 22: the gradient of loss2 + loss_F in F vanishes at the solution", () => {
  const problem = {
    states: normals([3, 3, 10]).data,
    initialState: new Float32Array(10),
    subjects: 3,
    frames: 3,
    latentDim: 10,
    sigH: 1,
    rho: 0.4,
  };
  const gradient = transitionGradient(solveTransitionMatrix(problem), problem);
  assert(gradient.every((value) => Math.abs(value) < 1e-4));
  const elsewhere = transitionGradient(new Float64Array(100).fill(0.1), problem);
  assert(elsewhere.some((value) => Math.abs(value) > 1e-2));
});

Deno.test("parity 23: another latent width raises, in the F update and in decode", async () => {
  const model = fullModel();
  assertThrows(
    () => model.updateTransitionMatrix(normals([4, 3, 9])),
    ShapeError,
    "latent_dim",
  );
  await assertRejects(() => model.decode(normals([2, 9])), ShapeError, "latent_dim");
  model.dispose();
});
