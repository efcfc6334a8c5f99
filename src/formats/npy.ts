/**
 * Arrays of NumPy (`.npy`, versions 1 to 3): numbers and booleans of either byte order, C and Fortran order. Arrays of objects hold
 * a pickle and are refused unread, as are text, dates, complex numbers and records. The header is a literal of Python: it is read by a
 * grammar of its own, never evaluated.
 */
import { MOST_VALUES, type NdArray, type NumericArray } from "../base/arrays.ts";
import { gatherStrided, rowMajorStrides } from "../base/strided.ts";
import { widenFloat16 } from "./half_precision.ts";
import { refusals } from "./rejection.ts";

/** What every file satisfies. */
export const NPY_RULES = {
  "npy.magic": "the bytes \\x93NUMPY at its start",
  "npy.version": "version 1.0, 2.0 or 3.0",
  "npy.header":
    "a header {'descr': …, 'fortran_order': …, 'shape': (…)} within the file, and nothing else in it",
  "npy.dtype": "numbers or booleans of 1 to 8 bytes; in Python: array.astype('float32')",
  "npy.shape": "a shape of whole numbers with fewer than 2^31 values",
  "npy.data": "as many bytes behind the header as shape and type say",
} as const;

const MAGIC = [0x93, 0x4e, 0x55, 0x4d, 0x50, 0x59];
const MOST_HEADER = 2 ** 20;

type Widen = (bytes: ArrayBuffer) => NumericArray;

/** Types by their letter and size. */
const TYPES: Readonly<Record<string, Widen>> = {
  b1: (b) => new Uint8Array(b),
  i1: (b) => new Int8Array(b),
  u1: (b) => new Uint8Array(b),
  i2: (b) => new Int16Array(b),
  u2: (b) => new Uint16Array(b),
  i4: (b) => new Int32Array(b),
  u4: (b) => new Uint32Array(b),
  i8: (b) => new BigInt64Array(b),
  u8: (b) => new BigUint64Array(b),
  f2: (b) => widenFloat16(new Uint16Array(b)),
  f4: (b) => new Float32Array(b),
  f8: (b) => new Float64Array(b),
};

/** What the header says. */
export interface NpyHeader {
  /** Letter and bytes: `"f4"`. */
  readonly type: string;
  readonly bigEndian: boolean;
  readonly fortranOrder: boolean;
  readonly shape: readonly number[];
  /** Where the values begin. */
  readonly dataOffset: number;
}

/**
 * Reads an array.
 *
 * @param bytes The whole file; what comes behind the array is passed over.
 * @param source For messages.
 * @returns The values in C order, whatever the file's; float16 as float32, booleans as 0 and 1.
 * @throws {FormatError} by a rule of {@link NPY_RULES}.
 */
export function readNpy(bytes: Uint8Array, source = "array"): NdArray<NumericArray> {
  const { type, bigEndian, fortranOrder, shape, dataOffset } = readNpyHeader(bytes, source);
  const size = shape.reduce((product, n) => product * n, 1);
  const width = Number(type[1]);
  const needed = size * width;
  if (bytes.length - dataOffset < needed) {
    throw refusals(NPY_RULES, source)(
      "npy.data",
      `there are ${
        bytes.length - dataOffset
      } bytes of data where [${shape}] of ${type} takes ${needed}`,
    );
  }
  const own = bytes.slice(dataOffset, dataOffset + needed);
  if (bigEndian) swapBytes(own, width);
  const data = TYPES[type](own.buffer as ArrayBuffer);
  return { data: fortranOrder ? inRowOrder(data, shape) : data, shape };
}

/**
 * Reads the header alone.
 *
 * @param bytes Beginning of the file, at least the header.
 * @param source For messages.
 * @throws {FormatError} as {@link readNpy}.
 */
export function readNpyHeader(bytes: Uint8Array, source = "array"): NpyHeader {
  const refuse = refusals(NPY_RULES, source);
  if (bytes.length < 10 || MAGIC.some((byte, i) => bytes[i] !== byte)) {
    throw refuse("npy.magic", `it begins with ${bytes.length === 0 ? "nothing" : "other bytes"}`);
  }
  const [major, minor] = [bytes[6], bytes[7]];
  if (!(major >= 1 && major <= 3 && minor === 0)) {
    throw refuse("npy.version", `it is of version ${major}.${minor}`);
  }
  const start = major === 1 ? 10 : 12;
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  const length = major === 1
    ? view.getUint16(8, true)
    : bytes.length >= 12
    ? view.getUint32(8, true)
    : Infinity;
  if (length > MOST_HEADER || start + length > bytes.length) {
    throw refuse("npy.header", `its header takes ${length} bytes of ${bytes.length - start}`);
  }
  const text = new TextDecoder(major === 3 ? "utf-8" : "latin1").decode(
    bytes.subarray(start, start + length),
  );
  return { ...parseHeader(text, refuse), dataOffset: start + length };
}

type Refuse = ReturnType<typeof refusals<typeof NPY_RULES>>;

const ENTRY = {
  descr: /^'descr'\s*:\s*/,
  fortran_order: /^'fortran_order'\s*:\s*(True|False)\s*/,
  shape: /^'shape'\s*:\s*\(\s*((?:-?\d+L?\s*,\s*)*(?:-?\d+L?)?)\s*\)\s*/,
} as const;

function parseHeader(text: string, refuse: Refuse): Omit<NpyHeader, "dataOffset"> {
  const bad = (found: string) => refuse("npy.header", found);
  let rest = text.trim().replaceAll('"', "'");
  const take = (pattern: RegExp): RegExpExecArray | null => {
    const match = pattern.exec(rest);
    if (match) rest = rest.slice(match[0].length);
    return match;
  };
  const found: { descr?: string; fortran_order?: string; shape?: string } = {};
  if (!take(/^\{\s*/)) throw bad("its header is no dictionary");
  while (!take(/^\}$/)) {
    const name = (["descr", "fortran_order", "shape"] as const).find((key) =>
      ENTRY[key].test(rest) && found[key] === undefined
    );
    if (!name) throw bad(`its header goes on with ${JSON.stringify(rest.slice(0, 40))}`);
    const [, value] = take(ENTRY[name])!;
    found[name] = name === "descr" ? takeDescription(take, rest, refuse) : value;
    if (!take(/^,\s*/) && rest !== "}") {
      throw bad(`its header goes on with ${JSON.stringify(rest.slice(0, 40))}`);
    }
  }
  for (const name of ["descr", "fortran_order", "shape"] as const) {
    if (found[name] === undefined) throw bad(`its header has no '${name}'`);
  }
  return {
    ...parseType(found.descr!, refuse),
    fortranOrder: found.fortran_order === "True",
    shape: parseShape(found.shape!, refuse),
  };
}

function takeDescription(
  take: (pattern: RegExp) => RegExpExecArray | null,
  rest: string,
  refuse: Refuse,
): string {
  const quoted = take(/^'([^']*)'\s*/);
  if (quoted) return quoted[1];
  if (rest.startsWith("[")) throw refuse("npy.dtype", "its values are records of several fields");
  throw refuse("npy.header", "its 'descr' is no text");
}

function parseType(descr: string, refuse: Refuse): Pick<NpyHeader, "type" | "bigEndian"> {
  const match = /^([<>|=])([a-zA-Z]\d+)$/.exec(descr);
  if (match && Object.hasOwn(TYPES, match[2])) {
    return { type: match[2], bigEndian: match[1] === ">" };
  }
  const what = /^[<>|=]?O/.test(descr)
    ? `its values are objects of Python (${descr}), which only a pickle can hold`
    : `its values are of type ${JSON.stringify(descr)}`;
  throw refuse("npy.dtype", what);
}

function parseShape(text: string, refuse: Refuse): number[] {
  const parts = text.split(",").map((part) => part.trim().replace(/L$/, ""));
  const single = parts.length === 1 && parts[0] !== "";
  const shape = parts.filter((part) => part !== "").map(Number);
  const size = shape.reduce((product, n) => product * Math.max(1, n), 1);
  const fits = shape.every((n) => Number.isSafeInteger(n) && n >= 0) && shape.length <= 32 &&
    size < MOST_VALUES;
  if (single) throw refuse("npy.header", `its shape is (${text}), which is no tuple`);
  if (!fits) throw refuse("npy.shape", `its shape is (${text})`);
  return shape;
}

function swapBytes(bytes: Uint8Array, width: number): void {
  for (let at = 0; at + width <= bytes.length; at += width) {
    bytes.subarray(at, at + width).reverse();
  }
}

/** Fortran order is C order of the reversed axes. */
function inRowOrder(data: NumericArray, shape: readonly number[]): NumericArray {
  if (shape.length < 2 || data.length === 0) return data;
  const strides = rowMajorStrides(shape.toReversed()).toReversed();
  return gatherStrided(data, { offset: 0, shape, strides });
}
