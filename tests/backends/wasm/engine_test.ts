import type { ConvAttributes } from "../../../src/backends/kernel_contract.ts";
import * as kernels from "../../../src/backends/kernel_contract.ts";
import { startWasm } from "../../../src/backends/wasm/mod.ts";
import { BackendError, ConfigError } from "../../../src/base/errors.ts";
import { RandomStream } from "../../../src/base/random.ts";
import { assert, assertEquals, assertRejects, assertThrows } from "../../../src/deps/std.ts";
import { tf } from "../../../src/deps/tfjs.ts";
import "../../../src/ops/stock_gradients.ts";

const CONV: ConvAttributes = { stride: [2, 2, 2], padding: [1, 1, 1] };
const NORM = { sampleGroups: 2, channelGroups: 8, epsilon: 1e-5, slope: 0.2 };

function normals(name: string, shape: number[]): tf.Tensor {
  const count = shape.reduce((product, n) => product * n, 1);
  return tf.tensor(RandomStream.fromSeed(5).split(name).normals(count), shape);
}

/** Every family of kernels at sizes that make many slices; the values of all results. */
function everyKernel(): Float32Array[] {
  const results = tf.tidy(() => {
    const x = normals("x", [4, 33, 31, 35, 4]);
    const filter = normals("filter", [4, 4, 4, 4, 8]);
    const y = kernels.runConv3d(x, filter, null, CONV);
    const gamma = tf.ones([8]);
    const beta = tf.zeros([8]);
    const norm = kernels.runNormActivation(y, gamma, beta, NORM);
    const dy = normals("dy", y.shape);
    const back = kernels.runNormActivationGradient(dy, y, gamma, beta, norm.mean, norm.variance, {
      ...NORM,
      fixedStatistics: false,
    });
    const error = kernels.runTanhSquaredError(norm.y, dy, null, {
      sampleGroups: 2,
      derivativeScale: 0.5,
    });
    const rows = tf.reshape(norm.y, [4, -1]) as tf.Tensor2D;
    const product = tf.matMul(rows, rows, false, true);
    return [
      y,
      ...Object.values(norm),
      ...Object.values(back),
      ...Object.values(error),
      kernels.runConv3dInputGradient(back.dx, filter, { ...CONV, inputSize: [33, 31, 35] }),
      kernels.runConv3dFilterGradient(x, back.dx, { ...CONV, kernel: [4, 4, 4] }),
      product,
      tf.matMul(product, rows),
      tf.sum(tf.exp(rows)),
      tf.mean(x, 0),
      tf.add(x, tf.sigmoid(x)),
      tf.transpose(y, [4, 1, 0, 3, 2]),
    ] as tf.Tensor[];
  });
  const values = results.map((tensor) => tensor.dataSync() as Float32Array);
  tf.dispose(results);
  return values;
}

Deno.test("wasm engine: 1, 2 and 4 threads give the same bits", async () => {
  let expected: Float32Array[] | null = null;
  for (const threads of [1, 2, 4]) {
    const engine = await startWasm({ threads });
    assertEquals(engine.threads, threads);
    let found = everyKernel();
    // The first round may end before the workers have started.
    for (let round = 0; round < 3; round++) {
      expected ??= found;
      found.forEach((values, i) => assertEquals(values, expected![i], `result ${i}`));
      await new Promise((done) => setTimeout(done, 60));
      found = everyKernel();
    }
    await engine.stop();
  }
});

Deno.test("wasm engine: the two builds agree to float32 rounding", async () => {
  const results: Float32Array[][] = [];
  for (const build of ["relaxed", "simd128"] as const) {
    const engine = await startWasm({ build, threads: 2 });
    results.push(everyKernel());
    await engine.stop();
  }
  results[0].forEach((values, i) => {
    const scale = values.reduce((largest, v) => Math.max(largest, Math.abs(v)), 0);
    const difference = values.reduce((d, v, j) => Math.max(d, Math.abs(v - results[1][i][j])), 0);
    assert(difference <= 1e-5 * scale, `result ${i} differs by ${difference} of ${scale}`);
  });
});

Deno.test("wasm engine: running out of memory names the tensor and leaves everything usable", async () => {
  const engine = await startWasm({ threads: 1, maximumPages: 600 });
  const kept = tf.tensor([1, 2, 3]);
  const before = { ...engine.memory(), tensors: tf.memory().numTensors };
  for (const make of [() => tf.zeros([4000, 5000]), () => tf.fill([4000, 5000], 1)]) {
    const error = assertThrows(make, BackendError);
    assert(/\[4000,5000\] \(76\.3 MiB\).*smaller batch/.test(error.message), error.message);
    assertEquals(engine.memory().used, before.used);
    assertEquals(tf.memory().numTensors, before.tensors);
  }
  const large = tf.ones([1000, 5000]);
  assertThrows(() => tf.add(large, 1), BackendError, "[1000,5000]");
  large.dispose();
  assertEquals([...tf.mul(kept, 2).dataSync()], [2, 4, 6]);
  await engine.stop();
});

Deno.test("wasm engine: after stop its tensors say so, and it starts again", async () => {
  const first = await startWasm({ threads: 2 });
  const lost = tf.tensor([1, 2]);
  await first.stop();
  const second = await startWasm({ threads: 2 });
  assertThrows(() => lost.dataSync(), BackendError, "the engine was stopped");
  lost.dispose();
  assertEquals([...tf.square(tf.tensor([3])).dataSync()], [9]);
  await second.stop();
});

Deno.test("wasm engine: refuses a bad number of threads", async () => {
  for (const threads of [0, -1, 1.5, 1000, NaN]) {
    await assertRejects(() => startWasm({ threads }), ConfigError, "threads is");
  }
});

Deno.test("wasm engine: 1,000 steps leave no tensor and no byte behind", async () => {
  const engine = await startWasm({ threads: 2 });
  const weight = tf.variable(normals("weight", [4, 4, 4, 2, 4]) as tf.Tensor5D);
  const input = normals("input", [2, 7, 6, 5, 2]);
  const step = () =>
    tf.tidy(() => {
      const y = kernels.runConv3d(input, weight, null, CONV);
      const norm = kernels.runNormActivation(y, tf.ones([4]), tf.zeros([4]), {
        ...NORM,
        channelGroups: 4,
      });
      const dw = kernels.runConv3dFilterGradient(input, norm.y, { ...CONV, kernel: [4, 4, 4] });
      // Kernels of TensorFlow.js on the same tensors: their results move to our memory and back.
      const { values } = tf.topk(tf.reshape(norm.y, [-1]), 3);
      const scale = tf.add(
        tf.mul(tf.sum(tf.cumsum(values)), 1e-6),
        tf.cast(tf.argMax(values), "float32"),
      );
      weight.assign(tf.sub(weight, tf.mul(dw, tf.mul(scale, 1e-6))) as tf.Tensor5D);
      const gradient = tf.grad((w) => tf.sum(tf.square(tf.tanh(w))))(weight);
      weight.assign(tf.sub(weight, tf.mul(gradient, 1e-6)) as tf.Tensor5D);
    });
  for (let i = 0; i < 10; i++) step();
  const before = { ...engine.memory(), ...tf.memory() };
  for (let i = 0; i < 1000; i++) step();
  const after = { ...engine.memory(), ...tf.memory() };
  assertEquals(after, before);
  assert(weight.dataSync().every(Number.isFinite));
  weight.dispose();
  await engine.stop();
});
