/**
 * Host-side arrays with a shape: what model methods take and return beside tensors, and what the file
 * formats deal in. Row-major (last axis fastest) always.
 */

/** Real numbers on the host. float32 everywhere, float64 on the reference engine and in solvers. */
export type FloatArray = Float32Array | Float64Array;

/** Any typed array a tensor file can hold. */
export type NumericArray =
  | Float32Array
  | Float64Array
  | Int8Array
  | Uint8Array
  | Int16Array
  | Uint16Array
  | Int32Array
  | Uint32Array
  | BigInt64Array
  | BigUint64Array;

/** A dense row-major array: `data.length` equals the product of `shape`. */
export interface NdArray<A extends NumericArray = FloatArray> {
  /** The values, last axis fastest. */
  readonly data: A;
  /** Length of each axis; `[]` for a single number. */
  readonly shape: readonly number[];
}

/**
 * Gives the memory of an array back at once; the array is empty afterwards. V8 frees arrays when it collects, and
 * lets some hundred MiB gather before: too late for arrays of a frame's size, of which every frame makes some.
 *
 * @param values Nobody else's, with a buffer of its own.
 */
export function discard(values: FloatArray): void {
  (values.buffer as ArrayBuffer).transfer(0);
}

/** Spatial size of a volume in voxels, in NIfTI order `[X, Y, Z]`. */
export type SpatialShape = readonly [X: number, Y: number, Z: number];

/** More values than any array here holds; a size beyond comes from a slip of the finger. */
export const MOST_VALUES = 2 ** 31;
