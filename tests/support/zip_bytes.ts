/** ZIP archives and pickles made by hand, to show the readers what PyTorch would never write. */
import { concatBytes } from "../../src/base/bytes.ts";
import { crc32 } from "../../src/deps/node_zlib.ts";

/** One entry and what to lie about. */
export interface ZipEntry {
  readonly name: string;
  readonly content: Uint8Array;
  readonly method?: number;
  readonly flags?: number;
  readonly crc?: number;
  readonly packedBytes?: number;
  readonly bytes?: number;
  readonly localName?: string;
  /** Position of the local header as the directory states it. */
  readonly at?: number;
}

/** Fields of the end record to lie about. */
export interface ZipEnd {
  readonly entries?: number;
  readonly directoryBytes?: number;
  readonly directoryAt?: number;
  readonly disk?: number;
}

/** Builds an archive of stored entries. */
export function zipFile(entries: readonly ZipEntry[], end: ZipEnd = {}): Uint8Array {
  const parts: ArrayLike<number>[] = [];
  const directory: number[] = [];
  let at = 0;
  for (const entry of entries) {
    const { name, content, method = 0, flags = 0x800 } = entry;
    const crc = entry.crc ?? crc32(content);
    const sizes = [...u32(crc), ...u32(entry.packedBytes ?? content.length)]
      .concat(u32(entry.bytes ?? content.length));
    const shared = [...u16(flags), ...u16(method), 0, 0, 0, 0, ...sizes];
    const localName = utf8(entry.localName ?? name);
    const local = [...u32(0x04034b50), ...u16(20), ...shared, ...u16(localName.length), 0, 0];
    parts.push(local, localName, content);
    directory.push(...u32(0x02014b50), 0, 0, ...u16(20), ...shared, ...u16(utf8(name).length));
    directory.push(...new Array(12).fill(0), ...u32(entry.at ?? at), ...utf8(name));
    at += local.length + localName.length + content.length;
  }
  const record = [...u32(0x06054b50), ...u16(end.disk ?? 0), 0, 0]
    .concat(u16(end.entries ?? entries.length), u16(end.entries ?? entries.length))
    .concat(u32(end.directoryBytes ?? directory.length), u32(end.directoryAt ?? at))
    .concat([0, 0]);
  return concatBytes([...parts, directory, record]);
}

/** A `.pt` archive around a pickle. */
export function torchFile(
  pickle: Uint8Array,
  storages: Readonly<Record<string, Uint8Array>> = {},
): Uint8Array {
  const data = Object.entries(storages).map(([key, content]) => ({
    name: `m/data/${key}`,
    content,
  }));
  return zipFile([{ name: "m/data.pkl", content: pickle }, ...data]);
}

/** A pickle from opcodes: numbers are bytes, text is put in as its characters. */
export function pickle(...parts: (number | string | number[])[]): Uint8Array {
  const body = parts.map((part) =>
    typeof part === "string" ? utf8(part) : typeof part === "number" ? [part] : part
  );
  return concatBytes([[0x80, 2], ...body]);
}

/** BINUNICODE with its text. */
export function text(value: string): number[] {
  return [0x58, ...u32(utf8(value).length), ...utf8(value)];
}

/** BININT. */
export function int(value: number): number[] {
  return [0x4a, ...u32(value)];
}

/** A tuple of already encoded parts. */
export function tuple(...parts: number[][]): number[] {
  return [0x28, ...parts.flat(), 0x74];
}

/** GLOBAL. */
export function global(module: string, name: string): number[] {
  return [0x63, ...utf8(`${module}\n${name}\n`)];
}

/** What a state dict's entry consists of; each can be lied about. */
export interface TensorParts {
  readonly type?: string;
  readonly key?: string;
  readonly count: number;
  readonly offset?: number;
  readonly size: readonly number[];
  readonly stride: readonly number[];
}

/** The opcodes that build one tensor. */
export function tensor(parts: TensorParts): number[] {
  const { type = "FloatStorage", key = "0", count, offset = 0, size, stride } = parts;
  const id = tuple(text("storage"), global("torch", type), text(key), text("cpu"), int(count));
  const emptyDict = [...global("collections", "OrderedDict"), 0x29, 0x52];
  const args = tuple(
    [...id, 0x51],
    int(offset),
    tuple(...size.map(int)),
    tuple(...stride.map(int)),
    [0x89],
    emptyDict,
  );
  return [...global("torch._utils", "_rebuild_tensor_v2"), ...args, 0x52];
}

/** A whole state dict pickle. */
export function stateDict(entries: readonly (readonly [string, number[]])[]): Uint8Array {
  const items = entries.flatMap(([name, value]) => [...text(name), ...value]);
  return pickle([0x7d, 0x28, ...items, 0x75, 0x2e]);
}

function u16(value: number): number[] {
  return [value & 0xff, (value >> 8) & 0xff];
}

function u32(value: number): number[] {
  return [...u16(value), ...u16(value >>> 16)];
}

function utf8(value: string): number[] {
  return [...new TextEncoder().encode(value)];
}
