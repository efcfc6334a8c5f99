/** The element types of NIfTI files: the ten real scalar ones this library reads, the others by name. */

/** Real scalar element types. */
export type NiftiDatatype =
  | "uint8"
  | "int8"
  | "int16"
  | "uint16"
  | "int32"
  | "uint32"
  | "int64"
  | "uint64"
  | "float32"
  | "float64";

/** A readable element type. */
export interface DatatypeFacts {
  /** As in `NiftiDatatype`. */
  readonly name: NiftiDatatype;
  /** Bytes per voxel. */
  readonly bytes: 1 | 2 | 4 | 8;
}

/** Header code → element type. */
export const NIFTI_DATATYPES: ReadonlyMap<number, DatatypeFacts> = new Map([
  [2, { name: "uint8", bytes: 1 }],
  [4, { name: "int16", bytes: 2 }],
  [8, { name: "int32", bytes: 4 }],
  [16, { name: "float32", bytes: 4 }],
  [64, { name: "float64", bytes: 8 }],
  [256, { name: "int8", bytes: 1 }],
  [512, { name: "uint16", bytes: 2 }],
  [768, { name: "uint32", bytes: 4 }],
  [1024, { name: "int64", bytes: 8 }],
  [1280, { name: "uint64", bytes: 8 }],
]);

/** Header code → what a file with it is; these are refused. */
export const OTHER_DATATYPES: ReadonlyMap<number, string> = new Map([
  [0, "of unknown element type"],
  [1, "a binary (1 bit per voxel) image"],
  [32, "a complex image (complex64)"],
  [128, "a colour image (RGB24)"],
  [1536, "an image of 128-bit floats"],
  [1792, "a complex image (complex128)"],
  [2048, "a complex image (complex256)"],
  [2304, "a colour image (RGBA32)"],
]);
