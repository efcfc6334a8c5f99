/** The losses and their gradients run in kernels of the wasm engine, none of them in JavaScript. */
import { selectBackend } from "../../src/backends/registry.ts";
import { profileKernels } from "../../src/backends/wasm/kernel_profile.ts";
import { RandomStream } from "../../src/base/random.ts";
import { assert, assertEquals } from "../../src/deps/std.ts";
import { tf } from "../../src/deps/tfjs.ts";
import { crossEntropy } from "../../src/losses/cross_entropy.ts";
import { normalDivergence } from "../../src/losses/normal_divergence.ts";
import {
  absoluteError,
  binaryCrossEntropy,
  huberError,
  squaredError,
} from "../../src/losses/pointwise.ts";
import { toTensor } from "../../src/backends/tensors.ts";
import { normalArray } from "../support/random_arrays.ts";

const random = RandomStream.fromSeed(92);
const normal = (shape: number[]) => toTensor(normalArray(random, shape).data, shape);

type Loss = (x: tf.Tensor, y: tf.Tensor, mask: tf.Tensor) => tf.Tensor;

const LOSSES: Readonly<Record<string, Loss>> = {
  absoluteError: (x, y, mask) => absoluteError(x, y, { mask }),
  squaredError: (x, y, mask) => squaredError(x, y, { mask }),
  huberError: (x, y, mask) => huberError(x, y, { mask, delta: 0.5 }),
  binaryCrossEntropy: (x, y, mask) => binaryCrossEntropy(x, y, { mask }),
  crossEntropy(x, _, mask) {
    const labels = tf.tensor1d([0, 2, -100, 3, 1, 0], "int32");
    return crossEntropy(x, labels, { smoothing: 0.1, mask: tf.reshape(mask, [6]) });
  },
  normalDivergence: (mean, logVar, mask) =>
    normalDivergence({ mean, logVar }, { mask: tf.reshape(mask, [6]), freeBits: 0.1, beta: 0.5 }),
};

for (const [name, loss] of Object.entries(LOSSES)) {
  Deno.test({
    name: `${name} and its gradient run in kernels of the wasm engine`,
    // The engine's workers outlive the test.
    sanitizeOps: false,
    sanitizeResources: false,
    async fn() {
      await selectBackend("wasm", { threads: 1 });
      const [x, y] = [normal([6, 4]), normal([6, 4])];
      const mask = tf.tensor2d([1, 0, 1, 1, 1, 1], [6, 1]);
      const { uses } = await profileKernels(() =>
        tf.tidy(() => {
          const gradient = tf.grad((input: tf.Tensor) => loss(input, y, mask))(x);
          assert(gradient.dataSync().every(Number.isFinite));
        })
      );
      assertEquals(uses.filter((use) => use.fallbackCalls > 0).map((use) => use.name), []);
      assert(uses.length > 3);
      tf.dispose([x, y, mask]);
    },
  });
}
