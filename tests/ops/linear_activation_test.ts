import { selectBackend } from "../../src/backends/registry.ts";
import { toHost, toTensor } from "../../src/backends/tensors.ts";
import { ConfigError } from "../../src/base/errors.ts";
import { RandomStream } from "../../src/base/random.ts";
import { assertEquals, assertThrows } from "../../src/deps/std.ts";
import { tf } from "../../src/deps/tfjs.ts";
import { linear, LINEAR_ACTIVATIONS } from "../../src/ops/linear.ts";
import { assertClose } from "../support/closeness.ts";
import { forEachBackend } from "../support/engines.ts";
import { assertGradientsMatchDifferences } from "../support/finite_differences.ts";
import { normalArray } from "../support/random_arrays.ts";

/** torch 2.x float64 at z = −2, −0.5, 0.5, 2; leaky with slope 0.2. */
const VALUES: Readonly<Record<string, readonly number[]>> = {
  linear: [-2, -0.5, 0.5, 2],
  relu: [0, 0, 0.5, 2],
  "leaky-relu": [-0.4, -0.1, 0.5, 2],
  tanh: [-0.9640275800758169, -0.46211715726000973, 0.46211715726000973, 0.9640275800758169],
  sigmoid: [0.11920292202211755, 0.3775406687981454, 0.6224593312018546, 0.8807970779778823],
  silu: [-0.2384058440442351, -0.1887703343990727, 0.3112296656009273, 1.7615941559557649],
  gelu: [-0.04550026389635842, -0.15426876936299347, 0.34573123063700656, 1.9544997361036416],
  "gelu-tanh": [-0.04540230591222494, -0.15428599017485705, 0.345714009825143, 1.954597694087775],
  softplus: [0.1269280110429726, 0.4740769841801067, 0.9740769841801067, 2.1269280110429727],
};

for (const activation of LINEAR_ACTIVATIONS) {
  Deno.test(`linear applies ${activation}: values and finite differences in float64`, async () => {
    await selectBackend("reference");
    tf.tidy(() => {
      const z = toTensor(Float64Array.of(-2, -0.5, 0.5, 2), [4, 1]);
      const one = toTensor(Float64Array.of(1), [1, 1]);
      assertClose(linear(z, one, { activation }).dataSync(), VALUES[activation], {
        tolerance: 1e-14,
      });
    });
    const random = RandomStream.fromSeed(61);
    assertGradientsMatchDifferences(
      ([x, weight, bias]) => linear(x, weight, { bias, activation }),
      {
        x: normalArray(random, [2, 3, 4]),
        weight: normalArray(random, [5, 4]),
        bias: normalArray(random, [5]),
      },
    );
  });
}

await forEachBackend(
  "linear keeps leading axes, also empty ones, with any activation",
  async () => {
    const y = tf.tidy(() => {
      const weight = toTensor(Float32Array.of(1, 2), [2, 1]);
      const nothing = linear(tf.zeros([2, 0, 1]), weight, { activation: "gelu" });
      assertEquals(nothing.shape, [2, 0, 2]);
      const x = toTensor(Float32Array.of(1, -1, 3), [1, 3, 1]);
      return linear(x, weight, { activation: "relu" });
    });
    assertEquals(y.shape, [1, 3, 2]);
    assertEquals([...await toHost(y)], [1, 2, 0, 0, 3, 6]);
    y.dispose();
  },
);

Deno.test("linear skips the gradient in an x that is data", async () => {
  await selectBackend("cpu");
  const weight = tf.variable(tf.ones([2, 2]));
  const profile = await tf.profile(() =>
    tf.tidy(() => tf.grad((w) => linear(tf.ones([3, 2]), w))(weight))
  );
  // The layer itself, and the gradient in its weight.
  assertEquals(profile.kernels.filter(({ name }) => name === "BatchMatMul").length, 2);
  weight.dispose();
});

Deno.test("linear refuses an activation that does not exist", async () => {
  await selectBackend("cpu");
  tf.tidy(() => {
    assertThrows(
      () => linear(tf.zeros([2, 3]), tf.zeros([4, 3]), { activation: "swish" as never }),
      ConfigError,
      'found activation "swish", needs one of linear, relu',
    );
  });
});
