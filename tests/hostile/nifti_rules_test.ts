/** Headers that lie: each rule of the NIfTI and gzip readers refuses files that break it. */
import { openBoldRun } from "../../src/data/bold_run.ts";
import { assertRejects } from "../../src/deps/std.ts";
import { FormatError } from "../../src/base/errors.ts";
import { gzipSync } from "../../src/deps/node_zlib.ts";
import { GZIP_RULES, inflateWhole } from "../../src/formats/gzip.ts";
import { NIFTI_RULES } from "../../src/formats/nifti_header.ts";
import { writeNifti } from "../../src/formats/nifti_write.ts";
import { imageBytes } from "../support/images.ts";
import { testRules } from "../support/rule_cases.ts";

const GOOD = writeNifti(new Float32Array(48), { spatialShape: [4, 3, 2], frames: 2 });

/** The good file with one change. */
function lying(change: (view: DataView, bytes: Uint8Array) => void): Uint8Array {
  const bytes = GOOD.slice();
  change(new DataView(bytes.buffer), bytes);
  return bytes;
}

const int16 = (at: number, value: number) => lying((view) => view.setInt16(at, value, true));
const float32 = (at: number, value: number) => lying((view) => view.setFloat32(at, value, true));
const dims = (...values: number[]) =>
  lying((view) => values.forEach((n, i) => view.setInt16(40 + 2 * i, n, true)));

/** A NIfTI-2 file with one change. */
function lying2(change: (view: DataView, bytes: Uint8Array) => void): Uint8Array {
  const bytes = inflateWhole(imageBytes("nibabel_example_nifti2.nii.gz"), { maxBytes: 1e6 });
  change(new DataView(bytes.buffer), bytes);
  return bytes;
}

testRules(NIFTI_RULES, {
  "nifti.magic": [
    new Uint8Array(0),
    new Uint8Array(1000),
    new TextEncoder().encode("sub-01\t12.5\n".repeat(60)),
    lying((_, bytes) => bytes.fill(0, 344)), // Analyze 7.5
    imageBytes("niftireaderjs_not-nifti.nii"),
  ],
  "nifti.length": [
    GOOD.slice(0, 347),
    lying2(() => {}).slice(0, 539),
  ],
  "nifti.sizeof_hdr": [
    lying((view) => view.setInt32(0, 349, true)),
    lying((view) => view.setInt32(0, -348, true)),
    lying2((view) => view.setInt32(0, 348, true)),
  ],
  "nifti.signature": [lying2((_, bytes) => bytes.fill(0x0a, 8, 10))],
  "nifti.pair": [lying((_, bytes) => void (bytes[345] = 0x69))],
  "nifti.intent": [int16(68, 3001), imageBytes("nibabel_row_major.dconn.nii")],
  "nifti.axes": [
    ...[0, 1, 2, 8, 9, -1, 32767].map((n) => int16(40, n)),
    dims(5, 4, 3, 2, 1, 2),
    dims(7, 4, 3, 1, 1, 1, 1, 2),
    lying2((view) => view.setBigInt64(16, 2n ** 62n, true)),
  ],
  "nifti.dim": [
    ...[1, 2, 3, 4].flatMap((axis) => [0, -1, -32768].map((n) => int16(40 + 2 * axis, n))),
    lying2((view) => view.setBigInt64(24, 2n ** 40n, true)),
    lying2((view) => view.setBigInt64(24, -(2n ** 40n), true)),
    lying2((view) => view.setBigInt64(48, 2n ** 62n, true)),
  ],
  "nifti.datatype": [0, 1, 3, 32, 128, 1536, 1792, 2048, 2304, -4, 9999].map((n) => int16(70, n)),
  "nifti.bitpix": [0, 8, 16, 64, -32].map((n) => int16(72, n)),
  "nifti.vox_offset": [
    ...[NaN, Infinity, -Infinity, -352, 0, 348, 351, 352.5, 1e30].map((n) => float32(108, n)),
    lying2((view) => view.setBigInt64(168, 543n, true)),
    lying2((view) => view.setBigInt64(168, -608n, true)),
  ],
  "nifti.data": [
    GOOD.slice(0, -1),
    GOOD.slice(0, 352),
    float32(108, 356),
    float32(108, 1e9),
    int16(48, 3),
    dims(4, 32767, 32767, 32767, 32767),
    lying2((view) => [24, 32, 40].forEach((at) => view.setBigInt64(at, 1_000_000n, true))),
  ],
  "nifti.scaling": [
    float32(112, Infinity),
    float32(112, -Infinity),
    float32(116, NaN),
    float32(116, -Infinity),
  ],
  "nifti.pixdim": [NaN, Infinity, -Infinity].flatMap((n) =>
    [80, 84, 88].map((at) => float32(at, n))
  ),
  "nifti.affine": [
    ...[280, 300, 324].flatMap((at) => [NaN, Infinity].map((n) => float32(at, n))),
    lying((view) => qform(view, [2, 0, 0], 0)),
    lying((view) => qform(view, [0, NaN, 0], 0)),
    lying((view) => qform(view, [0, 0, 0.5], Infinity)),
  ],
}, (bytes) => openBoldRun(bytes));

/** Switches to the qform with this quaternion and x offset. */
function qform(view: DataView, quaternion: readonly number[], offset: number): void {
  view.setInt16(252, 1, true);
  view.setInt16(254, 0, true);
  [...quaternion, offset].forEach((value, i) => view.setFloat32(256 + 4 * i, value, true));
}

const PACKED = new Uint8Array(gzipSync(GOOD));
const edited = (at: number, value: number) => PACKED.with(at < 0 ? PACKED.length + at : at, value);

/** Voxels, and then 272 MiB of zeros in 17 more members of 16 KiB. */
function surplus(): Uint8Array {
  const zeros = gzipSync(new Uint8Array(2 ** 24));
  const bytes = new Uint8Array(PACKED.length + 17 * zeros.length);
  bytes.set(PACKED);
  for (let i = 0; i < 17; i++) bytes.set(zeros, PACKED.length + i * zeros.length);
  return bytes;
}

testRules(GZIP_RULES, {
  "gzip.data": [edited(2, 9), edited(3, 0xe0), edited(10, 0xff)],
  "gzip.truncated": [PACKED.slice(0, -1), PACKED.slice(0, 12), PACKED.slice(0, 40)],
  "gzip.checksum": [edited(-8, PACKED.at(-8)! ^ 1), edited(-4, PACKED.at(-4)! ^ 1)],
  "gzip.ratio": [new Uint8Array(gzipSync(dims(4, 1000, 1000, 1000, 100)))],
  "gzip.size": [surplus()],
}, (bytes) => openBoldRun(bytes));

Deno.test("gzip.size: a limit on content in memory", async () => {
  await assertRejects(
    async () => await inflateWhole(PACKED, { maxBytes: GOOD.length - 1 }),
    FormatError,
    `more than ${GOOD.length - 1} bytes`,
  );
});
