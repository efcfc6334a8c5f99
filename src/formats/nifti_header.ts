/**
 * The header of a NIfTI-1 or NIfTI-2 file, parsed by nifti-reader-js and then believed in nothing: every
 * field that decides what is read is checked against the rules below and the file's real size.
 *
 * Volumes of real numbers with three axes, or four (the fourth is time), are read; everything else is
 * refused with an error that says what the file is. Source: nifti1.h and nifti2.h of the NIfTI standard.
 */
import type { SpatialShape } from "../base/arrays.ts";
import { NIFTI1, NIFTI2 } from "../deps/nifti.ts";
import { describeFile, FILE_KIND_NAMES, identifyFile } from "./file_kind.ts";
import { NIFTI_DATATYPES, type NiftiDatatype, OTHER_DATATYPES } from "./nifti_datatypes.ts";
import { readAffine, readOrientation, readRepetitionTime, readVoxelSizes } from "./nifti_space.ts";
import { refusals } from "./rejection.ts";

/** What a good NIfTI file satisfies; a rejection names one of these. */
export const NIFTI_RULES = {
  "nifti.magic": "a NIfTI file (.nii, .nii.gz, or .hdr with its .img)",
  "nifti.length": "a whole header (348 bytes, NIfTI-2: 540)",
  "nifti.sizeof_hdr":
    "the header size of its version (348, NIfTI-2: 540) in one of the two byte orders",
  "nifti.signature": "the line-end signature of NIfTI-2 unharmed (a text transfer destroys it)",
  "nifti.pair": "a single .nii file, or the .hdr and .img of a pair side by side on disk",
  "nifti.intent": "an image (CIFTI grayordinates are not volumes)",
  "nifti.axes": "three axes, or four with time last",
  "nifti.dim": "every axis to have 1 to 1,000,000 voxels (time: 1 to 10,000,000 frames)",
  "nifti.datatype": "real scalar voxels (8 to 64-bit integers, float32, float64)",
  "nifti.bitpix": "as many bits per voxel as the element type has",
  "nifti.vox_offset": "a whole number of bytes behind the header",
  "nifti.data": "all voxels inside the file",
  "nifti.scaling": "a finite scl_slope and, where that is used, a finite scl_inter",
  "nifti.pixdim": "finite voxel sizes",
  "nifti.affine": "a finite affine: finite srow entries, and a quaternion of length at most 1",
} as const;

/** Bytes to read before the header can be parsed, for either version. */
export const NIFTI_HEAD_BYTES = 544;

const MAX_AXIS = 1_000_000;
const MAX_FRAMES = 10_000_000;

/** What a header says about its affines beside the one that is used. */
export interface NiftiOrientation {
  /** NIFTI_XFORM code of the sform; 0: none. */
  readonly sformCode: number;
  /** The same of the qform; 0 also where it cannot be written as it is. */
  readonly qformCode: number;
  /** Quaternion b, c, d and offsets x, y, z in millimetres. */
  readonly qform: readonly number[];
  /** −1 for a left-handed qform, else 1. */
  readonly qfac: 1 | -1;
}

/** What a validated header says. */
export interface NiftiHeader {
  /** NIfTI-1 or NIfTI-2. */
  readonly version: 1 | 2;
  /** Byte order of header and voxels. */
  readonly littleEndian: boolean;
  /** True for the .hdr of a .hdr/.img pair: the voxels are in another file. */
  readonly pair: boolean;
  /** Number of axes stored, 3 or 4. */
  readonly axes: 3 | 4;
  /** `[X, Y, Z]` in voxels. */
  readonly spatialShape: SpatialShape;
  /** Number of volumes; 1 for a 3-D file. */
  readonly frames: number;
  /** Element type as stored. */
  readonly datatype: NiftiDatatype;
  /** 1, 2, 4 or 8. */
  readonly bytesPerVoxel: number;
  /** First byte of the first voxel. */
  readonly dataOffset: number;
  /** value = stored·slope + intercept. 1 and 0 where the header asks for no scaling (slope 0 or NaN). */
  readonly slope: number;
  /** See `slope`. */
  readonly intercept: number;
  /** Millimetres along x, y, z. */
  readonly voxelSizes: readonly [number, number, number];
  /** Seconds between frames; null when the header has none or an impossible one. */
  readonly repetitionTime: number | null;
  /** Voxel index (x, y, z, 1) to millimetres, 4 × 4 row by row. */
  readonly affine: readonly number[];
  /** Which of the header's three methods the affine comes from. */
  readonly affineSource: "sform" | "qform" | "pixdim";
  /** Codes and qform as stored, for files written beside this one. */
  readonly orientation: NiftiOrientation;
  /** The field `descrip`, for people. */
  readonly description: string;
  /** Oddities that do not stop the reader, as sentences for a person. */
  readonly remarks: readonly string[];
}

/** Options of {@link readNiftiHeader}. */
export interface NiftiHeaderOptions {
  /** Path or label for messages. */
  readonly source?: string;
  /** Size of the file that holds the voxels, uncompressed; Infinity while it is not known. */
  readonly dataFileBytes: number;
  /** Accept the header half of a pair; `dataFileBytes` is then the size of the .img. */
  readonly allowPair?: boolean;
}

/**
 * Parses and validates a header.
 *
 * @param head The beginning of the file, {@link NIFTI_HEAD_BYTES} bytes if it has as many.
 * @param options See {@link NiftiHeaderOptions}.
 * @throws {FormatError} naming one of {@link NIFTI_RULES}.
 */
export function readNiftiHeader(head: Uint8Array, options: NiftiHeaderOptions): NiftiHeader {
  const source = options.source ?? "NIfTI file";
  const refuse = refusals(NIFTI_RULES, source);
  const raw = parse(head, options, source);
  if (raw.intent_code >= 3000 && raw.intent_code < 3100) {
    throw refuse("nifti.intent", `it is a CIFTI-2 file (intent code ${raw.intent_code})`);
  }
  const { name: datatype, bytes: bytesPerVoxel } = readDatatype(raw, source);
  const { axes, spatialShape, frames } = readDimensions(raw, source);
  const dataOffset = readOffset(raw, source);
  const dataBytes = spatialShape[0] * spatialShape[1] * spatialShape[2] * frames * bytesPerVoxel;
  if (dataOffset + dataBytes > options.dataFileBytes || !Number.isSafeInteger(dataBytes)) {
    const shape = [...spatialShape, frames].join("×");
    throw refuse(
      "nifti.data",
      `${shape} voxels of ${datatype} from byte ${dataOffset} on (${dataBytes} bytes) in a file of ` +
        `${options.dataFileBytes} bytes`,
    );
  }
  const remarks: string[] = [];
  const context = { axes, remark: (text: string) => void remarks.push(text) };
  return {
    version: raw.version,
    littleEndian: raw.littleEndian,
    pair: raw.pair,
    axes,
    spatialShape,
    frames,
    datatype,
    bytesPerVoxel,
    dataOffset,
    ...readScaling(raw, source),
    voxelSizes: readVoxelSizes(raw, {
      ...context,
      refuse: (found) => refuse("nifti.pixdim", found),
    }),
    repetitionTime: readRepetitionTime(raw, context),
    ...readAffine(raw, { ...context, refuse: (found) => refuse("nifti.affine", found) }),
    orientation: readOrientation(raw),
    description: raw.description,
    remarks,
  };
}

/** A parsed, not yet believed header. */
export type RawNiftiHeader = (NIFTI1 | NIFTI2) & {
  readonly version: 1 | 2;
  readonly pair: boolean;
  /** The three srow vectors, row by row: 12 numbers. */
  readonly srow: readonly number[];
};

/**
 * Hands exactly the header's bytes to nifti-reader-js: its reading of header extensions trusts sizes that
 * can send it round in circles, and nothing here needs extensions.
 */
function parse(head: Uint8Array, options: NiftiHeaderOptions, source: string): RawNiftiHeader {
  const refuse = refusals(NIFTI_RULES, source);
  const kind = identifyFile(head);
  if (!kind.startsWith("nifti")) {
    const what = kind === "unknown" && head.length < 348
      ? `${head.length} bytes`
      : describeFile(head, source);
    throw refuse("nifti.magic", `it is ${what}`);
  }
  const version = kind.startsWith("nifti-2") ? 2 : 1;
  const headerBytes = version === 2 ? 540 : 348;
  if (head.length < headerBytes) throw refuse("nifti.length", `it has ${head.length} bytes`);
  const view = new DataView(head.buffer, head.byteOffset, head.byteLength);
  const littleEndian = view.getInt32(0, true) === headerBytes;
  if (!littleEndian && view.getInt32(0, false) !== headerBytes) {
    throw refuse("nifti.sizeof_hdr", `sizeof_hdr is ${view.getInt32(0, true)} or swapped`);
  }
  if (version === 2 && view.getUint32(8, false) !== 0x0d0a1a0a) {
    throw refuse("nifti.signature", "bytes 8 to 11 are changed");
  }
  const pair = kind.endsWith("pair");
  if (pair && !options.allowPair) throw refuse("nifti.pair", `it is ${FILE_KIND_NAMES[kind]}`);
  const header = version === 2 ? new NIFTI2() : new NIFTI1();
  header.readHeader(head.slice(0, headerBytes).buffer);
  const srow = Array.from(
    { length: 12 },
    (_, i) =>
      version === 2
        ? view.getFloat64(400 + 8 * i, littleEndian)
        : view.getFloat32(280 + 4 * i, littleEndian),
  );
  return Object.assign(header, { version, pair, srow } as const);
}

function readDimensions(
  raw: RawNiftiHeader,
  source: string,
): Pick<NiftiHeader, "axes" | "spatialShape" | "frames"> {
  const refuse = refusals(NIFTI_RULES, source);
  let axes = raw.dims[0];
  if (!(axes >= 1 && axes <= 7)) throw refuse("nifti.axes", `dim[0] is ${axes}`);
  // Axes of length 1 behind time carry nothing; entries behind dim[0] are undefined by the standard.
  while (axes > 4 && raw.dims[axes] === 1) axes--;
  const shape = raw.dims.slice(1, axes + 1);
  if (axes !== 3 && axes !== 4) {
    throw refuse("nifti.axes", `it is a ${axes}-dimensional image (${shape.join("×")})`);
  }
  shape.forEach((n, axis) => {
    if (!Number.isInteger(n) || n < 1 || n > (axis < 3 ? MAX_AXIS : MAX_FRAMES)) {
      throw refuse("nifti.dim", `dim[${axis + 1}] is ${n}`);
    }
  });
  return { axes, spatialShape: [shape[0], shape[1], shape[2]], frames: shape[3] ?? 1 };
}

function readDatatype(
  raw: RawNiftiHeader,
  source: string,
): { name: NiftiDatatype; bytes: number } {
  const refuse = refusals(NIFTI_RULES, source);
  const facts = NIFTI_DATATYPES.get(raw.datatypeCode);
  if (!facts) {
    const what = OTHER_DATATYPES.get(raw.datatypeCode) ?? "of an element type nobody defined";
    throw refuse("nifti.datatype", `it is ${what} (datatype ${raw.datatypeCode})`);
  }
  if (raw.numBitsPerVoxel !== 8 * facts.bytes) {
    throw refuse("nifti.bitpix", `bitpix is ${raw.numBitsPerVoxel} with ${facts.name}`);
  }
  return facts;
}

function readOffset(raw: RawNiftiHeader, source: string): number {
  const offset = raw.vox_offset;
  const least = raw.pair ? 0 : raw.version === 2 ? 544 : 352;
  if (!Number.isSafeInteger(offset) || offset < least) {
    throw refusals(NIFTI_RULES, source)("nifti.vox_offset", `vox_offset is ${offset}`);
  }
  return offset;
}

function readScaling(
  raw: RawNiftiHeader,
  source: string,
): Pick<NiftiHeader, "slope" | "intercept"> {
  const { scl_slope: slope, scl_inter: intercept } = raw;
  if (slope === 0 || Number.isNaN(slope)) return { slope: 1, intercept: 0 };
  if (!Number.isFinite(slope) || !Number.isFinite(intercept)) {
    throw refusals(NIFTI_RULES, source)(
      "nifti.scaling",
      `scl_slope is ${slope} and scl_inter ${intercept}`,
    );
  }
  return { slope, intercept };
}
