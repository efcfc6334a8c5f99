/** Scans of one cohort: brought to one voxel order or refused, with one repetition time, and frames that are asked for. */
import { ConfigError, FormatError, ShapeError } from "../../src/base/errors.ts";
import { openBoldRun } from "../../src/data/bold_run.ts";
import { cohortFromFiles, type CohortOptions } from "../../src/data/cohort.ts";
import { buildDataLoader } from "../../src/data/loader.ts";
import { openMask } from "../../src/data/mask.ts";
import type { ScanView } from "../../src/data/scan_view.ts";
import { describeGrid, gridOf, orderBetween } from "../../src/data/voxel_grid.ts";
import { gzipSync } from "../../src/deps/node_zlib.ts";
import {
  assert,
  assertAlmostEquals,
  assertEquals,
  assertRejects,
  assertStringIncludes,
} from "../../src/deps/std.ts";
import { writeNifti, type WriteNiftiOptions } from "../../src/formats/nifti_write.ts";
import { imagePath, readImage, withDirectory } from "../support/images.ts";

const RAS = [2, 0, 0, -4, 0, 2, 0, -6, 0, 0, 2, -8, 0, 0, 0, 1];
/** The same voxels, x stored backwards. */
const LAS = [-2, 0, 0, 4, 0, 2, 0, -6, 0, 0, 2, -8, 0, 0, 0, 1];
const SHAPE = [5, 4, 3] as const;
const valueAt = (x: number, y: number, z: number, t: number) => x + 10 * y + 100 * z + 1000 * t + 1;

/** A scan whose value is where it is in the RAS order. */
function scan(flipped: boolean, options: Partial<WriteNiftiOptions> = {}): Uint8Array {
  const frames = options.frames ?? 2;
  const values: number[] = [];
  for (let t = 0; t < frames; t++) {
    for (let z = 0; z < 3; z++) {
      for (let y = 0; y < 4; y++) {
        for (let x = 0; x < 5; x++) values.push(valueAt(flipped ? 4 - x : x, y, z, t));
      }
    }
  }
  return writeNifti(Float32Array.from(values), {
    spatialShape: SHAPE,
    frames,
    affine: flipped ? LAS : RAS,
    repetitionTime: 2,
    ...options,
  });
}

async function withScans(
  scans: Readonly<Record<string, Uint8Array | string>>,
  body: (folder: string, paths: string[]) => Promise<void>,
): Promise<void> {
  await withDirectory(async (folder) => {
    for (const [name, content] of Object.entries(scans)) {
      const path = `${folder}/${name}`;
      Deno.mkdirSync(path.slice(0, path.lastIndexOf("/")), { recursive: true });
      if (typeof content === "string") Deno.writeTextFileSync(path, content);
      else Deno.writeFileSync(path, name.endsWith(".gz") ? gzipSync(content) : content);
    }
    const paths = Object.keys(scans).filter((name) => /\.nii(\.gz)?$/.test(name));
    await body(folder, paths.map((name) => `${folder}/${name}`));
  });
}

Deno.test("one image in six orders of its axes is the same in each other's", async () => {
  const names = ["RAS", "ASR", "IRP", "LPI", "PIL", "SLA"].map((o) => `niivue_space_${o}.nii.gz`);
  const { values } = await readImage(names[0]);
  for (const name of names) {
    const cohort = await cohortFromFiles([imagePath(name)], {
      grid: gridOf((await openBoldRun(imagePath(names[0]))).header, names[0]),
      tolTime: 1,
    });
    const source = await cohort.subjects[0].open() as ScanView;
    const frame = source.readFrame(0);
    assert(frame.every((value, i) => value === values[i]), name);
    using own = await openBoldRun(imagePath(name));
    const stored = own.readFrame(0);
    assert(source.space.restore(frame).every((value, i) => value === stored[i]), name);
    assertEquals(source.space.affine, own.affine);
    source.close();
  }
});

Deno.test("a cohort of two orders is read in the first's, in memory and from disk, and says so", async () => {
  await withScans({ "a.nii": scan(false), "b.nii": scan(true) }, async (_, paths) => {
    const cohort = await cohortFromFiles(paths);
    assertEquals(cohort.notes?.length, 1);
    assertStringIncludes(cohort.notes![0], `"${paths[1]}": stored in another voxel order (LAS)`);
    for (const memoryBudget of [2 ** 20, 16]) {
      const loader = await buildDataLoader(cohort, { memoryBudget, normalization: "none" });
      const [a, b] = [0, 1].map((row) => Float32Array.from(loader.batch([row]).read(0, 2)));
      assertEquals(a, b);
      assertEquals(a[0], 1);
      loader.close();
    }
  });
});

Deno.test("another grid is refused with both affines and what resamples, or resampled", async () => {
  const moved = [...RAS];
  moved[3] += 1;
  const scans = { "a.nii": scan(false), "b.nii": scan(false, { affine: moved }) };
  await withScans(scans, async (_, paths) => {
    const error = await assertRejects(
      () => cohortFromFiles(paths),
      FormatError,
      "--resample first",
    );
    for (const part of [...paths, "2 0 0 -4;", "2 0 0 -3;"]) {
      assertStringIncludes(error.message, part);
    }
    const cohort = await cohortFromFiles(paths, { resample: true });
    assertStringIncludes(cohort.notes![0], "resampled");
    const frame = (await cohort.subjects[1].open()).readFrame(0);
    // Half a voxel to the right: between x − 1 and x of what is stored; nothing is left of the first voxel.
    assertEquals([...frame.subarray(0, 5)], [0, 1.5, 2.5, 3.5, 4.5]);
    const other = { ...cohort.grid!, spatialShape: [3, 4, 3] as const };
    const grid = await cohortFromFiles(paths, { grid: other, resample: true });
    assertEquals(grid.spatialShape, [3, 4, 3]);
    await assertRejects(() => cohortFromFiles(paths, { grid: other }), ShapeError, "3×4×3");
  });
});

Deno.test("a shift within the tolerance is none, one beyond it is another grid", () => {
  const grid = { spatialShape: SHAPE, affine: RAS, source: "a" };
  const shifted = (millimetres: number) => {
    const affine = [...RAS];
    affine[7] += millimetres;
    return orderBetween({ ...grid, affine }, grid);
  };
  assert(shifted(0.19));
  assertEquals(shifted(0.21), null);
  assertStringIncludes(describeGrid(grid), "5×4×3 voxels, RAS, affine [2 0 0 -4;");
});

/** A header that says nothing about where the volume lies. */
function unlocated(bytes: Uint8Array): Uint8Array {
  new DataView(bytes.buffer).setInt16(254, 0, true);
  return bytes;
}

Deno.test("scans without a place are taken to lie like the others, in words, and are not resampled", async () => {
  const scans = { "a.nii": scan(false), "b.nii": unlocated(scan(false)) };
  await withScans(scans, async (_, paths) => {
    const cohort = await cohortFromFiles(paths);
    assertStringIncludes(cohort.notes![0], `"${paths[1]}": taken to lie like`);
    const grid = { spatialShape: [2, 2, 2] as const, affine: RAS, source: "small" };
    const resampling = { grid, resample: true };
    await assertRejects(
      () => cohortFromFiles(paths, resampling),
      FormatError,
      "does not say where",
    );
    const { space } = await cohort.subjects[1].open() as ScanView;
    assertEquals([space.orientation?.sformCode, space.orientation?.qformCode], [0, 0]);
  });
});

Deno.test("masks follow the data: flipped, from another grid, of probabilities, of labels", async () => {
  const inside = (x: number) => (x < 2 ? 1 : 0);
  const mask = (
    value: (x: number) => number,
    affine = RAS,
    shape: readonly [number, number, number] = SHAPE,
  ) =>
    writeNifti(
      Float32Array.from({ length: shape[0] * shape[1] * shape[2] }, (_, i) => value(i % shape[0])),
      { spatialShape: shape, affine },
    );
  const remarks: string[] = [];
  const grid = { spatialShape: SHAPE, affine: RAS, source: "data" };
  const row = async (bytes: Uint8Array, options = {}) => {
    const onRemark = (remark: string) => void remarks.push(remark);
    return [...(await openMask(bytes, SHAPE, { grid, onRemark, ...options })).subarray(0, 5)];
  };
  assertEquals(await row(mask(inside)), [1, 1, 0, 0, 0]);
  assertEquals(await row(mask((x) => inside(4 - x), LAS)), [1, 1, 0, 0, 0]);
  assertEquals(remarks, []);
  const coarse = [4, 0, 0, -3, 0, 2, 0, -6, 0, 0, 2, -8, 0, 0, 0, 1];
  assertEquals(await row(mask((x) => x === 0 ? 1 : 0, coarse, [3, 4, 3])), [0, 1, 0, 0, 0]);
  assertStringIncludes(remarks.pop()!, "It lies on another grid (3×4×3 voxels");
  assertEquals(await row(mask((x) => x / 4)), [0, 0, 1, 1, 1]);
  assertStringIncludes(remarks.pop()!, "probabilities: 36 voxels of at least 0.5");
  assertEquals(await row(mask((x) => x), { labels: [2, 4] }), [0, 0, 1, 0, 1]);
  await assertRejects(() => row(mask((x) => x)), FormatError, "--mask-label");
  await assertRejects(() => row(mask((x) => x), { labels: [7] }), FormatError, "label 7");
  await assertRejects(() => openMask(mask(inside, RAS, [4, 4, 3]), SHAPE), ShapeError, "4×4×3");
});

const TREE = {
  "ds/dataset_description.json": "{}",
  "ds/task-rest_bold.json": '{"RepetitionTime": 3}',
  "ds/bold.json": '{"RepetitionTime": 9}',
  "RepetitionTime_bold.json": '{"RepetitionTime": 99}',
};

Deno.test("the repetition time is inherited from the root down, and the nearest file wins", async () => {
  const path = "ds/sub-1/ses-1/func/sub-1_ses-1_task-rest_bold.nii";
  const of = async (files: Record<string, string>, options: Partial<WriteNiftiOptions> = {}) => {
    let found: { seconds?: number | null; remarks?: readonly string[] } = {};
    await withScans({ ...TREE, ...files, [path]: scan(false, options) }, async (_, [only]) => {
      const [{ repetitionTime, remarks }] = (await cohortFromFiles([only])).subjects;
      found = { seconds: repetitionTime, remarks };
    });
    return found;
  };
  const inherited = await of({});
  assertEquals(inherited.seconds, 3);
  assertStringIncludes(inherited.remarks![0], "The header says 2 s between frames,");
  assertEquals((await of({}, { repetitionTime: 3 })).remarks, []);
  assertEquals((await of({}, { repetitionTime: null })).seconds, 3);
  assertEquals(
    (await of({ "ds/sub-1/sub-1_task-rest_bold.json": '{"RepetitionTime": 4}' })).seconds,
    4,
  );
  assertEquals(
    (await of({ "ds/sub-1/sub-2_task-rest_bold.json": '{"RepetitionTime": 4}' })).seconds,
    3,
  );
  assertEquals((await of({ "ds/task-rest_acq-x_bold.json": '{"RepetitionTime": 4}' })).seconds, 3);
  assertEquals((await of({ [path.replace(".nii", ".json")]: '{"RepetitionTime": 5}' })).seconds, 5);
  const broken = await of({ [path.replace(".nii", ".json")]: '{"RepetitionTime": "2"}' });
  assertEquals(broken.seconds, 2);
  assertStringIncludes(broken.remarks![0], 'no repetition time in seconds ("2")');
  const odd = await of({ [path.replace(".nii", ".json")]: '{"RepetitionTime": 30}' });
  assertStringIncludes(odd.remarks!.at(-1)!, "30 s is hardly meant");
});

Deno.test("different repetition times are refused, or no seconds are claimed", async () => {
  const scans = {
    "a.nii": scan(false),
    "b.nii": scan(false, { repetitionTime: 0.8 }),
    "c.nii": scan(false, { repetitionTime: null }),
  };
  await withScans(scans, async (_, paths) => {
    const make = (options: CohortOptions = {}) => cohortFromFiles(paths, options);
    await assertRejects(() => make(), ConfigError, "--allow-mixed-tr");
    const mixed = await make({ allowMixedTr: true });
    assertEquals(mixed.repetitionTime, null);
    assertEquals(mixed.subjects.map(({ repetitionTime }) => repetitionTime), [2, 0.8, null]);
    const [a, , c] = paths;
    const alike = await cohortFromFiles([a, c]);
    assertEquals(alike.repetitionTime, 2);
    assertStringIncludes(alike.notes!.at(-1)!, "taken for 2 s");
    await assertRejects(
      () => cohortFromFiles([a], { repetitionTime: 3 }),
      ConfigError,
      "3 s (the scans the model was trained on)",
    );
  });
});

Deno.test("frames are left out as asked for, and too few that are left are refused", async () => {
  const scans = { "a.nii": scan(false, { frames: 6 }), "b.nii": scan(false, { frames: 8 }) };
  await withScans(scans, async (_, paths) => {
    const first = async (options: CohortOptions) => {
      const cohort = await cohortFromFiles(paths, options);
      const source = await cohort.subjects[0].open();
      const value = source.readFrame(0)[0];
      source.close();
      return [cohort.frames, Math.floor(value / 1000)];
    };
    assertEquals(await first({}), [6, 0]);
    assertEquals(await first({ skipFrames: 2 }), [4, 2]);
    assertEquals(await first({ frameRange: { from: 1, to: 4 } }), [3, 1]);
    assertEquals(await first({ frameRange: { from: 3 } }), [3, 3]);
    assertEquals(await first({ skipFrames: 2, tolTime: 3 }), [3, 2]);
    await assertRejects(() => first({ skipFrames: 6 }), FormatError, "0 are left");
    const listed = await cohortFromFiles([{ path: paths[1], skipFrames: 3 }]);
    assertEquals(listed.frames, 5);
  });
});

Deno.test("sform and qform that disagree are remarked, the sform is used and both are kept", async () => {
  const bytes = scan(false, {
    orientation: { sformCode: 4, qformCode: 1, qform: [0, 0, 0, 5, -6, -8], qfac: 1 },
  });
  using run = await openBoldRun(bytes);
  assertEquals(run.affine[3], -4);
  const remark = run.remarks.find((text) => text.includes("sform and qform"))!;
  assertStringIncludes(remark, "differ by up to 9 mm: the sform is used");
  const { sformCode, qformCode, qform } = run.header.orientation;
  assertEquals([sformCode, qformCode, ...qform], [4, 1, 0, 0, 0, 5, -6, -8]);
  using agreeing = await openBoldRun(scan(false, {
    orientation: { sformCode: 4, qformCode: 1, qform: [0, 0, 0, -4, -6, -8], qfac: 1 },
  }));
  assertEquals(agreeing.remarks, []);
  assertAlmostEquals(agreeing.voxelSizes[0], 2);
});
