/**
 * Reader of ZIP files whose entries are stored without compression, which is what PyTorch writes.
 *
 * Everything is taken from the central directory and checked against the local headers and the file's
 * real size. Compressed, encrypted, split and ZIP64 archives are refused by name. Source: the ZIP
 * application note 6.3, sections 4.3 and 4.4.
 */
import { crc32 } from "../deps/node_zlib.ts";
import { refusals } from "./rejection.ts";

/** What a good archive satisfies; a rejection names one of these. */
export const ZIP_RULES = {
  "zip.end": "an end-of-directory record that closes the file",
  "zip.disks": "an archive in one piece",
  "zip.zip64": "an archive without ZIP64 fields (below 4 GiB and 65535 entries)",
  "zip.directory": "a central directory inside the file, right before its end record",
  "zip.entry": "a well-formed directory record for each entry",
  "zip.name": "entry names in UTF-8, each once",
  "zip.encrypted": "entries that are not encrypted",
  "zip.method": "stored (uncompressed) entries",
  "zip.size": "stored entries whose two sizes agree",
  "zip.local": "a local header that agrees with the directory",
  "zip.range": "entries inside the file that do not overlap",
  "zip.checksum": "contents whose CRC-32 is the recorded one",
} as const;

const END_SIGNATURE = 0x06054b50;
const DIRECTORY_SIGNATURE = 0x02014b50;
const LOCAL_SIGNATURE = 0x04034b50;
const END_BYTES = 22;
const ZIP64_END_SIGNATURE = 0x06064b50;
/** The ZIP64 end record and its locator. */
const ZIP64_END_BYTES = 56 + 20;
const MAX_COMMENT_BYTES = 0xffff;

/** Options of {@link readStoredZip}. */
export interface ZipOptions {
  /** Path or label for messages. */
  readonly source?: string;
  /** Compare every entry with its CRC-32. Default true; some writers leave the field unset. */
  readonly checksums?: boolean;
}

/** A directory record. */
interface Entry {
  readonly name: string;
  /** 0 for stored. */
  readonly method: number;
  readonly crc: number;
  /** Bytes in the file. */
  readonly packed: number;
  /** Bytes of the content. */
  readonly size: number;
  /** Byte of the local header. */
  readonly at: number;
}

/**
 * Reads a ZIP archive of stored entries.
 *
 * @param bytes The whole file.
 * @param options See {@link ZipOptions}.
 * @returns Entry name → content, as views of `bytes`, in directory order.
 * @throws {FormatError} naming one of {@link ZIP_RULES}.
 */
export function readStoredZip(
  bytes: Uint8Array,
  options: ZipOptions = {},
): Map<string, Uint8Array> {
  const source = options.source ?? "ZIP file";
  const refuse = refusals(ZIP_RULES, source);
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  const directory = findDirectory(view, source);
  const contents = new Map<string, Uint8Array>();
  const ranges: [begin: number, end: number, name: string][] = [];
  for (const entry of readDirectory(view, directory, source)) {
    if (contents.has(entry.name)) throw refuse("zip.name", `two entries named "${entry.name}"`);
    if (entry.method !== 0) {
      throw refuse("zip.method", `entry "${entry.name}" with method ${entry.method}`);
    }
    if (entry.packed !== entry.size) {
      throw refuse(
        "zip.size",
        `entry "${entry.name}" with sizes ${entry.packed} and ${entry.size}`,
      );
    }
    const begin = contentStart(view, entry, source);
    const end = begin + entry.size;
    if (end > directory.begin) {
      throw refuse("zip.range", `entry "${entry.name}" ends at byte ${end}`);
    }
    const content = bytes.subarray(begin, end);
    if (options.checksums !== false && crc32(content) !== entry.crc) {
      throw refuse("zip.checksum", `entry "${entry.name}" does not match its checksum`);
    }
    contents.set(entry.name, content);
    ranges.push([entry.at, end, entry.name]);
  }
  ranges.sort((a, b) => a[0] - b[0]);
  for (let i = 1; i < ranges.length; i++) {
    if (ranges[i][0] < ranges[i - 1][1]) {
      throw refuse("zip.range", `entries "${ranges[i - 1][2]}" and "${ranges[i][2]}" overlap`);
    }
  }
  return contents;
}

/**
 * The names of a ZIP archive's entries, stored or not.
 *
 * @param bytes The whole file.
 * @param source Path or label for messages.
 * @throws {FormatError} naming one of {@link ZIP_RULES}.
 */
export function listZip(bytes: Uint8Array, source: string): string[] {
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  return [...readDirectory(view, findDirectory(view, source), source)].map(({ name }) => name);
}

interface Directory {
  readonly begin: number;
  readonly end: number;
  readonly entries: number;
}

/** The end record stands at the end of the file, behind it only the comment whose length it states. */
function findDirectory(view: DataView, source: string): Directory {
  const refuse = refusals(ZIP_RULES, source);
  const lowest = Math.max(0, view.byteLength - END_BYTES - MAX_COMMENT_BYTES);
  let at = view.byteLength - END_BYTES;
  while (at >= lowest && !isEndRecord(view, at)) at--;
  if (at < lowest) throw refuse("zip.end", `${view.byteLength} bytes without one`);
  const disk = view.getUint16(at + 4, true);
  const directoryDisk = view.getUint16(at + 6, true);
  const onDisk = view.getUint16(at + 8, true);
  const entries = view.getUint16(at + 10, true);
  const size = view.getUint32(at + 12, true);
  const begin = view.getUint32(at + 16, true);
  if (entries === 0xffff || size === 0xffffffff || begin === 0xffffffff) {
    throw refuse("zip.zip64", "ZIP64 marks in the end record");
  }
  if (disk !== 0 || directoryDisk !== 0 || onDisk !== entries) {
    throw refuse("zip.disks", `disk ${disk}, ${onDisk} of ${entries} entries`);
  }
  if (begin + size !== at && !isZip64Echo(view, begin + size, { at, entries, size, begin })) {
    throw refuse("zip.directory", `a directory of ${size} bytes at byte ${begin}, end at ${at}`);
  }
  return { begin, end: begin + size, entries };
}

/** PyTorch writes ZIP64 end records even where nothing needs them; they must then say the same. */
function isZip64Echo(
  view: DataView,
  start: number,
  end: {
    readonly at: number;
    readonly entries: number;
    readonly size: number;
    readonly begin: number;
  },
): boolean {
  if (start + ZIP64_END_BYTES !== end.at || view.getUint32(start, true) !== ZIP64_END_SIGNATURE) {
    return false;
  }
  const stated = [24, 32, 40, 48].map((at) => view.getBigUint64(start + at, true));
  return [end.entries, end.entries, end.size, end.begin].every((n, i) => BigInt(n) === stated[i]);
}

function isEndRecord(view: DataView, at: number): boolean {
  return view.getUint32(at, true) === END_SIGNATURE &&
    at + END_BYTES + view.getUint16(at + 20, true) === view.byteLength;
}

function* readDirectory(view: DataView, directory: Directory, source: string): Generator<Entry> {
  const refuse = refusals(ZIP_RULES, source);
  let at = directory.begin;
  for (let i = 0; i < directory.entries; i++) {
    if (at + 46 > directory.end || view.getUint32(at, true) !== DIRECTORY_SIGNATURE) {
      throw refuse("zip.entry", `no record of entry ${i} at byte ${at}`);
    }
    const nameBytes = view.getUint16(at + 28, true);
    const next = at + 46 + nameBytes + view.getUint16(at + 30, true) +
      view.getUint16(at + 32, true);
    if (next > directory.end) throw refuse("zip.entry", `the record at byte ${at} runs over`);
    const name = decodeName(view, at + 46, nameBytes, source);
    const packed = view.getUint32(at + 20, true);
    const size = view.getUint32(at + 24, true);
    const local = view.getUint32(at + 42, true);
    if (view.getUint16(at + 8, true) & 1) throw refuse("zip.encrypted", `entry "${name}"`);
    const method = view.getUint16(at + 10, true);
    if (packed === 0xffffffff || size === 0xffffffff || local === 0xffffffff) {
      throw refuse("zip.zip64", `ZIP64 marks in entry "${name}"`);
    }
    yield { name, method, crc: view.getUint32(at + 16, true), packed, size, at: local };
    at = next;
  }
  if (at !== directory.end) {
    throw refuse("zip.directory", `${directory.end - at} bytes behind the last record`);
  }
}

/** First byte of the content; its local header must name the same entry. */
function contentStart(view: DataView, entry: Entry, source: string): number {
  const refuse = refusals(ZIP_RULES, source);
  const { at, name } = entry;
  if (at + 30 > view.byteLength || view.getUint32(at, true) !== LOCAL_SIGNATURE) {
    throw refuse("zip.local", `no local header of "${name}" at byte ${at}`);
  }
  const nameBytes = view.getUint16(at + 26, true);
  const start = at + 30 + nameBytes + view.getUint16(at + 28, true);
  if (start > view.byteLength) throw refuse("zip.local", `the header of "${name}" runs over`);
  const localName = decodeName(view, at + 30, nameBytes, source);
  if (localName !== name || view.getUint16(at + 8, true) !== 0) {
    throw refuse("zip.local", `entry "${name}" is "${localName}" there`);
  }
  return start;
}

function decodeName(view: DataView, at: number, length: number, source: string): string {
  try {
    return new TextDecoder("utf-8", { fatal: true, ignoreBOM: true })
      .decode(new Uint8Array(view.buffer, view.byteOffset + at, length));
  } catch {
    throw refusals(ZIP_RULES, source)("zip.name", `malformed characters at byte ${at}`);
  }
}
