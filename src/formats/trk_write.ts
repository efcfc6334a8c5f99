/** Writing TrackVis `.trk` files: little-endian, version 2, with the space of the reference image. */
import { concatBytes } from "../base/bytes.ts";
import { ConfigError } from "../base/errors.ts";
import {
  invertAffine,
  type NamedColumns,
  streamlineCount,
  type Tractogram,
  type TractogramSpace,
} from "./tractogram.ts";
import { storedToRas, transformPoints, TRK_HEADER_BYTES } from "./trk.ts";

/** What a file holds beside points. */
export interface TrkContent {
  /** Image that the points belong to. */
  readonly space: TractogramSpace;
  /** Streamlines in the whole file. */
  readonly count: number;
  readonly perPoint?: NamedColumns;
  readonly perStreamline?: NamedColumns;
}

/**
 * A whole file.
 *
 * @param tractogram With the space of an image.
 * @throws {ConfigError} without a space, or when names of values do not fit into a header.
 */
export function writeTrk(tractogram: Tractogram): Uint8Array<ArrayBuffer> {
  const space = requireSpace(tractogram);
  const head = trkHeader({ ...tractogram, space, count: streamlineCount(tractogram) });
  return concatBytes([head, trkBody(tractogram)]);
}

function requireSpace({ space }: Tractogram): TractogramSpace {
  if (space) return space;
  throw new ConfigError(
    "reference",
    "Cannot write a .trk file: the streamlines come with no image, whose size and place its header needs; " +
      "name one with --reference, or write .tck",
  );
}

/**
 * The 1000 bytes of a header.
 *
 * @param content What the file holds.
 * @throws {ConfigError} when names of values do not fit into a header.
 */
export function trkHeader(content: TrkContent): Uint8Array<ArrayBuffer> {
  const bytes = new Uint8Array(TRK_HEADER_BYTES);
  const view = new DataView(bytes.buffer);
  const { space: { dimensions, voxelSizes, affine, voxelOrder }, count } = content;
  writeText(bytes, 0, "TRACK");
  for (let i = 0; i < 3; i++) {
    if (!(dimensions[i] >= 1 && dimensions[i] <= 32767)) {
      throw new ConfigError(
        "reference",
        `Cannot write a .trk file: the image has ${
          dimensions[i]
        } voxels along an axis, needs 1 to 32767`,
      );
    }
    view.setInt16(6 + 2 * i, dimensions[i], true);
    view.setFloat32(12 + 4 * i, voxelSizes[i], true);
  }
  writeNames(bytes, { at: 36, columns: content.perPoint, what: "scalar" });
  writeNames(bytes, { at: 238, columns: content.perStreamline, what: "property" });
  affine.forEach((value, i) => view.setFloat32(440 + 4 * i, value, true));
  writeText(bytes, 948, voxelOrder);
  view.setInt32(988, count, true);
  view.setInt32(992, 2, true);
  view.setInt32(996, TRK_HEADER_BYTES, true);
  return bytes;
}

function writeText(bytes: Uint8Array, at: number, text: string): void {
  bytes.set(Uint8Array.from(text, (letter) => letter.charCodeAt(0)), at);
}

function writeNames(
  bytes: Uint8Array,
  { at, columns, what }: {
    readonly at: number;
    readonly columns: NamedColumns | undefined;
    readonly what: string;
  },
): void {
  const list = [...(columns ?? [])];
  const total = list.reduce((sum, [, { columns }]) => sum + columns, 0);
  new DataView(bytes.buffer).setInt16(at, total, true);
  const fields = list.map(([name, { columns }]) => columns > 1 ? `${name}\0${columns}` : name);
  const long = fields.find((field) => field.length > 20 || /[^\0-\xff]/.test(field));
  if (long !== undefined || fields.length > 10 || total > 32767) {
    throw new ConfigError(
      "columns",
      `Cannot write a .trk file: ${
        long === undefined ? `${fields.length} names` : `the ${what} name ${JSON.stringify(long)}`
      }, needs at most 10 names of at most 20 plain letters each; write .trx, which has no such limit`,
    );
  }
  fields.forEach((field, i) => writeText(bytes, at + 2 + 20 * i, field));
}

/**
 * The bytes of streamlines behind a header.
 *
 * @param tractogram With the space of the header.
 * @throws {ConfigError} without a space.
 */
export function trkBody(tractogram: Tractogram): Uint8Array<ArrayBuffer> {
  const { points, offsets } = tractogram;
  const stored = points.slice();
  transformPoints(stored, invertAffine(storedToRas(requireSpace(tractogram))));
  const scalars = [...(tractogram.perPoint ?? [])];
  const properties = [...(tractogram.perStreamline ?? [])];
  const width = (list: typeof scalars) => list.reduce((sum, [, { columns }]) => sum + columns, 0);
  const streamlines = streamlineCount(tractogram);
  const bytes = new Uint8Array(
    4 * (streamlines * (1 + width(properties)) + (points.length / 3) * (3 + width(scalars))),
  );
  const view = new DataView(bytes.buffer);
  let at = 0;
  const put = (value: number) => {
    view.setFloat32(at, value, true);
    at += 4;
  };
  const putColumns = (list: typeof scalars, row: number) => {
    for (const [, { data, columns }] of list) {
      for (let c = 0; c < columns; c++) put(Number(data[row * columns + c]));
    }
  };
  for (let s = 0; s < streamlines; s++) {
    view.setInt32(at, offsets[s + 1] - offsets[s], true);
    at += 4;
    for (let k = offsets[s]; k < offsets[s + 1]; k++) {
      for (let i = 0; i < 3; i++) put(stored[3 * k + i]);
      putColumns(scalars, k);
    }
    putColumns(properties, s);
  }
  return bytes;
}
