/**
 * TrackVis `.trk` files, versions 1 to 3, either byte order. Points are stored in voxel-mm from the corner of the first
 * voxel, with the axes in the file's voxel order; here they are RAS mm. Source: the TrackVis file format, trackvis.org.
 */
import type { FormatError } from "../base/errors.ts";
import { refusals } from "./rejection.ts";
import {
  axisCodes,
  ChunkQueue,
  type Columns,
  indexToRas,
  isVoxelOrder,
  joinTractograms,
  multiplyAffines,
  type NamedColumns,
  type StreamlineReader,
  type Tractogram,
  type TractogramSpace,
} from "./tractogram.ts";

/** What a good file satisfies; a rejection names one of these. */
export const TRK_RULES = {
  "trk.header": "a header of 1000 bytes that begins with TRACK",
  "trk.header_size": "1000 as the header's own size, in either byte order",
  "trk.version": "version 1, 2 or 3",
  "trk.dimensions": "at least one voxel along each axis",
  "trk.voxel_size": "finite voxel sizes above 0",
  "trk.affine": "a voxel-to-RAS matrix of finite numbers that can be inverted, or none",
  "trk.voxel_order": "a voxel order of one letter each of L/R, A/P and I/S",
  "trk.columns": "0 to 32767 scalars and properties",
  "trk.names": "names of scalars and properties that cover no more values than there are",
  "trk.count": "a number of streamlines of at least 0 that is that of the file",
  "trk.points": "a number of points of at least 0 before each streamline",
  "trk.truncated": "a file that is complete",
} as const;

/** Bytes of the header. */
export const TRK_HEADER_BYTES = 1000;

/** Where the point (0, 0, 0) lies: at the corner of the first voxel, as the format says, or in its centre. */
export type TrkOrigin = "corner" | "centre";

/** Facts of a header. */
export interface TrkHeader {
  readonly littleEndian: boolean;
  readonly version: number;
  readonly space: TractogramSpace;
  /** As written; 0 when the writer did not know. */
  readonly count: number;
  /** Columns by name, in their order. */
  readonly scalars: readonly (readonly [name: string, columns: number])[];
  readonly properties: readonly (readonly [name: string, columns: number])[];
  readonly remarks: readonly string[];
}

/** Options of the reader. */
export interface TrkReadOptions {
  /** Path or label for messages. */
  readonly source?: string;
  /** Bytes of the file, where known: sizes that lie are refused before anything is allocated. */
  readonly size?: number;
  /** Default `"corner"`. */
  readonly origin?: TrkOrigin;
}

/** Reads a file in chunks. */
export class TrkReader implements StreamlineReader {
  readonly #queue = new ChunkQueue();
  readonly #options: TrkReadOptions;
  readonly #refuse: (rule: keyof typeof TRK_RULES, found: string) => FormatError;
  #header: TrkHeader | null = null;
  #toRas: Float64Array | null = null;
  #streamlines = 0;

  /**
   * Begins a file.
   *
   * @param options See {@link TrkReadOptions}.
   */
  constructor(options: TrkReadOptions = {}) {
    this.#options = options;
    this.#refuse = refusals(TRK_RULES, options.source ?? "trk file");
  }

  /** The header; null until its 1000 bytes are there. */
  get header(): TrkHeader | null {
    return this.#header;
  }

  push(chunk: Uint8Array): Tractogram | null {
    this.#queue.push(chunk);
    if (!this.#header) {
      if (this.#queue.left.length < TRK_HEADER_BYTES) return null;
      this.#header = readHeader(this.#queue.take(TRK_HEADER_BYTES), this.#refuse);
      this.#toRas = storedToRas(this.#header.space, this.#options.origin);
    }
    return this.#takeStreamlines(this.#header, this.#toRas!);
  }

  finish(): void {
    const left = this.#queue.left.length;
    if (!this.#header) {
      throw this.#refuse("trk.header", `${left} bytes`);
    }
    const { count } = this.#header;
    if (left > 0) {
      throw this.#refuse(
        "trk.truncated",
        `it ends at byte ${this.#queue.taken + left} in streamline ${this.#streamlines}`,
      );
    }
    if (count !== 0 && count !== this.#streamlines) {
      const rule = this.#streamlines < count ? "trk.truncated" : "trk.count";
      throw this.#refuse(
        rule,
        `${this.#streamlines} streamlines where the header says ${count}, up to byte ${this.#queue.taken}`,
      );
    }
  }

  #takeStreamlines(header: TrkHeader, toRas: Float64Array): Tractogram | null {
    const { littleEndian } = header;
    const { left, taken } = this.#queue;
    const view = new DataView(left.buffer, left.byteOffset, left.byteLength);
    const scalars = totalColumns(header.scalars);
    const properties = totalColumns(header.properties);
    const starts: number[] = [];
    const offsets = [0];
    let at = 0;
    while (at + 4 <= left.length) {
      const count = view.getInt32(at, littleEndian);
      const where = `${count} points at byte ${taken + at}, streamline ${
        this.#streamlines + starts.length
      }`;
      if (count < 0) throw this.#refuse("trk.points", where);
      const end = at + 4 + 4 * (count * (3 + scalars) + properties);
      const { size } = this.#options;
      if (size !== undefined && taken + end > size) {
        throw this.#refuse("trk.truncated", `${where}, in a file of ${size} bytes`);
      }
      if (end > left.length) break;
      starts.push(at + 4);
      offsets.push(offsets.at(-1)! + count);
      at = end;
    }
    if (starts.length === 0) return null;
    this.#streamlines += starts.length;
    if (header.count > 0 && this.#streamlines > header.count) {
      throw this.#refuse("trk.count", `more streamlines than the ${header.count} of the header`);
    }
    this.#queue.take(at);
    const stored = floatsOf(view, { starts, offsets, scalars, properties, littleEndian });
    transformPoints(stored.points, toRas);
    return {
      points: stored.points,
      offsets: Uint32Array.from(offsets),
      perPoint: splitColumns(stored.scalars, header.scalars),
      perStreamline: splitColumns(stored.properties, header.properties),
      space: header.space,
      remarks: header.remarks,
    };
  }
}

/**
 * Reads a whole file.
 *
 * @param bytes The file, not compressed.
 * @param options See {@link TrkReadOptions}.
 * @throws {FormatError} naming one of {@link TRK_RULES}.
 */
export function readTrk(bytes: Uint8Array, options: TrkReadOptions = {}): Tractogram {
  const reader = new TrkReader({ ...options, size: bytes.length });
  const found = reader.push(bytes);
  reader.finish();
  const { space, remarks } = reader.header!;
  return joinTractograms([
    found ?? { points: new Float32Array(0), offsets: new Uint32Array(1), space, remarks },
  ]);
}

function totalColumns(list: TrkHeader["scalars"]): number {
  return list.reduce((sum, [, columns]) => sum + columns, 0);
}

type Refuse = (rule: keyof typeof TRK_RULES, found: string) => FormatError;

function readHeader(bytes: Uint8Array, refuse: Refuse): TrkHeader {
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  const id = String.fromCharCode(...bytes.subarray(0, 5));
  if (id !== "TRACK") throw refuse("trk.header", `it begins with ${JSON.stringify(id)}`);
  const littleEndian = view.getInt32(996, true) === TRK_HEADER_BYTES;
  if (!littleEndian && view.getInt32(996, false) !== TRK_HEADER_BYTES) {
    throw refuse("trk.header_size", `${view.getInt32(996, true)} at byte 996`);
  }
  const version = view.getInt32(992, littleEndian);
  if (![1, 2, 3].includes(version)) throw refuse("trk.version", `version ${version}`);
  const count = view.getInt32(988, littleEndian);
  if (count < 0) throw refuse("trk.count", `count ${count}`);
  const remarks: string[] = [];
  if (count === 0) remarks.push("The header does not say how many streamlines there are.");
  return {
    littleEndian,
    version,
    count,
    space: readSpace(view, { littleEndian, version, remarks, refuse }),
    scalars: readNames(view, { at: 36, littleEndian, what: "scalar", refuse }),
    properties: readNames(view, { at: 238, littleEndian, what: "property", refuse }),
    remarks,
  };
}

function readSpace(
  view: DataView,
  { littleEndian, version, remarks, refuse }: {
    readonly littleEndian: boolean;
    readonly version: number;
    readonly remarks: string[];
    readonly refuse: Refuse;
  },
): TractogramSpace {
  const triple = <T>(read: (i: number) => T) => [read(0), read(1), read(2)] as [T, T, T];
  const dimensions = triple((i) => view.getInt16(6 + 2 * i, littleEndian));
  if (dimensions.some((n) => n < 1)) {
    throw refuse("trk.dimensions", `dimensions ${dimensions.join(" ")}`);
  }
  const voxelSizes = triple((i) => view.getFloat32(12 + 4 * i, littleEndian));
  if (!voxelSizes.every((mm) => mm > 0 && mm < Infinity)) {
    throw refuse("trk.voxel_size", `voxel sizes ${voxelSizes.join(" ")}`);
  }
  let affine = Array.from({ length: 16 }, (_, i) => view.getFloat32(440 + 4 * i, littleEndian));
  if (version === 1 || affine[15] === 0) {
    remarks.push("The header has no voxel-to-RAS matrix; the identity stands for it.");
    affine = [1, 0, 0, 0, 0, 1, 0, 0, 0, 0, 1, 0, 0, 0, 0, 1];
  }
  try {
    axisCodes(affine);
  } catch {
    throw refuse("trk.affine", `the matrix ${affine.join(" ")}`);
  }
  const bottom = affine.slice(12);
  if (bottom[0] !== 0 || bottom[1] !== 0 || bottom[2] !== 0 || bottom[3] !== 1) {
    throw refuse("trk.affine", `a last row of ${bottom.join(" ")}`);
  }
  const order = textOf(view, 948, 4).toUpperCase();
  if (order === "") remarks.push("The header has no voxel order; LPS stands for it.");
  const voxelOrder = order || "LPS";
  if (!isVoxelOrder(voxelOrder)) {
    throw refuse("trk.voxel_order", `voxel order ${JSON.stringify(voxelOrder)}`);
  }
  return { dimensions, voxelSizes, affine, voxelOrder };
}

/** Text up to the first zero byte, without spaces behind. */
function textOf(view: DataView, at: number, length: number): string {
  const bytes = new Uint8Array(view.buffer, view.byteOffset + at, length);
  const end = bytes.indexOf(0);
  return String.fromCharCode(...bytes.subarray(0, end < 0 ? length : end)).trimEnd();
}

/** Ten fields of 20 bytes: a name and, where it covers several values, a zero byte and their number. */
function readNames(
  view: DataView,
  { at, littleEndian, what, refuse }: {
    readonly at: number;
    readonly littleEndian: boolean;
    readonly what: string;
    readonly refuse: Refuse;
  },
): [string, number][] {
  const total = view.getInt16(at, littleEndian);
  if (total < 0) throw refuse("trk.columns", `${total} values per ${what}`);
  const names: [string, number][] = [];
  let covered = 0;
  for (let i = 0; i < 10 && covered < total; i++) {
    const field = at + 2 + 20 * i;
    const name = textOf(view, field, 20);
    if (name === "") continue;
    const number = textOf(view, field + name.length + 1, Math.max(0, 19 - name.length));
    const columns = /^[1-9]\d*$/.test(number) ? Number(number) : 1;
    covered += columns;
    if (covered > total || names.some(([other]) => other === name)) {
      throw refuse("trk.names", `${what} ${JSON.stringify(name)} of ${columns} among ${total}`);
    }
    names.push([name, columns]);
  }
  if (covered < total) {
    const rest = what === "scalar" ? "scalars" : "properties";
    const taken = names.some(([name]) => name === rest);
    names.push([taken ? `${rest}_unnamed` : rest, total - covered]);
  }
  return names;
}

function floatsOf(
  view: DataView,
  layout: {
    readonly starts: readonly number[];
    readonly offsets: readonly number[];
    readonly scalars: number;
    readonly properties: number;
    readonly littleEndian: boolean;
  },
) {
  const { starts, offsets, scalars: width, properties: wide, littleEndian } = layout;
  const count = offsets.at(-1)!;
  const points = new Float32Array(3 * count);
  const scalars = new Float32Array(width * count);
  const properties = new Float32Array(wide * starts.length);
  let [p, q, r] = [0, 0, 0];
  starts.forEach((start, s) => {
    let at = start;
    for (let k = offsets[s]; k < offsets[s + 1]; k++) {
      for (let i = 0; i < 3; i++, at += 4) points[p++] = view.getFloat32(at, littleEndian);
      for (let i = 0; i < width; i++, at += 4) scalars[q++] = view.getFloat32(at, littleEndian);
    }
    for (let i = 0; i < wide; i++, at += 4) properties[r++] = view.getFloat32(at, littleEndian);
  });
  return { points, scalars, properties };
}

function splitColumns(data: Float32Array, names: TrkHeader["scalars"]): NamedColumns {
  const total = totalColumns(names);
  const rows = total === 0 ? 0 : data.length / total;
  let first = 0;
  return new Map(names.map(([name, columns]): [string, Columns] => {
    const own = new Float32Array(rows * columns);
    for (let row = 0; row < rows; row++) {
      for (let c = 0; c < columns; c++) own[row * columns + c] = data[row * total + first + c];
    }
    first += columns;
    return [name, { data: own, columns }];
  }));
}

/**
 * From stored voxel-mm to RAS mm.
 *
 * @param space Of the file.
 * @param origin Where (0, 0, 0) lies; default at the corner of the first voxel.
 * @returns 16 numbers row-major.
 */
export function storedToRas(space: TractogramSpace, origin: TrkOrigin = "corner"): Float64Array {
  const [x, y, z] = space.voxelSizes.map((mm) => 1 / mm);
  const shift = origin === "corner" ? -0.5 : 0;
  const toIndex = [x, 0, 0, shift, 0, y, 0, shift, 0, 0, z, shift, 0, 0, 0, 1];
  return multiplyAffines(indexToRas(space), toIndex);
}

/**
 * Maps points in place.
 *
 * @param points `[N, 3]`.
 * @param a 4×4 row-major.
 */
export function transformPoints(points: Float32Array, a: ArrayLike<number>): void {
  for (let i = 0; i < points.length; i += 3) {
    const [x, y, z] = [points[i], points[i + 1], points[i + 2]];
    for (let row = 0; row < 3; row++) {
      points[i + row] = a[4 * row] * x + a[4 * row + 1] * y + a[4 * row + 2] * z + a[4 * row + 3];
    }
  }
}
