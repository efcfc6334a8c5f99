/** Writing TRX archives: stored members, float32 positions, uint32 offsets. */
import type { NumericArray } from "../base/arrays.ts";
import { ConfigError } from "../base/errors.ts";
import { type NamedColumns, streamlineCount, type Tractogram } from "./tractogram.ts";
import { writeZip } from "./zip_members.ts";

/**
 * A whole TRX archive.
 *
 * @param tractogram With the space of an image.
 * @throws {ConfigError} without a space, or when a name of values cannot be that of a file.
 */
export function writeTrx(tractogram: Tractogram): Uint8Array<ArrayBuffer> {
  return writeZip(trxFiles(tractogram));
}

/**
 * The files of a TRX folder.
 *
 * @param tractogram With the space of an image.
 * @throws {ConfigError} without a space, or when a name of values cannot be that of a file.
 */
export function trxFiles(tractogram: Tractogram): Map<string, Uint8Array> {
  const { points, offsets, space, groups = new Map(), perGroup = new Map() } = tractogram;
  if (!space) {
    throw new ConfigError(
      "reference",
      "Cannot write a .trx file: the streamlines come with no image, whose size and place its header needs; " +
        "name one with --reference, or write .tck",
    );
  }
  const rows = [0, 1, 2, 3].map((row) => space.affine.slice(4 * row, 4 * row + 4));
  const header = {
    DIMENSIONS: space.dimensions,
    VOXEL_TO_RASMM: rows,
    NB_VERTICES: points.length / 3,
    NB_STREAMLINES: streamlineCount(tractogram),
  };
  const files = new Map<string, Uint8Array>([
    ["header.json", new TextEncoder().encode(JSON.stringify(header))],
    ["positions.3.float32", bytesOf(points)],
    ["offsets.uint32", bytesOf(offsets)],
  ]);
  const add = (folder: string, columns: NamedColumns = new Map()) => {
    for (const [name, { data, columns: width }] of columns) {
      const middle = width === 1 ? "" : `.${width}`;
      files.set(`${folder}/${fileName(name)}${middle}.${dtypeOf(data)}`, bytesOf(data));
    }
  };
  add("dpv", tractogram.perPoint);
  add("dps", tractogram.perStreamline);
  for (const [name, group] of groups) files.set(`groups/${fileName(name)}.uint32`, bytesOf(group));
  for (const [name, columns] of perGroup) add(`dpg/${fileName(name)}`, columns);
  return files;
}

function fileName(name: string): string {
  if (name !== "" && name !== "." && name !== ".." && !/[\\/:\0]/.test(name)) return name;
  throw new ConfigError(
    "columns",
    `Cannot write a .trx file: ${
      JSON.stringify(name)
    } is the name of values or of a group, needs one without \\ / :`,
  );
}

function bytesOf(data: NumericArray): Uint8Array {
  return new Uint8Array(data.buffer, data.byteOffset, data.byteLength);
}

function dtypeOf(data: NumericArray): string {
  const name = data.constructor.name.replace("Array", "").replace("Big", "");
  return name.toLowerCase();
}
