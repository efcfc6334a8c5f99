import { selectBackend } from "../../src/backends/registry.ts";
import { toTensor } from "../../src/backends/tensors.ts";
import { ConfigError, ShapeError } from "../../src/base/errors.ts";
import { RandomStream } from "../../src/base/random.ts";
import { assert, assertEquals, assertThrows } from "../../src/deps/std.ts";
import { tf } from "../../src/deps/tfjs.ts";
import {
  batchNormActivation,
  fixedNormActivation,
  groupNormActivation,
  normActivationGradient,
} from "../../src/ops/norm_activation.ts";
import { assertClose } from "../support/closeness.ts";
import { assertGradientsMatchDifferences } from "../support/finite_differences.ts";
import { normalArray, uniformArray } from "../support/random_arrays.ts";
import { normalisation } from "../support/spec_formulas.ts";
import "../../src/ops/stock_gradients.ts";

/** Shapes with their sample and channel groups: batch norm of one and of several frames, group norm. */
const BLOCKS = [
  { shape: [4, 2, 3, 2, 5], groups: [1, 5] },
  { shape: [6, 2, 3, 2, 4], groups: [3, 4] },
  { shape: [3, 2, 2, 3, 6], groups: [3, 2] },
  { shape: [4, 1, 1, 1, 3], groups: [2, 3] },
  { shape: [2, 3, 1, 2, 4], groups: [1, 1] },
] as const;

function affineOf(random: RandomStream, channels: number) {
  return {
    gamma: uniformArray(random, [channels], [-1.5, 1.5]),
    beta: normalArray(random, [channels]),
  };
}

Deno.test("normalisation with LeakyReLU equals the formula of [recurrent-vae §3.3]", async () => {
  await selectBackend("reference");
  const random = RandomStream.fromSeed(21);
  for (const { shape, groups } of BLOCKS) {
    const x = normalArray(random, shape, 3);
    const { gamma, beta } = affineOf(random, shape[4]);
    const expected = normalisation(x, {
      gamma: gamma.data,
      beta: beta.data,
      groups,
      epsilon: 1e-5,
      slope: 0.2,
    });
    tf.tidy(() => {
      const [tx, tg, tb] = [x, gamma, beta].map((a) => toTensor(a.data, a.shape));
      const { y, mean, variance } = batchNormActivation(tx, { gamma: tg, beta: tb }, {
        sampleGroups: groups[0],
        channelGroups: groups[1],
      });
      assertEquals(mean.shape, [...groups]);
      assertClose(y.dataSync(), expected.y, { tolerance: 1e-13, what: "y" });
      assertClose(mean.dataSync(), expected.mean, { tolerance: 1e-13, what: "mean" });
      assertClose(variance.dataSync(), expected.variance, { tolerance: 1e-13, what: "variance" });
    });
  }
});

Deno.test("the tape's gradients of normalisation equal finite differences", async () => {
  await selectBackend("reference");
  const random = RandomStream.fromSeed(22);
  for (const { shape, groups } of BLOCKS) {
    assertGradientsMatchDifferences(
      ([x, gamma, beta]) =>
        batchNormActivation(x, { gamma, beta }, {
          sampleGroups: groups[0],
          channelGroups: groups[1],
        }).y,
      { x: normalArray(random, shape), ...affineOf(random, shape[4]) },
    );
  }
});

Deno.test("the tape's gradients of normalisation with fixed statistics equal finite differences", async () => {
  await selectBackend("reference");
  const random = RandomStream.fromSeed(23);
  const mean = normalArray(random, [5]);
  const variance = uniformArray(random, [5], [0.2, 2]);
  assertGradientsMatchDifferences(
    ([x, gamma, beta]) =>
      fixedNormActivation(x, { gamma, beta }, {
        mean: toTensor(mean.data, [5]),
        variance: toTensor(variance.data, [5]),
      }),
    { x: normalArray(random, [4, 2, 3, 2, 5]), ...affineOf(random, 5) },
  );
});

Deno.test("the exported gradient of normalisation equals the tape's", async () => {
  await selectBackend("cpu");
  const random = RandomStream.fromSeed(24);
  tf.tidy(() => {
    const shape = [6, 2, 3, 2, 4];
    const [x, dy] = [normalArray(random, shape), normalArray(random, shape)]
      .map((a) => toTensor(a.data, shape));
    const { gamma: g, beta: b } = affineOf(random, 4);
    const [gamma, beta] = [toTensor(g.data, [4]), toTensor(b.data, [4])];
    const { mean, variance } = batchNormActivation(x, { gamma, beta }, { sampleGroups: 3 });
    const forward = (x: tf.Tensor, gamma: tf.Tensor, beta: tf.Tensor) =>
      batchNormActivation(x, { gamma, beta }, { sampleGroups: 3 }).y;
    const [dx, dGamma, dBeta] = tf.grads(forward)([x, gamma, beta], dy);
    const explicit = normActivationGradient(dy, {
      x,
      gamma,
      beta,
      mean,
      variance,
      sampleGroups: 3,
    });
    assertEquals(explicit.dx.dataSync(), dx.dataSync());
    assertEquals(explicit.dGamma.dataSync(), dGamma.dataSync());
    assertEquals(explicit.dBeta.dataSync(), dBeta.dataSync());
  });
});

Deno.test("several frames in one call equal the frames one by one", async () => {
  await selectBackend("cpu");
  const random = RandomStream.fromSeed(25);
  tf.tidy(() => {
    const frames = [0, 1, 2].map(() => {
      const { data, shape } = normalArray(random, [2, 3, 2, 2, 4]);
      return toTensor(data, shape);
    });
    const { gamma: g, beta: b } = affineOf(random, 4);
    const affine = { gamma: toTensor(g.data, [4]), beta: toTensor(b.data, [4]) };
    const together = batchNormActivation(tf.concat(frames, 0), affine, { sampleGroups: 3 });
    const single = frames.map((frame) => batchNormActivation(frame, affine));
    const joined = (key: "y" | "mean" | "variance") =>
      tf.concat(single.map((result) => result[key]), 0).dataSync();
    assertEquals(together.y.dataSync(), joined("y"));
    assertEquals(together.mean.dataSync(), joined("mean"));
    assertEquals(together.variance.dataSync(), joined("variance"));
  });
});

Deno.test("group norm with one sample per group ignores the other samples", async () => {
  await selectBackend("cpu");
  const random = RandomStream.fromSeed(26);
  tf.tidy(() => {
    const { data, shape } = normalArray(random, [3, 2, 2, 2, 8]);
    const x = toTensor(data, shape);
    const affine = { gamma: tf.ones([8]), beta: tf.zeros([8]) };
    const all = groupNormActivation(x, affine, { groups: 4 });
    assertEquals(all.mean.shape, [3, 4]);
    const second = tf.slice(x, [1, 0, 0, 0, 0], [1, -1, -1, -1, -1]);
    const alone = groupNormActivation(second, affine, { groups: 4 });
    assertEquals(
      tf.slice(all.y, [1, 0, 0, 0, 0], [1, -1, -1, -1, -1]).dataSync(),
      alone.y.dataSync(),
    );
  });
});

Deno.test("variance in two passes keeps its digits when the mean is large", async () => {
  await selectBackend("cpu");
  tf.tidy(() => {
    const x = toTensor(Float32Array.of(4096, 4097, 4098, 4099), [4, 1]);
    const { variance } = batchNormActivation(x, { gamma: tf.ones([1]), beta: tf.zeros([1]) });
    assertEquals(variance.dataSync()[0], 1.25);
  });
});

Deno.test("slope 0.2 holds at exactly zero, and slope 1 leaves values as they are", async () => {
  await selectBackend("cpu");
  tf.tidy(() => {
    const x = toTensor(Float32Array.of(-1, 0, 1), [3, 1]);
    const gamma = tf.ones([1]), beta = tf.zeros([1]);
    const { mean, variance } = batchNormActivation(x, { gamma, beta });
    const dy = tf.ones([3, 1]);
    const fixed = { x, gamma, beta, mean, variance, fixedStatistics: true };
    const { dBeta } = normActivationGradient(dy, fixed);
    assertClose(dBeta.dataSync(), [1.4], { tolerance: 1e-6 });
    const { y } = batchNormActivation(x, { gamma, beta }, { slope: 1 });
    const [low, , high] = y.dataSync();
    assertEquals(low, -high);
  });
});

Deno.test("normalisation refuses groups and shapes that do not fit", async () => {
  await selectBackend("cpu");
  tf.tidy(() => {
    const x = tf.zeros([4, 2, 2, 2, 6]);
    const affine = { gamma: tf.ones([6]), beta: tf.zeros([6]) };
    assertThrows(
      () => batchNormActivation(x, affine, { sampleGroups: 3 }),
      ConfigError,
      "divisor of the 4 samples",
    );
    assertThrows(
      () => groupNormActivation(x, affine, { groups: 4 }),
      ConfigError,
      "divisor of the 6 channels",
    );
    assertThrows(
      () => batchNormActivation(x, { ...affine, gamma: tf.ones([5]) }),
      ShapeError,
      "gamma has shape [5]",
    );
    assertThrows(
      () => fixedNormActivation(x, affine, { mean: tf.ones([5]), variance: tf.ones([6]) }),
      ShapeError,
      "mean has shape [5]",
    );
  });
});

Deno.test("normalisation leaves no tensors behind, on and off the tape", async () => {
  await selectBackend("cpu");
  const x = tf.ones([2, 2, 2, 2, 3]) as tf.Tensor;
  const affine = { gamma: tf.ones([3]) as tf.Tensor, beta: tf.zeros([3]) as tf.Tensor };
  const before = tf.memory().numTensors;
  const { y, mean, variance } = batchNormActivation(x, affine);
  assertEquals(tf.memory().numTensors, before + 3);
  tf.dispose([y, mean, variance]);
  const gradient = tf.grad((x: tf.Tensor) => tf.sum(batchNormActivation(x, affine).y) as tf.Scalar)(
    x,
  );
  gradient.dispose();
  assert(tf.memory().numTensors === before);
  tf.dispose([x, affine.gamma, affine.beta]);
});

Deno.test("the activation behind a normalisation is LeakyReLU, ReLU or none", async () => {
  await selectBackend("reference");
  const random = RandomStream.fromSeed(29);
  const x = normalArray(random, [4, 3, 2, 6]);
  const { gamma, beta } = affineOf(random, 6);
  const run = (options: Parameters<typeof groupNormActivation>[2]) =>
    tf.tidy(() => {
      const [tx, tg, tb] = [x, gamma, beta].map((a) => toTensor(a.data, a.shape));
      return [...groupNormActivation(tx, { gamma: tg, beta: tb }, options).y.dataSync()];
    });
  const plain = run({ groups: 2, activation: "none" });
  assertEquals(plain, run({ groups: 2, slope: 1 }));
  const leaky = (slope: number) => plain.map((v) => v > 0 ? v : slope * v);
  assertEquals(run({ groups: 2 }), leaky(0.2));
  assertEquals(run({ groups: 2, activation: "leakyRelu", slope: 0.01 }), leaky(0.01));
  assertEquals(run({ groups: 2, activation: "relu" }), leaky(0));
  for (const activation of ["none", "relu"] as const) {
    assertGradientsMatchDifferences(
      ([x, gamma, beta]) => groupNormActivation(x, { gamma, beta }, { groups: 2, activation }).y,
      { x, gamma, beta },
    );
    assertGradientsMatchDifferences(
      ([x, gamma, beta]) => {
        const [mean, variance] = [tf.zeros([6]), tf.ones([6])];
        return fixedNormActivation(x, { gamma, beta }, { mean, variance, activation });
      },
      { x, gamma, beta },
    );
  }
  const wrong = { groups: 2, activation: "gelu" } as unknown as { groups: number };
  assertThrows(() => run(wrong), ConfigError, "activation is gelu");
});
