/**
 * Members of ZIP archives, stored or deflated, with ZIP64 sizes: read with every size known before it is inflated, and
 * written stored. What PyTorch writes has a stricter reader of its own (zip_stored.ts). Source: the ZIP application note
 * 6.3, sections 4.3 to 4.5.
 */
import { concatBytes } from "../base/bytes.ts";
import type { FormatError } from "../base/errors.ts";
import { crc32, inflateRawSync } from "../deps/node_zlib.ts";
import { refusals } from "./rejection.ts";

/** What a good archive satisfies; a rejection names one of these. */
export const MEMBER_RULES = {
  "members.end": "a complete ZIP archive in one piece, with its directory before its end",
  "members.entry": "a well-formed directory record for each member",
  "members.name": "names in UTF-8, each once, that stay inside the folder",
  "members.method": "members that are stored or deflated, and not encrypted",
  "members.local": "local headers that agree with the directory, inside the file and apart",
  "members.size": "members of the size that the directory states",
  "members.checksum": "contents whose CRC-32 is the recorded one",
} as const;

/** A member before it is inflated. */
export interface ZipMember {
  readonly name: string;
  /** Bytes of the content. */
  readonly size: number;
  /**
   * The content.
   *
   * @throws {FormatError} when it is not what the directory says.
   */
  read(): Uint8Array;
}

type Refuse = (rule: keyof typeof MEMBER_RULES, found: string) => FormatError;

interface Span {
  readonly begin: number;
  readonly end: number;
  readonly count: number;
}

/**
 * The members of an archive; folders are left out.
 *
 * @param bytes The whole file.
 * @param source Path or label for messages.
 * @returns In the order of the directory.
 * @throws {FormatError} naming one of {@link MEMBER_RULES}.
 */
export function zipMembers(bytes: Uint8Array, source: string): Map<string, ZipMember> {
  const refuse = refusals(MEMBER_RULES, source);
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  const directory = findDirectory(view, refuse);
  const members = new Map<string, ZipMember>();
  const spans: [begin: number, end: number][] = [];
  let at = directory.begin;
  for (let i = 0; i < directory.count; i++) {
    const entry = readEntry(view, { at, end: directory.end, refuse });
    at = entry.next;
    if (members.has(entry.name)) throw refuse("members.name", `two named "${entry.name}"`);
    checkName(entry.name, refuse);
    const begin = contentStart(view, entry, refuse);
    if (begin + entry.packed > directory.begin) {
      throw refuse("members.local", `member "${entry.name}" runs over`);
    }
    spans.push([entry.local, begin + entry.packed]);
    if (entry.name.endsWith("/")) continue;
    const packed = bytes.subarray(begin, begin + entry.packed);
    members.set(entry.name, {
      name: entry.name,
      size: entry.size,
      read: () => contentOf(packed, entry, refuse),
    });
  }
  if (at !== directory.end) throw refuse("members.end", `bytes behind the last record at ${at}`);
  spans.sort((a, b) => a[0] - b[0]);
  for (let i = 1; i < spans.length; i++) {
    if (spans[i][0] < spans[i - 1][1]) {
      throw refuse("members.local", `members that overlap at byte ${spans[i][0]}`);
    }
  }
  return members;
}

const END = 0x06054b50, END64 = 0x06064b50, LOCATOR64 = 0x07064b50;
const RECORD = 0x02014b50, LOCAL = 0x04034b50;
const MOST_32 = 0xffffffff;

function findDirectory(view: DataView, refuse: Refuse): Span {
  let at = view.byteLength - 22;
  const lowest = Math.max(0, at - 0xffff);
  const isEnd = () =>
    view.getUint32(at, true) === END && at + 22 + view.getUint16(at + 20, true) === view.byteLength;
  while (at >= lowest && !isEnd()) at--;
  if (at < lowest) throw refuse("members.end", `${view.byteLength} bytes without an end record`);
  const located = at >= 20 && view.getUint32(at - 20, true) === LOCATOR64;
  const [count, size, begin, limit] = located ? end64(view, at - 20, refuse) : [
    view.getUint16(at + 10, true),
    view.getUint32(at + 12, true),
    view.getUint32(at + 16, true),
    at,
  ];
  const disks = view.getUint16(at + 4, true) | view.getUint16(at + 6, true);
  if ((!located && disks !== 0) || begin + size !== limit) {
    throw refuse("members.end", `a directory of ${size} bytes at byte ${begin}`);
  }
  return { begin, end: begin + size, count };
}

function end64(view: DataView, locator: number, refuse: Refuse): number[] {
  const at = number64(view, locator + 8);
  if (at + 56 > locator || view.getUint32(at, true) !== END64) {
    throw refuse("members.end", `no ZIP64 end record at byte ${at}`);
  }
  return [number64(view, at + 32), number64(view, at + 40), number64(view, at + 48), at];
}

function number64(view: DataView, at: number): number {
  return Number(view.getBigUint64(at, true));
}

interface Entry {
  readonly name: string;
  readonly method: number;
  readonly crc: number;
  readonly packed: number;
  readonly size: number;
  readonly local: number;
  readonly next: number;
}

function readEntry(
  view: DataView,
  { at, end, refuse }: { readonly at: number; readonly end: number; readonly refuse: Refuse },
): Entry {
  if (at + 46 > end || view.getUint32(at, true) !== RECORD) {
    throw refuse("members.entry", `no record at byte ${at}`);
  }
  const [nameBytes, extraBytes, commentBytes] = [28, 30, 32].map((k) =>
    view.getUint16(at + k, true)
  );
  const next = at + 46 + nameBytes + extraBytes + commentBytes;
  if (next > end) throw refuse("members.entry", `the record at byte ${at} runs over`);
  const name = nameAt(view, { at: at + 46, length: nameBytes, refuse });
  const method = view.getUint16(at + 10, true);
  if ((view.getUint16(at + 8, true) & 1) !== 0 || (method !== 0 && method !== 8)) {
    throw refuse("members.method", `member "${name}" is encrypted or of method ${method}`);
  }
  const fields = [24, 20, 42].map((k) => view.getUint32(at + k, true));
  const wide = wideFields(view, { at: at + 46 + nameBytes, length: extraBytes });
  const [size, packed, local] = fields.map((value) =>
    value === MOST_32 ? wide.shift() ?? NaN : value
  );
  if (![size, packed, local].every(Number.isSafeInteger)) {
    throw refuse("members.entry", `member "${name}" without its sizes`);
  }
  return { name, method, crc: view.getUint32(at + 16, true), packed, size, local, next };
}

/** The 64-bit numbers of the ZIP64 extra field. */
function wideFields(
  view: DataView,
  { at, length }: { readonly at: number; readonly length: number },
): number[] {
  const end = at + length;
  while (at + 4 <= end) {
    const bytes = view.getUint16(at + 2, true);
    if (view.getUint16(at, true) === 1 && at + 4 + bytes <= end) {
      return Array.from({ length: bytes >> 3 }, (_, i) => number64(view, at + 4 + 8 * i));
    }
    at += 4 + bytes;
  }
  return [];
}

function nameAt(
  view: DataView,
  { at, length, refuse }: { readonly at: number; readonly length: number; readonly refuse: Refuse },
): string {
  try {
    return new TextDecoder("utf-8", { fatal: true, ignoreBOM: true })
      .decode(new Uint8Array(view.buffer, view.byteOffset + at, length));
  } catch {
    throw refuse("members.name", `malformed characters at byte ${at}`);
  }
}

function checkName(name: string, refuse: Refuse): void {
  const parts = name.replace(/\/$/, "").split("/");
  const leaves = /[\\\0:]/.test(name) ||
    parts.some((part) => part === "" || part === "." || part === "..");
  if (leaves) throw refuse("members.name", `the name ${JSON.stringify(name)}`);
}

function contentStart(view: DataView, { name, local }: Entry, refuse: Refuse): number {
  if (local + 30 > view.byteLength || view.getUint32(local, true) !== LOCAL) {
    throw refuse("members.local", `no local header of "${name}" at byte ${local}`);
  }
  const nameBytes = view.getUint16(local + 26, true);
  const begin = local + 30 + nameBytes + view.getUint16(local + 28, true);
  if (begin > view.byteLength) throw refuse("members.local", `the header of "${name}" runs over`);
  const own = nameAt(view, { at: local + 30, length: nameBytes, refuse });
  if (own !== name) throw refuse("members.local", `member "${name}" is "${own}" there`);
  return begin;
}

function contentOf(packed: Uint8Array, { name, method, size, crc }: Entry, refuse: Refuse) {
  const content = method === 0 ? packed : inflated(packed, size);
  if (content?.length !== size) {
    throw refuse("members.size", `member "${name}" is not the ${size} bytes that are stated`);
  }
  if (crc32(content) !== crc) throw refuse("members.checksum", `member "${name}" is damaged`);
  return content;
}

function inflated(packed: Uint8Array, size: number): Uint8Array | undefined {
  try {
    return new Uint8Array(inflateRawSync(packed, { maxOutputLength: Math.max(1, size) }));
  } catch {
    return undefined; // damaged, or more than stated
  }
}

/**
 * An archive of stored members.
 *
 * @param files Content by name.
 * @returns Its bytes; ZIP64 fields stand where a size needs them.
 */
export function writeZip(files: ReadonlyMap<string, Uint8Array>): Uint8Array<ArrayBuffer> {
  const parts: Uint8Array[] = [];
  const records: Uint8Array[] = [];
  let at = 0;
  for (const [name, content] of files) {
    const header = memberHeader(name, content, null);
    records.push(memberHeader(name, content, at));
    parts.push(header, content);
    at += header.length + content.length;
  }
  const size = records.reduce((sum, { length }) => sum + length, 0);
  return concatBytes([...parts, ...records, endRecords({ count: files.size, size, begin: at })]);
}

/** The local header, or with a place the record in the directory. */
function memberHeader(name: string, content: Uint8Array, place: number | null): Uint8Array {
  const label = new TextEncoder().encode(name);
  const wide = content.length >= MOST_32 || (place ?? 0) >= MOST_32;
  const fixed = place === null ? 30 : 46;
  const values = place === null
    ? [content.length, content.length]
    : [content.length, content.length, place];
  const extra = wide ? 4 + 8 * values.length : 0;
  const bytes = new Uint8Array(fixed + label.length + extra);
  const view = new DataView(bytes.buffer);
  view.setUint32(0, place === null ? LOCAL : RECORD, true);
  const shift = place === null ? 0 : 2;
  if (place !== null) view.setUint16(4, 45, true);
  view.setUint16(4 + shift, 45, true);
  view.setUint16(6 + shift, 0x800, true); // names are UTF-8
  view.setUint16(12 + shift, 0x21, true); // 1980-01-01, so that equal content makes equal files
  view.setUint32(14 + shift, crc32(content), true);
  for (const k of [18, 22]) view.setUint32(k + shift, wide ? MOST_32 : content.length, true);
  view.setUint16(26 + shift, label.length, true);
  view.setUint16(28 + shift, extra, true);
  if (place !== null) view.setUint32(42, wide ? MOST_32 : place, true);
  bytes.set(label, fixed);
  if (wide) {
    view.setUint16(fixed + label.length, 1, true);
    view.setUint16(fixed + label.length + 2, 8 * values.length, true);
    values.forEach((n, i) => view.setBigUint64(fixed + label.length + 4 + 8 * i, BigInt(n), true));
  }
  return bytes;
}

function endRecords(
  { count, size, begin }: { readonly count: number; readonly size: number; readonly begin: number },
): Uint8Array {
  const wide = count >= 0xffff || size >= MOST_32 || begin >= MOST_32;
  const bytes = new Uint8Array((wide ? 76 : 0) + 22);
  const view = new DataView(bytes.buffer);
  if (wide) {
    view.setUint32(0, END64, true);
    view.setBigUint64(4, 44n, true);
    view.setUint16(12, 45, true);
    view.setUint16(14, 45, true);
    [count, count, size, begin].forEach((n, i) => view.setBigUint64(24 + 8 * i, BigInt(n), true));
    view.setUint32(56, LOCATOR64, true);
    view.setBigUint64(64, BigInt(begin + size), true);
    view.setUint32(72, 1, true);
  }
  const at = bytes.length - 22;
  view.setUint32(at, END, true);
  for (const k of [8, 10]) view.setUint16(at + k, wide ? 0xffff : count, true);
  view.setUint32(at + 12, wide ? MOST_32 : size, true);
  view.setUint32(at + 16, wide ? MOST_32 : begin, true);
  return bytes;
}
