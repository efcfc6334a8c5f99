import { ConfigError } from "../../src/base/errors.ts";
import {
  assert,
  assertAlmostEquals,
  assertEquals,
  assertNotEquals,
  assertThrows,
} from "../../src/deps/std.ts";
import { cohortFromDirectories } from "../../src/data/cohort.ts";
import { writeSyntheticCohort } from "../../src/data/openers/synthetic_files.ts";
import {
  cohortFromDraws,
  type SyntheticCohort,
  syntheticCohort,
  torchSyntheticCohort,
  xFastest,
} from "../../src/data/synthetic.ts";
import { fromTorchOrder } from "../../src/data/volumes.ts";
import { readSafetensors } from "../../src/formats/safetensors.ts";
import { withDirectory } from "../support/images.ts";

const FIXTURE = new URL("../golden/fixtures/recvae/data.safetensors", import.meta.url);
const GOLDEN = { nCn: 1, nAd: 2, frames: 4, spatialShape: [5, 4, 3], seed: 7 } as const;

function fixture(key: string): { data: Float32Array; shape: readonly number[] } {
  const { data, shape } = readSafetensors(Deno.readFileSync(FIXTURE)).tensors.get(`synth/${key}`)!;
  return { data: data as Float32Array, shape };
}

/** All frames of all subjects, `[N, T, Z, Y, X]`. */
async function allFrames(cohort: SyntheticCohort): Promise<Float32Array> {
  const values: number[] = [];
  for (const subject of cohort.subjects) {
    const run = await subject.open();
    for (let t = 0; t < run.frames; t++) values.push(...run.readFrame(t));
  }
  return Float32Array.from(values);
}

Deno.test("golden: given draws make the fixture's volumes", async () => {
  const noise = fixture("noise").data;
  const voxels = 60;
  const cohort = cohortFromDraws({
    basis: xFastest(fixture("basis").data, GOLDEN.spatialShape),
    coefficients: fixture("coeffs").data,
    starts: fixture("prev0").data,
    innovations: fixture("ar_eps").data,
    noise: (n, t) =>
      xFastest(
        Float32Array.from({ length: voxels }, (_, v) => noise[(n * voxels + v) * 4 + t]),
        GOLDEN.spatialShape,
      ),
  }, GOLDEN);
  const expected = fromTorchOrder(fixture("volumes")).data;
  const found = await allFrames(cohort);
  for (let i = 0; i < expected.length; i++) {
    assertAlmostEquals(found[i], expected[i], 1e-6 * Math.max(1, Math.abs(expected[i])));
  }
  const labels = readSafetensors(Deno.readFileSync(FIXTURE)).tensors.get("synth/labels")!.data;
  assertEquals(cohort.labels, labels as BigInt64Array);
});

Deno.test("golden: PyTorch's own draws from the seed make the fixture's volumes", async () => {
  const expected = fromTorchOrder(fixture("volumes")).data;
  const found = await allFrames(torchSyntheticCohort(GOLDEN));
  assertEquals(found.length, expected.length);
  for (let i = 0; i < expected.length; i++) assertAlmostEquals(found[i], expected[i], 5e-6);
});

Deno.test("cohort 3+2, T=5, 8x9x8: shape, float32, int64 labels 0,0,0,1,1", async () => {
  const cohort = syntheticCohort({ nCn: 3, nAd: 2, frames: 5, spatialShape: [8, 9, 8] });
  assertEquals([...cohort.spatialShape, cohort.frames, cohort.subjects.length], [8, 9, 8, 5, 5]);
  assertEquals(cohort.labels, BigInt64Array.of(0n, 0n, 0n, 1n, 1n));
  assertEquals(cohort.subjects.map((s) => s.label), ["CN", "CN", "CN", "AD", "AD"]);
  const frame = (await cohort.subjects[4].open()).readFrame(4);
  assert(frame instanceof Float32Array && frame.length === 576);
});

Deno.test("same seed bit-identical, also read backwards; other seed differs", async () => {
  const options = { nCn: 1, nAd: 1, frames: 3, spatialShape: [6, 5, 4] } as const;
  const first = await allFrames(syntheticCohort({ ...options, seed: 3 }));
  const again = syntheticCohort({ ...options, seed: 3 });
  const run = await again.subjects[1].open();
  for (const t of [2, 0, 1]) {
    assertEquals(run.readFrame(t), first.slice((3 + t) * 120, (4 + t) * 120));
  }
  assertNotEquals(await allFrames(syntheticCohort({ ...options, seed: 4 })), first);
});

Deno.test("the second group's pattern is weaker where x < floor(X/2), and only there", async () => {
  const options = { nCn: 0, nAd: 1, frames: 2, spatialShape: [7, 3, 3], noiseStd: 0 } as const;
  const weaker = await allFrames(syntheticCohort({ ...options, cohortEffect: 0.5 }));
  const plain = await allFrames(syntheticCohort({ ...options, cohortEffect: 0 }));
  plain.forEach((value, i) => assertAlmostEquals(weaker[i], value * (i % 7 < 3 ? 0.5 : 1), 1e-6));
});

Deno.test("one series modulates the whole pattern, with persistence 0.7", async () => {
  const options = { nCn: 1, nAd: 0, frames: 4000, spatialShape: [2, 1, 1], noiseStd: 0 } as const;
  const values = await allFrames(syntheticCohort(options));
  const series = values.filter((_, i) => i % 2 === 0);
  const ratio = values[1] / values[0];
  for (let t = 0; t < 4000; t++) assertAlmostEquals(values[2 * t + 1] / series[t], ratio, 1e-3);
  const lagged = series.slice(1).reduce((sum, v, t) => sum + v * series[t], 0);
  assertAlmostEquals(lagged / series.reduce((sum, v) => sum + v * v, 0), 0.7, 0.05);
});

Deno.test("negative counts, no subjects and no frames are refused", () => {
  assertThrows(() => syntheticCohort({ nCn: -1 }), ConfigError, "nCn");
  assertThrows(() => syntheticCohort({ nAd: -1 }), ConfigError, "nAd");
  assertThrows(() => syntheticCohort({ nCn: 0, nAd: 0 }), ConfigError, "at least one subject");
  assertThrows(() => syntheticCohort({ frames: 0 }), ConfigError, "frames");
});

Deno.test("written files hold the same cohort", async () => {
  await withDirectory(async (directory) => {
    const options = { nCn: 1, nAd: 2, frames: 3, spatialShape: [6, 5, 4], seed: 9 } as const;
    const seen: string[] = [];
    const paths = await writeSyntheticCohort(directory, {
      ...options,
      gzip: true,
      onFile: (path) => seen.push(path),
    });
    assertEquals([paths.length, seen], [3, paths]);
    const folders = { CN: `${directory}/CN`, AD: `${directory}/AD` };
    const cohort = await cohortFromDirectories(folders);
    const expected = await allFrames(syntheticCohort(options));
    assertEquals(await allFrames(cohort as SyntheticCohort), expected);
    assertEquals(cohort.subjects.map((s) => s.label), ["CN", "AD", "AD"]);
  });
});
