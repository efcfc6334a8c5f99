import { FormatError } from "../../src/base/errors.ts";
import { gzipSync } from "../../src/deps/node_zlib.ts";
import { assert, assertEquals, assertRejects, assertStringIncludes } from "../../src/deps/std.ts";
import { describeFile, type FileKind, identifyFile } from "../../src/formats/file_kind.ts";
import { inflate, inflateWhole, isGzip } from "../../src/formats/gzip.ts";
import { writeNifti } from "../../src/formats/nifti_write.ts";
import { writeSafetensors } from "../../src/formats/safetensors.ts";
import { imageBytes } from "../support/images.ts";

const TEXT = new TextEncoder().encode("latent dynamics ".repeat(5000));

/** Bytes in chunks of that size. */
function* inChunks(bytes: Uint8Array, size: number): Generator<Uint8Array> {
  for (let at = 0; at < bytes.length; at += size) yield bytes.slice(at, at + size);
}

async function inflated(bytes: Uint8Array, chunk: number): Promise<Uint8Array> {
  const parts: number[] = [];
  for await (const part of inflate(inChunks(bytes, chunk))) parts.push(...part);
  return Uint8Array.from(parts);
}

Deno.test("gzip: one member, several, and zeros behind the last, in chunks of any size", async () => {
  const members = [TEXT.subarray(0, 9), TEXT.subarray(9, 30000), TEXT.subarray(30000)]
    .map((part) => new Uint8Array(gzipSync(part)));
  const many = Uint8Array.from(members.flatMap((member) => [...member]));
  const padded = Uint8Array.from([...many, ...new Uint8Array(100)]);
  for (const bytes of [new Uint8Array(gzipSync(TEXT)), many, padded]) {
    assert(isGzip(bytes));
    assertEquals(inflateWhole(bytes, { maxBytes: TEXT.length }), TEXT);
    for (const chunk of [1, 7, 1 << 16]) assertEquals(await inflated(bytes, chunk), TEXT);
  }
});

Deno.test("gzip: a file that is cut anywhere ends in an error with its name", async () => {
  const bytes = new Uint8Array(gzipSync(TEXT));
  for (let length = 1; length < bytes.length; length += 13) {
    const cut = inflate(inChunks(bytes.slice(0, length), 1000), { source: "cut.gz" });
    const error = await assertRejects(() => Array.fromAsync(cut), FormatError);
    assertEquals([error.rule, error.source], ["gzip.truncated", "cut.gz"]);
  }
});

Deno.test("gzip: a fault of the source comes through as it is", async () => {
  const failing = async function* () {
    yield gzipSync(TEXT).subarray(0, 50);
    await Promise.resolve();
    throw new TypeError("cable pulled");
  };
  await assertRejects(
    async () => await Array.fromAsync(inflate(failing())),
    TypeError,
    "cable pulled",
  );
});

Deno.test("gzip: stopping early ends the source", async () => {
  let ended = false;
  const source = function* () {
    try {
      const bytes = new Uint8Array(gzipSync(TEXT, { level: 0 }));
      for (;;) yield bytes;
    } finally {
      ended = true;
    }
  };
  for await (const part of inflate(source())) if (part.length > 0) break;
  assert(ended);
});

Deno.test("kinds of files are told by their first bytes", () => {
  const kinds: [FileKind, Uint8Array][] = [
    ["gzip", new Uint8Array(gzipSync(TEXT))],
    ["nifti-1", writeNifti(new Float32Array(1), { spatialShape: [1, 1, 1] })],
    ["nifti-1 pair", imageBytes("niivue_ras.hdr")],
    ["nifti-2 pair", imageBytes("nibabel_nifti2.hdr")],
    ["analyze", imageBytes("nibabel_analyze.hdr")],
    ["safetensors", writeSafetensors([["a", { data: Float32Array.of(1), shape: [] }]])],
    ["zip", new TextEncoder().encode("PK\u0003\u0004")],
    ["hdf5", Uint8Array.of(0x89, 0x48, 0x44, 0x46)],
    ["png", Uint8Array.of(0x89, 0x50, 0x4e, 0x47)],
    ["dicom", Uint8Array.from([...new Uint8Array(128), 0x44, 0x49, 0x43, 0x4d])],
    ["html", new TextEncoder().encode("\n<!DOCTYPE html>")],
    ["empty", new Uint8Array(0)],
    ["text", TEXT],
    ["text", new TextEncoder().encode("sub-01\t脳\r\n")],
    ["xml", new TextEncoder().encode('<?xml version="1.0"?><GIFTI>')],
    ["matlab", new TextEncoder().encode("MATLAB 5.0 MAT-file, Platform: GLNXA64")],
    ["numpy", Uint8Array.of(0x93, 0x4e, 0x55, 0x4d, 0x50, 0x59, 1, 0)],
    ["nrrd", new TextEncoder().encode("NRRD0004\n")],
    ["mrtrix", new TextEncoder().encode("mrtrix image\n")],
    ["mrtrix tracks", new TextEncoder().encode("mrtrix tracks\n")],
    ["trackvis", new TextEncoder().encode("TRACK\0")],
    ["appledouble", Uint8Array.of(0, 5, 0x16, 7, 0, 2, 0, 0)],
    ["git-lfs", new TextEncoder().encode("version https://git-lfs.github.com/spec/v1\n")],
    ["pickle", Uint8Array.of(0x80, 2, 0x7d)],
    ["unknown", Uint8Array.from({ length: 400 }, (_, i) => i * 7)],
  ];
  for (const [kind, bytes] of kinds) assertEquals(identifyFile(bytes.subarray(0, 352)), kind);
});

Deno.test("files whose bytes say little are told by their names, others by their bytes", () => {
  const unknown = Uint8Array.from({ length: 400 }, (_, i) => i * 7);
  const zip = new TextEncoder().encode("PK\u0003\u0004");
  const cases: [Uint8Array, string, string][] = [
    [unknown, "a.trk", "fibre tracts, not an image"],
    [unknown, "A.TCK", "fibre tracts, not an image"],
    [zip, "a.trx", "fibre tracts, not an image"],
    [unknown, "a.mat", "MATLAB"],
    [Uint8Array.of(0x89, 0x48, 0x44, 0x46), "a.mat", "MATLAB"],
    [Uint8Array.of(0x89, 0x48, 0x44, 0x46), "a.h5", "an HDF5 file"],
    [unknown, "x/brain.mgz", "FreeSurfer volume (mri_convert"],
    [new TextEncoder().encode("<?xml version"), "lh.gii", "GIFTI surface"],
    [zip, "a.npz", "NumPy arrays"],
    [unknown, "a+orig.BRIK.gz", "AFNI data set (3dAFNItoNIFTI"],
    [TEXT, "a+orig.HEAD", "AFNI data set"],
    [unknown, "a.ima", "DICOM file (dcm2niix"],
    [unknown, "a.nii.xz", "something else than gzip"],
    [zip, "all.zip", "an archive"],
    [zip, "model.pt", "a PyTorch file"],
    [TEXT, "model.pt", "a text file"],
    [unknown, "model.pth", "no file of a known kind"],
    [TEXT, "sub-01_bold.nii", "a text file"],
    [unknown, "sub-01_bold.nii.gz", "no file of a known kind"],
    [new TextEncoder().encode("TRACK\0"), "a.mat", "TrackVis"],
  ];
  for (const [head, name, expected] of cases) {
    assertStringIncludes(describeFile(head, name), expected);
  }
});

Deno.test("gzip: a header's name, comment, extra field and checksum are passed over", async () => {
  const plain = new Uint8Array(gzipSync(TEXT));
  const text = (words: string) => [...new TextEncoder().encode(words), 0];
  const fields: [flag: number, bytes: number[]][] = [
    [4, [3, 0, 9, 9, 9]],
    [8, text("sub-01_bold.nii")],
    [16, text("a comment")],
    [2, [1, 2]],
  ];
  const whole = fields.flatMap(([, bytes]) => bytes);
  const every = plain.subarray(0, 10).slice();
  every[3] = fields.reduce((flags, [flag]) => flags | flag, 0);
  const bytes = Uint8Array.from([...every, ...whole, ...plain.subarray(10)]);
  for (const chunk of [1, 5, 1 << 16]) assertEquals(await inflated(bytes, chunk), TEXT);
  const cut = inflate(inChunks(bytes.slice(0, 30), 4));
  const error = await assertRejects(() => Array.fromAsync(cut), FormatError);
  assertEquals(error.rule, "gzip.truncated");
});

Deno.test("gzip: damage is told from bytes behind the last member, which are remarked", async () => {
  const plain = new Uint8Array(gzipSync(TEXT));
  const read = async (bytes: Uint8Array, chunk = 100) => {
    const remarks: string[] = [];
    const options = { onRemark: (remark: string) => remarks.push(remark) };
    const parts: number[] = [];
    for await (const part of inflate(inChunks(bytes, chunk), options)) parts.push(...part);
    return { content: Uint8Array.from(parts), remarks };
  };
  for (const chunk of [1, 64, plain.length, 1 << 16]) {
    const { content, remarks } = await read(
      Uint8Array.from([...plain, ...new TextEncoder().encode("behind")]),
      chunk,
    );
    assertEquals(content, TEXT);
    assertEquals(remarks.length, 1);
    assertStringIncludes(remarks[0], "further bytes");
  }
  assertEquals((await read(Uint8Array.from([...plain, ...plain]))).remarks, []);
  const faults: [string, (bytes: Uint8Array) => void][] = [
    ["gzip.data", (bytes) => void (bytes[2] = 7)],
    ["gzip.data", (bytes) => bytes.fill(0xff, 10, 20)],
    ["gzip.checksum", (bytes) => void (bytes[bytes.length - 8] ^= 1)],
    ["gzip.checksum", (bytes) => void (bytes[bytes.length - 1] ^= 1)],
  ];
  for (const [rule, change] of faults) {
    const bytes = plain.slice();
    change(bytes);
    const error = await assertRejects(() => read(bytes), FormatError);
    assertEquals(error.rule, rule);
  }
  const second = Uint8Array.from([...plain, ...plain.subarray(0, 12)]);
  const error = await assertRejects(() => read(second), FormatError);
  assertEquals(error.rule, "gzip.truncated");
});

Deno.test("gzip: what the reader does not ask for is not taken from the source", async () => {
  const noise = Uint8Array.from({ length: 3e6 }, (_, i) => (i * 2654435761) >>> 13);
  const packed = new Uint8Array(gzipSync(noise));
  let taken = 0;
  const source = function* () {
    for (const chunk of inChunks(packed, 10_000)) {
      taken++;
      yield chunk;
    }
  };
  for await (const part of inflate(source())) if (part.length > 0) break;
  assert(taken <= 4, `${taken} chunks of ${Math.ceil(packed.length / 10_000)}`);
});
