/**
 * TRX tractograms: `header.json` and raw little-endian arrays, in a ZIP archive or a folder. Positions are RAS mm. Source:
 * the TRX file format, version 0.1 of its memory-mapped layout (tee-ar-ex).
 */
import type { NumericArray } from "../base/arrays.ts";
import type { FormatError } from "../base/errors.ts";
import { isRecord } from "../base/fields.ts";
import { widenFloat16 } from "./half_precision.ts";
import { refusals } from "./rejection.ts";
import {
  axisCodes,
  type Columns,
  type NamedColumns,
  spaceOfImage,
  type Tractogram,
  type TractogramSpace,
} from "./tractogram.ts";
import { type ZipMember, zipMembers } from "./zip_members.ts";

/** What a good file satisfies; a rejection names one of these. */
export const TRX_RULES = {
  "trx.header":
    "a header.json with VOXEL_TO_RASMM (4×4), DIMENSIONS, NB_VERTICES and NB_STREAMLINES",
  "trx.positions": "one array positions.3 of float16, float32 or float64",
  "trx.offsets":
    "one array offsets of uint32 or uint64 that begins with 0 and never falls, up to the number of vertices",
  "trx.dtype": "arrays whose names end with a type: (u)int8…64, float16…64, bit",
  "trx.size": "arrays of the size that the header and their names say",
  "trx.name": "names of positions, offsets, dpv, dps, groups and dpg, each once",
  "trx.group": "groups of streamlines that are there, and data of groups that are there",
} as const;

type Refuse = (rule: keyof typeof TRX_RULES, found: string) => FormatError;

/** What a folder or archive holds, by name with slashes. */
export type TrxMembers = ReadonlyMap<string, Pick<ZipMember, "size" | "read">>;

/**
 * Reads a TRX archive.
 *
 * @param bytes The whole file.
 * @param options `source`: path or label for messages.
 * @throws {FormatError} naming a rule of {@link TRX_RULES} or of ZIP archives.
 */
export function readTrx(bytes: Uint8Array, options: { readonly source?: string } = {}): Tractogram {
  const source = options.source ?? "trx file";
  return readTrxMembers(zipMembers(bytes, source), source);
}

/**
 * Reads the members of a TRX archive or folder.
 *
 * @param members Sizes and contents by name.
 * @param source Path or label for messages.
 * @throws {FormatError} naming a rule of {@link TRX_RULES}.
 */
export function readTrxMembers(members: TrxMembers, source: string): Tractogram {
  const refuse = refusals(TRX_RULES, source);
  const header = readHeader(members, refuse);
  const arrays = [...members].flatMap(([name, member]) => {
    const array = arrayName(name, refuse);
    return array ? [{ ...array, name, member }] : [];
  });
  const rootArray = (what: "positions" | "offsets") => {
    const found = arrays.filter(({ place, label }) => place === "" && label === what);
    if (found.length > 1) throw refuse("trx.name", `${found.length} arrays of ${what}`);
    return found[0];
  };
  const { vertices, streamlines, space } = header;
  const points = readPositions(rootArray("positions"), vertices, refuse);
  const offsets = readOffsets(rootArray("offsets"), { vertices, streamlines, refuse });
  const columnsIn = (place: string, rows: number): NamedColumns =>
    named(
      arrays.filter((array) => array.place === place)
        .map((array) => [array.label, readColumns(array, rows, refuse)]),
      refuse,
    );
  const groups = named(
    arrays.filter(({ place }) => place === "groups")
      .map((array) => [array.label, readGroup(array, streamlines, refuse)]),
    refuse,
  );
  const perGroup = new Map<string, NamedColumns>();
  for (const { place } of arrays.filter(({ place }) => place.startsWith("dpg/"))) {
    const group = place.slice(4);
    if (!groups.has(group)) throw refuse("trx.group", `data of a group "${group}"`);
    perGroup.set(group, columnsIn(place, 1));
  }
  return {
    points,
    offsets,
    perPoint: columnsIn("dpv", vertices),
    perStreamline: columnsIn("dps", streamlines),
    groups,
    perGroup,
    space,
  };
}

function named<T>(pairs: readonly (readonly [string, T])[], refuse: Refuse): Map<string, T> {
  const map = new Map(pairs);
  if (map.size < pairs.length) throw refuse("trx.name", "two arrays of one name");
  return map;
}

interface Header {
  readonly vertices: number;
  readonly streamlines: number;
  readonly space: TractogramSpace;
}

function readHeader(members: TrxMembers, refuse: Refuse): Header {
  const member = members.get("header.json");
  if (!member || member.size > 2 ** 20) {
    throw refuse("trx.header", member ? `one of ${member.size} bytes` : "none");
  }
  let json: unknown;
  try {
    json = JSON.parse(new TextDecoder("utf-8", { fatal: true }).decode(member.read()));
  } catch (fault) {
    if (!(fault instanceof SyntaxError || fault instanceof TypeError)) throw fault;
  }
  if (!isRecord(json)) throw refuse("trx.header", "text that is no JSON object");
  const { VOXEL_TO_RASMM, DIMENSIONS, NB_VERTICES, NB_STREAMLINES } = json;
  const rows = Array.isArray(VOXEL_TO_RASMM) ? VOXEL_TO_RASMM : [];
  const affine: unknown[] = rows.flat();
  const square = rows.length === 4 && rows.every((row) => Array.isArray(row) && row.length === 4);
  const isCount = (n: unknown): n is number => Number.isSafeInteger(n) && (n as number) >= 0;
  const dimensions = Array.isArray(DIMENSIONS) ? DIMENSIONS : [];
  const problem = !square || !affine.every((v) => typeof v === "number" && Number.isFinite(v))
    ? "VOXEL_TO_RASMM"
    : dimensions.length !== 3 || !dimensions.every(isCount)
    ? "DIMENSIONS"
    : !isCount(NB_VERTICES)
    ? "NB_VERTICES"
    : !isCount(NB_STREAMLINES)
    ? "NB_STREAMLINES"
    : isAffine(affine as number[])
    ? undefined
    : "VOXEL_TO_RASMM";
  if (problem) throw refuse("trx.header", `${problem} ${JSON.stringify(json[problem])}`);
  return {
    vertices: NB_VERTICES as number,
    streamlines: NB_STREAMLINES as number,
    space: spaceOfImage(dimensions as [number, number, number], affine as number[]),
  };
}

function isAffine(affine: readonly number[]): boolean {
  try {
    axisCodes(affine);
    return affine.slice(12).join() === "0,0,0,1";
  } catch {
    return false;
  }
}

/** A file name taken apart. */
interface ArrayName {
  /** Folder: `""`, `"dpv"`, `"dpg/AF_L"`. */
  readonly place: string;
  readonly label: string;
  readonly columns: number;
  readonly dtype: Dtype;
}

const PLACES = /^(?:dpv|dps|groups|dpg\/[^/]+)$/;

function arrayName(path: string, refuse: Refuse): ArrayName | null {
  const parts = path.split("/");
  const file = parts.pop()!;
  const place = parts.join("/");
  // Side files of other programs are theirs.
  if (file.endsWith(".json") || (place !== "" && !PLACES.test(place))) return null;
  const found = /^(.+?)(?:\.([1-9]\d{0,4}))?\.([A-Za-z]+\d*)$/.exec(file);
  if (place === "" && !/^(positions|offsets)\./.test(file)) return null;
  if (!found || !isDtype(found[3])) throw refuse("trx.dtype", `"${path}"`);
  return { place, label: found[1], columns: Number(found[2] ?? 1), dtype: found[3] };
}

const BYTES = {
  bit: 1,
  int8: 1,
  uint8: 1,
  int16: 2,
  uint16: 2,
  float16: 2,
  int32: 4,
  uint32: 4,
  float32: 4,
  int64: 8,
  uint64: 8,
  float64: 8,
} as const;

type Dtype = keyof typeof BYTES;

function isDtype(name: string): name is Dtype {
  return Object.hasOwn(BYTES, name);
}

type Named = ArrayName & {
  readonly name: string;
  readonly member: Pick<ZipMember, "size" | "read">;
};

/** The values of an array of known length: nothing is unpacked that is not of the right size. */
function valuesOf(array: Named, count: number, refuse: Refuse): NumericArray {
  const { name, member, dtype } = array;
  if (member.size !== count * BYTES[dtype]) {
    throw refuse("trx.size", `"${name}" of ${member.size} bytes for ${count} values of ${dtype}`);
  }
  const { buffer } = member.read().slice();
  switch (dtype) {
    case "bit":
    case "uint8":
      return new Uint8Array(buffer);
    case "int8":
      return new Int8Array(buffer);
    case "int16":
      return new Int16Array(buffer);
    case "uint16":
      return new Uint16Array(buffer);
    case "float16":
      return widenFloat16(new Uint16Array(buffer));
    case "int32":
      return new Int32Array(buffer);
    case "uint32":
      return new Uint32Array(buffer);
    case "float32":
      return new Float32Array(buffer);
    case "int64":
      return new BigInt64Array(buffer);
    case "uint64":
      return new BigUint64Array(buffer);
    case "float64":
      return new Float64Array(buffer);
  }
}

function readColumns(array: Named, rows: number, refuse: Refuse): Columns {
  const { columns } = array;
  return { data: valuesOf(array, rows * columns, refuse), columns };
}

function readPositions(array: Named | undefined, vertices: number, refuse: Refuse): Float32Array {
  if (!array && vertices === 0) return new Float32Array(0);
  if (!array || array.columns !== 3 || !array.dtype.startsWith("float")) {
    throw refuse("trx.positions", array ? `"${array.name}"` : "none");
  }
  const values = valuesOf(array, 3 * vertices, refuse);
  return values instanceof Float32Array ? values : Float32Array.from(values as Float64Array);
}

function readOffsets(
  array: Named | undefined,
  { vertices, streamlines, refuse }: {
    readonly vertices: number;
    readonly streamlines: number;
    readonly refuse: Refuse;
  },
): Uint32Array {
  if (!array && streamlines === 0 && vertices === 0) return new Uint32Array(1);
  if (!array || array.columns !== 1 || !["uint32", "uint64"].includes(array.dtype)) {
    throw refuse("trx.offsets", array ? `"${array.name}"` : "none");
  }
  // Early files leave out the last entry, which is the number of vertices.
  const short = array.member.size === streamlines * BYTES[array.dtype];
  const values = valuesOf(array, streamlines + (short ? 0 : 1), refuse);
  const offsets = Uint32Array.from({ length: streamlines + 1 }, (_, s) => {
    const value = s < values.length ? Number(values[s]) : vertices;
    if (value > vertices) {
      throw refuse("trx.offsets", `offset ${value} of streamline ${s} among ${vertices} vertices`);
    }
    return value;
  });
  const fall = offsets.findIndex((value, s) => s > 0 && value < offsets[s - 1]);
  if (fall > 0 || offsets[0] !== 0 || offsets[streamlines] !== vertices) {
    const s = fall > 0 ? fall : offsets[0] !== 0 ? 0 : streamlines;
    throw refuse("trx.offsets", `offset ${offsets[s]} of streamline ${s}`);
  }
  return offsets;
}

function readGroup(array: Named, streamlines: number, refuse: Refuse): Uint32Array {
  const { name, dtype, columns, member } = array;
  if (!/^uint(32|64)$/.test(dtype) || columns !== 1 || member.size % BYTES[dtype] !== 0) {
    throw refuse("trx.group", `"${name}" of ${member.size} bytes`);
  }
  if (member.size > streamlines * 16) {
    throw refuse("trx.group", `"${name}" of more entries than streamlines`);
  }
  const values = valuesOf(array, member.size / BYTES[dtype], refuse);
  return Uint32Array.from(
    values as ArrayLike<number | bigint> & Iterable<number | bigint>,
    (value) => {
      const s = Number(value);
      if (s < streamlines) return s;
      throw refuse("trx.group", `streamline ${s} in group "${array.label}" among ${streamlines}`);
    },
  );
}
