import { selectBackend } from "../../src/backends/registry.ts";
import { toHost, toTensor } from "../../src/backends/tensors.ts";
import { RandomStream } from "../../src/base/random.ts";
import { assert, assertEquals } from "../../src/deps/std.ts";
import { tf } from "../../src/deps/tfjs.ts";
import {
  elu,
  gelu,
  leakyRelu,
  relu,
  sigmoid,
  silu,
  softplus,
  tanh,
} from "../../src/ops/activations.ts";
import { assertClose } from "../support/closeness.ts";
import { forEachBackend } from "../support/engines.ts";
import { assertGradientsMatchDifferences } from "../support/finite_differences.ts";
import { normalArray } from "../support/random_arrays.ts";

type Activation = (x: tf.Tensor) => tf.Tensor;

/** Values at −2, −0.5, 0, 0.5 and 2, to seven digits. */
const KNOWN: Readonly<Record<string, { readonly run: Activation; readonly y: number[] }>> = {
  relu: { run: relu, y: [0, 0, 0, 0.5, 2] },
  leakyRelu: { run: leakyRelu, y: [-0.02, -0.005, 0, 0.5, 2] },
  elu: { run: elu, y: [-0.8646647, -0.3934693, 0, 0.5, 2] },
  "elu 0.5": {
    run: (x) => elu(x, { alpha: 0.5 }),
    y: [-0.4323324, -0.1967347, 0, 0.5, 2],
  },
  tanh: { run: tanh, y: [-0.9640276, -0.4621172, 0, 0.4621172, 0.9640276] },
  sigmoid: { run: sigmoid, y: [0.1192029, 0.3775407, 0.5, 0.6224593, 0.8807971] },
  silu: { run: silu, y: [-0.2384058, -0.1887703, 0, 0.3112297, 1.7615942] },
  softplus: { run: softplus, y: [0.1269280, 0.4740770, 0.6931472, 0.9740770, 2.1269280] },
  gelu: { run: gelu, y: [-0.0455003, -0.1542688, 0, 0.3457312, 1.9544997] },
  "gelu tanh": {
    run: (x) => gelu(x, { approximate: "tanh" }),
    y: [-0.0454023, -0.1542860, 0, 0.3457140, 1.9545977],
  },
};

for (const [name, { run, y }] of Object.entries(KNOWN)) {
  Deno.test(`${name} has its known values, and gradients that equal finite differences`, async () => {
    await selectBackend("reference");
    tf.tidy(() => {
      const x = toTensor(Float64Array.of(-2, -0.5, 0, 0.5, 2), [5]);
      assertClose(run(x).dataSync(), y, { tolerance: 6e-8 });
    });
    const x = normalArray(RandomStream.fromSeed(51), [4, 5], 2);
    assert(x.data.every((v) => Math.abs(v) > 1e-3));
    assertGradientsMatchDifferences(([x]) => run(x), { x });
  });
}

Deno.test("the tape passes through a chain of activations", async () => {
  await selectBackend("reference");
  const x = normalArray(RandomStream.fromSeed(52), [3, 4]);
  assertGradientsMatchDifferences(([x]) => gelu(silu(softplus(x))), { x });
});

await forEachBackend("activations at the ends of the range", async () => {
  const at = (run: Activation, x: number[]) => valuesOf(() => run(tf.tensor1d(x)));
  const slopes = (run: Activation, x: number[]) =>
    valuesOf(() => tf.grad(run)(tf.tensor1d(x), tf.ones([x.length])));
  const far = [-100, 100];
  for (const run of [relu, gelu, KNOWN["gelu tanh"].run, softplus, silu]) {
    assertEquals(await at(run, far), [0, 100]);
    assertEquals(await slopes(run, far), [0, 1]);
  }
  assertEquals(await at(elu, far), [-1, 100]);
  assertEquals(await at(sigmoid, far), [0, 1]);
  assertEquals(await at(tanh, far), [-1, 1]);
  assertEquals(await slopes(relu, [0]), [0]);
  assertEquals(await slopes((x) => leakyRelu(x, { slope: 0.25 }), [-1, 0, 1]), [0.25, 0.25, 1]);
});

/** Values of a tensor, tiny ones and −0 as 0. */
async function valuesOf(make: () => tf.Tensor): Promise<number[]> {
  const tensor = tf.tidy(make);
  const values = await toHost(tensor);
  tensor.dispose();
  return Array.from(values, (v) => Math.abs(v) < 1e-30 ? 0 : v);
}
