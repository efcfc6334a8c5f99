/** The activations that the tensorflow engine composes, by the stock kernels of the float64 engine. */
import {
  ACTIVATIONS,
  runDropout,
  runSoftmax,
  runSoftmaxGradient,
} from "../../../src/backends/activation_contract.ts";
import { selectBackend } from "../../../src/backends/registry.ts";
import { ACTIVATION_FUNCTIONS } from "../../../src/backends/scalar/activations.ts";
import {
  activation,
  activationGradient,
  dropout,
  softmax,
  softmaxGradient,
} from "../../../src/backends/tensorflow/activations.ts";
import { toTensor } from "../../../src/backends/tensors.ts";
import { RandomStream } from "../../../src/base/random.ts";
import { assertEquals } from "../../../src/deps/std.ts";
import { tf } from "../../../src/deps/tfjs.ts";
import { assertClose } from "../../support/closeness.ts";
import { normalArray } from "../../support/random_arrays.ts";

/** Numbers written into stock operations are rounded to float32. */
const TOLERANCE = 2e-7;

function draw(seed: number, shape: number[]) {
  const random = RandomStream.fromSeed(seed);
  return [normalArray(random, shape, 2), normalArray(random, shape)];
}

for (const name of ACTIVATIONS) {
  Deno.test(`${name} composed for tensorflow equals the scalar function and its derivative`, async () => {
    await selectBackend("reference");
    const [x, dy] = draw(1, [60]);
    const { value, slope } = ACTIVATION_FUNCTIONS[name];
    tf.tidy(() => {
      const [tx, tdy] = [x, dy].map(({ data, shape }) => toTensor(data, shape));
      const attributes = { activation: name, alpha: 0.25 };
      const y = activation({ x: tx }, attributes).dataSync();
      assertClose(y, x.data.map((v) => value(v, 0.25)), { tolerance: TOLERANCE });
      const dx = activationGradient({ dy: tdy, x: tx }, attributes).dataSync();
      const expected = x.data.map((v, i) => dy.data[i] * slope(v, 0.25));
      assertClose(dx, expected, { tolerance: TOLERANCE });
    });
  });
}

Deno.test("softmax and dropout composed for tensorflow equal the scalar kernels", async () => {
  await selectBackend("reference");
  const [x, dy] = draw(2, [7, 9]);
  tf.tidy(() => {
    const [tx, tdy] = [x, dy].map(({ data, shape }) => toTensor(data, shape));
    for (const logarithmic of [false, true]) {
      const y = runSoftmax(tx, { logarithmic });
      assertClose(softmax({ x: tx }, { logarithmic }).dataSync(), y.dataSync(), {
        tolerance: 1e-13,
      });
      assertClose(
        softmaxGradient({ dy: tdy, y }, { logarithmic }).dataSync(),
        runSoftmaxGradient(tdy, y, { logarithmic }).dataSync(),
        { tolerance: 1e-13 },
      );
    }
    const attributes = { identity: [1, 2, 3, 4], threshold: 2 ** 30, scale: 4 };
    assertEquals(
      [...dropout({ x: tx }, attributes).dataSync()],
      [...runDropout(tx, attributes).dataSync()],
    );
  });
});
