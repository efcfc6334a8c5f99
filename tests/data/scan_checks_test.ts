/** What is no scan, or not like the others, is refused or remarked when it is opened. */
import { ConfigError, FormatError, ShapeError } from "../../src/base/errors.ts";
import { openBoldRun, previewNifti, readNiftiFacts } from "../../src/data/bold_run.ts";
import { cohortFromFiles, cohortFromVolumes } from "../../src/data/cohort.ts";
import { listSubjectFiles } from "../../src/data/listing.ts";
import { buildDataLoader } from "../../src/data/loader.ts";
import { openMask } from "../../src/data/mask.ts";
import { NiftiFile } from "../../src/files/nifti_file.ts";
import { gzipSync } from "../../src/deps/node_zlib.ts";
import {
  assert,
  assertAlmostEquals,
  assertEquals,
  assertRejects,
  assertStringIncludes,
  assertThrows,
} from "../../src/deps/std.ts";
import { writeNifti } from "../../src/formats/nifti_write.ts";
import { withDirectory } from "../support/images.ts";

/** An image of 10×10×6 voxels. */
function image(frames: number | undefined, value: (i: number) => number): Uint8Array {
  const values = Float32Array.from({ length: 600 * (frames ?? 1) }, (_, i) => value(i));
  return writeNifti(values, { spatialShape: [10, 10, 6], frames, repetitionTime: 2 });
}

/** The image with changes in its header. */
function changed(change: (view: DataView) => void, bytes = image(2, Math.sin)): Uint8Array {
  const copy = bytes.slice();
  change(new DataView(copy.buffer));
  return copy;
}

/** Seven labels in patches of 10×5 voxels. */
const labels = (i: number) => Math.floor(i / 50) % 7;

Deno.test("single images among scans with time are refused, a few of them by name", async () => {
  await withDirectory(async (folder) => {
    const write = (name: string, bytes: Uint8Array) => {
      Deno.writeFileSync(`${folder}/${name}`, bytes);
      return `${folder}/${name}`;
    };
    const scans = ["a", "b"].map((name) => write(`${name}.nii`, image(4, Math.sin)));
    const single = [1, 2, 3, 4, 5].map((n) => write(`mask-${n}.nii`, image(undefined, Math.cos)));
    const one = await assertRejects(
      () => cohortFromFiles([...scans, single[0]]),
      FormatError,
      `"${single[0]}" is a single image`,
    );
    assertEquals(one.rule, "data.time");
    assertStringIncludes(one.message, `"${scans[0]}" has 4 frames`);
    const many = await assertRejects(
      () => cohortFromFiles([...single, ...scans], { tolTime: 4 }),
      FormatError,
      "5 of 7 files",
    );
    assert(!many.message.includes(single[3]), many.message);
    assertEquals((await cohortFromFiles([...scans, ...single], { tolTime: 1 })).frames, 1);
    assertEquals((await cohortFromFiles(single)).frames, 1, "single images alone");
    const small = write("small.nii", writeNifti(new Float32Array(8), { spatialShape: [2, 2, 2] }));
    await assertRejects(() => cohortFromFiles([...single, small]), ShapeError, "2×2×2 voxels");
  });
});

Deno.test("masks and label images given as scans are refused, scans of whole numbers are not", async () => {
  await withDirectory(async (folder) => {
    const load = async (value: (i: number) => number, memoryBudget = 1e9) => {
      const path = `${folder}/scan.nii`;
      Deno.writeFileSync(path, image(3, value));
      const loader = await buildDataLoader(await cohortFromFiles([path]), { memoryBudget });
      loader.close();
    };
    for (const memoryBudget of [1e9, 1]) {
      const mask = await assertRejects(
        () => load((i) => i % 5 === 0 ? 1 : 0, memoryBudget),
        FormatError,
        "it looks like a mask: all its voxels are 0 or 1",
      );
      assertEquals([mask.rule, mask.source], ["data.labels", `${folder}/scan.nii`]);
      await assertRejects(
        () => load(labels, memoryBudget),
        FormatError,
        "label image: its voxels are 7",
      );
      await load((i) => Math.round(300 * Math.sin(i)), memoryBudget);
      await load((i) => i % 600 < 300 ? 0 : Math.round(5 * Math.sin(7 * i)), memoryBudget);
      await load((i) => labels(i) + (i === 599 ? 0.5 : 0), memoryBudget);
    }
  });
  const film = {
    data: Float32Array.from({ length: 48 }, (_, i) => i % 2),
    shape: [1, 2, 2, 3, 4, 1],
  };
  (await buildDataLoader(cohortFromVolumes(film))).close(); // arrays may be anything on purpose
});

Deno.test("a mask holds 0 and 1; other values are named with what makes a mask of them", async () => {
  const shape = [10, 10, 6] as const;
  const mask = await openMask(image(undefined, (i) => i % 2), shape);
  assertEquals(mask.reduce((sum, value) => sum + value, 0), 300);
  const cases: [(i: number) => number, string][] = [
    [(i) => i % 2 ? 255 : 0, "the values 255 beside 0 and 1"],
    [(i) => (i % 11) / 5, "the values 0.2, 0.4, 0.6, 0.8, 1.2 and 4 more beside 0 and 1"],
    [(i) => i === 7 ? NaN : i % 2, "the values NaN beside"],
    [() => 0, "no voxel inside"],
  ];
  for (const [value, found] of cases) {
    const error = await assertRejects(
      () => openMask(image(undefined, value), shape),
      FormatError,
      found,
    );
    assertEquals(error.rule, "data.mask");
  }
  await assertRejects(() => openMask(image(undefined, labels), shape), FormatError, "fslmaths");
  const remarks: string[] = [];
  const odd = changed((view) => view.setUint8(123, 0), image(undefined, (i) => i % 2));
  await openMask(odd, shape, { onRemark: (remark) => remarks.push(remark) });
  assertEquals(remarks, [
    "The header names no unit of length: voxel sizes are taken for millimetres.",
  ]);
});

Deno.test("companion files of macOS are left out of listings, and said", async () => {
  await withDirectory((folder) => {
    for (const name of ["a.nii", "._a.nii", "._norm_b.nii.gz", "._x.txt"]) {
      Deno.writeTextFileSync(`${folder}/${name}`, "");
    }
    const said: (readonly string[])[] = [];
    const onCompanions = (names: readonly string[]) => said.push(names);
    assertEquals(listSubjectFiles(folder, { onCompanions }), ["a.nii"]);
    assertEquals(said, [["._a.nii", "._norm_b.nii.gz"]]);
    assertEquals(listSubjectFiles(folder, { skipPrefix: "" }), ["a.nii"]);
  });
});

Deno.test("oddities of header and file travel with the run, the header's readers and the loader", async () => {
  const cases: [Uint8Array, string | undefined][] = [
    [image(2, Math.sin), undefined],
    [changed((view) => view.setUint8(123, 8)), "no unit of length"],
    [changed((view) => view.setUint8(123, 7 | 8)), "a unit of length that does not exist (7)"],
    [changed((view) => view.setUint8(123, 1 | 8)), "1000×1000×1000 mm are hardly meant"],
    [changed((view) => view.setUint8(123, 2)), "no unit of time"],
    [changed((view) => view.setUint8(123, 2 | 16)), "0.002 s cannot be one (seconds declared as"],
    [changed((view) => view.setFloat32(92, 2000, true)), "2000 s cannot be one (milliseconds"],
    [changed((view) => view.setFloat32(92, -2, true)), "-2 s cannot be one:"],
    [
      changed((view) => view.setInt16(254, 0, true)),
      "no sform and no qform: where the volume lies",
    ],
    [
      changed((view) => {
        view.setInt16(254, 0, true);
        view.setInt16(252, 1, true);
      }),
      "no sform: its qform is used",
    ],
    [Uint8Array.from([...image(2, Math.sin), ...new Uint8Array(9)]), "9 further bytes"],
  ];
  await withDirectory(async (folder) => {
    for (const [n, [bytes, expected]] of cases.entries()) {
      const path = `${folder}/${n}.nii`;
      Deno.writeFileSync(path, bytes);
      using run = await openBoldRun(path);
      const preview = await previewNifti(path);
      const loader = await buildDataLoader(await cohortFromFiles([path]));
      for (const remarks of [run.remarks, preview.remarks, loader.remarks[0]]) {
        assertEquals(remarks.length, expected ? 1 : 0, `${expected}: ${remarks}`);
        if (expected) assertStringIncludes(remarks[0], expected);
      }
      loader.close();
    }
  });
});

Deno.test("a sform that is zero or singular gives way to the qform and reaches no output", async () => {
  const broken: ((view: DataView) => void)[] = [
    (view) => [...Array(12).keys()].forEach((i) => view.setFloat32(280 + 4 * i, 0, true)),
    (view) =>
      [0, 1, 2, 3].forEach((i) =>
        view.setFloat32(296 + 4 * i, view.getFloat32(280 + 4 * i, true), true)
      ),
  ];
  for (const breakSform of broken) {
    const withQform = await readNiftiFacts(changed((view) => {
      breakSform(view);
      view.setInt16(252, 1, true);
      [268, 272, 276].forEach((at, i) => view.setFloat32(at, 10 * (i + 1), true));
    }));
    assertEquals(withQform.affineSource, "qform");
    assertEquals(withQform.affine, [1, 0, 0, 10, 0, 1, 0, 20, 0, 0, 1, 30, 0, 0, 0, 1]);
    assertStringIncludes(withQform.remarks[0], "its matrix is singular): its qform is used");
    const without = await readNiftiFacts(changed(breakSform));
    assertEquals(without.affineSource, "pixdim");
    assertEquals(without.affine.slice(0, 3), [1, 0, 0]);
  }
  const affine = [1, 0, 0, 0, 1, 0, 0, 0, 0, 0, 1, 0, 0, 0, 0, 1];
  const facts = { spatialShape: [2, 1, 1], affine } as const;
  assertThrows(
    () => writeNifti(new Float32Array(2), facts),
    ConfigError,
    "map volumes onto volumes",
  );
  assertThrows(() => new NiftiFile("never.nii", facts), ConfigError);
});

Deno.test("a preview inflates the first frame only: damage behind it does not matter", async () => {
  const values = Float32Array.from({ length: 50 * 600 }, (_, i) => Math.fround(Math.sin(i * i)));
  const options = { spatialShape: [10, 10, 6], frames: 50 } as const;
  const plain = writeNifti(values, options);
  const packed = new Uint8Array(gzipSync(plain));
  await withDirectory(async (folder) => {
    const path = `${folder}/scan.nii.gz`;
    const broken = packed.slice(0, Math.floor(packed.length / 2));
    Deno.writeFileSync(path, broken);
    const { header, firstFrame, remarks } = await previewNifti(path);
    assertEquals([header.frames, remarks.length], [50, 0]);
    assertEquals(firstFrame, values.subarray(0, 600));
    await assertRejects(() => openBoldRun(path), FormatError, "ends too early");
    // The first frame itself must be there.
    Deno.writeFileSync(path, packed.subarray(0, 400));
    await assertRejects(() => previewNifti(path), FormatError, "ends too early");
    Deno.writeFileSync(path, gzipSync(plain.subarray(0, 1000)));
    const short = await assertRejects(() => previewNifti(path), FormatError);
    assertEquals(short.rule, "nifti.data");
  });
  const scaled = writeNifti(values, { ...options, datatype: "int16" });
  const { firstFrame } = await previewNifti(scaled);
  firstFrame.forEach((value, i) => assertAlmostEquals(value, values[i], 1e-4));
});

Deno.test("text behind a gzip stream is remarked and nothing of the image lost", async () => {
  const values = Float32Array.from({ length: 30 * 600 }, (_, i) => Math.sin(i * i));
  const packed = gzipSync(writeNifti(values, { spatialShape: [10, 10, 6], frames: 30 }));
  for (const behind of ["trailing text\n", "\0\0\0x", "\x1f", "x".repeat(400_000)]) {
    const bytes = Uint8Array.from([...packed, ...new TextEncoder().encode(behind)]);
    for (const memoryBudget of [1e9, 0]) {
      using run = await openBoldRun(bytes, { memoryBudget });
      assertEquals(run.readFrame(29), values.subarray(29 * 600));
      assertEquals(run.remarks, [
        "Behind the compressed content are further bytes, which are not read.",
      ]);
    }
  }
  using padded = await openBoldRun(Uint8Array.from([...packed, ...new Uint8Array(500)]));
  assertEquals(padded.remarks, []);
});
