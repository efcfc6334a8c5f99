import { ConfigError, ShapeError } from "../../src/base/errors.ts";
import { assert, assertAlmostEquals, assertEquals, assertThrows } from "../../src/deps/std.ts";
import { inflateWhole } from "../../src/formats/gzip.ts";
import { readNiftiHeader } from "../../src/formats/nifti_header.ts";
import { encodeVoxels, int16Scaling, voxelDecoder } from "../../src/formats/nifti_voxels.ts";
import { encodeNiftiHeader, writeNifti } from "../../src/formats/nifti_write.ts";

const AFFINE = [-2, 0.5, 0, 90, 0, 2, 0, -126, 0.25, 0, 3, -72, 0, 0, 0, 1];

Deno.test("NIfTI writing: shape, affine, repetition time and values come back", () => {
  const values = Float32Array.from({ length: 48 }, (_, i) => Math.sin(i) * 1e3);
  const options = {
    spatialShape: [4, 3, 2],
    frames: 2,
    affine: AFFINE,
    repetitionTime: 2.5,
  } as const;
  const file = writeNifti(values, { ...options, description: "made by a test" });
  const header = readNiftiHeader(file, { dataFileBytes: file.length });
  assertEquals([...header.spatialShape, header.frames, header.axes], [4, 3, 2, 2, 4]);
  assertEquals([header.repetitionTime, header.affineSource], [2.5, "sform"]);
  assertEquals([...header.affine], AFFINE);
  assertEquals(header.description, "made by a test");
  assertAlmostEquals(header.voxelSizes[0], Math.hypot(2, 0.25), 1e-6);
  const decoded = new Float32Array(48);
  voxelDecoder(header)(file.subarray(header.dataOffset), decoded);
  assertEquals(decoded, values);
  assertEquals(
    inflateWhole(writeNifti(values, { ...options, gzip: true }), { maxBytes: 1e4 }).length,
    544,
  );
});

Deno.test("NIfTI writing: a 3-D image has three axes and no repetition time", () => {
  const file = writeNifti(new Float32Array(24), { spatialShape: [4, 3, 2] });
  const header = readNiftiHeader(file, { dataFileBytes: file.length });
  assertEquals([header.axes, header.frames, header.repetitionTime], [3, 1, null]);
});

Deno.test("NIfTI writing: int16 keeps values to half a step", () => {
  const values = Float32Array.from({ length: 240 }, (_, i) => 500 * Math.cos(i) + 1000);
  const file = writeNifti(values, { spatialShape: [10, 6, 4], datatype: "int16" });
  const header = readNiftiHeader(file, { dataFileBytes: file.length });
  assertEquals(header.datatype, "int16");
  const decoded = new Float32Array(240);
  voxelDecoder(header)(file.subarray(header.dataOffset), decoded);
  const step = 1000 / 65534;
  for (let i = 0; i < 240; i++) assertAlmostEquals(decoded[i], values[i], step * 0.51);
});

Deno.test("NIfTI writing: int16 scaling spans the type, and a constant image stays exact", () => {
  const { slope, intercept } = int16Scaling(-3, 5);
  const stored = new Int16Array(
    encodeVoxels(Float64Array.of(-3, 5), { datatype: "int16", slope, intercept }).buffer,
  );
  assert(stored[0] <= -32766 && stored[1] >= 32766, stored.join());
  const constant = writeNifti(new Float32Array(8).fill(7), {
    spatialShape: [2, 2, 2],
    datatype: "int16",
  });
  const header = readNiftiHeader(constant, { dataFileBytes: constant.length });
  const decoded = new Float32Array(8);
  voxelDecoder(header)(constant.subarray(352), decoded);
  assertEquals(decoded, new Float32Array(8).fill(7));
});

Deno.test("NIfTI writing: wrong sizes and affines are refused", () => {
  assertThrows(
    () => writeNifti(new Float32Array(23), { spatialShape: [4, 3, 2] }),
    ShapeError,
    "24",
  );
  assertThrows(() => encodeNiftiHeader({ spatialShape: [4, 0, 2] }), ConfigError, "axis of 0");
  assertThrows(() => encodeNiftiHeader({ spatialShape: [4, 40000, 2] }), ConfigError, "32767");
  assertThrows(
    () => encodeNiftiHeader({ spatialShape: [4, 3, 2], affine: [1] }),
    ConfigError,
    "16",
  );
});

Deno.test("NIfTI voxels: every type, both byte orders, at odd addresses, with scaling", () => {
  const cases = {
    int8: [[-128, 127], 1],
    uint8: [[0, 255], 1],
    int16: [[-32768, 32767], 2],
    uint16: [[0, 65535], 2],
    int32: [[-(2 ** 31), 2 ** 31 - 1], 4],
    uint32: [[0, 2 ** 32 - 1], 4],
    float32: [[-1.5, Math.fround(1e30)], 4],
    float64: [[Math.PI, -1e300], 8],
    int64: [[-(2 ** 63), -1], 8],
    uint64: [[2 ** 53 + 2, 2 ** 63], 8],
  } as const;
  for (const [datatype, [values, bytesPerVoxel]] of Object.entries(cases)) {
    for (const littleEndian of [true, false]) {
      const bytes = new Uint8Array(2 * bytesPerVoxel + 1).subarray(1);
      const view = new DataView(bytes.buffer, 1);
      values.forEach((value, i) => {
        const at = i * bytesPerVoxel;
        if (datatype === "int64") view.setBigInt64(at, BigInt(value), littleEndian);
        else if (datatype === "uint64") view.setBigUint64(at, BigInt(value), littleEndian);
        else {
          const name = `set${datatype[0].toUpperCase()}${datatype.slice(1)}` as "setInt16";
          view[name](at, value, littleEndian);
        }
      });
      for (const [slope, intercept] of [[1, 0], [0.1, -3]]) {
        const encoding = { datatype, bytesPerVoxel, littleEndian, slope, intercept };
        const decoded = new Float64Array(2);
        const before = bytes.slice();
        voxelDecoder(encoding as Parameters<typeof voxelDecoder>[0])(bytes, decoded);
        assertEquals([...decoded], values.map((v) => v * slope + intercept), datatype);
        assertEquals(bytes, before, "the source is left as it was");
      }
    }
  }
});
