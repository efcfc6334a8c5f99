/** Fingerprints tell scans apart and recognise copies; remembered files are found where they went. */
import { findProblem } from "../../src/base/fields.ts";
import { FILE_RECORD, type FileRecord, findFiles, recordFile } from "../../src/data/file_record.ts";
import { takeFingerprint } from "../../src/data/fingerprint.ts";
import { assertEquals, assertNotEquals } from "../../src/deps/std.ts";
import { writeNifti } from "../../src/formats/nifti_write.ts";
import { inFolder } from "../support/folders.ts";

/** Writes bytes that follow from a number, and makes the folders above. */
function write(path: string, seed: number, bytes = 100): void {
  Deno.mkdirSync(path.slice(0, path.lastIndexOf("/")), { recursive: true });
  Deno.writeFileSync(path, Uint8Array.from({ length: bytes }, (_, i) => (i * 7 + seed) & 255));
}

/** A scan whose outer fifth on every side is zero, as after brain extraction. */
function maskedScan(frames: number, value: number): Uint8Array {
  const spatialShape = [20, 20, 20] as const;
  const inside = (n: number) => n >= 4 && n < 16;
  const voxels = Float32Array.from({ length: frames * 8000 }, (_, i) => {
    const v = i % 8000;
    const at = [v % 20, Math.floor(v / 20) % 20, Math.floor(v / 400)];
    return at.every(inside) ? value : 0;
  });
  return writeNifti(voxels, { spatialShape, frames });
}

Deno.test("a fingerprint belongs to the content, not to the name", async () => {
  await inFolder(async (folder) => {
    for (const bytes of [0, 1, 262_144, 262_145, 900_000]) {
      write(`${folder}/a.nii`, 1, bytes);
      Deno.copyFileSync(`${folder}/a.nii`, `${folder}/b.nii`);
      const { bytes: size, fingerprint } = await takeFingerprint(`${folder}/a.nii`);
      assertEquals(size, bytes);
      assertEquals(fingerprint.length, 32);
      assertEquals(await takeFingerprint(`${folder}/b.nii`), { bytes, fingerprint });
      if (bytes === 0) continue;
      for (const at of [0, bytes - 1]) {
        const content = Deno.readFileSync(`${folder}/a.nii`);
        content[at] ^= 1;
        Deno.writeFileSync(`${folder}/b.nii`, content);
        assertNotEquals((await takeFingerprint(`${folder}/b.nii`)).fingerprint, fingerprint);
      }
    }
  });
});

Deno.test("scans with empty borders differ, whatever the number of frames", async () => {
  await inFolder(async (folder) => {
    for (const frames of [31, 32, 62, 63, 64, 120]) {
      Deno.writeFileSync(`${folder}/a.nii`, maskedScan(frames, 1));
      Deno.writeFileSync(`${folder}/b.nii`, maskedScan(frames, 2));
      const [a, b] = [
        await takeFingerprint(`${folder}/a.nii`),
        await takeFingerprint(`${folder}/b.nii`),
      ];
      assertEquals(a.bytes, b.bytes);
      assertNotEquals(a.fingerprint, b.fingerprint, `${frames} frames`);
    }
  });
});

Deno.test("both halves of a pair count", async () => {
  await inFolder(async (folder) => {
    write(`${folder}/a.hdr`, 1, 348);
    write(`${folder}/a.img`, 1);
    const whole = await takeFingerprint(`${folder}/a.hdr`);
    assertEquals(whole.bytes, 448);
    assertEquals(await takeFingerprint(`${folder}/a.img`), whole);
    write(`${folder}/a.img`, 2);
    assertNotEquals((await takeFingerprint(`${folder}/a.hdr`)).fingerprint, whole.fingerprint);
  });
});

Deno.test("remembered files are found where they were, and below the folder they moved to", async () => {
  await inFolder(async (folder) => {
    const old = `${folder}/old/study`;
    const paths = [`${old}/cn/a.nii`, `${old}/cn/b.nii`, `${old}/ad/a.nii`];
    paths.forEach((path, seed) => write(path, seed));
    const records = await Promise.all(paths.map(recordFile));
    const found = async (root?: string) =>
      (await findFiles(records, root)).map((one) => one && [one.state, one.record.path]);
    const same = (list: string[]) => list.map((path) => ["same", path]);
    assertEquals(await found(), same(paths));

    const moved = `${folder}/new/study`;
    Deno.mkdirSync(`${folder}/new`);
    Deno.renameSync(old, moved);
    assertEquals(await found(), [null, null, null]);
    const now = paths.map((path) => path.replace(old, moved));
    assertEquals(await found(moved), same(now), "the folder itself");
    assertEquals(await found(`${folder}/new`), same(now), "the one above it");
    const [a, b, other] = await found(`${moved}/cn`);
    assertEquals([a, b], same(now.slice(0, 2)), "one inside it");
    assertEquals(other, null, "cn/a.nii is not taken for ad/a.nii");
    assertEquals(await found(folder), [null, null, null]);
  });
});

Deno.test("other content is told from the same, and both from what cannot be checked", async () => {
  await inFolder(async (folder) => {
    write(`${folder}/a.nii`, 1);
    const record = await recordFile(`${folder}/a.nii`);
    const state = async (remembered: FileRecord) => (await findFiles([remembered]))[0]?.state;
    assertEquals(await state(record), "same");
    assertEquals(await state({ path: record.path }), "unchecked");
    write(`${folder}/a.nii`, 2);
    assertEquals(await state(record), "changed");
    Deno.removeSync(`${folder}/a.nii`);
    Deno.mkdirSync(`${folder}/a.nii`);
    assertEquals(await state(record), undefined, "a folder is no file");
  });
});

Deno.test("records of the wrong kind are refused by the field's name", () => {
  const problem = (value: unknown) => findProblem(value, FILE_RECORD, { path: "f" })?.field;
  const whole = { path: "a", bytes: 3, fingerprint: "0".repeat(32) };
  assertEquals([{ path: "a.nii" }, whole].map(problem), [undefined, undefined]);
  const wrong: [unknown, string][] = [
    [5, "f"],
    [null, "f"],
    [["a"], "f"],
    [{}, "f.path"],
    [{ ...whole, path: 5 }, "f.path"],
    [{ ...whole, path: "" }, "f.path"],
    [{ ...whole, bytes: "3" }, "f.bytes"],
    [{ ...whole, bytes: -1 }, "f.bytes"],
    [{ ...whole, fingerprint: "abc" }, "f.fingerprint"],
    [{ ...whole, surprise: 1 }, "f.surprise"],
  ];
  for (const [value, field] of wrong) assertEquals(problem(value), field, JSON.stringify(value));
});
