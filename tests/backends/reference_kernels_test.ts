/** The reference engine's rarer kernels against those of TensorFlow.js in float32. */
import { selectBackend } from "../../src/backends/registry.ts";
import { toTensor } from "../../src/backends/tensors.ts";
import { assert, assertEquals } from "../../src/deps/std.ts";
import { tf } from "../../src/deps/tfjs.ts";
import { assertClose } from "../support/closeness.ts";

const VALUES = Float32Array.of(-2.5, -1.5, -0.75, -0.5, 0, 0.25, 0.5, 0.9, 1.5, 2.5, 3.5, 7);
const SHAPE = [2, 3, 2];

const OPERATIONS: Readonly<Record<string, (x: tf.Tensor) => tf.Tensor>> = {
  acos: (x) => tf.acos(tf.tanh(x)),
  acosh: (x) => tf.acosh(tf.add(tf.abs(x), 1)),
  asin: (x) => tf.asin(tf.tanh(x)),
  asinh: tf.asinh,
  atan: tf.atan,
  atanh: (x) => tf.atanh(tf.mul(tf.tanh(x), 0.5)),
  atan2: (x) => tf.atan2(x, tf.sub(x, 1)),
  cosh: tf.cosh,
  sinh: tf.sinh,
  tan: tf.tan,
  relu6: tf.relu6,
  selu: tf.selu,
  round: tf.round,
  prelu: (x) => tf.prelu(x, tf.abs(x)),
  eluGrad: (x) => tf.engine().runKernel("EluGrad", { dy: x, y: tf.neg(x) }) as tf.Tensor,
  cumsum: (x) => tf.cumsum(x, 1),
  "cumsum, exclusive": (x) => tf.cumsum(x, 1, true),
  "cumsum, backwards": (x) => tf.cumsum(x, 0, false, true),
  cumprod: (x) => tf.cumprod(x, 2, true, true),
  mirrorPad: (x) => tf.mirrorPad(x, [[1, 0], [2, 1], [1, 1]], "reflect"),
};

async function resultOf(engine: "cpu" | "reference", name: string) {
  await selectBackend(engine);
  const y = tf.tidy(() => OPERATIONS[name](toTensor(VALUES, SHAPE)));
  const values = Float64Array.from(y.dataSync());
  y.dispose();
  return { shape: y.shape, values };
}

for (const name of Object.keys(OPERATIONS)) {
  Deno.test(`the reference engine computes ${name} as TensorFlow.js does`, async () => {
    const expected = await resultOf("cpu", name);
    const found = await resultOf("reference", name);
    assertEquals(found.shape, expected.shape);
    assert(found.values.every(Number.isFinite));
    const largest = Math.max(1, ...expected.values.map(Math.abs));
    assertClose(found.values, expected.values, { tolerance: 2e-6 * largest });
  });
}
