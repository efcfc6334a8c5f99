/** Updates, clipping and norms of a whole model in one kernel call equal, to the bit, the same composed of operations. */
import { selectBackend } from "../../src/backends/registry.ts";
import { toHost, toTensor } from "../../src/backends/tensors.ts";
import { UPDATE_KERNEL } from "../../src/backends/update_contract.ts";
import { RandomStream } from "../../src/base/random.ts";
import { assert, assertEquals, assertNotEquals } from "../../src/deps/std.ts";
import { tf } from "../../src/deps/tfjs.ts";
import { clipGradients } from "../../src/training/clipping.ts";
import {
  createOptimiser,
  type OptimiserKind,
  type OptimiserOptions,
} from "../../src/training/optimisers.ts";
import { squaredNorms } from "../../src/training/watchdog.ts";

/** Tensors of every size: scalars, odd ones, one longer than a slice and a block, an empty one. */
const SHAPES = [[], [1], [3], [17, 5], [0], [40001], [70000], [4, 4, 4], [7]];

function randomTensors(seed: number): Map<string, tf.Tensor> {
  const random = RandomStream.fromSeed(seed);
  return new Map(SHAPES.map((shape, i) => {
    const size = (shape as number[]).reduce((product, n) => product * n, 1);
    return [`v${i}`, toTensor(random.normals(size), shape as number[])];
  }));
}

/** Runs without the kernels of update_contract.ts. */
async function without<Result>(body: () => Promise<Result>): Promise<Result> {
  const backendName = tf.getBackend();
  const kernels = Object.values(UPDATE_KERNEL).map((name) => tf.getKernel(name, backendName));
  for (const { kernelName } of kernels) tf.unregisterKernel(kernelName, backendName);
  try {
    return await body();
  } finally {
    for (const kernel of kernels) tf.registerKernel(kernel);
  }
}

async function bits(tensors: Iterable<tf.Tensor>): Promise<string[]> {
  const values = await Promise.all([...tensors].map(toHost));
  return values.map((array) => new Uint32Array(new Float32Array(array).buffer).join());
}

async function train(kind: OptimiserKind, options: OptimiserOptions) {
  const variables = new Map(
    [...randomTensors(1)].map(([name, start]) => {
      const variable = tf.variable(start);
      start.dispose();
      return [name, variable];
    }),
  );
  const optimiser = createOptimiser(kind, variables, options);
  for (let step = 0; step < 4; step++) {
    const gradients = randomTensors(10 + step);
    const norms = await squaredNorms(gradients);
    clipGradients(gradients, { maxNorm: 200, squaredNorms: norms });
    optimiser.step(gradients, 0.01 / (step + 1));
    tf.dispose([...gradients.values()]);
  }
  const { tensors } = await optimiser.state();
  const found = {
    values: await bits(variables.values()),
    slots: [...tensors.values()].map(({ data }) => [...data].join()),
  };
  optimiser.dispose();
  tf.dispose([...variables.values()]);
  return found;
}

const RULES: [OptimiserKind, OptimiserOptions][] = [
  ["sgd", {}],
  ["sgd", { weightDecay: 0.1 }],
  ["sgd", { momentum: 0.9 }],
  ["sgd", { momentum: 0.9, nesterov: true, weightDecay: 0.01 }],
  ["adam", {}],
  ["adam", { weightDecay: 0.1, beta1: 0.8, epsilon: 1e-6 }],
  ["adamw", {}],
  ["adamw", { weightDecay: 0.3 }],
];

for (const [kind, options] of RULES) {
  Deno.test(`${kind} ${JSON.stringify(options)} in one call: the same bits`, async () => {
    for (const threads of [1, 2]) {
      await selectBackend("wasm", { threads });
      const found = await train(kind, options);
      const expected = await without(() => train(kind, options));
      assertEquals(found, expected);
    }
  });
}

Deno.test("squared norms in one call: the same bits, infinities included", async () => {
  await selectBackend("wasm");
  const tensors = randomTensors(3);
  tensors.set("infinite", toTensor(Float32Array.of(1, Infinity), [2]));
  tensors.set("overflow", toTensor(Float32Array.of(1e30), [1]));
  tensors.set("NaN", toTensor(Float32Array.of(NaN, 1, 2), [3]));
  const found = await squaredNorms(tensors);
  assertEquals(found, await without(() => squaredNorms(tensors)));
  assertEquals([...found.slice(-3)], [Infinity, Infinity, NaN]);
  tf.dispose([...tensors.values()]);
});

Deno.test("thousands of small tensors are updated in one call, in place", async () => {
  await selectBackend("wasm");
  const variables = new Map(Array.from({ length: 3000 }, (_, i) => {
    const start = toTensor(new Float32Array(i % 7 + 1).fill(1), [i % 7 + 1]);
    const variable = tf.variable(start);
    start.dispose();
    return [`v${i}`, variable];
  }));
  const optimiser = createOptimiser("sgd", variables);
  const gradients = new Map(
    [...variables].map(([name, { shape }]) => [name, tf.ones(shape) as tf.Tensor]),
  );
  const before = [...variables.values()].map(({ dataId }) => dataId);
  optimiser.step(gradients, 0.25);
  for (const [i, variable] of [...variables.values()].entries()) {
    assert(variable.dataId === before[i]);
    assertEquals([...variable.dataSync()], new Array(i % 7 + 1).fill(0.75));
  }
  tf.dispose([...gradients.values(), ...variables.values()]);
  optimiser.dispose();
});

Deno.test("tensors that share a variable's or a gradient's values keep theirs", async () => {
  await selectBackend("wasm");
  const start = tf.tensor1d([1, 2]);
  const variable = tf.variable(start);
  const optimiser = createOptimiser("sgd", new Map([["p", variable]]));
  const gradient = tf.tensor1d([4, 4]);
  const shared = tf.reshape(gradient, [2, 1]);
  const gradients = new Map<string, tf.Tensor>([["p", gradient], ["q", tf.reshape(shared, [2])]]);
  clipGradients(gradients, { maxNorm: 1, squaredNorms: [32, 32] });
  assertEquals([...shared.dataSync()], [4, 4]);
  const scaled = [...gradients.values()].map((tensor) => [...tensor.dataSync()]);
  assertEquals(scaled[0], scaled[1]);
  assertNotEquals(scaled[0], [4, 4]);
  optimiser.step(gradients, 1);
  assertEquals([...start.dataSync()], [1, 2]);
  assertNotEquals([...variable.dataSync()], [1, 2]);
  tf.dispose([start, shared, variable, ...gradients.values()]);
  optimiser.dispose();
});
