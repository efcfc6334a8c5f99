/** Tractography files: the fixtures, the real files, every voxel order, and what is written. */
import { FormatError } from "../../src/base/errors.ts";
import { assert, assertEquals, assertStringIncludes, assertThrows } from "../../src/deps/std.ts";
import { readTck, tckHeader, TckReader, writeTck } from "../../src/formats/tck.ts";
import {
  indexToRas,
  streamlineCount,
  type Tractogram,
  type TractogramSpace,
} from "../../src/formats/tractogram.ts";
import { readTrk, storedToRas, transformPoints, TrkReader } from "../../src/formats/trk.ts";
import { writeTrk } from "../../src/formats/trk_write.ts";
import { readTrx, readTrxMembers } from "../../src/formats/trx.ts";
import { writeTrx } from "../../src/formats/trx_write.ts";
import { fixtureBytes, readStreamlineFixture, tractBytes } from "../support/streamline_fixtures.ts";

const expected = readStreamlineFixture("tractograms_expected");

function assertNear(found: ArrayLike<number>, wanted: ArrayLike<number>, tolerance: number) {
  assertEquals(found.length, wanted.length);
  for (let i = 0; i < wanted.length; i++) {
    assert(Math.abs(found[i] - wanted[i]) <= tolerance, `${i}: ${found[i]}, not ${wanted[i]}`);
  }
}

for (const name of ["plain.trk", "scalars_properties.trk", "edge_bigendian_count0_noorder.trk"]) {
  Deno.test(`golden: ${name} holds the streamlines of the reference`, () => {
    const found = readTrk(fixtureBytes(name), { source: name });
    assertEquals([...found.offsets], expected.numbers(`${name}.offsets`));
    assertNear(found.points, expected.numbers(`${name}.points_ras_mm`), 1e-4);
    assertNear(storedToRas(found.space!), expected.numbers(`${name}.affine_file_to_ras`), 1e-4);
    assertNear(found.space!.affine, expected.numbers(`${name}.vox_to_ras`), 1e-6);
  });
}

Deno.test("golden: scalars and properties keep their names, numbers and places", () => {
  const found = readTrk(fixtureBytes("scalars_properties.trk"));
  const scalars = [...found.perPoint!];
  const rows = Array.from(
    { length: 8 },
    (_, k) =>
      scalars.flatMap(([, { data, columns }]) =>
        [...data.subarray(k * columns, (k + 1) * columns)] as number[]
      ),
  );
  assertEquals(rows.flat(), expected.numbers("scalars_properties.trk.scalars"));
  const properties = [...found.perStreamline!];
  const own = [0, 1].flatMap((s) =>
    properties.flatMap(([, { data, columns }]) =>
      [...data.subarray(s * columns, (s + 1) * columns)] as number[]
    )
  );
  assertEquals(own, expected.numbers("scalars_properties.trk.properties"));
});

Deno.test("golden: plain.tck holds the streamlines of the reference, and is written byte for byte", () => {
  const bytes = fixtureBytes("plain.tck");
  const found = readTck(bytes);
  assertEquals([...found.offsets], expected.numbers("plain.tck.offsets"));
  assertEquals([...found.points], expected.numbers("plain.tck.points_ras_mm"));
  assertEquals(writeTck(found), bytes);
});

for (const name of ["plain.trk", "scalars_properties.trk"]) {
  Deno.test(`golden: ${name} is written byte for byte, but for the fields no reader uses`, () => {
    const bytes = fixtureBytes(name);
    const again = writeTrk(readTrk(bytes));
    assertEquals(again.subarray(1000), bytes.subarray(1000));
    const { space, perPoint, perStreamline } = readTrk(again);
    const first = readTrk(bytes);
    assertEquals([space, perPoint, perStreamline], [
      first.space,
      first.perPoint,
      first.perStreamline,
    ]);
  });
}

/** Number of streamlines and points of the real files, or the rule that refuses them. */
const OUTCOMES: Readonly<Record<string, readonly [number, number] | string>> = {
  "nibabel_simple.trk": [3, 8],
  "nibabel_standard.trk": [120, 360],
  "nibabel_complex.trk": [3, 8],
  "nibabel_empty.trk": [0, 0],
  "dipy_EuDX_small_25.trk": [60, 228],
  "niivue_tract.IFOF_R.trk": [14, 168],
  "nibabel_simple.tck": [3, 8],
  "nibabel_simple_big_endian.tck": [3, 8],
  "nibabel_standard.tck": [120, 360],
  "nibabel_empty.tck": [0, 0],
  "nibabel_no_header_end.tck": "tck.header",
  "nibabel_no_magic_number.tck": "tck.magic",
  "niivue_tract.SLF1_R.tck": [13, 156],
  "trx/standard_f32_u32_stored.trx": [120, 360],
  "trx/standard_f32_u32_deflated.trx": [120, 360],
  "trx/standard_f16_u64_stored.trx": [120, 360],
  "trx/ifof_f16_u32_stored.trx": [14, 168],
  "trx/ifof_f32_u64_stored.trx": [14, 168],
  "trx/ifof_f64_u64_deflated.trx": [14, 168],
  "trx/simple_lengths_f32_u32_stored.trx": [3, 8],
  "trx/slf1_tck_f32_u32_deflated.trx": [13, 156],
  "trx/meta_f32_u32_stored.trx": [3, 8],
  "trx/meta_f32_u32_deflated.trx": [3, 8],
  "trx/meta_folder_packed.trx": [3, 8],
  "trx/meta_extra_fields.trx": [3, 8],
  "trx/meta_data_descriptors.trx": [3, 8],
  "trx/empty.trx": [0, 0],
  "trx/empty_with_arrays.trx": [0, 0],
  "trx/broken/lying_nb_vertices_more.trx": "trx.size",
  "trx/broken/lying_nb_vertices_huge.trx": "trx.size",
  "trx/broken/lying_nb_streamlines.trx": "trx.size",
  "trx/broken/offsets_decreasing.trx": "trx.offsets",
  "trx/broken/offsets_past_end.trx": "trx.offsets",
  "trx/broken/offset_2_63.trx": "trx.offsets",
  "trx/broken/legacy_offsets_n.trx": [14, 168],
  "trx/broken/missing_positions.trx": "trx.positions",
  "trx/broken/missing_header.trx": "trx.header",
  "trx/broken/positions_dtype_lie.trx": "trx.size",
  "trx/broken/positions_two_columns.trx": "trx.positions",
  "trx/broken/positions_int32.trx": "trx.positions",
  "trx/broken/group_index_out_of_range.trx": "trx.group",
  "trx/broken/dpg_without_group.trx": "trx.group",
  "trx/broken/dps_size.trx": "trx.size",
  "trx/broken/unknown_dtype.trx": "trx.dtype",
  "trx/broken/header_not_json.trx": "trx.header",
  "trx/broken/header_affine_3x4.trx": "trx.header",
  "trx/broken/name_leaves_folder.trx": "members.name",
  "trx/broken/name_leaves_folder_backslash.trx": "members.name",
  "trx/broken/name_absolute.trx": "members.name",
  "trx/broken/name_twice.trx": "members.name",
  "trx/broken/zip_truncated.trx": "members.end",
  "trx/broken/crc_mismatch.trx": "members.checksum",
  "trx/broken/inflates_8mib.trx": "trx.size",
};

function readAny(name: string): Tractogram {
  const bytes = tractBytes(name);
  if (name.endsWith(".trk")) return readTrk(bytes, { source: name });
  return name.endsWith(".tck")
    ? readTck(bytes, { source: name })
    : readTrx(bytes, { source: name });
}

Deno.test("each file of tests/data/tracts has its outcome", () => {
  for (const [name, outcome] of Object.entries(OUTCOMES)) {
    if (typeof outcome === "string") {
      const fault = assertThrows(() => readAny(name), FormatError, name);
      assertEquals(fault.rule, outcome, fault.message);
      continue;
    }
    const found = readAny(name);
    assertEquals([streamlineCount(found), found.points.length / 3], [...outcome], name);
  }
});

Deno.test("the same streamlines stand in .trk, .tck and .trx", () => {
  const trk = readAny("nibabel_standard.trk");
  assertEquals([...readAny("nibabel_standard.tck").points], [...trk.points]);
  assertEquals([...readAny("trx/standard_f32_u32_deflated.trx").points], [...trk.points]);
  assertEquals(
    [...readAny("nibabel_simple_big_endian.tck").points],
    [...readAny("nibabel_simple.tck").points],
  );
});

interface ExpectedTrx {
  readonly sum_xyz_float64: readonly number[];
  readonly dps: Record<string, { columns: number; values: readonly (number | boolean)[] }>;
  readonly dpv: Record<string, { columns: number; values: readonly (number | boolean)[] }>;
  readonly groups: Record<string, { indices: readonly number[] }>;
}

Deno.test("TRX files hold the sums, values and groups that another reader finds", () => {
  const { read } = JSON.parse(new TextDecoder().decode(tractBytes("trx/expected.json")));
  for (const [name, wanted] of Object.entries(read as Record<string, ExpectedTrx>)) {
    if (!name.endsWith(".trx")) continue;
    const found = readAny(`trx/${name}`);
    const sums = [0, 1, 2].map((axis) =>
      found.points.reduce((sum, value, i) => (i % 3 === axis ? sum + value : sum), 0)
    );
    assertNear(sums, wanted.sum_xyz_float64 ?? [0, 0, 0], 1e-2);
    for (const [kind, map] of [["dps", found.perStreamline], ["dpv", found.perPoint]] as const) {
      for (const [key, { columns, values }] of Object.entries(wanted[kind] ?? {})) {
        const own = map!.get(key)!;
        assertEquals([own.columns, [...own.data].map(Number)], [columns, values.map(Number)], name);
      }
    }
    for (const [key, { indices }] of Object.entries(wanted.groups ?? {})) {
      assertEquals([...found.groups!.get(key)!], [...indices], name);
    }
  }
});

Deno.test("what is written is what was read, a second time byte for byte", () => {
  for (const [name, outcome] of Object.entries(OUTCOMES)) {
    if (typeof outcome === "string" || name.includes("broken")) continue;
    const first = readAny(name);
    const write = name.endsWith(".trk") ? writeTrk : name.endsWith(".tck") ? writeTck : writeTrx;
    const read = name.endsWith(".trk") ? readTrk : name.endsWith(".tck") ? readTck : readTrx;
    const bytes = write(first);
    const again = read(bytes);
    assertNear(again.points, first.points, 1e-5);
    assertEquals([...again.offsets], [...first.offsets]);
    assertEquals(again.perStreamline, first.perStreamline, name);
    assertEquals(again.groups, first.groups);
    assertEquals(again.perGroup, first.perGroup);
    assertEquals(write(again), bytes, name);
  }
});

Deno.test("a file in chunks of any size holds the same streamlines", () => {
  for (const name of ["nibabel_complex.trk", "nibabel_standard.tck", "niivue_tract.SLF1_R.tck"]) {
    const bytes = tractBytes(name);
    for (const size of [1, 7, 100, 1013]) {
      const reader = name.endsWith(".trk") ? new TrkReader() : new TckReader();
      const points: number[] = [];
      for (let at = 0; at < bytes.length; at += size) {
        points.push(...(reader.push(bytes.subarray(at, at + size))?.points ?? []));
      }
      reader.finish();
      assertEquals(points, [...readAny(name).points], `${name} by ${size}`);
    }
  }
});

Deno.test("all 48 voxel orders lead to the place a hand-written transform gives", () => {
  const affine = [-2, 0.1, 0, 60, 0.1, 2.5, 0.2, -70, 0, -0.2, 3, -40, 0, 0, 0, 1];
  const dimensions = [20, 24, 16] as const;
  const pairs = ["RL", "AP", "SI"];
  // The affine's own axes run L, A, S.
  const own = "LAS";
  for (const order of [[0, 1, 2], [0, 2, 1], [1, 0, 2], [1, 2, 0], [2, 0, 1], [2, 1, 0]]) {
    for (let signs = 0; signs < 8; signs++) {
      const voxelOrder = order.map((axis, i) => pairs[axis][(signs >> i) & 1]).join("");
      const space: TractogramSpace = {
        dimensions,
        voxelSizes: [2, 2.5, 3],
        affine,
        voxelOrder,
      };
      const stored = [5.3, 11.1, 30.7];
      const index = [0, 0, 0];
      for (let i = 0; i < 3; i++) {
        const voxel = stored[i] / space.voxelSizes[i] - 0.5;
        const axis = order[i];
        const same = own[axis] === voxelOrder[i];
        index[axis] = same ? voxel : dimensions[i] - 1 - voxel;
      }
      const wanted = [0, 1, 2].map((row) =>
        affine[4 * row] * index[0] + affine[4 * row + 1] * index[1] +
        affine[4 * row + 2] * index[2] + affine[4 * row + 3]
      );
      const points = Float32Array.from(stored);
      transformPoints(points, storedToRas(space));
      assertNear(points, wanted, 1e-4);
      assertEquals(indexToRas({ ...space, voxelOrder: own }), Float64Array.from(affine));
      const tractogram = { points, offsets: Uint32Array.of(0, 1), space };
      const bytes = writeTrk(tractogram);
      assertNear(readTrk(bytes).points, wanted, 1e-4);
      assertNear(readTrk(bigEndian(bytes)).points, wanted, 1e-4);
    }
  }
});

/** The same .trk file of one point in the other byte order. */
function bigEndian(bytes: Uint8Array): Uint8Array {
  const copy = bytes.slice();
  const swap = (at: number, width: number) => copy.subarray(at, at + width).reverse();
  for (const at of [6, 8, 10, 36, 238]) swap(at, 2);
  for (const at of [12, 16, 20, 988, 992, 996]) swap(at, 4);
  for (let i = 0; i < 16; i++) swap(440 + 4 * i, 4);
  for (let at = 1000; at < copy.length; at += 4) swap(at, 4);
  return copy;
}

Deno.test("points of writers that leave out the half voxel are half a voxel further", () => {
  const bytes = tractBytes("nibabel_standard.trk");
  const [corner, centre] = [readTrk(bytes), readTrk(bytes, { origin: "centre" })];
  assertNear([0, 1, 2].map((i) => centre.points[i] - corner.points[i]), [0.5, 1.5, 1], 1e-6);
});

Deno.test("tck: signs of NaN, lines that go on, keys that come again, a wrong count", () => {
  const lines = "mrtrix tracks  \ncommand_history: a\n  b\ncommand_history: c\ncount: 7\n" +
    "datatype: Float64BE\nfile: . 200\nEND\n";
  const bytes = new Uint8Array(200 + 8 * 12);
  bytes.set(new TextEncoder().encode(lines));
  const view = new DataView(bytes.buffer);
  [1, 2, 3, 4, 5, 6].forEach((value, i) => view.setFloat64(200 + 8 * i, value));
  for (let i = 0; i < 3; i++) {
    view.setBigUint64(200 + 8 * (6 + i), i === 1 ? 0xfff8000000000000n : 0x7ff8000000000001n);
    view.setFloat64(200 + 8 * (9 + i), i === 1 ? -Infinity : Infinity);
  }
  const reader = new TckReader({ size: bytes.length });
  const found = reader.push(bytes)!;
  reader.finish();
  assertEquals([...found.points], [1, 2, 3, 4, 5, 6]);
  assertEquals(reader.header!.fields.get("command_history"), "a\nb\nc");
  assertEquals(reader.remarks, ["The header says 7 streamlines; there are 1."]);
  assertEquals(new TextDecoder().decode(tckHeader(3)).split("\n")[3], "file: . 67");
});

Deno.test("cut-off files say where, and nothing shorter is returned", () => {
  const trk = tractBytes("nibabel_standard.trk");
  for (const end of [999, 1001, 2000, trk.length - 1]) {
    const fault = assertThrows(() => readTrk(trk.slice(0, end)), FormatError);
    assert(["trk.header", "trk.truncated"].includes(fault.rule), fault.message);
  }
  const fault = assertThrows(() => readTrk(trk.slice(0, 2001)), FormatError);
  assertStringIncludes(fault.message, "streamline 25");
  const tck = tractBytes("nibabel_standard.tck");
  assertThrows(() => readTck(tck.slice(0, -12)), FormatError, "an end mark");
});

Deno.test("a folder of TRX arrays is read as its archive is", () => {
  const members = new Map<string, { size: number; read(): Uint8Array }>();
  const add = (folder: string, prefix: string) => {
    for (const { name, isDirectory } of Deno.readDirSync(new URL(folder, import.meta.url))) {
      if (isDirectory) add(`${folder}${name}/`, `${prefix}${name}/`);
      else {
        const bytes = Deno.readFileSync(new URL(folder + name, import.meta.url));
        members.set(prefix + name, { size: bytes.length, read: () => bytes });
      }
    }
  };
  add("../data/tracts/trx/meta_folder/", "");
  const { perPoint, perStreamline, points } = readTrxMembers(members, "folder");
  const packed = readAny("trx/meta_folder_packed.trx");
  assertEquals([perPoint, perStreamline, points], [
    packed.perPoint,
    packed.perStreamline,
    packed.points,
  ]);
});
