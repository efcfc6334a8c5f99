import { openBoldRun, readNiftiFacts } from "../../src/data/bold_run.ts";
import { ConfigError, FormatError, ShapeError, WriteError } from "../../src/base/errors.ts";
import { useDisk } from "../../src/files/disk.ts";
import { FaultyDisk } from "../support/faulty_disk.ts";
import {
  assert,
  assertAlmostEquals,
  assertEquals,
  assertRejects,
  assertThrows,
} from "../../src/deps/std.ts";
import { readSafetensors } from "../../src/formats/safetensors.ts";
import { gzipSync } from "../../src/deps/node_zlib.ts";
import { fromTorchOrder } from "../../src/data/volumes.ts";
import { writeNifti } from "../../src/formats/nifti_write.ts";
import { imageBytes, imagePath, readImage, summary, withDirectory } from "../support/images.ts";

const FIXTURES = new URL("../golden/fixtures/recvae/", import.meta.url);

Deno.test("golden: the two sample images decode to the fixture's volumes exactly", async () => {
  const { tensors } = readSafetensors(Deno.readFileSync(new URL("data.safetensors", FIXTURES)));
  const samples = {
    "sample_int16_scaled.nii.gz": "nifti/int16_scaled",
    "sample_float32_bigendian.nii": "nifti/float32_bigendian",
  };
  for (const [file, key] of Object.entries(samples)) {
    using run = await openBoldRun(new URL(file, FIXTURES));
    assertEquals([...run.spatialShape, run.frames], [4, 5, 6, 3]);
    const { data, shape } = tensors.get(key)!;
    const expected = fromTorchOrder({ data: data as Float32Array, shape: [1, ...shape] }).data;
    const found = [0, 1, 2].flatMap((t) => [...run.readFrame(t)]);
    assertEquals(Float32Array.from(found), expected, file);
  }
});

Deno.test("images: all ten real element types hold the same 27 values", async () => {
  const types = ["uint8", "int8", "int16", "uint16", "int32", "uint32", "int64", "uint64"];
  for (const type of [...types, "float32", "float64"]) {
    const { run, values } = await readImage(`niftirs_27_${type}.nii`);
    // Voxel (x, y, z) holds 9x + 3y + z.
    const expected = values.map((_, i) =>
      9 * (i % 3) + 3 * (Math.floor(i / 3) % 3) + Math.floor(i / 9)
    );
    assertEquals(values, expected, type);
    assertEquals(run.header.datatype as string, type);
  }
});

Deno.test("images: both byte orders give equal voxels", async () => {
  const big = await readImage("niftireaderjs_big.nii.gz");
  const little = await readImage("niftireaderjs_little.nii.gz");
  assert(!big.run.header.littleEndian && little.run.header.littleEndian);
  assertEquals(big.values, little.values);
  const { min, max } = summary(big.values);
  assertAlmostEquals(min, -8.71075, 1e-5);
  assertAlmostEquals(max, 18.5825, 1e-4);
  assertEquals([big.run.header.axes, little.run.header.axes], [3, 4]);
});

Deno.test("images: one head in six axis orders is the same set of voxels in the same places", async () => {
  const reference = await headByPlace("RAS");
  for (const order of ["LPI", "PIL", "ASR", "SLA", "IRP"]) {
    const other = await headByPlace(order);
    assertEquals(other.size, reference.size, order);
    let different = 0;
    for (const [place, value] of reference) if (other.get(place) !== value) different++;
    assertEquals(different, 0, order);
  }
});

/** World position, in half-millimetres rounded to whole ones and packed into a number → value. */
async function headByPlace(order: string): Promise<Map<number, number>> {
  using run = await openBoldRun(imagePath(`niivue_space_${order}.nii.gz`));
  const frame = run.readFrame(0);
  const { min, max, mean } = summary([...frame]);
  assertEquals(min, 0);
  assertAlmostEquals(max, 92.55, 0.01);
  assertAlmostEquals(mean, 33.6484, 1e-4);
  const { affine: a, spatialShape: [X, Y] } = run;
  const places = new Map<number, number>();
  for (let i = 0; i < frame.length; i++) {
    const [x, y, z] = [i % X, Math.floor(i / X) % Y, Math.floor(i / X / Y)];
    let place = 0;
    for (const row of [0, 4, 8]) {
      const at = a[row] * x + a[row + 1] * y + a[row + 2] * z + a[row + 3];
      place = 1024 * place + Math.round(at * 2) + 512;
    }
    places.set(place, frame[i]);
  }
  return places;
}

Deno.test("images: scaled int16 and uint8 give the published ranges", async () => {
  const functional = await readImage("nibabel_functional.nii");
  assertEquals([functional.run.frames, functional.run.repetitionTime], [20, 2]);
  const bold = summary(functional.values);
  assertAlmostEquals(bold.min, 629.8, 0.05);
  assertAlmostEquals(bold.max, 5571.6, 0.05);
  assertAlmostEquals(bold.mean, 3637.41, 0.01);
  const epi = await readImage("nibabel_someones_epi.nii.gz");
  assertAlmostEquals(summary(epi.values).min, 7.74, 0.01);
  assertAlmostEquals(epi.run.header.slope, 0.3766, 1e-4);
});

Deno.test("images: surplus bytes behind the last voxel do not matter", async () => {
  const { run, values } = await readImage("nitime_fmri1.nii.gz");
  assertEquals([...run.spatialShape, run.frames, values.length], [10, 10, 18, 40, 72000]);
  assertEquals(run.repetitionTime, 1.35);
});

Deno.test("images: NIfTI-2 and header extensions", async () => {
  const nifti2 = await readImage("nibabel_example_nifti2.nii.gz");
  assertEquals([nifti2.run.header.version, nifti2.run.header.dataOffset], [2, 608]);
  assertEquals([...nifti2.run.spatialShape, nifti2.run.frames], [32, 20, 12, 2]);
  using mask = await openBoldRun(
    new URL("../../data/haxby2001/masks/sub-1_desc-brain_mask.nii.gz", import.meta.url),
  );
  assertEquals(mask.header.dataOffset, 3008);
  assertEquals(mask.readFrame(0).filter((v) => v !== 0).length, 129);
});

Deno.test("images: a repetition time that cannot be one is not reported, and said so", async () => {
  const { run } = await readImage("nibabel_example4d.nii.gz");
  assertEquals(run.repetitionTime, null);
  assert(run.header.remarks.some((remark) => remark.includes("2000 s")), run.header.remarks.join());
});

Deno.test("images: pairs open by either half, compressed or not", async () => {
  const single = await readImage("niftirs_minimal.nii.gz");
  for (const half of ["niftirs_minimal.hdr", "niftirs_minimal.img"]) {
    assertEquals((await readImage(half)).values, single.values, half);
  }
  const ras = await readImage("niivue_ras.hdr");
  assertEquals(ras.values, [...imageBytes("niivue_ras.img")]);
  const air = await readImage("niftireaderjs_air.img.gz");
  assertEquals([...air.run.spatialShape], [79, 67, 64]);
  assertAlmostEquals(summary(air.values).mean, 33.6484, 1e-4);
});

Deno.test("images: what cannot be read is told by what it is", async () => {
  const refusals: Record<string, [rule: string, text: string]> = {
    "nibabel_nifti1.hdr": ["nifti.pair", "NIfTI-1 pair"],
    "nibabel_nifti2.hdr": ["nifti.pair", "NIfTI-2 pair"],
    "nibabel_analyze.hdr": ["nifti.magic", "Analyze 7.5"],
    "nibabel_row_major.dconn.nii": ["nifti.intent", "CIFTI-2"],
    "niftireaderjs_5D_small.nii": ["nifti.axes", "5-dimensional image (1×2×3×1×3)"],
    "niftireaderjs_not-nifti.nii": ["nifti.magic", "no file of a known kind"],
    "niftirs_complex32.nii": ["nifti.datatype", "complex64"],
    "niivue_complex_image.nii.gz": ["nifti.datatype", "complex64"],
    "niftirs_rgb_4D.nii": ["nifti.datatype", "RGB24"],
    "niftirs_minimal_extended_hdr.nii": ["nifti.axes", "2-dimensional image (8×8)"],
    "niftirs_crash-d03c6346.bin": ["nifti.sizeof_hdr", "sizeof_hdr"],
    "niftirs_crash-ed7d4634.nii": ["nifti.sizeof_hdr", "sizeof_hdr"],
  };
  for (const [name, [rule, text]] of Object.entries(refusals)) {
    const error = await assertRejects(() => openBoldRun(imagePath(name)), FormatError, text);
    assertEquals([error.rule, error.source], [rule, imagePath(name)]);
    const early = await assertRejects(() => readNiftiFacts(imagePath(name)), FormatError);
    assertEquals(early.rule, rule);
  }
});

Deno.test("run: disk, memory, URL and every cache give the same frames", async () => {
  const name = "nibabel_functional.nii";
  const plain = imageBytes(name);
  const half = Math.floor(plain.length / 2);
  const members = [plain.subarray(0, half), plain.subarray(half)].map((part) => gzipSync(part));
  const gzip = new Uint8Array([...members[0], ...members[1]]);
  const server = Deno.serve(
    { port: 0, hostname: "127.0.0.1", onListen: () => {} },
    (request) =>
      request.url.endsWith("missing")
        ? new Response("no", { status: 404 })
        : new Response(new Uint8Array(request.url.endsWith(".gz") ? gzip : plain)),
  );
  const base = `http://127.0.0.1:${server.addr.port}/`;
  try {
    using expected = await openBoldRun(imagePath(name));
    for (const location of [plain, gzip, `${base}run.nii`, new URL(`${base}run.nii.gz`)]) {
      for (const memoryBudget of [1e9, 0]) {
        using run = await openBoldRun(location, { memoryBudget });
        for (const t of [19, 0, 7]) assertEquals(run.readFrame(t), expected.readFrame(t));
      }
    }
    const error = await assertRejects(() => openBoldRun(`${base}missing`), FormatError, "404");
    assertEquals(error.rule, "url.fetch");
  } finally {
    await server.shutdown();
  }
});

Deno.test("run: temporary files are gone after closing", async () => {
  await withDirectory(async (cacheDirectory) => {
    const run = await openBoldRun(imagePath("nitime_fmri1.nii.gz"), {
      memoryBudget: 0,
      cacheDirectory,
    });
    const frame = run.readFrame(39);
    run.close();
    assertEquals([...Deno.readDirSync(cacheDirectory)].length, 0);
    assertEquals([...frame], (await readImage("nitime_fmri1.nii.gz")).values.slice(-1800));
  });
});

Deno.test("run: a missing file, a directory and a full disk say what to do", async () => {
  const missing = await assertRejects(
    () => openBoldRun("no_such.nii"),
    FormatError,
    "no such file",
  );
  assertEquals(missing.rule, "file.open");
  await assertRejects(() => openBoldRun(imagePath("LICENSES")), FormatError, "directory");
  const options = { memoryBudget: 0, cacheDirectory: "/no/such/folder" };
  const full = await assertRejects(
    () => openBoldRun(imagePath("nitime_fmri1.nii.gz"), options),
    WriteError,
    "memoryBudget",
  );
  assertEquals([full.path, full.code], ["/no/such/folder", "ENOENT"]);
});

Deno.test("run: a disk that fills up while a scan is inflated says where, and nothing stays", async () => {
  await withDirectory(async (cacheDirectory) => {
    const options = { memoryBudget: 0, cacheDirectory };
    for (const operation of ["open", "write"] as const) {
      using _ = useDisk(new FaultyDisk({ operation, at: 1, code: "ENOSPC" }));
      const { message } = await assertRejects(
        () => openBoldRun(imagePath("nitime_fmri1.nii.gz"), options),
        WriteError,
        'Cannot write a temporary copy of "',
      );
      assert(message.includes(`in ${cacheDirectory}`) && message.includes("no space is left"));
      assert(message.includes("TMPDIR") && !message.includes("os error"), message);
      assertEquals([...Deno.readDirSync(cacheDirectory)].length, 0);
    }
  });
});

Deno.test("run: frames outside the run and targets of another size are refused", async () => {
  using run = await openBoldRun(writeNifti(new Float32Array(24), { spatialShape: [3, 2, 4] }));
  assertThrows(() => run.readFrame(1), ConfigError, "1 frames");
  assertThrows(() => run.readFrame(-1), ConfigError);
  assertThrows(() => run.readFrame(0, new Float32Array(23)), ShapeError);
});

Deno.test("run: a file that is cut while in use is noticed", async () => {
  await withDirectory(async (directory) => {
    const path = `${directory}/run.nii`;
    Deno.writeFileSync(
      path,
      writeNifti(new Float32Array(48), { spatialShape: [3, 2, 4], frames: 2 }),
    );
    using run = await openBoldRun(path);
    Deno.truncateSync(path, 400);
    assertThrows(() => run.readFrame(1), FormatError, "changed while in use");
  });
});

Deno.test("reading a closed run is an error that says so", async () => {
  await withDirectory(async (directory) => {
    const path = `${directory}/run.nii`;
    const values = Float32Array.from({ length: 16 }, (_, i) => i);
    Deno.writeFileSync(path, writeNifti(values, { spatialShape: [2, 2, 2], frames: 2 }));
    const run = await openBoldRun(path);
    run.close();
    const fault = assertThrows(() => run.readFrame(0), FormatError, "was closed");
    assertEquals(fault.rule, "file.closed");
  });
});
