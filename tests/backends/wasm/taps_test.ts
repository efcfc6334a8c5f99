/** Maps along axes at sizes that take many slices: equal to the scalar kernels, the same bits on any number of threads. */
import { selectBackend } from "../../../src/backends/registry.ts";
import { toTensor } from "../../../src/backends/tensors.ts";
import { startWasm } from "../../../src/backends/wasm/mod.ts";
import { RandomStream } from "../../../src/base/random.ts";
import { assert, assertEquals } from "../../../src/deps/std.ts";
import { tf } from "../../../src/deps/tfjs.ts";
import { conv1d, conv2d } from "../../../src/ops/convolution.ts";
import { embedding } from "../../../src/ops/embedding.ts";
import { reflectPad } from "../../../src/ops/padding.ts";
import { concatenate, gather, split } from "../../../src/ops/parts.ts";
import { averagePool, maxPool } from "../../../src/ops/pooling.ts";
import { upsampleLinear } from "../../../src/ops/upsampling.ts";
import { normalArray } from "../../support/random_arrays.ts";

interface Sample {
  readonly shape: number[];
  readonly run: (x: tf.Tensor) => tf.Tensor;
  /** Whether every result is a copy of a value, and the gradient a sum of few. */
  readonly exact?: boolean;
}

const ROWS = Int32Array.from({ length: 1500 }, (_, i) => i * 7919 % 60);

const SAMPLES: Readonly<Record<string, Sample>> = {
  "mirror images of sequences": {
    shape: [3, 3000, 5],
    run: (x) => reflectPad(x, { before: 17, after: 2999 }),
    exact: true,
  },
  "mirror images of volumes": {
    shape: [2, 9, 30, 31, 3],
    run: (x) => reflectPad(x, 8),
    exact: true,
  },
  "one long sequence of one channel": {
    shape: [1, 40_001, 1],
    run: (x) => averagePool(x, { kernel: 5, stride: 2, padding: 2 }),
  },
  "wide channels": { shape: [2, 3, 20_000], run: (x) => upsampleLinear(x, 3) },
  "planes up-sampled": { shape: [2, 40, 50, 18], run: (x) => upsampleLinear(x, 2) },
  "largest values": {
    shape: [2, 61, 70, 19],
    run: (x) => maxPool(x, { kernel: 3, stride: 2, padding: 1 }),
    exact: true,
  },
  "windows of sequences": {
    shape: [2, 3000, 20],
    run: (x) =>
      conv1d(x, tf.fill([5, 20, 17], 0.25), { padding: 8, dilation: 4, paddingMode: "reflect" }),
  },
  "windows of planes": {
    shape: [2, 50, 60, 17],
    run: (x) => conv2d(x, tf.fill([3, 3, 17, 16], 0.25), { padding: 1, stride: [2, 1] }),
  },
  "rows gathered": { shape: [4, 60, 33], run: (x) => gather(x, ROWS, { axis: 1 }), exact: true },
  "rows embedded": {
    shape: [60, 40],
    run: (table) => embedding(tf.tensor2d(ROWS, [15, 100], "int32"), table),
    exact: true,
  },
  "parts joined": {
    shape: [700, 90],
    run: (x) => concatenate(split(x, [1, 60, 29]).reverse(), 1),
    exact: true,
  },
};

/** The result and the gradient of its sum weighted by dy. */
function results({ shape, run }: Sample): Float32Array[] {
  const random = RandomStream.fromSeed(71);
  return tf.tidy(() => {
    const x = toTensor(normalArray(random, shape).data, shape);
    const y = run(x);
    const dy = toTensor(normalArray(random, y.shape).data, y.shape);
    return [y, tf.grad(run)(x, dy)].map((tensor) => tensor.dataSync<"float32">().slice());
  });
}

function assertSame(found: Float32Array, expected: Float32Array, what: string): void {
  assertEquals(found.length, expected.length, what);
  const different = found.findIndex((value, i) => !Object.is(value, expected[i]));
  assertEquals(different, -1, `${what}: value ${different} has other bits`);
}

for (const [name, sample] of Object.entries(SAMPLES)) {
  Deno.test({
    name: `${name}: wasm equals the scalar kernels, on one thread and three, with both builds`,
    sanitizeOps: false,
    sanitizeResources: false,
    async fn() {
      await selectBackend("cpu");
      const expected = results(sample);
      for (const build of ["relaxed", "simd128"] as const) {
        const found: Float32Array[][] = [];
        for (const threads of [1, 3]) {
          const engine = await startWasm({ build, threads });
          found.push(results(sample));
          await engine.stop();
        }
        found[0].forEach((values, i) => assertSame(found[1][i], values, `${build}, result ${i}`));
        if (sample.exact) assertSame(found[0][0], expected[0], `${build} against scalar`);
        expected.forEach((values, i) => {
          const error = values.reduce(
            (most, v, k) => Math.max(most, Math.abs(v - found[0][i][k])),
            0,
          );
          assert(error < 2e-5, `${build}: result ${i} is off by ${error}`);
        });
      }
    },
  });
}
