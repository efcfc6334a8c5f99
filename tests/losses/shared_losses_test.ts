/** The losses families share: values by their formulas, gradients by differences, masks, reductions. */
import type { NdArray } from "../../src/base/arrays.ts";
import { selectBackend } from "../../src/backends/registry.ts";
import { toHost, toTensor } from "../../src/backends/tensors.ts";
import { ConfigError, ShapeError } from "../../src/base/errors.ts";
import { RandomStream } from "../../src/base/random.ts";
import { assert, assertAlmostEquals, assertEquals, assertThrows } from "../../src/deps/std.ts";
import { tf } from "../../src/deps/tfjs.ts";
import { crossEntropy } from "../../src/losses/cross_entropy.ts";
import { normalDivergence } from "../../src/losses/normal_divergence.ts";
import {
  absoluteError,
  binaryCrossEntropy,
  huberError,
  squaredError,
} from "../../src/losses/pointwise.ts";
import type { Weighting } from "../../src/losses/weighting.ts";
import { forEachBackend } from "../support/engines.ts";
import { assertGradientsMatchDifferences } from "../support/finite_differences.ts";
import { normalArray, uniformArray } from "../support/random_arrays.ts";

const SHAPE = [3, 4, 5];

const POINTWISE = {
  absoluteError: { run: absoluteError, of: (x: number, t: number) => Math.abs(x - t) },
  squaredError: { run: squaredError, of: (x: number, t: number) => (x - t) ** 2 },
  huberError: {
    run: (x: tf.Tensor, t: tf.Tensor, options: Weighting) =>
      huberError(x, t, { ...options, delta: 0.7 }),
    of(x: number, t: number) {
      const d = Math.abs(x - t);
      return d <= 0.7 ? d * d / 2 : 0.7 * (d - 0.35);
    },
  },
  binaryCrossEntropy: {
    run: binaryCrossEntropy,
    of(x: number, t: number) {
      const p = 1 / (1 + Math.exp(-x));
      return -t * Math.log(p) - (1 - t) * Math.log(1 - p);
    },
  },
};

function draw(seed: number) {
  const random = RandomStream.fromSeed(seed);
  const ones = uniformArray(random, [3, 4, 1], [0, 1]).data.map((v) => v < 0.3 ? 0 : v);
  return {
    x: normalArray(random, SHAPE),
    t: uniformArray(random, SHAPE, [0, 1]),
    mask: { data: ones, shape: [3, 4, 1] },
  };
}

const tensorOf = ({ data, shape }: NdArray<Float64Array>) => toTensor(data, shape);

for (const [name, { run, of }] of Object.entries(POINTWISE)) {
  Deno.test(`${name} equals its formula, with masks and both reductions`, async () => {
    await selectBackend("reference");
    const { x, t, mask } = draw(91);
    for (const masked of [false, true]) {
      let sum = 0, weights = 0;
      x.data.forEach((v, i) => {
        const weight = masked ? mask.data[Math.floor(i / 5)] : 1;
        sum += weight * of(v, t.data[i]);
        weights += weight;
      });
      for (const reduction of ["mean", "sum"] as const) {
        const found = tf.tidy(() =>
          run(tensorOf(x), tensorOf(t), { reduction, mask: masked ? tensorOf(mask) : null })
            .dataSync()[0]
        );
        const expected = reduction === "sum" ? sum : sum / weights;
        assertAlmostEquals(found, expected, 1e-12 * Math.abs(expected));
      }
    }
  });

  Deno.test(`the tape's gradient of ${name} equals finite differences`, async () => {
    await selectBackend("reference");
    const { x, t, mask } = draw(92);
    const options = () => ({ mask: tensorOf(mask) });
    assertGradientsMatchDifferences(([x]) => run(x, tensorOf(t), {}), { x });
    assertGradientsMatchDifferences(([x]) => run(x, tensorOf(t), options()), { x });
    assertGradientsMatchDifferences(
      ([x]) => run(x, tensorOf(t), { ...options(), reduction: "sum" }),
      { x },
    );
  });

  Deno.test(`${name} of nothing that counts is 0, with gradient 0`, async () => {
    await selectBackend("cpu");
    tf.tidy(() => {
      const t = tf.fill([2, 3], 0.5), mask = tf.zeros([2, 1]);
      const loss = (x: tf.Tensor) => run(x, t, { mask });
      assertEquals([...loss(tf.ones([2, 3])).dataSync()], [0]);
      const gradient = tf.grad(loss)(tf.ones([2, 3])).dataSync();
      assert(gradient.every((v) => v === 0));
      assertThrows(() => run(tf.ones([2, 3]), t, { mask: tf.ones([2]) }), ShapeError, "mask");
      assertThrows(() => run(tf.ones([2, 2]), t, {}), ShapeError, "target");
    });
  });
}

Deno.test("binary cross-entropy stays finite for logits of any size", async () => {
  await selectBackend("cpu");
  tf.tidy(() => {
    const x = tf.tensor1d([500, -500]);
    const at = (t: number[]) => binaryCrossEntropy(x, tf.tensor1d(t), { reduction: "sum" });
    assertEquals([...at([1, 0]).dataSync()], [0]);
    assertEquals([...at([0, 1]).dataSync()], [1000]);
    assertThrows(() => huberError(x, x, { delta: 0 }), ConfigError, "delta is 0");
  });
});

/** −Σ weight·Σ_c q_c·ln p_c and Σ weight. */
function entropyOf(
  logits: NdArray<Float64Array>,
  labels: readonly number[],
  { smoothing, weights }: { smoothing: number; weights: readonly number[] },
): { sum: number; weight: number } {
  const classes = logits.shape[logits.shape.length - 1];
  let sum = 0, weight = 0;
  labels.forEach((label, row) => {
    if (label === -100) return;
    const values = logits.data.subarray(row * classes, (row + 1) * classes);
    const logarithm = Math.log(values.reduce((total, v) => total + Math.exp(v), 0));
    values.forEach((v, c) => {
      const q = (c === label ? 1 - smoothing : 0) + smoothing / classes;
      sum -= weights[row] * q * (v - logarithm);
    });
    weight += weights[row];
  });
  return { sum, weight };
}

const LABELS = [2, 0, -100, 3, 1, 1];
const WEIGHTS = [1, 0.5, 1, 0, 2, 1];

Deno.test("cross-entropy equals its formula, with ignored labels, smoothing and mask", async () => {
  await selectBackend("reference");
  const logits = normalArray(RandomStream.fromSeed(93), [2, 3, 4]);
  const labels = tf.tensor2d(LABELS, [2, 3], "int32");
  for (const smoothing of [0, 0.1]) {
    for (const weights of [WEIGHTS.map(() => 1), WEIGHTS]) {
      const { sum, weight } = entropyOf(logits, LABELS, { smoothing, weights });
      for (const reduction of ["mean", "sum"] as const) {
        const loss = (x: tf.Tensor) =>
          crossEntropy(x, labels, {
            smoothing,
            reduction,
            mask: toTensor(Float64Array.from(weights), [2, 3]),
          });
        const found = tf.tidy(() => loss(tensorOf(logits)).dataSync()[0]);
        assertAlmostEquals(found, reduction === "sum" ? sum : sum / weight, 1e-12);
        assertGradientsMatchDifferences(([x]) => loss(x), { logits });
      }
    }
  }
  assertEquals(
    tf.tidy(() => crossEntropy(tensorOf(logits), labels, { ignoredLabel: 1 }).dataSync()[0]),
    NaN,
    "a label that is no class and not the ignored one",
  );
  labels.dispose();
});

Deno.test("cross-entropy refuses labels that do not fit", async () => {
  await selectBackend("cpu");
  tf.tidy(() => {
    const logits = tf.zeros([2, 3]), labels = tf.tensor1d([0, 2], "int32");
    const none = tf.fill([2], -100, "int32");
    assertEquals([...crossEntropy(logits, none).dataSync()], [0]);
    assertThrows(() => crossEntropy(logits, tf.tensor1d([0], "int32")), ShapeError, "labels");
    assertThrows(() => crossEntropy(logits, tf.zeros([2])), ConfigError, "needs int32");
    assertThrows(() => crossEntropy(logits, labels, { smoothing: 1 }), ConfigError, "smoothing");
    assertThrows(() => crossEntropy(logits, labels, { mask: tf.ones([2, 1]) }), ShapeError, "mask");
  });
});

function drawNormals(seed: number) {
  const random = RandomStream.fromSeed(seed);
  const draw = () => normalArray(random, [2, 3, 4], 0.7);
  return { mean: draw(), logVar: draw(), priorMean: draw(), priorLogVar: draw() };
}

/** KL per row and latent value by the formula of two normal densities. */
function divergences({ mean, logVar, priorMean, priorLogVar }: ReturnType<typeof drawNormals>) {
  return mean.data.map((mu, i) => {
    const [variance, prior] = [Math.exp(logVar.data[i]), Math.exp(priorLogVar.data[i])];
    return Math.log(Math.sqrt(prior / variance)) +
      (variance + (mu - priorMean.data[i]) ** 2) / (2 * prior) - 0.5;
  });
}

Deno.test("the divergence of normals equals its formula, with prior, mask, beta and free bits", async () => {
  await selectBackend("reference");
  const drawn = drawNormals(94);
  const standard = { ...drawn };
  for (const key of ["priorMean", "priorLogVar"] as const) {
    standard[key] = { data: drawn[key].data.map(() => 0), shape: drawn[key].shape };
  }
  for (const withPrior of [false, true]) {
    const values = divergences(withPrior ? drawn : standard);
    for (const weights of [WEIGHTS.map(() => 1), WEIGHTS]) {
      for (const freeBits of [0, 0.4]) {
        const total = weights.reduce((sum, w) => sum + w, 0);
        let expected = 0;
        for (let d = 0; d < 4; d++) {
          const latent = weights.reduce((sum, w, row) => sum + w * values[4 * row + d], 0) / total;
          expected += 0.5 * Math.max(freeBits, latent);
        }
        for (const reduction of ["mean", "sum"] as const) {
          const loss = ([mean, logVar, priorMean, priorLogVar]: tf.Tensor[]) =>
            normalDivergence({ mean, logVar }, {
              prior: priorMean ? { mean: priorMean, logVar: priorLogVar } : null,
              mask: toTensor(Float64Array.from(weights), [2, 3]),
              beta: 0.5,
              freeBits,
              reduction,
            });
          const inputs = withPrior ? drawn : { mean: drawn.mean, logVar: drawn.logVar };
          const found = tf.tidy(() => loss(Object.values(inputs).map(tensorOf)).dataSync()[0]);
          assertAlmostEquals(found, reduction === "sum" ? total * expected : expected, 1e-12);
          assertGradientsMatchDifferences(loss, inputs);
        }
      }
    }
  }
});

Deno.test("latent values within their free bits have no gradient, the others all of it", async () => {
  await selectBackend("reference");
  tf.tidy(() => {
    const logVar = tf.zeros([2, 2]);
    const mean = tf.tensor2d([[0.1, 2], [0.1, 2]]);
    const loss = (mean: tf.Tensor) => normalDivergence({ mean, logVar }, { freeBits: 0.5 });
    assertAlmostEquals(loss(mean).dataSync()[0], 0.5 + 2, 1e-12);
    assertEquals([...tf.grad(loss)(mean).dataSync()], [0, 1, 0, 1]);
  });
});

Deno.test("the divergence of normals refuses what does not fit", async () => {
  await selectBackend("cpu");
  tf.tidy(() => {
    const mean = tf.zeros([2, 3]);
    const at = (options: object, logVar: tf.Tensor = mean) => () =>
      normalDivergence({ mean, logVar }, options);
    assertThrows(at({}, tf.zeros([2, 2])), ShapeError, "logVar");
    assertThrows(at({ prior: { mean, logVar: tf.zeros([2]) } }), ShapeError, "prior.logVar");
    assertThrows(at({ mask: tf.ones([2, 1]) }), ShapeError, "mask");
    assertThrows(at({ beta: -1 }), ConfigError, "beta is -1");
    assertThrows(at({ freeBits: NaN }), ConfigError, "freeBits is NaN");
    assertEquals(
      [...normalDivergence({ mean, logVar: mean }, { mask: tf.zeros([2]) }).dataSync()],
      [0],
    );
  });
});

await forEachBackend("every shared loss and its gradient agree with float64", async ({ name }) => {
  const { x, t, mask } = draw(95);
  const losses: Record<string, (x: tf.Tensor) => tf.Tensor> = {
    crossEntropy: (x) =>
      crossEntropy(x, tf.tensor2d([...LABELS, ...LABELS], [3, 4], "int32"), {
        smoothing: 0.1,
      }),
    normalDivergence: (x) =>
      normalDivergence({ mean: x, logVar: x }, {
        freeBits: 0.2,
        prior: { mean: tensorOf(t), logVar: tensorOf(t) },
      }),
  };
  for (const [key, { run }] of Object.entries(POINTWISE)) {
    losses[key] = (x) => run(x, tensorOf(t), { mask: tensorOf(mask) });
  }
  for (const [key, loss] of Object.entries(losses)) {
    const evaluate = async () => {
      const before = tf.memory().numTensors;
      const [value, gradient] = tf.tidy(() => {
        const input = tensorOf(x);
        return [loss(input), tf.grad(loss)(input)];
      });
      const values = [...await toHost(value), ...await toHost(gradient)];
      tf.dispose([value, gradient]);
      assertEquals(tf.memory().numTensors, before, `${key} leaks`);
      return values;
    };
    await selectBackend("reference");
    const exact = await evaluate();
    await selectBackend(name);
    (await evaluate()).forEach((v, i) =>
      assert(
        Math.abs(v - exact[i]) <= 2e-6 * (0.1 + Math.abs(exact[i])),
        `${key}[${i}]: ${v}, ${exact[i]}`,
      )
    );
  }
});
