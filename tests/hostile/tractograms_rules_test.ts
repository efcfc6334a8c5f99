/** Each rule of the tractography readers refuses files that break it, and damaged files end in no other way. */
import { FormatError } from "../../src/base/errors.ts";
import { concatBytes } from "../../src/base/bytes.ts";
import { assert, assertEquals, assertInstanceOf } from "../../src/deps/std.ts";
import { readTck, TCK_RULES, writeTck } from "../../src/formats/tck.ts";
import { streamlineCount, type Tractogram } from "../../src/formats/tractogram.ts";
import { readTrk, TRK_RULES } from "../../src/formats/trk.ts";
import { writeTrk } from "../../src/formats/trk_write.ts";
import { readTrx, readTrxMembers, TRX_RULES } from "../../src/formats/trx.ts";
import { trxFiles } from "../../src/formats/trx_write.ts";
import { MEMBER_RULES, writeZip, zipMembers } from "../../src/formats/zip_members.ts";
import { mutant } from "../support/mutations.ts";
import { NIGHTLY } from "../support/nightly.ts";
import { testRules } from "../support/rule_cases.ts";
import { tractBytes } from "../support/streamline_fixtures.ts";

const trk = tractBytes("nibabel_complex.trk");

/** The .trk file with some fields changed. */
function trkWith(change: (view: DataView, bytes: Uint8Array) => void): Uint8Array {
  const bytes = trk.slice();
  change(new DataView(bytes.buffer), bytes);
  return bytes;
}

testRules(TRK_RULES, {
  "trk.header": [new Uint8Array(0), trk.slice(0, 999), trkWith((_, bytes) => bytes.fill(65, 0, 5))],
  "trk.header_size": [trkWith((view) => view.setInt32(996, 1001, true))],
  "trk.version": [0, 4, -1].map((n) => trkWith((view) => view.setInt32(992, n, true))),
  "trk.dimensions": [0, -3].map((n) => trkWith((view) => view.setInt16(8, n, true))),
  "trk.voxel_size": [0, -1, NaN, Infinity].map((n) =>
    trkWith((view) => view.setFloat32(16, n, true))
  ),
  "trk.affine": [
    trkWith((view) => view.setFloat32(440, NaN, true)),
    trkWith((view) => view.setFloat32(440, 0, true)),
    trkWith((view) => view.setFloat32(488, 1, true)),
    trkWith((view) => view.setFloat32(500, 2, true)),
  ],
  "trk.voxel_order": ["RLS", "XYZ", "RA", "RASP"].map((text) =>
    trkWith((_, bytes) => bytes.set(new TextEncoder().encode(`${text}\0`).subarray(0, 4), 948))
  ),
  "trk.columns": [36, 238].map((at) => trkWith((view) => view.setInt16(at, -1, true))),
  "trk.names": [
    trkWith((view) => view.setInt16(36, 2, true)),
    trkWith((_, bytes) => bytes.set(bytes.slice(38, 58), 58)),
  ],
  "trk.count": [
    trkWith((view) => view.setInt32(988, -1, true)),
    trkWith((view) => view.setInt32(988, 2, true)),
  ],
  "trk.points": [trkWith((view) => view.setInt32(1000, -1, true))],
  "trk.truncated": [
    trk.slice(0, -1),
    trkWith((view) => view.setInt32(1000, 2 ** 31 - 1, true)),
    trkWith((view) => view.setInt32(988, 4, true)),
  ],
}, (bytes) => readTrk(bytes, { source: "file" }));

const text = (value: string) => new TextEncoder().encode(value);
const points = (...values: number[]) => new Uint8Array(Float32Array.from(values).buffer);
const END = points(Infinity, Infinity, Infinity);
/** A .tck file with these lines, whose data begin at byte 100. */
function tck(lines: string, data: Uint8Array = END): Uint8Array {
  const head = new Uint8Array(100);
  head.set(text(`mrtrix tracks\n${lines}`));
  return concatBytes([head, data]);
}
const LINES = "datatype: Float32LE\nfile: . 100\nEND\n";

testRules(TCK_RULES, {
  "tck.magic": [new Uint8Array(0), text("mrtrix track\n"), text("mrtrix tracksx\nEND\n")],
  "tck.header": [text("mrtrix tracks\ncount: 1\n"), text(`mrtrix tracks\n${"x".repeat(2 ** 20)}`)],
  "tck.datatype": [
    tck("file: . 100\nEND\n"),
    tck("datatype: Int32LE\nfile: . 100\nEND\n"),
    tck(`datatype: Float32LE\n${LINES}`),
  ],
  "tck.file": [
    tck("datatype: Float32LE\nEND\n"),
    tck("datatype: Float32LE\nfile: . 10\nEND\n"),
    tck("datatype: Float32LE\nfile: other.dat 0\nEND\n"),
    tck("datatype: Float32LE\nfile: . 5000\nEND\n"),
    tck("datatype: Float32LE\nfile: . -1\nEND\n"),
  ],
  "tck.truncated": [tck(LINES, points(1, 2, 3)), tck(LINES, points(1, 2, 3, NaN, NaN, NaN))],
  "tck.end": [tck(LINES, concatBytes([END, points(1)]))],
}, (bytes) => readTck(bytes, { source: "file" }));

const SAMPLE: Tractogram = readTrx(tractBytes("trx/meta_f32_u32_stored.trx"));

/** A TRX archive with some members changed; null removes one. */
function trxWith(changes: Readonly<Record<string, Uint8Array | null>>): Uint8Array {
  const files = trxFiles(SAMPLE);
  for (const [name, content] of Object.entries(changes)) {
    if (content) files.set(name, content);
    else files.delete(name);
  }
  return writeZip(files);
}
const header = (changes: Record<string, unknown>) => ({
  "header.json": text(JSON.stringify({
    ...JSON.parse(new TextDecoder().decode(trxFiles(SAMPLE).get("header.json"))),
    ...changes,
  })),
});

testRules(TRX_RULES, {
  "trx.header": [
    trxWith({ "header.json": null }),
    trxWith({ "header.json": text("[]") }),
    trxWith({ "header.json": Uint8Array.of(0xff) }),
    trxWith({ "header.json": new Uint8Array(2 ** 20 + 1) }),
    trxWith(header({ VOXEL_TO_RASMM: [[1, 0, 0, 0]] })),
    trxWith(header({ VOXEL_TO_RASMM: new Array(4).fill([0, 0, 0, 0]) })),
    trxWith(header({ DIMENSIONS: [1, 2] })),
    trxWith(header({ NB_VERTICES: -1 })),
    trxWith(header({ NB_STREAMLINES: "3" })),
  ],
  "trx.positions": [
    trxWith({ "positions.3.float32": null }),
    trxWith({ "positions.3.float32": null, "positions.3.int32": new Uint8Array(96) }),
  ],
  "trx.offsets": [
    trxWith({ "offsets.uint32": null }),
    trxWith({ "offsets.uint32": null, "offsets.int32": new Uint8Array(16) }),
    trxWith({ "offsets.uint32": new Uint8Array(Uint32Array.of(1, 1, 3, 8).buffer) }),
    trxWith({ "offsets.uint32": new Uint8Array(Uint32Array.of(0, 5, 3, 8).buffer) }),
    trxWith({ "offsets.uint32": new Uint8Array(Uint32Array.of(0, 1, 3, 7).buffer) }),
    trxWith({ "offsets.uint32": new Uint8Array(Uint32Array.of(0, 1, 3, 9).buffer) }),
  ],
  "trx.dtype": [trxWith({ "dpv/fa.float99": new Uint8Array(1) }), trxWith({ "dpv/fa": END })],
  "trx.size": [
    trxWith({ "dps/x.uint8": new Uint8Array(2) }),
    trxWith(header({ NB_VERTICES: 2 ** 40 })),
  ],
  "trx.name": [
    trxWith({ "positions.3.float64": new Uint8Array(192) }),
    trxWith({ "dps/keep.uint16": new Uint8Array(6) }),
  ],
  "trx.group": [
    trxWith({ "groups/x.uint32": new Uint8Array(Uint32Array.of(3).buffer) }),
    trxWith({ "groups/x.uint8": new Uint8Array(1) }),
    trxWith({ "groups/x.uint32": new Uint8Array(400) }),
    trxWith({ "dpg/other/x.uint8": new Uint8Array(1) }),
  ],
}, (bytes) => readTrx(bytes, { source: "file" }));

const zip = writeZip(new Map([["a", text("content of a")], ["b/c", text("content of c")]]));

/** The archive with some bytes changed, and its length kept. */
function zipWith(change: (view: DataView) => void): Uint8Array {
  const bytes = zip.slice();
  change(new DataView(bytes.buffer));
  return bytes;
}
const DIRECTORY = new DataView(zip.buffer).getUint32(zip.length - 6, true);

testRules(MEMBER_RULES, {
  "members.end": [
    new Uint8Array(0),
    zip.slice(0, -1),
    zipWith((view) => view.setUint32(zip.length - 6, DIRECTORY + 1, true)),
    zipWith((view) => view.setUint16(zip.length - 12, 1, true)),
  ],
  "members.entry": [
    zipWith((view) => view.setUint32(DIRECTORY, 0, true)),
    zipWith((view) => view.setUint16(DIRECTORY + 28, 9999, true)),
    zipWith((view) => view.setUint32(DIRECTORY + 24, 0xffffffff, true)),
  ],
  "members.name": [
    ...["../a", "/a", "a/../b", "a\\b", "c:a"].map((name) => writeZip(new Map([[name, END]]))),
    zipWith((view) => view.setUint8(DIRECTORY + 46, 0xff)),
  ],
  "members.method": [
    zipWith((view) => view.setUint16(DIRECTORY + 10, 12, true)),
    zipWith((view) => view.setUint16(DIRECTORY + 8, 1, true)),
  ],
  "members.local": [
    zipWith((view) => view.setUint32(DIRECTORY + 42, 1, true)),
    zipWith((view) => view.setUint8(30, 0x62)),
    zipWith((view) => view.setUint32(DIRECTORY + 20, 100000, true)),
    zipWith((view) => view.setUint32(DIRECTORY + 20, 40, true)),
  ],
  "members.size": [
    zipWith((view) => view.setUint32(DIRECTORY + 24, 3, true)),
    zipWith((view) => view.setUint16(DIRECTORY + 10, 8, true)),
  ],
  "members.checksum": [zipWith((view) => view.setUint8(31, 0))],
}, (bytes) => [...zipMembers(bytes, "file").values()].map((member) => member.read()));

const COUNT = NIGHTLY ? 5000 : 500;

/** Everything that is read is as large as the file can make it, and what was read is written and read again. */
function testMutants(
  name: string,
  sample: Uint8Array,
  read: (bytes: Uint8Array) => Tractogram,
  write: (tractogram: Tractogram) => Uint8Array,
): void {
  Deno.test(`${name}: ${COUNT} mutants are refused, or read whole`, () => {
    let refused = 0;
    for (let index = 0; index < COUNT; index++) {
      const bytes = mutant(sample, index);
      try {
        const found = read(bytes);
        assert(found.points.byteLength <= 2 * sample.length + 64, `${index}: too many points`);
        assertEquals(found.offsets.at(-1), found.points.length / 3, `${index}`);
        assertEquals(streamlineCount(read(write(found))), streamlineCount(found), `${index}`);
      } catch (fault) {
        assertInstanceOf(fault, FormatError, `mutant ${index}: ${fault}`);
        refused++;
      }
    }
    assert(refused > COUNT / 20 && refused < COUNT, `${refused} refusals`);
  });
}

testMutants("nibabel_complex.trk", trk, readTrk, writeTrk);
testMutants("nibabel_simple.tck", tractBytes("nibabel_simple.tck"), readTck, writeTck);

/** The members of a TRX archive with one of them damaged, where no checksum stands guard. */
Deno.test(`TRX: ${COUNT} mutants of members and of archives are refused, or read whole`, () => {
  const files = [...trxFiles(SAMPLE)];
  const archive = tractBytes("trx/meta_f32_u32_deflated.trx");
  let [refused, read] = [0, 0];
  for (let index = 0; index < COUNT; index++) {
    try {
      const which = files[index % files.length][0];
      const members = new Map(files.map(([name, bytes]) => {
        const own = name === which ? mutant(bytes, index) : bytes;
        return [name, { size: own.length, read: () => own }];
      }));
      const found = index % 4 === 0
        ? readTrx(mutant(archive, index))
        : readTrxMembers(members, "file");
      assertEquals(found.offsets.at(-1), found.points.length / 3, `${index}`);
      read++;
    } catch (fault) {
      assertInstanceOf(fault, FormatError, `mutant ${index}: ${fault}`);
      refused++;
    }
  }
  assert(refused > 20 && read > 20, `${refused} refusals, ${read} readings`);
});
