/**
 * From the bytes of a frame to float32 values and back. Scaling is done in float64 and rounded to float32
 * once [recurrent-vae §2.2]. The loops run over typed arrays: a 91×109×91 frame takes about a millisecond.
 */
import type { FloatArray } from "../base/arrays.ts";
import type { NiftiDatatype } from "./nifti_datatypes.ts";

/** How voxels are stored; a `NiftiHeader` satisfies it. */
export interface VoxelEncoding {
  /** Element type as stored. */
  readonly datatype: NiftiDatatype;
  /** 1, 2, 4 or 8. */
  readonly bytesPerVoxel: number;
  /** Byte order of the voxels. */
  readonly littleEndian: boolean;
  /** value = stored·slope + intercept. */
  readonly slope: number;
  /** See `slope`. */
  readonly intercept: number;
}

/** Decodes `into.length` voxels from `bytes` (exactly as many as that takes), in their order. */
export type VoxelDecoder = (bytes: Uint8Array, into: FloatArray) => void;

const ARRAYS = {
  uint8: Uint8Array,
  int8: Int8Array,
  int16: Int16Array,
  uint16: Uint16Array,
  int32: Int32Array,
  uint32: Uint32Array,
  float32: Float32Array,
  float64: Float64Array,
} as const;

/** Whether the stored bytes are the float32 values themselves, so that a frame can be read in place. */
export function isPlainFloat32(encoding: VoxelEncoding): boolean {
  const { datatype, littleEndian, slope, intercept } = encoding;
  return datatype === "float32" && littleEndian && slope === 1 && intercept === 0;
}

/**
 * Makes the decoder of one file. It keeps a scratch buffer of a frame's size where the bytes have to be
 * swapped or moved to an aligned place; the given bytes are never changed.
 *
 * @param encoding See {@link VoxelEncoding}; `slope` and `intercept` must be finite.
 */
export function voxelDecoder(encoding: VoxelEncoding): VoxelDecoder {
  const { datatype, bytesPerVoxel, littleEndian, slope, intercept } = encoding;
  const identity = slope === 1 && intercept === 0;
  let scratch = new Uint8Array(0);
  const arrange = (bytes: Uint8Array): Uint8Array => {
    const swap = !littleEndian && bytesPerVoxel > 1;
    if (!swap && bytes.byteOffset % bytesPerVoxel === 0) return bytes;
    if (scratch.length !== bytes.length) scratch = new Uint8Array(bytes.length);
    scratch.set(bytes);
    if (swap) swapBytes(scratch, bytesPerVoxel);
    return scratch;
  };
  return (bytes, into) => {
    const { buffer, byteOffset } = arrange(bytes);
    const stored = datatype === "int64" || datatype === "uint64"
      ? toNumbers(new Uint32Array(buffer, byteOffset, 2 * into.length), datatype === "int64")
      : new ARRAYS[datatype](buffer as ArrayBuffer, byteOffset, into.length);
    if (identity) into.set(stored);
    else for (let i = 0; i < into.length; i++) into[i] = stored[i] * slope + intercept;
  };
}

/** 64-bit integers, given as low and high words, rounded to float64 as a conversion of the integer would. */
function toNumbers(words: Uint32Array, signed: boolean): Float64Array {
  const numbers = new Float64Array(words.length / 2);
  for (let i = 0; i < numbers.length; i++) {
    const high = signed ? words[2 * i + 1] | 0 : words[2 * i + 1];
    numbers[i] = high * 2 ** 32 + words[2 * i];
  }
  return numbers;
}

/** Reverses the bytes of each element in place. */
function swapBytes(bytes: Uint8Array, width: number): void {
  if (width === 2) {
    const words = new Uint16Array(bytes.buffer);
    for (let i = 0; i < words.length; i++) words[i] = (words[i] << 8) | (words[i] >> 8);
    return;
  }
  const words = new Uint32Array(bytes.buffer);
  for (let i = 0; i < words.length; i++) words[i] = swap32(words[i]);
  if (width === 8) {
    for (let i = 0; i < words.length; i += 2) [words[i], words[i + 1]] = [words[i + 1], words[i]];
  }
}

function swap32(word: number): number {
  return (word << 24) | ((word << 8) & 0xff0000) | ((word >>> 8) & 0xff00) | (word >>> 24);
}

/** Element types this library writes. */
export type WrittenDatatype = "float32" | "int16";

/**
 * Encodes values for a file: float32 as they are, int16 as round((value − intercept)/slope), cut to the
 * type's range.
 *
 * @param values Any number of voxels.
 * @param encoding Element type and, for int16, the scaling.
 * @returns The little-endian bytes; a view of `values` where nothing had to change.
 */
export function encodeVoxels(
  values: FloatArray,
  encoding: {
    readonly datatype: WrittenDatatype;
    readonly slope?: number;
    readonly intercept?: number;
  },
): Uint8Array {
  const { datatype, slope = 1, intercept = 0 } = encoding;
  if (datatype === "float32") {
    const floats = values instanceof Float32Array ? values : Float32Array.from(values);
    return new Uint8Array(floats.buffer, floats.byteOffset, floats.byteLength);
  }
  const stored = new Int16Array(values.length);
  for (let i = 0; i < values.length; i++) {
    stored[i] = Math.max(-32768, Math.min(32767, Math.round((values[i] - intercept) / slope)));
  }
  return new Uint8Array(stored.buffer);
}

/**
 * The scaling that spreads a range of values over int16.
 *
 * @param lowest Smallest value.
 * @param highest Largest value, at least `lowest`.
 * @returns value = stored·slope + intercept with stored in −32767 … 32767; slope 1 for a single value.
 */
export function int16Scaling(
  lowest: number,
  highest: number,
): { readonly slope: number; readonly intercept: number } {
  const slope = Math.fround((highest - lowest) / 65534) || 1;
  return { slope, intercept: Math.fround((highest + lowest) / 2) };
}
