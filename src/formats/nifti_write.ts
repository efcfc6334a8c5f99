/** Writing NIfTI-1 single files: the header, and small images in one go. Long runs are written frame by frame by `files`. */
import type { FloatArray, SpatialShape } from "../base/arrays.ts";
import { ConfigError, ShapeError } from "../base/errors.ts";
import {
  checkOptions,
  choice,
  flag,
  integer,
  list,
  nullable,
  number,
  other,
  record,
  text,
} from "../base/fields.ts";
import { gzipSync } from "../deps/node_zlib.ts";
import type { NiftiOrientation } from "./nifti_header.ts";
import { isSingular } from "./nifti_space.ts";
import { encodeVoxels, int16Scaling, type WrittenDatatype } from "./nifti_voxels.ts";

/** What the header of a written file says. */
export interface NiftiImageFacts {
  /** `[X, Y, Z]` in voxels, 1 to 32767 each. */
  readonly spatialShape: SpatialShape;
  /** Number of volumes; leave out for a 3-D image. */
  readonly frames?: number;
  /** Voxel index to millimetres, 4 × 4 row by row; default: voxels of 1 mm at the origin. */
  readonly affine?: readonly number[];
  /** Seconds between frames. */
  readonly repetitionTime?: number | null;
  /** Default `"float32"`. */
  readonly datatype?: WrittenDatatype;
  /** value = stored·slope + intercept, for int16. */
  readonly slope?: number;
  /** See `slope`. */
  readonly intercept?: number;
  /** At most 79 ASCII characters. */
  readonly description?: string;
  /** Codes and qform of the image this one lies beside; default: the affine alone, as aligned to another image. */
  readonly orientation?: NiftiOrientation;
}

const IDENTITY = [1, 0, 0, 0, 0, 1, 0, 0, 0, 0, 1, 0, 0, 0, 0, 1];
const MAX_DIMENSION = 32767;
const DATA_OFFSET = 352;

/**
 * The 352 bytes in front of the voxels: header, and four zero bytes that say "no extension".
 *
 * The affine is stored as sform and, as far as it has one, as the equivalent voxel sizes; units are
 * millimetres and seconds.
 *
 * @throws {ConfigError} for axes NIfTI-1 cannot hold or an affine that is not 4 × 4, finite and invertible.
 */
export function encodeNiftiHeader(facts: NiftiImageFacts): Uint8Array<ArrayBuffer> {
  const { spatialShape, frames, affine = IDENTITY, datatype = "float32" } = facts;
  const shape = frames === undefined ? [...spatialShape] : [...spatialShape, frames];
  checkFacts(shape, affine);
  const header = new Uint8Array(DATA_OFFSET);
  const view = new DataView(header.buffer);
  const int16 = (at: number, value: number) => view.setInt16(at, value, true);
  const float32 = (at: number, value: number) => view.setFloat32(at, value, true);
  view.setInt32(0, 348, true);
  header[38] = 0x72; // "regular", kept for Analyze readers
  int16(40, shape.length);
  for (let axis = 1; axis <= 7; axis++) int16(40 + 2 * axis, shape[axis - 1] ?? 1);
  int16(70, datatype === "int16" ? 4 : 16);
  int16(72, datatype === "int16" ? 16 : 32);
  float32(76, 1);
  for (let axis = 0; axis < 3; axis++) float32(80 + 4 * axis, columnLength(affine, axis));
  float32(92, facts.repetitionTime ?? 0);
  float32(108, DATA_OFFSET);
  float32(112, facts.slope ?? 1);
  float32(116, facts.intercept ?? 0);
  header[123] = 2 | 8; // millimetres, seconds
  header.set(new TextEncoder().encode(facts.description ?? "").subarray(0, 79), 148);
  // Without codes of a source: aligned to another image, the one the affine comes from.
  int16(254, facts.orientation?.sformCode ?? 2);
  if (facts.orientation?.qformCode) {
    const { qformCode, qform, qfac } = facts.orientation;
    int16(252, qformCode);
    float32(76, qfac);
    qform.forEach((value, i) => float32(256 + 4 * i, value));
  }
  for (let i = 0; i < 12; i++) float32(280 + 4 * i, affine[i]);
  header.set(new TextEncoder().encode("n+1\0"), 344);
  return header;
}

/** Options of {@link writeNifti}. */
export interface WriteNiftiOptions extends Omit<NiftiImageFacts, "slope" | "intercept"> {
  /** Compress with gzip. Default false. */
  readonly gzip?: boolean;
}

const WRITE_OPTIONS = record<WriteNiftiOptions>({
  spatialShape: list(number()), // checkFacts looks at the sizes
  frames: integer({ least: 1 }),
  affine: other("4 × 4 numbers, row by row"), // likewise
  repetitionTime: nullable(number({ least: 0 })),
  datatype: choice(["float32", "int16"]),
  description: text(),
  orientation: other("codes and qform as a header has them"),
  gzip: flag(),
}, ["spatialShape"]);

/**
 * Writes an image that fits in memory.
 *
 * @param values `[T, Z, Y, X]` or `[Z, Y, X]`, x fastest.
 * @param options Shape, affine, repetition time and element type; int16 is scaled to the values' range.
 * @returns The bytes of a `.nii`, or with `gzip` of a `.nii.gz`.
 * @throws {ShapeError} when the number of values does not fit.
 * @throws {ConfigError} see `encodeNiftiHeader`.
 */
export function writeNifti(values: FloatArray, options: WriteNiftiOptions): Uint8Array {
  checkOptions(options, WRITE_OPTIONS, { doing: "Cannot write a NIfTI image" });
  const [x, y, z] = options.spatialShape;
  const count = x * y * z * (options.frames ?? 1);
  if (count !== values.length) {
    throw new ShapeError(
      `Cannot write a NIfTI image of ${x}×${y}×${z}×${options.frames ?? 1} voxels: found ` +
        `${values.length} values, needs ${count}`,
      [values.length],
      `${count} values`,
    );
  }
  const datatype = options.datatype ?? "float32";
  const scaling = datatype === "int16" ? scalingOf(values) : { slope: 1, intercept: 0 };
  const header = encodeNiftiHeader({ ...options, ...scaling });
  const voxels = encodeVoxels(values, { datatype, ...scaling });
  const file = new Uint8Array(header.length + voxels.length);
  file.set(header);
  file.set(voxels, header.length);
  return options.gzip ? new Uint8Array(gzipSync(file)) : file;
}

function scalingOf(values: FloatArray): { slope: number; intercept: number } {
  let lowest = Infinity;
  let highest = -Infinity;
  for (const value of values) {
    if (value < lowest) lowest = value;
    if (value > highest) highest = value;
  }
  return lowest <= highest ? int16Scaling(lowest, highest) : { slope: 1, intercept: 0 };
}

function columnLength(affine: readonly number[], axis: number): number {
  return Math.hypot(affine[axis], affine[4 + axis], affine[8 + axis]);
}

function checkFacts(shape: readonly number[], affine: readonly number[]): void {
  const bad = shape.find((n) => !Number.isInteger(n) || n < 1 || n > MAX_DIMENSION);
  if (bad !== undefined) {
    throw new ConfigError(
      "spatialShape",
      `Cannot write a NIfTI-1 image of ${shape.join("×")}: found an axis of ${bad}, needs 1 to ` +
        `${MAX_DIMENSION}`,
    );
  }
  if (affine.length !== 16 || !affine.every(Number.isFinite) || isSingular(affine)) {
    throw new ConfigError(
      "affine",
      `Cannot write a NIfTI-1 image: found an affine of ${affine.length} entries [${affine}], needs ` +
        `16 finite ones (4 × 4, row by row) that map volumes onto volumes`,
    );
  }
}
