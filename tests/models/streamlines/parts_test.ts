/** Parts of the streamline models: gradients against finite differences, shapes, and what is refused. */
import { selectBackend } from "../../../src/backends/registry.ts";
import { ConfigError, ShapeError } from "../../../src/base/errors.ts";
import { RandomStream } from "../../../src/base/random.ts";
import { assert, assertEquals, assertRejects, assertThrows } from "../../../src/deps/std.ts";
import { tf } from "../../../src/deps/tfjs.ts";
import { criticLoss, generatorLoss, gradientPenalty } from "../../../src/losses/adversarial.ts";
import { attributeRegularisation } from "../../../src/models/streamlines/attribute_regularisation.ts";
import { StreamlineAutoencoder } from "../../../src/models/streamlines/autoencoder.ts";
import {
  arcLengths,
  ConditionalStreamlineVae,
} from "../../../src/models/streamlines/conditional.ts";
import { convolutionalCritic, denseCritic } from "../../../src/models/streamlines/critic.ts";
import { safeExp } from "../../../src/models/streamlines/safe_exponential.ts";
import { drawStartingValues } from "../../../src/parameters/starting_values.ts";
import { toMemoryOrder } from "../../../src/parameters/state_dict.ts";
import {
  assertGradientsMatchDifferences,
  type Operation,
} from "../../support/finite_differences.ts";

const random = RandomStream.fromSeed(5);

/** Compares with finite differences at random inputs of these shapes. */
function testGradients(
  name: string,
  shapes: readonly (readonly number[])[],
  operation: Operation,
): void {
  Deno.test(`${name}: the gradient is that of finite differences`, async () => {
    await selectBackend("reference");
    const inputs = Object.fromEntries(shapes.map((shape, i) => {
      const size = shape.reduce((product, n) => product * n, 1);
      return [`input ${i}`, { data: random.split(name).split(i).normals64(size), shape }];
    }));
    assertGradientsMatchDifferences(operation, inputs);
  });
}

testGradients("safeExp", [[7]], ([x]) => safeExp(x));
testGradients("arcLengths", [[2, 5, 3]], ([y]) => arcLengths(y));
for (const formula of ["raw-signed", "raw-abs", "sign-tanh"] as const) {
  testGradients(
    `attributeRegularisation ${formula}`,
    [[6]],
    ([z]) => attributeRegularisation(z, tf.tensor1d([1, 5, 2, 2, 9, 4]), { formula }),
  );
}
for (const objective of ["cross-entropy", "hinge", "wasserstein"] as const) {
  testGradients(
    `criticLoss ${objective}`,
    [[4, 1], [4, 1]],
    ([real, fake]) => criticLoss({ real, fake }, objective),
  );
  testGradients(`generatorLoss ${objective}`, [[4, 1]], ([fake]) => generatorLoss(fake, objective));
}

const CRITICS = {
  dense: denseCritic(5, { hidden: [6, 4] }),
  convolutional: convolutionalCritic(5),
};

for (const [name, critic] of Object.entries(CRITICS)) {
  const { entries } = critic;
  const values = drawStartingValues(entries, { random });
  Deno.test(`critic ${name}: its own gradient is that of the tape`, async () => {
    await selectBackend("reference");
    tf.tidy(() => {
      const tensors = new Map(entries.map((entry) => {
        const data = toMemoryOrder(entry, values.get(entry.key)!.data as Float32Array);
        return [entry.key, tf.tensor(data, [...entry.memoryShape])];
      }));
      const use = { tensor: (key: string) => tensors.get(key)! };
      const input = tf.tensor2d(random.split("x").normals(15), [3, 5]);
      const own = critic.inputGradient(input, use).dataSync();
      const tape = tf.grad((v: tf.Tensor) => tf.sum(critic.score(v, use)))(input).dataSync();
      own.forEach((value, i) => assert(Math.abs(value - tape[i]) < 1e-6, `${i}`));
    });
  });

  // The penalty's gradient in the weights is a second derivative through the critic.
  const weights = entries.filter(({ key }) => key.endsWith("weight")).slice(0, 2);
  testGradients(
    `gradientPenalty of the ${name} critic`,
    weights.map(({ memoryShape }) => [...memoryShape]),
    (inputs) => {
      const tensors = new Map(entries.map((entry) => {
        const at = weights.indexOf(entry);
        if (at >= 0) return [entry.key, inputs[at]];
        const data = toMemoryOrder(entry, values.get(entry.key)!.data as Float32Array);
        return [entry.key, tf.tensor(data, [...entry.memoryShape])];
      }));
      const points = tf.tensor2d(random.split("x").normals(15), [3, 5]);
      return gradientPenalty(critic.inputGradient(points, { tensor: (key) => tensors.get(key)! }));
    },
  );
}

Deno.test("networks of every number of points return as many, and codes of the size asked for", async () => {
  await selectBackend("wasm", { threads: 1 });
  for (const points of [32, 64, 128, 256]) {
    const model = new StreamlineAutoencoder({ points, latentDim: 5, width: 2 });
    const x = { data: random.normals(2 * points * 3), shape: [2, points, 3] };
    const z = await model.encode(x);
    assertEquals([z.shape, (await model.decode(z)).shape], [[2, 5], [2, points, 3]]);
    model.dispose();
  }
});

Deno.test("a model whose weights are saved and loaded gives equal outputs", async () => {
  await selectBackend("wasm", { threads: 1 });
  const config = { points: 32, latentDim: 3, width: 4, classes: ["a", "b"], scale: 7 };
  const options = { length: { mean: 50, deviation: 9 }, shortcut: true };
  const [one, other] = [1, 2].map((seed) =>
    new ConditionalStreamlineVae(config, { ...options, seed })
  );
  const x = { data: random.normals(4 * 96), shape: [4, 32, 3] };
  const beside = { labels: [0, 1, 1, 0], attributes: { data: random.normals(4), shape: [4, 1] } };
  const before = await one.reconstruct(x, beside);
  other.loadStateDict(await one.stateDict());
  assertEquals((await other.reconstruct(x, beside)).data, before.data);
  one.dispose();
  other.dispose();
});

Deno.test("what a streamline model cannot be is refused by name", async () => {
  await selectBackend("wasm", { threads: 1 });
  const make = (config: object) => () => new StreamlineAutoencoder(config);
  assertThrows(make({ points: 100 }), ConfigError, "points is 100, needs 32, 64, 128, 256 or 512");
  assertThrows(make({ kernel: 5 }), ConfigError, "kernel is 5, needs 3");
  assertThrows(make({ latentDim: 0 }), ConfigError, "latentDim");
  assertThrows(make({ centre: [1] }), ConfigError, "three numbers");
  const model = new StreamlineAutoencoder({ points: 32, width: 2 });
  const long = { data: new Float32Array(64 * 3), shape: [1, 64, 3] };
  await assertRejects(() => model.encode(long), ShapeError, "64 points, the model has 32");
  model.dispose();
});
