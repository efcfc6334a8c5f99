/**
 * The convolution kernels of both committed modules against their float64 definition: shapes of every kind
 * the contract promises, empty batches, one and several threads.
 */
import { assert, assertEquals } from "../../src/deps/std.ts";
import {
  arrayLengths,
  compare,
  fill,
  type Geometry,
  modelGeometries,
  type Operation,
  OPERATIONS,
  outputSize,
  place,
  reference,
} from "../../wasm/conv3d_cases.ts";
import { Harness } from "../../wasm/harness.ts";

const DIST = new URL("../../wasm/dist/", import.meta.url);
const RESULT = { forward: "output", input_gradient: "input", filter_gradient: "filter" } as const;
const CASES = 250;

/** L2-relative difference allowed from float64: a few roundings of float32 (2⁻²⁴ each) over short sums. */
const TOLERANCE = 3e-6;

function start(suffix: string, threads = 1): Promise<Harness> {
  const bytes = Deno.readFileSync(new URL(`recvae.${suffix}.wasm`, DIST));
  return Harness.start(bytes, { threads, megabytes: 256 });
}

/** A small deterministic generator of integers in [low, high]. */
function integers(seed: number): (low: number, high: number) => number {
  let state = seed >>> 0;
  return (low, high) => {
    state = (Math.imul(state, 1664525) + 1013904223) >>> 0;
    return low + Math.floor(state / 2 ** 32 * (high - low + 1));
  };
}

/** A random geometry: 1-D, 2-D or 3-D, kernels 1–7, strides 1–3, paddings below the kernel, odd channels. */
function randomGeometry(pick: (low: number, high: number) => number): Geometry {
  const dimensions = pick(1, 3);
  const axis = (a: number, live: () => number, dead: number) => a >= 3 - dimensions ? live() : dead;
  const triple = (live: () => number, dead: number) =>
    [axis(0, live, dead), axis(1, live, dead), axis(2, live, dead)] as const;
  const kernel = triple(() => pick(1, 7), 1);
  const padding = kernel.map((k) => pick(0, k - 1)) as [number, number, number];
  const input = kernel.map((k, a) =>
    axis(a, () => Math.max(1, k - 2 * padding[a]) + pick(0, 24 >> dimensions), 1)
  ) as [number, number, number];
  return {
    name: "random",
    samples: pick(1, 3),
    input,
    kernel,
    padding,
    stride: triple(() => pick(1, 3), 1),
    inChannels: pick(1, 19),
    outChannels: pick(1, 19),
  };
}

/** Channels and kernel of the tuned kernels, at sizes odd and even, small and large. */
function tunedGeometry(pick: (low: number, high: number) => number): Geometry {
  const level = pick(0, 3);
  const size = () => pick(2, [23, 17, 14, 12][level]);
  return {
    name: "tuned",
    samples: pick(1, 3),
    input: [size(), size(), size()],
    kernel: [4, 4, 4],
    stride: [2, 2, 2],
    padding: [1, 1, 1],
    inChannels: [1, 4, 8, 16][level],
    outChannels: [4, 8, 16, 32][level],
  };
}

function describe(g: Geometry, operation: Operation): string {
  return `${operation} of [${g.samples},${g.input},${g.inChannels}] kernel ${g.kernel} stride ` +
    `${g.stride} padding ${g.padding} → ${g.outChannels} channels`;
}

/** Runs one operation on reproducible data and returns what it wrote with what it should have written. */
function runCase(harness: Harness, g: Geometry, operation: Operation, variant = 0, bias = true) {
  const mark = harness.release();
  const placed = place(harness, g, { variant, bias });
  const lengths = arrayLengths(g);
  const views: Record<string, Float32Array> = {
    input: harness.floats(placed.input, lengths.input),
    filter: harness.floats(placed.filter, lengths.filter),
    output: harness.floats(placed.output, lengths.output),
  };
  if (bias) views.bias = harness.floats(placed.bias, g.outChannels);
  Object.values(views).forEach((view, i) => fill(view, i + 1));
  const expected = reference(g, operation, views);
  const written = views[RESULT[operation]];
  written.fill(NaN);
  harness.runOperation(`f32_conv3d_${operation}`, placed.params);
  harness.release(mark);
  return { written: written.slice(), expected };
}

/** Largest difference allowed for a case: relative where there is something to relate to. */
function check(
  g: Geometry,
  operation: Operation,
  harness: Harness,
  variant: number,
  bias: boolean,
) {
  const { written, expected } = runCase(harness, g, operation, variant, bias);
  assertEquals(written.length, expected.length, describe(g, operation));
  if (expected.every((v) => v === 0)) {
    assert(written.every((v) => v === 0), `${describe(g, operation)}: all zeros expected`);
    return;
  }
  const { relative } = compare(written, expected);
  assert(relative < TOLERANCE, `${describe(g, operation)}: relative error ${relative}`);
}

for (const suffix of ["relaxed", "simd128"]) {
  for (const operation of OPERATIONS) {
    Deno.test(`${suffix} conv3d ${operation} equals its definition for any geometry`, async () => {
      const harness = await start(suffix);
      const pick = integers(7);
      for (let i = 0; i < CASES; ++i) {
        check(randomGeometry(pick), operation, harness, 0, i % 2 === 0);
      }
      harness.stop();
    });

    Deno.test(`${suffix} conv3d ${operation} equals its definition for the model's channels`, async () => {
      const harness = await start(suffix);
      const pick = integers(11);
      // Variants: fastest, general, direct, minimal filtering; each with and without bias.
      for (let i = 0; i < 120; ++i) {
        check(tunedGeometry(pick), operation, harness, i % 4, i % 8 < 4);
      }
      harness.stop();
    });
  }
}

Deno.test("conv3d kernels accept an empty batch", async () => {
  const harness = await start("relaxed");
  const g: Geometry = { ...tunedGeometry(integers(1)), samples: 0 };
  for (const operation of OPERATIONS) {
    const { written } = runCase(harness, g, operation);
    assertEquals(written.length, operation === "filter_gradient" ? arrayLengths(g).filter : 0);
    assert(written.every((v) => v === 0), `${operation} of nothing is zero`);
  }
  harness.stop();
});

Deno.test("conv3d kernels give the same bits on one, two and four threads", async () => {
  const harnesses = await Promise.all([1, 2, 4].map((threads) => start("relaxed", threads)));
  const pick = integers(5);
  for (let i = 0; i < 12; ++i) {
    const g = tunedGeometry(pick);
    for (const operation of OPERATIONS) {
      const [one, ...more] = harnesses.map((harness) => runCase(harness, g, operation).written);
      for (const other of more) assertEquals(other, one, describe(g, operation));
    }
  }
  for (const harness of harnesses) harness.stop();
});

/** One sample at the model's real sizes: every kernel the training step uses, against the scalar C++ beside it. */
for (const g of modelGeometries(1)) {
  for (const operation of OPERATIONS) {
    Deno.test(`conv3d ${operation} at ${g.name} equals the scalar reference`, async () => {
      const harness = await start("relaxed", 2);
      const lengths = arrayLengths(g);
      const result = RESULT[operation];
      const placed = place(harness, g, { workspaceBytes: 8 * lengths[result] });
      for (const [i, name] of (["input", "filter", "output"] as const).entries()) {
        fill(harness.floats(placed[name], lengths[name]), i + 1);
      }
      fill(harness.floats(placed.bias, g.outChannels), 4);
      const written = harness.floats(placed[result], lengths[result]);
      harness.exports[`f32_conv3d_${operation}__reference`](placed.params);
      const expected = written.slice();
      written.fill(NaN);
      harness.runOperation(`f32_conv3d_${operation}`, placed.params);
      const { relative } = compare(written, expected);
      harness.stop();
      assert(relative < TOLERANCE, `relative error ${relative}`);
    });
  }
}

Deno.test("output sizes follow the contract", () => {
  const g = tunedGeometry(integers(2));
  assertEquals(outputSize({ ...g, input: [91, 109, 91] }), [45, 54, 45]);
});
