import { selectBackend } from "../../src/backends/registry.ts";
import { toTensor } from "../../src/backends/tensors.ts";
import { ConfigError, ShapeError } from "../../src/base/errors.ts";
import { RandomStream } from "../../src/base/random.ts";
import { assert, assertEquals, assertThrows } from "../../src/deps/std.ts";
import { tf } from "../../src/deps/tfjs.ts";
import { conv1d, conv2d, convTranspose1d, convTranspose2d } from "../../src/ops/convolution.ts";
import {
  chooseConvolution,
  directConvolution,
  type PlaneSizes,
  unfoldedConvolution,
} from "../../src/ops/plane_convolution.ts";
import { assertClose } from "../support/closeness.ts";
import { forEachBackend, selectFastEngine } from "../support/engines.ts";
import { assertGradientsMatchDifferences } from "../support/finite_differences.ts";
import { normalArray } from "../support/random_arrays.ts";

const SEQUENCE = Float32Array.of(1, 2, 3, 4, 5);

await forEachBackend("conv1d pads with zeros, mirror images and edges", async () => {
  const sums = tf.tidy(() => {
    const x = toTensor(SEQUENCE, [1, 5, 1]);
    const filter = toTensor(Float32Array.of(1, 10, 100), [3, 1, 1]);
    const bias = toTensor(Float32Array.of(0.5), [1]);
    const options = { padding: 1, bias };
    return [
      conv1d(x, filter, options),
      conv1d(x, filter, { ...options, paddingMode: "reflect" }),
      conv1d(x, filter, { ...options, paddingMode: "replicate" }),
      conv1d(x, filter, { stride: 2, dilation: 2, padding: 2 }),
    ];
  });
  const values = await Promise.all(sums.map((y) => y.data()));
  tf.dispose(sums);
  assertEquals([...values[0]], [210.5, 321.5, 432.5, 543.5, 54.5]);
  assertEquals([...values[1]], [212.5, 321.5, 432.5, 543.5, 454.5]);
  assertEquals([...values[2]], [211.5, 321.5, 432.5, 543.5, 554.5]);
  assertEquals([...values[3]], [310, 531, 53]);
});

await forEachBackend("convTranspose1d spreads every value over its outputs", async () => {
  const y = tf.tidy(() =>
    convTranspose1d(
      toTensor(Float32Array.of(1, 2, 3), [1, 3, 1]),
      toTensor(Float32Array.of(1, 10, 100), [3, 1, 1]),
      { stride: 2, padding: 1, outputPadding: 1 },
    )
  );
  assertEquals(y.shape, [1, 6, 1]);
  assertEquals([...await y.data()], [10, 102, 20, 203, 30, 300]);
  y.dispose();
});

const GEOMETRIES = [
  { stride: 1, dilation: 1, padding: 1 },
  { stride: 2, dilation: 3, padding: 2 },
  { stride: 3, dilation: 1, padding: 0 },
];

for (const paddingMode of ["zero", "reflect", "replicate"] as const) {
  Deno.test(`the tape's gradients of conv1d equal finite differences, ${paddingMode} padding`, async () => {
    await selectBackend("reference");
    for (const geometry of GEOMETRIES) {
      const random = RandomStream.fromSeed(41);
      assertGradientsMatchDifferences(
        ([x, filter, bias]) => tf.square(conv1d(x, filter, { ...geometry, paddingMode, bias })),
        {
          x: normalArray(random, [2, 9, 3], 0.5),
          filter: normalArray(random, [3, 3, 2], 0.5),
          bias: normalArray(random, [2]),
        },
      );
    }
  });

  Deno.test(`the tape's gradients of conv2d equal finite differences, ${paddingMode} padding`, async () => {
    await selectBackend("reference");
    const random = RandomStream.fromSeed(42);
    const geometry = { stride: [2, 1], dilation: [1, 2], padding: [1, 2] };
    assertGradientsMatchDifferences(
      ([x, filter, bias]) => tf.square(conv2d(x, filter, { ...geometry, paddingMode, bias })),
      {
        x: normalArray(random, [2, 5, 6, 2], 0.5),
        filter: normalArray(random, [3, 2, 2, 3], 0.5),
        bias: normalArray(random, [3]),
      },
    );
  });
}

Deno.test("the tape's gradients of transposed convolutions equal finite differences", async () => {
  await selectBackend("reference");
  const random = RandomStream.fromSeed(43);
  const bias = normalArray(random, [2]);
  assertGradientsMatchDifferences(
    ([x, filter, b]) =>
      tf.square(convTranspose1d(x, filter, { stride: 2, padding: 1, outputPadding: 1, bias: b })),
    { x: normalArray(random, [2, 4, 3], 0.5), filter: normalArray(random, [3, 2, 3], 0.5), bias },
  );
  assertGradientsMatchDifferences(
    ([x, filter, b]) =>
      tf.square(convTranspose2d(x, filter, { stride: [1, 2], dilation: [2, 1], bias: b })),
    {
      x: normalArray(random, [2, 3, 3, 3], 0.5),
      filter: normalArray(random, [2, 3, 2, 3], 0.5),
      bias,
    },
  );
});

function sizesOf(channels: readonly [number, number], more: Partial<PlaneSizes> = {}): PlaneSizes {
  const shared = { samples: 3, stride: [2], dilation: [1], padding: [1], mode: "zero" as const };
  return { ...shared, input: [9], kernel: [3], output: [5], channels, ...more };
}

Deno.test("unfolded and direct convolutions agree, and the choice is one of them in every pass", async () => {
  await selectBackend("reference");
  const random = RandomStream.fromSeed(44);
  for (const channels of [[1, 8], [3, 2], [16, 16], [32, 40]] as const) {
    const sizes = sizesOf(channels);
    tf.tidy(() => {
      const tensor = (shape: number[]) => toTensor(normalArray(random, shape).data, shape);
      const x = tensor([3, 9, channels[0]]);
      const filter = tensor([3, ...channels]);
      const dy = tensor([3, 5, channels[1]]);
      const [first, ...others] = [unfoldedConvolution, directConvolution, chooseConvolution]
        .map((make) => make(sizes))
        .map((way) => [
          way.forward(x, filter).dataSync(),
          way.inputGradient(dy, filter).dataSync(),
          way.filterGradient(x, dy).dataSync(),
        ]);
      for (const other of others) {
        other.forEach((values, i) => assertClose(values, first[i], { tolerance: 1e-12 }));
      }
    });
  }
});

Deno.test("more samples than fit at a time are unfolded in runs", async () => {
  await selectFastEngine();
  const channels = [2, 3] as const;
  // A sample's windows are 40,000 positions of 6 values, 0.9 MiB: 40 samples exceed the limit of 32 MiB.
  const sizes = sizesOf(channels, { samples: 40, input: [80_000], output: [40_000] });
  const one = sizesOf(channels, { samples: 1, input: [80_000], output: [40_000] });
  const random = RandomStream.fromSeed(45);
  const sample = toTensor(normalArray(random, [1, 80_000, 2]).data, [1, 80_000, 2]);
  const filter = toTensor(normalArray(random, [3, 2, 3]).data, [3, 2, 3]);
  tf.tidy(() => {
    const x = tf.tile(sample, [40, 1, 1]);
    const expected = unfoldedConvolution(one).forward(sample, filter);
    const y = unfoldedConvolution(sizes).forward(x, filter);
    assertEquals(y.shape, [40, 40_000, 3]);
    assertEquals(tf.max(tf.abs(tf.sub(y, expected))).dataSync()[0], 0);
    const dw = unfoldedConvolution(sizes).filterGradient(x, y).dataSync();
    const dwOne = unfoldedConvolution(one).filterGradient(sample, expected).dataSync();
    dw.forEach((value, i) => assert(Math.abs(value / (40 * dwOne[i]) - 1) < 1e-3));
    const dx = unfoldedConvolution(sizes).inputGradient(y, filter);
    const dxOne = unfoldedConvolution(one).inputGradient(expected, filter);
    assertEquals(tf.max(tf.abs(tf.sub(dx, dxOne))).dataSync()[0], 0);
  });
  tf.dispose([sample, filter]);
});

Deno.test("convolutions say what does not fit", async () => {
  await selectBackend("cpu");
  tf.tidy(() => {
    const x = tf.zeros([2, 4, 3]);
    const filter = tf.zeros([3, 3, 5]);
    assertThrows(
      () => conv1d(x, tf.zeros([3, 2, 5])),
      ShapeError,
      "x has shape [2, 4, 3], needs [B, L, Ci] = [any, any, 2]",
    );
    assertThrows(() => conv1d(x, tf.zeros([3, 3])), ShapeError, "needs [k, Ci, Co]");
    assertThrows(
      () => conv1d(x, filter, { dilation: 2 }),
      ShapeError,
      "spatial lengths [4], needs at least [5]",
    );
    assertThrows(() => conv1d(x, filter, { stride: 0 }), ConfigError, "stride is 0");
    assertThrows(() => conv1d(x, filter, { padding: [1, 1] }), ConfigError, "padding is [1, 1]");
    assertThrows(
      () => conv1d(x, filter, { padding: 4, paddingMode: "reflect" }),
      ConfigError,
      "padding below each length",
    );
    assertThrows(
      () => conv1d(x, filter, { bias: tf.zeros([4]) }),
      ShapeError,
      "bias has shape [4]",
    );
    assertThrows(
      () => convTranspose1d(tf.zeros([1, 2, 5]), filter, { outputPadding: 1 }),
      ConfigError,
      "outputPadding is [1], needs values below the stride [1]",
    );
    assertThrows(
      () => convTranspose1d(tf.zeros([1, 1, 5]), filter, { padding: 3 }),
      ShapeError,
      "needs at least 1",
    );
    assertEquals(conv1d(tf.zeros([0, 4, 3]), filter).shape, [0, 2, 5]);
  });
});
