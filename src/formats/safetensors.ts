/**
 * Reader and writer of safetensors files: named arrays with shapes, the format weights are kept in.
 *
 * Arrays are views of the given bytes where the alignment allows it, copies where not; half-precision
 * types become float32. Typed arrays are little-endian on every platform this library runs on, as the
 * format is. The header's rules stand in `safetensors_header.ts`.
 */
import type { NdArray, NumericArray } from "../base/arrays.ts";
import { ConfigError, ShapeError } from "../base/errors.ts";
import { checkOptions, map, record, text } from "../base/fields.ts";
import { widenBfloat16, widenFloat16 } from "./half_precision.ts";
import {
  ELEMENT_BYTES,
  readSafetensorsHeader,
  type SafetensorsDtype,
  type TensorEntry,
} from "./safetensors_header.ts";

/** An array read from a file, with the element type it has there. */
export interface SafetensorsTensor extends NdArray<NumericArray> {
  /** `F16` and `BF16` have been widened to float32, `BOOL` is a Uint8Array. */
  readonly dtype: SafetensorsDtype;
}

/** Content of a safetensors file. */
export interface SafetensorsFile {
  /** In the order of the header. A scalar has shape `[]` and one value. */
  readonly tensors: Map<string, SafetensorsTensor>;
  /** The `__metadata__` of the header, `{}` where there is none. */
  readonly metadata: Readonly<Record<string, string>>;
}

/** Options of {@link writeSafetensors}. */
export interface WriteSafetensorsOptions {
  /** Strings to store with the arrays. */
  readonly metadata?: Readonly<Record<string, string>>;
}

const WRITE_OPTIONS = record<WriteSafetensorsOptions>({ metadata: map(text()) });

/**
 * Reads a safetensors file.
 *
 * @param bytes The whole file. Aligned arrays are views of it: keep it unchanged while they are in use.
 * @param source Path or label for messages.
 * @throws {FormatError} naming the violated rule of `SAFETENSORS_RULES`.
 *
 * @example
 * ```ts
 * import { readSafetensors, writeSafetensors } from "./safetensors.ts";
 *
 * const bytes = writeSafetensors([["weight", { data: Float32Array.of(1, 2), shape: [2, 1] }]]);
 * console.assert(readSafetensors(bytes).tensors.get("weight")!.data[1] === 2);
 * ```
 */
export function readSafetensors(bytes: Uint8Array, source = "safetensors file"): SafetensorsFile {
  const { entries, metadata, dataStart } = readSafetensorsHeader(bytes, { source });
  const tensors = new Map<string, SafetensorsTensor>();
  for (const entry of entries) {
    const { name, dtype, shape, begin, end } = entry;
    const data = decode(bytes.subarray(dataStart + begin, dataStart + end), entry);
    tensors.set(name, { data, shape, dtype });
  }
  return { tensors, metadata };
}

/**
 * Writes named arrays as a safetensors file.
 *
 * The header lists the arrays in the given order; their bytes are laid out widest element first and the
 * header is padded to 8 bytes, so that every array is aligned for typed arrays.
 *
 * @param tensors Name and array pairs, e.g. a Map. Names must be unique and not `__metadata__`.
 * @param options See {@link WriteSafetensorsOptions}.
 * @throws {ShapeError} when a shape does not fit its data.
 * @throws {ConfigError} when a name cannot be stored.
 */
export function writeSafetensors(
  tensors: Iterable<readonly [name: string, array: NdArray<NumericArray>]>,
  options: WriteSafetensorsOptions = {},
): Uint8Array<ArrayBuffer> {
  checkOptions(options, WRITE_OPTIONS, { doing: "Cannot write safetensors" });
  const list = [...tensors];
  checkNames(list.map(([name]) => name));
  const { offsets, dataBytes } = layOut(list);
  const header: [string, unknown][] = list.map(([name, { data, shape }], i) => [name, {
    dtype: dtypeOf(data),
    shape,
    data_offsets: [offsets[i], offsets[i] + data.byteLength],
  }]);
  const metadata = options.metadata ?? {};
  if (Object.keys(metadata).length > 0) header.unshift(["__metadata__", metadata]);
  const json = new TextEncoder().encode(stringifyEntries(header));
  const headerBytes = Math.ceil(json.length / 8) * 8;

  const file = new Uint8Array(8 + headerBytes + dataBytes);
  new DataView(file.buffer).setBigUint64(0, BigInt(headerBytes), true);
  file.fill(0x20, 8 + json.length, 8 + headerBytes).set(json, 8);
  list.forEach(([, { data }], i) => {
    const raw = new Uint8Array(data.buffer, data.byteOffset, data.byteLength);
    file.set(raw, 8 + headerBytes + offsets[i]);
  });
  return file;
}

/** JSON of an object with these entries in this order (an object literal would move integer-like keys). */
function stringifyEntries(entries: readonly [string, unknown][]): string {
  return `{${entries.map(([k, v]) => `${JSON.stringify(k)}:${JSON.stringify(v)}`).join(",")}}`;
}

function layOut(
  list: readonly (readonly [string, NdArray<NumericArray>])[],
): { offsets: number[]; dataBytes: number } {
  const offsets = new Array<number>(list.length).fill(0);
  let dataBytes = 0;
  for (const width of [8, 4, 2, 1]) {
    list.forEach(([name, { data, shape }], i) => {
      if (data.BYTES_PER_ELEMENT !== width) return;
      if (shape.reduce((product, n) => product * n, 1) !== data.length) {
        throw new ShapeError(
          `Cannot write tensor "${name}": found ${data.length} values, needs as many as shape [${shape}] has`,
          shape,
          `${data.length} values`,
        );
      }
      offsets[i] = dataBytes;
      dataBytes += data.byteLength;
    });
  }
  return { offsets, dataBytes };
}

function checkNames(names: readonly string[]): void {
  const seen = new Set<string>();
  for (const name of names) {
    if (name === "__metadata__" || seen.has(name) || !name.isWellFormed()) {
      throw new ConfigError(
        "tensors",
        `Cannot write a tensor named ${
          JSON.stringify(name)
        }: needs a well-formed name that occurs once ` +
          `and is not __metadata__`,
      );
    }
    seen.add(name);
  }
}

function decode(bytes: Uint8Array, { dtype }: TensorEntry): NumericArray {
  const width = ELEMENT_BYTES[dtype];
  const aligned = bytes.byteOffset % width === 0 ? bytes : bytes.slice();
  const { buffer, byteOffset } = aligned;
  const length = bytes.length / width;
  switch (dtype) {
    case "F64":
      return new Float64Array(buffer, byteOffset, length);
    case "F32":
      return new Float32Array(buffer, byteOffset, length);
    case "I64":
      return new BigInt64Array(buffer, byteOffset, length);
    case "U64":
      return new BigUint64Array(buffer, byteOffset, length);
    case "I32":
      return new Int32Array(buffer, byteOffset, length);
    case "U32":
      return new Uint32Array(buffer, byteOffset, length);
    case "I16":
      return new Int16Array(buffer, byteOffset, length);
    case "U16":
      return new Uint16Array(buffer, byteOffset, length);
    case "I8":
      return new Int8Array(buffer, byteOffset, length);
    case "U8":
    case "BOOL":
      return new Uint8Array(buffer, byteOffset, length);
    case "F16":
      return widenFloat16(new Uint16Array(buffer, byteOffset, length));
    case "BF16":
      return widenBfloat16(new Uint16Array(buffer, byteOffset, length));
  }
}

function dtypeOf(data: NumericArray): SafetensorsDtype {
  if (data instanceof Float32Array) return "F32";
  if (data instanceof Float64Array) return "F64";
  if (data instanceof BigInt64Array) return "I64";
  if (data instanceof BigUint64Array) return "U64";
  if (data instanceof Int32Array) return "I32";
  if (data instanceof Uint32Array) return "U32";
  if (data instanceof Int16Array) return "I16";
  if (data instanceof Uint16Array) return "U16";
  if (data instanceof Int8Array) return "I8";
  return "U8";
}
