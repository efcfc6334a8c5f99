import { ConfigError, FormatError, ShapeError } from "../../src/base/errors.ts";
import { RandomStream } from "../../src/base/random.ts";
import {
  assert,
  assertEquals,
  assertNotEquals,
  assertRejects,
  assertThrows,
} from "../../src/deps/std.ts";
import {
  type Cohort,
  cohortFromDirectories,
  cohortFromFiles,
  cohortFromVolumes,
  selectSubjects,
} from "../../src/data/cohort.ts";
import { buildDataLoader, epochOrder } from "../../src/data/loader.ts";
import { syntheticCohort } from "../../src/data/synthetic.ts";
import { loadSubjectVolumes, normalizePerSubject } from "../../src/data/volumes.ts";
import { writeNifti } from "../../src/formats/nifti_write.ts";
import { withDirectory } from "../support/images.ts";

const SHAPE = [4, 3, 2] as const;
const VOXELS = 24;
const FRAMES = 5;

function volumes(subjects: number) {
  const data = Float32Array.from(
    { length: subjects * FRAMES * VOXELS },
    (_, i) => Math.sin(i) * (1 + Math.floor(i / (FRAMES * VOXELS))),
  );
  return { data, shape: [subjects, FRAMES, 2, 3, 4, 1] };
}

function cohort(subjects: number): Cohort {
  return cohortFromVolumes(volumes(subjects));
}

Deno.test("golden: PyTorch's loader orders for three epochs, batch by batch", () => {
  const text = Deno.readTextFileSync(
    new URL("../golden/fixtures/recvae/manifest.json", import.meta.url),
  );
  const golden: Record<string, number[][][]> =
    JSON.parse(text).files["rng.safetensors"].scalars.loader_order_three_epochs;
  assertEquals(Object.keys(golden).length, 5);
  for (const [key, epochs] of Object.entries(golden)) {
    const [seed, count, batchSize] = key.match(/\d+/g)!.map(Number);
    epochs.forEach((batches, epoch) => {
      const order = [...epochOrder(count, epoch, { seed, torchOrder: true })];
      const found = batches.map((_, i) => order.slice(i * batchSize, (i + 1) * batchSize));
      assertEquals(found, batches, `${key}, epoch ${epoch}`);
    });
  }
});

Deno.test("two loaders with seed 123 give the same order, another seed another one", async () => {
  const loaders = await Promise.all(
    [123, 123, 124].map((seed) => buildDataLoader(cohort(9), { seed })),
  );
  const orders = loaders.map((loader) => [0, 1, 2].map((epoch) => [...loader.order(epoch)]));
  assertEquals(orders[0], orders[1]);
  assertNotEquals(orders[0], orders[2]);
  assertNotEquals(orders[0][0], orders[0][1]);
});

Deno.test("an epoch's order does not depend on which epochs were asked for before", () => {
  const late = epochOrder(11, 7, { seed: 5 });
  for (let epoch = 0; epoch < 7; epoch++) epochOrder(11, epoch, { seed: 5 });
  assertEquals(epochOrder(11, 7, { seed: 5 }), late);
  assertEquals([...late].sort((a, b) => a - b), Array.from({ length: 11 }, (_, i) => i));
  const streams = RandomStream.fromSeed(5);
  assertEquals(epochOrder(11, 7, { streams }), late);
  assertEquals([...epochOrder(3, 4, { shuffle: false })], [0, 1, 2]);
});

Deno.test("batches cover every subject once; the last one may be smaller", async () => {
  const loader = await buildDataLoader(cohort(10), { batchSize: 4 });
  assertEquals([loader.subjects, loader.batchesPerEpoch], [10, 3]);
  const batches = [...loader.batches(0)];
  assertEquals(batches.map((batch) => batch.subjects.length), [4, 4, 2]);
  assertEquals(batches.flatMap((batch) => batch.subjects), [...loader.order(0)]);
});

Deno.test("frames are normalised, time-major, and equal from memory and from files", async () => {
  const expected = normalizePerSubject(volumes(3)).volumes.data;
  for (const memoryBudget of [1e9, 0]) {
    const loader = await buildDataLoader(cohort(3), { memoryBudget });
    assertEquals(loader.cached, memoryBudget > 0);
    for (const rows of [[2, 0], [1]]) {
      const frames = loader.batch(rows).read(1, 3);
      assertEquals(frames.length, 3 * rows.length * VOXELS);
      for (let g = 0; g < 3; g++) {
        rows.forEach((row, b) => {
          const at = (g * rows.length + b) * VOXELS;
          const from = (row * FRAMES + 1 + g) * VOXELS;
          assertEquals(
            frames.slice(at, at + VOXELS),
            expected.slice(from, from + VOXELS),
            `rows ${rows}, frame ${g}, budget ${memoryBudget}`,
          );
        });
      }
    }
    loader.close();
  }
});

Deno.test("a method stored with weights is used as it is", async () => {
  const normalization = { kind: "train-z-score", mean: 0.5, std: 2 } as const;
  const loader = await buildDataLoader(cohort(2), { normalization });
  assertEquals(loader.normalization, normalization);
  const [first] = loader.batch([0]).read(0, 1);
  assertEquals(first, Math.fround((volumes(2).data[0] - 0.5) / 2));
  const fitted = await buildDataLoader(cohort(2), { normalization: "train-z-score" });
  assert(fitted.normalization.kind === "train-z-score" && fitted.normalization.std > 0);
});

Deno.test("every method gives the same frames from memory and from files", async () => {
  for (
    const normalization of [
      "z-score",
      "train-z-score",
      "train-residual",
      "none",
      "min-max",
    ] as const
  ) {
    const [kept, streamed] = await Promise.all(
      [1e9, 0].map((memoryBudget) => buildDataLoader(cohort(3), { memoryBudget, normalization })),
    );
    const expected = kept.batch([1, 2, 0]).read(0, FRAMES).slice();
    assertEquals(streamed.batch([1, 2, 0]).read(0, FRAMES), expected, normalization);
    assertEquals(kept.normalization, streamed.normalization);
  }
});

Deno.test("frames, rows and batch sizes out of range are refused", async () => {
  const loader = await buildDataLoader(cohort(3));
  const batch = loader.batch([0, 1]);
  for (const [start, count] of [[0, 6], [-1, 1], [4, 2], [0, 0], [0.5, 1]]) {
    assertThrows(() => batch.read(start, count), ConfigError, "5 frames");
  }
  assertThrows(() => loader.batch([3]), ConfigError, "0 to 2");
  assertThrows(() => loader.batch([]), ConfigError);
  await assertRejects(() => buildDataLoader(cohort(2), { batchSize: 0 }), ConfigError, "batchSize");
});

Deno.test("cohorts from directories: labels, groups, truncation, streamed as from memory", async () => {
  await withDirectory(async (directory) => {
    for (const group of ["cn", "ad"]) Deno.mkdirSync(`${directory}/${group}`);
    const write = (path: string, frames: number, scale: number, gzip = false) => {
      const values = Float32Array.from({ length: frames * VOXELS }, (_, i) => scale * Math.cos(i));
      const options = { spatialShape: SHAPE, frames, gzip };
      Deno.writeFileSync(`${directory}/${path}`, writeNifti(values, options));
    };
    write("cn/sub-01_ses-1_bold.nii", 6, 1);
    write("cn/sub-01_ses-2_bold.nii.gz", 7, 2, true);
    write("cn/norm_sub-09_bold.nii", 6, 9);
    write("ad/sub-02_bold.nii.gz", 8, 3, true);
    const folders = { CN: `${directory}/cn`, AD: `${directory}/ad` };
    const found = await cohortFromDirectories(folders, { tolTime: 5 });
    assertEquals(found.subjects.map((s) => s.label), ["CN", "CN", "AD"]);
    assertEquals(found.subjects.map((s) => s.group), ["sub-01", "sub-01", "sub-02"]);
    assertEquals([...found.spatialShape, found.frames], [4, 3, 2, 5]);
    assertEquals((await cohortFromDirectories(folders)).frames, 6, "the shortest scan's");
    const cached = await buildDataLoader(found);
    const streamed = await buildDataLoader(found, { memoryBudget: 0, cacheDirectory: directory });
    const expected = cached.batch([2, 0, 1]).read(0, 5).slice();
    assertEquals(streamed.batch([2, 0, 1]).read(0, 5), expected);
    streamed.close();
    const few = await assertRejects(
      () => cohortFromDirectories(folders, { tolTime: 7 }),
      FormatError,
      "timepoints",
    );
    for (const part of ["sub-01_ses-1", "found 6", "needs 7"]) assert(few.message.includes(part));
  });
});

Deno.test("cohorts refuse unequal sizes, repeated and missing files", async () => {
  await withDirectory(async (directory) => {
    const paths = [[4, 3, 2], [4, 2, 3]].map(([x, y, z], n) => {
      const path = `${directory}/${n}.nii`;
      Deno.writeFileSync(path, writeNifti(new Float32Array(24), { spatialShape: [x, y, z] }));
      return path;
    });
    await assertRejects(() => cohortFromFiles(paths), ShapeError, "4×2×3");
    await assertRejects(() => cohortFromFiles([paths[0], paths[0]]), ConfigError, "twice");
    await assertRejects(() => cohortFromFiles([]), ConfigError, "no scans");
    await assertRejects(() => cohortFromFiles([`${directory}/2.nii`]), FormatError, "no such file");
  });
});

Deno.test("dataset of 3: length, item shape, index; four axes are rejected (6D)", async () => {
  const loader = await buildDataLoader(cohort(3), { shuffle: false, batchSize: 1 });
  const batches = [...loader.batches(0)];
  assertEquals(batches.map((batch) => batch.subjects), [[0], [1], [2]]);
  assertEquals([...batches[1].spatialShape, batches[1].frames], [4, 3, 2, 5]);
  const flat = { data: new Float32Array(16), shape: [2, 2, 2, 2] };
  assertThrows(() => cohortFromVolumes(flat), ShapeError, "6D");
});

Deno.test("a part of a cohort has rows of its own", async () => {
  const whole = cohort(5);
  const part = selectSubjects(whole, [4, 1]);
  assertEquals(part.subjects.map((s) => s.id), ["subject 4", "subject 1"]);
  assertThrows(() => selectSubjects(whole, [5]), ConfigError, "0 to 4");
  const loader = await buildDataLoader(part);
  assertEquals(loader.subjects, 2);
});

Deno.test("a scan with a NaN stops the loader and closes what was opened", async () => {
  const bad = volumes(2);
  bad.data[FRAMES * VOXELS + 30] = NaN;
  for (const memoryBudget of [1e9, 0]) {
    let open = 0;
    const subjects = cohortFromVolumes(bad).subjects.map((subject) => ({
      ...subject,
      async open() {
        open++;
        const source = await subject.open();
        return { ...source, close: () => void open-- };
      },
    }));
    const watched = { ...cohort(2), subjects };
    const build = () => buildDataLoader(watched, { memoryBudget });
    await assertRejects(build, FormatError, '"subject 1": found NaN in frame 1, voxel (2, 1, 0)');
    assertEquals(open, 0, `budget ${memoryBudget}`);
  }
});

Deno.test("a synthetic cohort loads like any other", async () => {
  const options = { nCn: 2, nAd: 1, frames: 4, spatialShape: [5, 4, 3] } as const;
  const loader = await buildDataLoader(syntheticCohort(options), { memoryBudget: 0 });
  const frames = loader.batch([0, 1, 2]).read(0, 4);
  assertEquals(frames.length, 4 * 3 * 60);
  assert(frames.every((v) => v >= -1 && v <= 1));
});

Deno.test("names and counts that cannot be are refused in words", async () => {
  const kind = "minmax" as "min-max";
  await assertRejects(
    () => buildDataLoader(cohort(2), { normalization: kind }),
    ConfigError,
    '"minmax"',
  );
  for (const tolTime of [0, -1, 2.5]) {
    await assertRejects(
      () => cohortFromFiles(["none.nii"], { tolTime }),
      ConfigError,
      `${tolTime}`,
    );
    await assertRejects(() => loadSubjectVolumes(".", ["none.nii"], { tolTime }), ConfigError);
  }
});
