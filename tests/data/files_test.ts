import { FormatError, ShapeError } from "../../src/base/errors.ts";
import { assert, assertEquals, assertRejects, assertThrows } from "../../src/deps/std.ts";
import { groupName, parseBidsName } from "../../src/data/bids.ts";
import { openBoldRun } from "../../src/data/bold_run.ts";
import { listSubjectFiles } from "../../src/data/listing.ts";
import { openMask } from "../../src/data/mask.ts";
import { NiftiFile } from "../../src/files/nifti_file.ts";
import { loadSubjectVolumes } from "../../src/data/volumes.ts";
import { writeNifti } from "../../src/formats/nifti_write.ts";
import { imagePath, withDirectory } from "../support/images.ts";

Deno.test("listing keeps one .nii.gz and one .nii, drops a norm_ file and a .txt, sorted", async () => {
  await withDirectory((directory) => {
    for (const name of ["b.nii.gz", "a.nii", "norm_c.nii", "d.txt", "E.NII", "f.nii.gz.tmp"]) {
      Deno.writeTextFileSync(`${directory}/${name}`, "");
    }
    assertEquals(listSubjectFiles(directory), ["a.nii", "b.nii.gz"]);
    assertEquals(listSubjectFiles(directory, { skipPrefix: "a" }), ["b.nii.gz", "norm_c.nii"]);
    assertEquals(listSubjectFiles(directory, { skipPrefix: "" }).length, 3);
  });
});

Deno.test("listing sorts by code point", async () => {
  await withDirectory((directory) => {
    const names = ["B.nii", "a.nii", "ä.nii", "\u{1F9E0}.nii", "\uFF21.nii"];
    for (const name of names) Deno.writeTextFileSync(`${directory}/${name}`, "");
    assertEquals(listSubjectFiles(directory), [
      "B.nii",
      "a.nii",
      "ä.nii",
      "\uFF21.nii",
      "\u{1F9E0}.nii",
    ]);
  });
});

Deno.test("missing directory raises", () => {
  const error = assertThrows(() => listSubjectFiles("no/such"), FormatError, "no such directory");
  assertEquals(error.rule, "directory.open");
});

Deno.test("loading: time-major float32, cut to tolTime, errors name file and counts", async () => {
  await withDirectory(async (directory) => {
    for (const [name, frames] of [["a.nii", 3], ["b.nii.gz", 4]] as const) {
      const values = Float32Array.from({ length: 24 * frames }, (_, i) => i);
      const gzip = name.endsWith("gz");
      const options = { spatialShape: [4, 3, 2], frames, gzip } as const;
      Deno.writeFileSync(`${directory}/${name}`, writeNifti(values, options));
    }
    const names = listSubjectFiles(directory);
    const { data, shape } = await loadSubjectVolumes(directory, names, { tolTime: 2 });
    assertEquals(shape, [2, 2, 2, 3, 4, 1]);
    assertEquals(data, Float32Array.from({ length: 96 }, (_, i) => i % 48));
    const short = await assertRejects(
      () => loadSubjectVolumes(directory, names, { tolTime: 4 }),
      FormatError,
      "timepoints",
    );
    for (const part of ["a.nii", "found 3", "needs 4"]) assert(short.message.includes(part), part);
    await assertRejects(() => loadSubjectVolumes(directory, []), Error, "at least one");
  });
});

Deno.test("a 3-D file is one frame, not Z frames", async () => {
  const error = await assertRejects(
    () => loadSubjectVolumes(imagePath(""), ["nibabel_anatomical.nii"], { tolTime: 20 }),
    FormatError,
    "found 1 timepoints, needs 20",
  );
  assertEquals(error.rule, "data.frames");
});

Deno.test("BIDS names: entities, suffix, extension, groups", () => {
  const name = "/data/sub-01/func/sub-01_ses-b_task-rest_run-2_space-MNI_desc-x_bold.nii.gz";
  assertEquals(parseBidsName(name), {
    subject: "01",
    session: "b",
    task: "rest",
    run: "2",
    space: "MNI",
    desc: "x",
    suffix: "bold",
    extension: ".nii.gz",
  });
  assertEquals(parseBidsName("scan.nii"), { suffix: "scan", extension: ".nii" });
  assertEquals(groupName(name, "subject"), "sub-01");
  assertEquals(groupName(name, "session"), "sub-01_ses-b");
  assertEquals(groupName(name, "scan"), "sub-01_ses-b_task-rest_run-2_space-MNI_desc-x_bold");
  assertEquals(groupName("C:\\x\\scan.nii", "subject"), "scan");
});

Deno.test("masks: ones and zeros as in the file, on the data's grid", async () => {
  const path = new URL("../../data/haxby2001/masks/sub-1_desc-brain_mask.nii.gz", import.meta.url);
  const mask = await openMask(path, [6, 10, 10]);
  assertEquals([mask.length, mask.reduce((sum, v) => sum + v, 0)], [600, 129]);
  await assertRejects(() => openMask(path, [10, 10, 6]), ShapeError, "6×10×10");
  const make = (values: number[], frames?: number) =>
    writeNifti(Float32Array.from(values), { spatialShape: [2, 1, 1], frames });
  assertEquals(await openMask(make([0, 1]), [2, 1, 1]), Float32Array.of(0, 1));
  await assertRejects(() => openMask(make([0, -0.5]), [2, 1, 1]), FormatError, "the values -0.5");
  assertEquals((await openMask(imagePath("pymvpa_mask4d.nii.gz"), [40, 20, 1])).length, 800);
  await assertRejects(() => openMask(make([0, 0]), [2, 1, 1]), FormatError, "no voxel");
  await assertRejects(() => openMask(make([0, NaN]), [2, 1, 1]), FormatError, "NaN");
  await assertRejects(() => openMask(make([0, 1, 1, 1], 2), [2, 1, 1]), FormatError, "2 frames");
});

Deno.test("files written frame by frame read back; unfinished ones leave nothing", async () => {
  await withDirectory(async (directory) => {
    const frames = [0, 1, 2].map((t) => Float32Array.from({ length: 24 }, (_, i) => i + 100 * t));
    const facts = { spatialShape: [4, 3, 2], frames: 3, repetitionTime: 0.72 } as const;
    for (const name of ["a.nii", "b.nii.gz"]) {
      const path = `${directory}/${name}`;
      using file = new NiftiFile(path, facts);
      for (const frame of frames) await file.append(frame);
      assertEquals([...Deno.readDirSync(directory)].some((e) => e.name === name), false);
      await file.finish();
      using run = await openBoldRun(path);
      assertEquals(frames.map((_, t) => run.readFrame(t)), frames, name);
      assertEquals(run.repetitionTime, 0.72);
    }
    const cut = new NiftiFile(`${directory}/c.nii.gz`, facts);
    await cut.append(frames[0]);
    await assertRejects(() => cut.append(new Float32Array(5)), ShapeError, "24");
    await assertRejects(() => cut.finish(), ShapeError, "found 1 frames");
    new NiftiFile(`${directory}/d.nii`, facts)[Symbol.dispose]();
    assertEquals([...Deno.readDirSync(directory)].map((e) => e.name).sort(), ["a.nii", "b.nii.gz"]);
  });
});
