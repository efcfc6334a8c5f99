/**
 * The kernels of the webgpu engine against the float64 reference: the model's own shapes on the tuned
 * shaders, everything else on the general ones, and every kernel again with bindings so small that each
 * tensor has to be cut.
 */
import {
  type ConvAttributes,
  runConv3d,
  runConv3dFilterGradient,
  runConv3dInputGradient,
  runNormActivation,
  runNormActivationFixed,
  runNormActivationGradient,
  runTanhSquaredError,
  type Triple,
} from "../../../src/backends/kernel_contract.ts";
import { engine as reference } from "../../../src/backends/reference/mod.ts";
import { toHost, toTensor } from "../../../src/backends/tensors.ts";
import type { DeviceBackend } from "../../../src/backends/webgpu/device_backend.ts";
import { engine as webgpu } from "../../../src/backends/webgpu/mod.ts";
import { RandomStream } from "../../../src/base/random.ts";
import { assert } from "../../../src/deps/std.ts";
import { tf } from "../../../src/deps/tfjs.ts";
import { assertAgrees, type Computation, sumTolerance } from "../../support/engine_comparison.ts";
import { gpuTest } from "../../support/gpu.ts";
import { normalArray } from "../../support/random_arrays.ts";

interface ConvCase {
  readonly samples: number;
  readonly size: Triple;
  readonly channels: readonly [input: number, output: number];
  readonly kernel: Triple;
  readonly stride: Triple;
  readonly padding: Triple;
}

const halving = { kernel: [4, 4, 4], stride: [2, 2, 2], padding: [1, 1, 1] } as const;

/** The model's layers on small volumes of odd and even size, then geometries no layer has. */
const CONVOLUTIONS: readonly ConvCase[] = [
  { samples: 3, size: [11, 9, 13], channels: [1, 4], ...halving },
  { samples: 2, size: [10, 12, 71], channels: [1, 4], ...halving },
  { samples: 3, size: [10, 9, 13], channels: [4, 8], ...halving },
  { samples: 2, size: [10, 9, 13], channels: [8, 16], ...halving },
  { samples: 2, size: [7, 5, 6], channels: [16, 32], ...halving },
  { samples: 1, size: [2, 2, 2], channels: [4, 4], ...halving },
  { samples: 2, size: [7, 5, 6], channels: [4, 12], ...halving, padding: [2, 0, 3] },
  { samples: 2, size: [7, 5, 6], channels: [3, 5], ...halving },
  {
    samples: 2,
    size: [7, 5, 6],
    channels: [3, 5],
    kernel: [3, 2, 1],
    stride: [1, 3, 2],
    padding: [1, 0, 2],
  },
  {
    samples: 1,
    size: [1, 1, 9],
    channels: [4, 4],
    kernel: [1, 1, 7],
    stride: [1, 1, 3],
    padding: [0, 0, 3],
  },
  {
    samples: 2,
    size: [5, 6, 7],
    channels: [2, 3],
    kernel: [7, 5, 6],
    stride: [3, 2, 1],
    padding: [6, 4, 5],
  },
  { samples: 0, size: [5, 6, 7], channels: [4, 8], ...halving },
];

async function compareConvolution(layer: ConvCase): Promise<void> {
  const { samples, size, channels: [input, output], kernel, stride, padding } = layer;
  const engine = await start();
  const random = RandomStream.fromSeed(7).split(JSON.stringify(layer));
  const attributes: ConvAttributes = { stride, padding };
  const length = (a: 0 | 1 | 2) =>
    Math.floor((size[a] + 2 * padding[a] - kernel[a]) / stride[a]) + 1;
  const reduced = [length(0), length(1), length(2)];
  const x = normalArray(random.split("x"), [samples, ...size, input]);
  const w = normalArray(random.split("w"), [...kernel, input, output]);
  const bias = normalArray(random.split("bias"), [output]);
  const dy = normalArray(random.split("dy"), [samples, ...reduced, output]);
  const taps = kernel[0] * kernel[1] * kernel[2];
  const positions = samples * reduced[0] * reduced[1] * reduced[2];
  const compare = (what: string, terms: number, compute: Computation) =>
    assertAgrees(compute, [x, w, bias, dy], {
      engine,
      reference,
      tolerances: [sumTolerance(terms)],
      what: `${what} of ${JSON.stringify(layer)}`,
    });
  await compare("convolution", taps * input, ([x, w, bias]) => [runConv3d(x, w, bias, attributes)]);
  await compare("convolution without bias", taps * input, ([x, w]) => [
    runConv3d(x, w, null, attributes),
  ]);
  await compare("input gradient", taps * output, ([_, w, __, dy]) => [
    runConv3dInputGradient(dy, w, { ...attributes, inputSize: size }),
  ]);
  await compare("filter gradient", positions, ([x, _, __, dy]) => [
    runConv3dFilterGradient(x, dy, { ...attributes, kernel }),
  ]);
}

interface NormCase {
  readonly shape: readonly number[];
  readonly sampleGroups: number;
  readonly channelGroups: number;
  readonly offset: number;
}

const NORMS: readonly NormCase[] = [
  { shape: [6, 5, 7, 9, 4], sampleGroups: 3, channelGroups: 4, offset: 0 },
  { shape: [2, 25, 37, 11, 4], sampleGroups: 2, channelGroups: 4, offset: 3 },
  { shape: [4, 5, 7, 9, 32], sampleGroups: 2, channelGroups: 32, offset: 0 },
  { shape: [4, 5, 7, 9, 32], sampleGroups: 4, channelGroups: 8, offset: 1 },
  { shape: [4, 5, 7, 9, 6], sampleGroups: 4, channelGroups: 2, offset: 0 },
  { shape: [4, 2, 1, 3, 5], sampleGroups: 1, channelGroups: 5, offset: 0 },
  { shape: [4, 1, 1, 1, 8], sampleGroups: 1, channelGroups: 8, offset: 0 },
  { shape: [2, 2, 1, 3, 1100], sampleGroups: 1, channelGroups: 1100, offset: 0 },
];

async function compareNorm({ shape, sampleGroups, channelGroups, offset }: NormCase) {
  const engine = await start();
  const random = RandomStream.fromSeed(11).split(JSON.stringify([shape, channelGroups]));
  const attributes = { sampleGroups, channelGroups, epsilon: 1e-5, slope: 0.2 };
  const channels = shape[shape.length - 1];
  const x = normalArray(random.split("x"), shape);
  for (let i = 0; i < x.data.length; i++) x.data[i] = Math.fround(x.data[i] + offset);
  const [gamma, beta] = ["gamma", "beta"].map((name) =>
    normalArray(random.split(name), [channels])
  );
  const dy = normalArray(random.split("dy"), shape);
  const rows = shape.slice(0, -1).reduce((product, n) => product * n, 1);
  const block = rows / sampleGroups * (channels / channelGroups);
  // A mean is rounded to one part in 2^24 of the offset, and a small block's deviation can be a tenth of
  // the spread or less, which is what amplifies rounding here.
  const amplified = 2 ** -24 * (32 + 16 * offset) + sumTolerance(block);
  const what = JSON.stringify({ shape, sampleGroups, channelGroups, offset });
  await assertAgrees(
    ([x, gamma, beta]) => {
      const { y, mean, variance } = runNormActivation(x, gamma, beta, attributes);
      return [y, mean, variance];
    },
    [x, gamma, beta],
    {
      engine,
      reference,
      tolerances: [amplified, amplified, amplified],
      what: `normalisation ${what}`,
    },
  );
  await assertAgrees(
    ([x, gamma, beta, dy]) => {
      const { y, mean, variance } = runNormActivation(x, gamma, beta, attributes);
      const { dx, dGamma, dBeta } = runNormActivationGradient(dy, x, gamma, beta, mean, variance, {
        ...attributes,
        fixedStatistics: false,
      });
      y.dispose();
      return [dx, dGamma, dBeta];
    },
    [x, gamma, beta, dy],
    {
      engine,
      reference,
      tolerances: [4 * amplified, sumTolerance(rows) + amplified, sumTolerance(rows)],
      what: `normalisation gradient ${what}`,
    },
  );
}

async function compareFixedNorm(): Promise<void> {
  const engine = await start();
  const random = RandomStream.fromSeed(13);
  const shape = [4, 3, 5, 7, 8];
  const attributes = { sampleGroups: 1, channelGroups: 8, epsilon: 1e-5, slope: 0.2 };
  const [gamma, beta, mean] = ["gamma", "beta", "mean"].map((name) =>
    normalArray(random.split(name), name === "mean" ? [1, 8] : [8])
  );
  const variance = normalArray(random.split("variance"), [1, 8]);
  variance.data.forEach((v, i) => variance.data[i] = Math.fround(0.5 + v * v));
  const inputs = [normalArray(random.split("x"), shape), gamma, beta, mean, variance];
  await assertAgrees(
    ([x, gamma, beta, mean, variance, dy]) => {
      const y = runNormActivationFixed(x, gamma, beta, mean, variance, attributes);
      const { dx, dGamma, dBeta } = runNormActivationGradient(dy, x, gamma, beta, mean, variance, {
        ...attributes,
        fixedStatistics: true,
      });
      return [y, dx, dGamma, dBeta];
    },
    [...inputs, normalArray(random.split("dy"), shape)],
    {
      engine,
      reference,
      tolerances: [1e-6, 1e-6, sumTolerance(420), sumTolerance(420)],
      what: "normalisation with given statistics",
    },
  );
}

async function compareTanhError(weighted: boolean): Promise<void> {
  const engine = await start();
  const random = RandomStream.fromSeed(17);
  const shape = [6, 5, 37, 19, 1];
  const a = normalArray(random.split("a"), shape, 2);
  a.data.forEach((v, i) => a.data[i] = i % 7 === 0 ? 100 * v : i % 5 === 0 ? v / 1000 : v);
  const mask = normalArray(random.split("weight"), shape.slice(1));
  mask.data.forEach((v, i) => mask.data[i] = Math.abs(v));
  await assertAgrees(
    ([a, target, weight]) => {
      const { sums, derivative } = runTanhSquaredError(a, target, weighted ? weight : null, {
        sampleGroups: 3,
        derivativeScale: 0.7,
      });
      return [sums, derivative];
    },
    [a, normalArray(random.split("target"), shape), mask],
    {
      engine,
      reference,
      // Sums of positive terms in trees with leaves of 16: a few units of rounding.
      tolerances: [16 * 2 ** -24, 16 * 2 ** -24],
      what: "tanh squared error",
    },
  );
}

async function compareTanh(): Promise<void> {
  const engine = await start();
  const x = normalArray(RandomStream.fromSeed(19), [3, 5000]);
  x.data.forEach((v, i) => x.data[i] = Math.fround(v * 10 ** (i % 9 - 6)));
  const exact = Float64Array.from(x.data, Math.tanh);
  await tf.setBackend(engine.tfName);
  const found = await toHost(tf.tanh(toTensor(Float32Array.from(x.data), x.shape)));
  found.forEach((value, i) => {
    const error = Math.abs(value / exact[i] - 1);
    assert(error < 5 * 2 ** -24, `tanh ${x.data[i]} is ${value}, relative error ${error}`);
  });
}

async function compareMatrixProduct(
  [rows, inner, columns]: readonly [number, number, number],
): Promise<void> {
  const engine = await start();
  for (const [transposeA, transposeB] of [[false, false], [true, false], [false, true]]) {
    const random = RandomStream.fromSeed(31).split(inner);
    const a = normalArray(random.split("a"), transposeA ? [inner, rows] : [rows, inner]);
    const b = normalArray(random.split("b"), transposeB ? [columns, inner] : [inner, columns]);
    await assertAgrees(
      ([a, b]) => [tf.matMul(a as tf.Tensor2D, b as tf.Tensor2D, transposeA, transposeB)],
      [a, b],
      {
        engine,
        reference,
        tolerances: [sumTolerance(inner)],
        what: `product [${rows}, ${inner}]·[${inner}, ${columns}], ${transposeA}, ${transposeB}`,
      },
    );
  }
}

async function start() {
  return active ??= await webgpu.start();
}
let active: Awaited<ReturnType<typeof webgpu.start>> | undefined;

gpuTest("webgpu convolutions and their gradients agree with float64", async () => {
  for (const layer of CONVOLUTIONS) await compareConvolution(layer);
});

gpuTest("webgpu normalisation and its gradient agree with float64", async () => {
  for (const norm of NORMS) await compareNorm(norm);
  await compareFixedNorm();
});

gpuTest("webgpu tanh squared error agrees with float64, also far out and near zero", async () => {
  await compareTanhError(false);
  await compareTanhError(true);
});

gpuTest("webgpu tanh keeps its digits near zero and far out", compareTanh);

gpuTest("webgpu matrix products agree with float64 in every shape and transpose", async () => {
  for (
    const shape of [[1, 1, 1], [8, 4800, 100], [33, 17, 65], [100, 3, 4800], [
      2,
      70_000,
      2,
    ]] as const
  ) {
    await compareMatrixProduct(shape);
  }
});

gpuTest("webgpu kernels give the same when every tensor has to be cut to be bound", async () => {
  const { tfName } = await start();
  await tf.setBackend(tfName);
  const backend = tf.backend() as DeviceBackend;
  const own = backend.bindingLimits;
  const minStorageBufferOffsetAlignment = 256; // that of most GPUs, a multiple of every other
  try {
    // Room for one or two samples of the cases below; a chunk of a normalisation or error takes 16 KiB.
    backend.bindingLimits = {
      maxStorageBufferBindingSize: 40_000,
      minStorageBufferOffsetAlignment,
    };
    for (const layer of CONVOLUTIONS.slice(0, 5)) {
      await compareConvolution({ ...layer, samples: 5 });
    }
    backend.bindingLimits = {
      maxStorageBufferBindingSize: 80_000,
      minStorageBufferOffsetAlignment,
    };
    for (const norm of NORMS.slice(0, 5)) await compareNorm(norm);
    await compareTanhError(true);
    await compareTanh();
  } finally {
    backend.bindingLimits = own;
  }
});
