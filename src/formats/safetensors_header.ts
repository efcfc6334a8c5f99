/**
 * The header of a safetensors file: parsing and, apart from it, validation.
 *
 * Layout: 8 bytes little-endian header length n, n bytes of JSON (`{"name": {"dtype", "shape",
 * "data_offsets"}, "__metadata__": {…}}`, padded with spaces), then the tensors' bytes without gaps. The
 * rules are those of the format's own library, read strictly. Nothing is allocated in proportion to a
 * number the header claims.
 */
import type { FormatError } from "../base/errors.ts";
import { refusals } from "./rejection.ts";

/** Largest header accepted, in bytes (the limit of the format's own library). */
export const MAX_HEADER_BYTES = 100_000_000;

/** Largest number of axes of a tensor. */
export const MAX_AXES = 32;

/** Bytes per element of every element type this reader knows. */
export const ELEMENT_BYTES = {
  F64: 8,
  I64: 8,
  U64: 8,
  F32: 4,
  I32: 4,
  U32: 4,
  F16: 2,
  BF16: 2,
  I16: 2,
  U16: 2,
  I8: 1,
  U8: 1,
  BOOL: 1,
} as const;

/** Names of the element types. */
export type SafetensorsDtype = keyof typeof ELEMENT_BYTES;

/** What a good file satisfies; a rejection names one of these. */
export const SAFETENSORS_RULES = {
  "safetensors.length": "at least 8 bytes that hold the header's length",
  "safetensors.header_size":
    `a header of at most ${MAX_HEADER_BYTES} bytes that ends inside the file`,
  "safetensors.header_start": "a header whose first byte is {",
  "safetensors.utf8": "a header in valid UTF-8",
  "safetensors.json": "a header that is one JSON object",
  "safetensors.duplicate": "every key once",
  "safetensors.metadata": "__metadata__ to be an object whose values are strings",
  "safetensors.entry": "an object with exactly dtype, shape and data_offsets for each tensor",
  "safetensors.dtype": `an element type out of ${Object.keys(ELEMENT_BYTES).join(", ")}`,
  "safetensors.shape":
    `at most ${MAX_AXES} axes, each a non-negative integer, with a countable product`,
  "safetensors.offsets": "data_offsets to be two non-negative integers, begin ≤ end",
  "safetensors.size": "as many bytes as shape and dtype say",
  "safetensors.holes": "tensors that follow one another without gap or overlap, from byte 0 on",
  "safetensors.end": "the last tensor to end where the file ends",
} as const;

/** One tensor as the header describes it. */
export interface TensorEntry {
  /** Name of the tensor. */
  readonly name: string;
  /** Element type. */
  readonly dtype: SafetensorsDtype;
  /** Lengths of the axes; `[]` for a scalar. */
  readonly shape: readonly number[];
  /** First byte, relative to the start of the data. */
  readonly begin: number;
  /** The byte after the last. */
  readonly end: number;
}

/** A parsed header. */
export interface SafetensorsHeader {
  /** In the order of the header. */
  readonly entries: readonly TensorEntry[];
  /** The `__metadata__`, `{}` where there is none. */
  readonly metadata: Readonly<Record<string, string>>;
  /** Byte of the file at which the tensors' data begin. */
  readonly dataStart: number;
}

/**
 * Parses and validates the header.
 *
 * @param bytes The file, or at least its beginning up to the end of the header.
 * @param options `fileBytes`: size of the whole file, default `bytes.length`; `source`: label for messages.
 * @throws {FormatError} naming one of {@link SAFETENSORS_RULES}.
 */
export function readSafetensorsHeader(
  bytes: Uint8Array,
  options: { readonly fileBytes?: number; readonly source?: string } = {},
): SafetensorsHeader {
  const source = options.source ?? "safetensors file";
  const refuse = refusals(SAFETENSORS_RULES, source);
  if (bytes.length < 8) throw refuse("safetensors.length", `${bytes.length} bytes`);
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  const headerBytes = view.getBigUint64(0, true);
  if (headerBytes > BigInt(Math.min(MAX_HEADER_BYTES, bytes.length - 8))) {
    throw refuse(
      "safetensors.header_size",
      `a header of ${headerBytes} bytes in ${bytes.length - 8}`,
    );
  }
  const dataStart = 8 + Number(headerBytes);
  const document = parseDocument(bytes.subarray(8, dataStart), source);
  const header = { ...interpret(document, source), dataStart };
  validateEntries(header.entries, (options.fileBytes ?? bytes.length) - dataStart, source);
  return header;
}

/** JSON object whose keys are known to be unique, with the order of its top-level keys. */
interface Document {
  readonly keys: readonly string[];
  readonly value: Readonly<Record<string, unknown>>;
}

function parseDocument(bytes: Uint8Array, source: string): Document {
  const refuse = refusals(SAFETENSORS_RULES, source);
  if (bytes[0] !== 0x7b) {
    throw refuse("safetensors.header_start", `first byte ${bytes[0] ?? "missing"}`);
  }
  let text: string;
  try {
    text = new TextDecoder("utf-8", { fatal: true, ignoreBOM: true }).decode(bytes);
  } catch {
    throw refuse("safetensors.utf8", "a header with malformed characters");
  }
  let value: Record<string, unknown>;
  try {
    value = JSON.parse(text);
  } catch {
    throw refuse("safetensors.json", "a header that does not parse");
  }
  return {
    keys: uniqueKeys(text, (key) => refuse("safetensors.duplicate", `key "${key}" twice`)),
    value,
  };
}

/** Walks valid JSON text; reports a key that one object holds twice; returns the outermost object's keys. */
function uniqueKeys(text: string, duplicate: (key: string) => FormatError): string[] {
  const open: Set<string>[] = [];
  let outermost = new Set<string>();
  let at = 0;
  while (at < text.length) {
    const character = text[at];
    if (character === "{") {
      open.push(new Set());
      if (open.length === 1) outermost = open[0];
    } else if (character === "}") {
      open.pop();
    } else if (character === '"') {
      const end = stringEnd(text, at);
      if (text[afterSpace(text, end)] === ":") {
        const key: string = JSON.parse(text.slice(at, end));
        const keys = open[open.length - 1];
        if (keys.has(key)) throw duplicate(key);
        keys.add(key);
      }
      at = end - 1;
    }
    at++;
  }
  return [...outermost];
}

/** Position behind the closing quote of the string that opens at `start`. */
function stringEnd(text: string, start: number): number {
  let at = start + 1;
  while (text[at] !== '"') at += text[at] === "\\" ? 2 : 1;
  return at + 1;
}

function afterSpace(text: string, start: number): number {
  let at = start;
  while (text[at] === " " || text[at] === "\t" || text[at] === "\n" || text[at] === "\r") at++;
  return at;
}

function interpret(
  document: Document,
  source: string,
): { entries: TensorEntry[]; metadata: Record<string, string> } {
  const entries: TensorEntry[] = [];
  let metadata: Record<string, string> = {};
  for (const key of document.keys) {
    if (key === "__metadata__") metadata = interpretMetadata(document.value[key], source);
    else entries.push(interpretEntry(key, document.value[key], source));
  }
  return { entries, metadata };
}

function interpretMetadata(value: unknown, source: string): Record<string, string> {
  const refuse = refusals(SAFETENSORS_RULES, source);
  if (!isObject(value)) throw refuse("safetensors.metadata", `__metadata__ is ${describe(value)}`);
  for (const [key, text] of Object.entries(value)) {
    if (typeof text !== "string") {
      throw refuse("safetensors.metadata", `__metadata__ entry "${key}" is ${describe(text)}`);
    }
  }
  return value as Record<string, string>;
}

function interpretEntry(name: string, value: unknown, source: string): TensorEntry {
  const refuse = refusals(SAFETENSORS_RULES, source);
  if (!isObject(value)) throw refuse("safetensors.entry", `"${name}" is ${describe(value)}`);
  const keys = Object.keys(value).sort().join(", ");
  if (keys !== "data_offsets, dtype, shape") {
    throw refuse("safetensors.entry", `"${name}" has the keys ${keys || "(none)"}`);
  }
  const { dtype, shape, data_offsets: offsets } = value;
  if (typeof dtype !== "string" || !Object.hasOwn(ELEMENT_BYTES, dtype)) {
    throw refuse("safetensors.dtype", `"${name}" has element type ${describe(dtype)}`);
  }
  if (!isCountList(shape) || shape.length > MAX_AXES) {
    throw refuse("safetensors.shape", `"${name}" has shape ${describe(shape)}`);
  }
  if (!isCountList(offsets) || offsets.length !== 2 || offsets[0] > offsets[1]) {
    throw refuse("safetensors.offsets", `"${name}" has data_offsets ${describe(offsets)}`);
  }
  return { name, dtype: dtype as SafetensorsDtype, shape, begin: offsets[0], end: offsets[1] };
}

/** Sizes, then the seamless cover of the data section. */
function validateEntries(
  entries: readonly TensorEntry[],
  dataBytes: number,
  source: string,
): void {
  const refuse = refusals(SAFETENSORS_RULES, source);
  for (const { name, dtype, shape, begin, end } of entries) {
    const size = shape.reduce((product, n) => product * n, ELEMENT_BYTES[dtype]);
    if (!Number.isSafeInteger(size)) {
      throw refuse("safetensors.shape", `"${name}" has shape [${shape}]`);
    }
    if (size !== end - begin) {
      throw refuse(
        "safetensors.size",
        `"${name}" has ${end - begin} bytes for ${dtype} [${shape}] (${size} bytes)`,
      );
    }
  }
  let covered = 0;
  for (const { name, begin, end } of [...entries].sort(byPosition)) {
    if (begin !== covered) {
      throw refuse(
        "safetensors.holes",
        `"${name}" begins at byte ${begin} where ${covered} was due`,
      );
    }
    covered = end;
  }
  if (covered !== dataBytes) {
    throw refuse("safetensors.end", `tensors of ${covered} bytes in ${dataBytes} bytes of data`);
  }
}

function byPosition(a: TensorEntry, b: TensorEntry): number {
  return a.begin - b.begin || a.end - b.end;
}

function isObject(value: unknown): value is Record<string, unknown> {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}

function isCountList(value: unknown): value is number[] {
  return Array.isArray(value) && value.every((n) => Number.isSafeInteger(n) && n >= 0);
}

/** A JSON value for a message, cut short. */
function describe(value: unknown): string {
  return (JSON.stringify(value) ?? "missing").slice(0, 80);
}
