import { RandomStream } from "../../src/base/random.ts";
import { ConfigError, FormatError, ShapeError } from "../../src/base/errors.ts";
import { assert, assertAlmostEquals, assertEquals, assertThrows } from "../../src/deps/std.ts";
import { memoryFrames } from "../../src/data/cohort.ts";
import { fitNormalization, frameStatistics, scalingFor } from "../../src/data/frame_statistics.ts";
import {
  applyScaling,
  checkNormalization,
  invertScaling,
  type Normalization,
  parseNormalization,
} from "../../src/data/normalization.ts";
import { createFrameScaler } from "../../src/data/simd_scaling.ts";
import {
  denormalizePerSubject,
  fromTorchOrder,
  normalizePerSubject,
  toTorchOrder,
} from "../../src/data/volumes.ts";
import { readSafetensors } from "../../src/formats/safetensors.ts";

const FIXTURE = new URL("../golden/fixtures/recvae/data.safetensors", import.meta.url);

function fixture(key: string): { data: Float32Array<ArrayBuffer>; shape: readonly number[] } {
  const { data, shape } = readSafetensors(Deno.readFileSync(FIXTURE)).tensors.get(key)!;
  return { data: Float32Array.from(data as Float32Array), shape };
}

Deno.test("golden: per-subject normalisation equals the fixture bit for bit", () => {
  const raw = fixture("normalise/raw");
  const { volumes, max, min } = normalizePerSubject(raw);
  assertEquals(volumes.data, fixture("normalise/out_f32").data);
  assertEquals([max, min], [fixture("normalise/max").data, fixture("normalise/min").data]);
  assert(volumes === raw, "in place");
});

Deno.test("golden: the result does not depend on the order of the axes", () => {
  const expected = fixture("normalise/out_f32");
  const { volumes } = normalizePerSubject(fromTorchOrder(fixture("normalise/raw")));
  assertEquals(toTorchOrder(volumes), { data: expected.data, shape: [...expected.shape] });
});

Deno.test("positive random volumes normalise to global max 1 and min -1, extrema of shape (N,)", () => {
  const data = Float32Array.from({ length: 4 * 60 }, (_, i) => Math.abs(Math.sin(i * i)) * 900);
  const { volumes, max, min } = normalizePerSubject({ data, shape: [4, 3, 5, 2, 2, 1] });
  for (let n = 0; n < 4; n++) {
    const block = volumes.data.subarray(n * 60, (n + 1) * 60);
    assertAlmostEquals(Math.max(...block), 1, 1e-5);
    assertEquals(Math.min(...block), -1);
  }
  assertEquals([max.length, min.length], [4, 4]);
});

Deno.test("constant volumes stay finite, extrema reported", () => {
  const result = normalizePerSubject({
    data: new Float32Array(8).fill(3),
    shape: [1, 2, 2, 2, 1, 1],
  });
  assertEquals(result.volumes.data, new Float32Array(8).fill(-1));
  assertEquals([result.max[0], result.min[0]], [3, 3]);
  assertEquals(denormalizePerSubject(result).data, new Float32Array(8).fill(3));
});

Deno.test("five axes are rejected (6D)", () => {
  const volumes = { data: new Float32Array(8), shape: [1, 2, 2, 2, 1] };
  assertThrows(() => normalizePerSubject(volumes), ShapeError, "6D");
  assertThrows(() => normalizePerSubject(volumes), ShapeError, "1, 2, 2, 2, 1");
});

Deno.test("two subjects on [0,10] and [100,200] both end in [-1,1]", () => {
  const data = Float32Array.from([0, 2, 5, 10, 100, 120, 150, 200]);
  const { volumes } = normalizePerSubject({ data, shape: [2, 1, 2, 2, 1, 1] });
  const expected = [-1, -0.6, 0, 1];
  volumes.data.forEach((value, i) => assertAlmostEquals(value, expected[i % 4], 1e-6));
});

Deno.test("the inverse gives the original back", () => {
  const original = fixture("normalise/raw").data;
  const back = denormalizePerSubject(normalizePerSubject(fixture("normalise/raw"))).data;
  for (let i = 0; i < original.length; i++) {
    assertAlmostEquals(back[i], original[i], Math.max(1e-4, 2e-6 * Math.abs(original[i])));
  }
});

Deno.test("a NaN or infinite voxel is an error that names subject, frame and voxel", () => {
  for (const bad of [NaN, Infinity, -Infinity]) {
    const data = new Float32Array(2 * 3 * 4 * 5).fill(1);
    data[60 + 2 + 3 * (1 + 4 * 4)] = bad; // frame 1, voxel (2, 1, 4)
    const run = memoryFrames(data, { source: "sub-07", spatialShape: [3, 4, 5], frames: 2 });
    const error = assertThrows(() => frameStatistics(run), FormatError, "frame 1, voxel (2, 1, 4)");
    assertEquals([error.source, error.rule], ["sub-07", "data.finite"]);
    const volumes = { data, shape: [2, 1, 5, 4, 3, 1] };
    assertThrows(() => normalizePerSubject(volumes), FormatError, "subject 1");
  }
});

Deno.test("statistics equal a two-pass computation, also on a large offset", () => {
  const data = Float32Array.from({ length: 3000 }, (_, i) => 1e5 + Math.sin(i * 1.7) * 3);
  const run = memoryFrames(data, { source: "s", spatialShape: [10, 10, 10], frames: 3 });
  const { mean, std, count, min, max } = frameStatistics(run);
  const exact = data.reduce((sum, v) => sum + v, 0) / 3000;
  const variance = data.reduce((sum, v) => sum + (v - exact) ** 2, 0) / 3000;
  assertAlmostEquals(mean, exact, 1e-6);
  assertAlmostEquals(std, Math.sqrt(variance), 1e-6);
  assertEquals([count, min, max], [3000, Math.min(...data), Math.max(...data)]);
  assertEquals(frameStatistics(run, 2).count, 2000);
});

Deno.test("z-scores: per subject, and with the mean and deviation of the training subjects", () => {
  const subjects = [[1, 2, 3, 4], [10, 30, 50, 70]].map((values, n) =>
    memoryFrames(Float32Array.from(values), {
      source: `s${n}`,
      spatialShape: [2, 2, 1],
      frames: 1,
    })
  );
  const statistics = subjects.map((subject) => frameStatistics(subject));
  const own = scalingFor({ kind: "z-score" }, statistics[1]);
  const scaled = applyScaling(subjects[1].readFrame(0), own);
  assertAlmostEquals(scaled[0], -30 / Math.sqrt(500), 1e-6);
  const train = fitNormalization("train-z-score", statistics);
  assert(train.kind === "train-z-score");
  const all = [1, 2, 3, 4, 10, 30, 50, 70];
  const mean = all.reduce((a, b) => a + b) / 8;
  assertAlmostEquals(train.mean, mean, 1e-9);
  assertAlmostEquals(train.std, Math.sqrt(all.reduce((s, v) => s + (v - mean) ** 2, 0) / 8), 1e-9);
  const scaling = scalingFor(train, statistics[0]);
  const values = Float32Array.of(5, -7);
  const back = invertScaling(applyScaling(values.slice(), scaling), scaling);
  assertAlmostEquals(back[0], 5, 1e-5);
  assertAlmostEquals(back[1], -7, 1e-5);
});

Deno.test("min-max equals the literal formula, every operation rounded to float32, bit for bit", () => {
  const random = RandomStream.fromSeed(11);
  for (let round = 0; round < 200; round++) {
    const scale = 2 ** (random.integer(60) - 30);
    const values = random.normals(497 + (round % 4)).map((v) =>
      v * scale + (round % 3) * 100 * scale
    );
    const min = Math.min(...values);
    const max = Math.max(...values);
    const span = Math.fround(max - min);
    const expected = values.map((v) =>
      Math.fround(2 * Math.fround(Math.fround(Math.fround(v - min) / span) - 0.5))
    );
    const found = applyScaling(values.slice(), { kind: "min-max", min, max });
    assertEquals(found, expected, `round ${round}`);
    const scaler = createFrameScaler(values.length);
    scaler.frame.set(values);
    scaler.apply({ kind: "min-max", min, max });
    assertEquals(scaler.frame.slice(), expected, `round ${round}, four at a time`);
    const residual = {
      kind: "residual",
      min,
      max,
      image: random.normals(values.length),
      spread: 0.1 + random.uniform(),
    } as const;
    scaler.frame.set(values);
    scaler.apply(residual);
    assertEquals(scaler.frame.slice(), applyScaling(values.slice(), residual), `residual ${round}`);
  }
});

Deno.test("a constant subject has z-scores of zero", () => {
  const scaling = scalingFor({ kind: "z-score" }, { count: 2, min: 4, max: 4, mean: 4, std: 0 });
  assertEquals(applyScaling(Float32Array.of(4, 4), scaling), Float32Array.of(0, 0));
});

Deno.test("a method survives JSON, and others are refused", () => {
  const methods: Normalization[] = [
    { kind: "min-max" },
    { kind: "z-score" },
    { kind: "none" },
    { kind: "train-z-score", mean: 3.5, std: 2 },
  ];
  for (const method of methods) {
    assertEquals(parseNormalization(JSON.parse(JSON.stringify(method))), method);
    checkNormalization(method, parseNormalization(method));
  }
  for (const bad of [null, "min-max", {}, { kind: "train-z-score", mean: 1 }, { kind: "other" }]) {
    assertThrows(() => parseNormalization(bad), ConfigError, "needs kind");
  }
});

Deno.test("weights do not meet data normalised otherwise", () => {
  const trained = { kind: "train-z-score", mean: 3.5, std: 2 } as const;
  assertThrows(() => checkNormalization(trained, { kind: "min-max" }), ConfigError, "min-max");
  assertThrows(() => checkNormalization(trained, { ...trained, std: 2.1 }), ConfigError, "2.1");
});
