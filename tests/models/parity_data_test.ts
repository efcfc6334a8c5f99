/**
 * The Python package's test suite [recurrent-vae §9], items 1 to 12: data. Names keep its numbers.
 */
import type { Cohort } from "../../src/data/cohort.ts";
import { cohortFromVolumes } from "../../src/data/cohort.ts";
import { listSubjectFiles } from "../../src/data/listing.ts";
import { buildDataLoader } from "../../src/data/loader.ts";
import { syntheticCohort } from "../../src/data/synthetic.ts";
import { normalizePerSubject, type Volumes } from "../../src/data/volumes.ts";
import { FormatError, ShapeError } from "../../src/base/errors.ts";
import { RandomStream } from "../../src/base/random.ts";
import {
  assert,
  assertAlmostEquals,
  assertEquals,
  assertNotEquals,
  assertThrows,
} from "../../src/deps/std.ts";
import { inTemporaryFolder } from "../training/temporary_folder.ts";

const SHAPE = [4, 5, 6] as const;

/** Volumes `[N, T, Z, Y, X, 1]`, uniform on each subject's range. */
function volumesOf(ranges: readonly (readonly [number, number])[], frames = 3): Volumes {
  const size = frames * SHAPE[0] * SHAPE[1] * SHAPE[2];
  const draws = RandomStream.fromSeed(0).uniforms(ranges.length * size);
  const data = draws.map((u, i) => {
    const [low, high] = ranges[Math.floor(i / size)];
    return low + (high - low) * u;
  });
  return { data, shape: [ranges.length, frames, SHAPE[2], SHAPE[1], SHAPE[0], 1] };
}

function extremaOf({ data, shape }: Volumes): [number, number][] {
  const size = data.length / shape[0];
  return Array.from({ length: shape[0] }, (_, n) => {
    const subject = data.subarray(n * size, (n + 1) * size);
    return [Math.min(...subject), Math.max(...subject)];
  });
}

Deno.test("parity 1: positive random volumes normalise to a global maximum of 1 and minimum of −1", () => {
  const volumes = volumesOf([[0, 7], [0, 7], [0, 7], [0, 7]]);
  const { max, min } = normalizePerSubject(volumes);
  for (const [low, high] of extremaOf(volumes)) {
    assertAlmostEquals(low, -1, 1e-5);
    assertAlmostEquals(high, 1, 1e-5);
  }
  assertEquals([max.length, min.length], [4, 4]);
});

Deno.test("parity 2: constant volumes stay finite and their extrema are reported", () => {
  const volumes = volumesOf([[3, 3], [3, 3]]);
  const { max, min } = normalizePerSubject(volumes);
  assertEquals([...max, ...min], [3, 3, 3, 3]);
  assertEquals(extremaOf(volumes), [[-1, -1], [-1, -1]]);
});

Deno.test("parity 3: normalisation rejects five axes", () => {
  const { data, shape } = volumesOf([[0, 1]]);
  assertThrows(() => normalizePerSubject({ data, shape: shape.slice(0, 5) }), ShapeError, "6D");
});

Deno.test("parity 4: subjects on different ranges both end in [−1, 1]", () => {
  const volumes = volumesOf([[0, 10], [100, 200]]);
  normalizePerSubject(volumes);
  for (const [low, high] of extremaOf(volumes)) assertEquals([low, high], [-1, 1]);
});

Deno.test("parity 5: a dataset of three has its length, item shape and index", async () => {
  const loader = await buildDataLoader(cohortFromVolumes(volumesOf([[0, 1], [0, 1], [0, 1]])), {
    batchSize: 1,
    shuffle: false,
  });
  assertEquals(loader.subjects, 3);
  let index = 0;
  for (const batch of loader.batches(0)) {
    assertEquals([...batch.subjects], [index++]);
    assertEquals([batch.frames, ...batch.spatialShape], [3, ...SHAPE]);
    assertEquals((await batch.read(0, 3)).length, 3 * 4 * 5 * 6);
  }
  assertEquals(index, 3);
});

Deno.test("parity 6: a dataset rejects four axes", () => {
  const { data, shape } = volumesOf([[0, 1]]);
  assertThrows(() => cohortFromVolumes({ data, shape: shape.slice(0, 4) }), ShapeError, "6D");
});

Deno.test("parity 7: two loaders with seed 123 give the same order, epoch by epoch", async () => {
  const volumes = volumesOf(new Array(8).fill([0, 1]));
  const orders = [];
  for (let i = 0; i < 2; i++) {
    const loader = await buildDataLoader(cohortFromVolumes(volumes), { batchSize: 2, seed: 123 });
    orders.push([0, 1, 2].map((epoch) => [...loader.batches(epoch)].map((b) => [...b.subjects])));
  }
  assertEquals(orders[0], orders[1]);
  assertNotEquals(orders[0][0], orders[0][1]);
});

Deno.test("parity 8: listing keeps .nii.gz and .nii, drops norm_ and .txt, sorted", async () => {
  await inTemporaryFolder(async (folder) => {
    for (const name of ["b.nii", "a.nii.gz", "norm_c.nii.gz", "notes.txt"]) {
      await Deno.writeTextFile(`${folder}/${name}`, "");
    }
    assertEquals(listSubjectFiles(folder), ["a.nii.gz", "b.nii"]);
  });
});

Deno.test("parity 9: a missing directory raises", () => {
  assertThrows(() => listSubjectFiles("/nowhere/at/all"), FormatError);
});

const SYNTHETIC = { nCn: 3, nAd: 2, frames: 5, spatialShape: [8, 9, 8] } as const;

async function framesOf(cohort: Cohort): Promise<number[]> {
  const values: number[] = [];
  for (const subject of cohort.subjects) {
    const run = await subject.open();
    for (let t = 0; t < run.frames; t++) values.push(...run.readFrame(t));
  }
  return values;
}

Deno.test("parity 10: a synthetic cohort of 3 + 2 has its shape, float32 frames and int64 labels", async () => {
  const cohort = syntheticCohort(SYNTHETIC);
  assertEquals(cohort.subjects.length, 5);
  assertEquals([cohort.frames, ...cohort.spatialShape], [5, 8, 9, 8]);
  assertEquals(cohort.labels, BigInt64Array.of(0n, 0n, 0n, 1n, 1n));
  const frame = (await cohort.subjects[0].open()).readFrame(0);
  assert(frame instanceof Float32Array);
  assertEquals(frame.length, 8 * 9 * 8);
});

Deno.test("parity 11: the same seed gives the same bits", async () => {
  assertEquals(
    await framesOf(syntheticCohort({ ...SYNTHETIC, seed: 5 })),
    await framesOf(syntheticCohort({ ...SYNTHETIC, seed: 5 })),
  );
});

Deno.test("parity 12: another seed differs", async () => {
  assertNotEquals(
    await framesOf(syntheticCohort({ ...SYNTHETIC, seed: 5 })),
    await framesOf(syntheticCohort({ ...SYNTHETIC, seed: 6 })),
  );
});
