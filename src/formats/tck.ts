/**
 * MRtrix `.tck` files: a text header, then points in RAS mm; three NaN end a streamline, three infinities the file.
 * float32 or float64 in either byte order are read, float32 little-endian is written. Source: the MRtrix documentation,
 * "Tracks file format".
 */
import { concatBytes } from "../base/bytes.ts";
import type { FormatError } from "../base/errors.ts";
import { refusals } from "./rejection.ts";
import {
  ChunkQueue,
  joinTractograms,
  streamlineCount,
  type StreamlineReader,
  type Tractogram,
} from "./tractogram.ts";

/** What a good file satisfies; a rejection names one of these. */
export const TCK_RULES = {
  "tck.magic": `"mrtrix tracks" as its first line`,
  "tck.header": "a header of at most 1 MiB of text lines that ends with END",
  "tck.datatype": "the data type Float32LE, Float32BE, Float64LE or Float64BE, once",
  "tck.file": `one line "file: . OFFSET" whose byte lies behind the header and in the file`,
  "tck.truncated": "an end mark of three infinities",
  "tck.end": "nothing behind the end mark",
} as const;

/** Facts of a header. */
export interface TckHeader {
  /** Values by key; those of repeated keys and of several lines joined by line ends. */
  readonly fields: ReadonlyMap<string, string>;
  /** Byte of the first point. */
  readonly offset: number;
  readonly littleEndian: boolean;
  /** 4 or 8. */
  readonly bytes: number;
}

const MOST_HEADER_BYTES = 2 ** 20;

/** Reads a file in chunks. */
export class TckReader implements StreamlineReader {
  readonly #queue = new ChunkQueue();
  readonly #refuse: (rule: keyof typeof TCK_RULES, found: string) => FormatError;
  readonly #size: number | undefined;
  #header: TckHeader | null = null;
  #ended = false;
  #streamlines = 0;

  /**
   * Begins a file.
   *
   * @param options `source`: path or label for messages; `size`: bytes of the file, where known.
   */
  constructor(options: { readonly source?: string; readonly size?: number } = {}) {
    this.#refuse = refusals(TCK_RULES, options.source ?? "tck file");
    this.#size = options.size;
  }

  /** The header; null until it is complete. */
  get header(): TckHeader | null {
    return this.#header;
  }

  /** What is odd: a count that is not that of the file. */
  get remarks(): string[] {
    const stated = this.#header?.fields.get("count");
    if (stated === undefined || Number(stated) === this.#streamlines) return [];
    return [`The header says ${stated} streamlines; there are ${this.#streamlines}.`];
  }

  push(chunk: Uint8Array): Tractogram | null {
    this.#queue.push(chunk);
    if (!this.#header && !this.#takeHeader()) return null;
    return this.#takePoints(this.#header!);
  }

  finish(): void {
    if (!this.#header) {
      const { left } = this.#queue;
      const begins = String.fromCharCode(...left.subarray(0, 13)) === MAGIC;
      throw this.#refuse(
        begins ? "tck.header" : "tck.magic",
        `${left.length} bytes without ${begins ? "END" : "it"}`,
      );
    }
    const { left, taken } = this.#queue;
    if (!this.#ended) {
      throw this.#refuse(
        "tck.truncated",
        `it ends at byte ${taken + left.length} in or behind streamline ${this.#streamlines}`,
      );
    }
    if (left.length > 0) {
      throw this.#refuse("tck.end", `${left.length} bytes from byte ${taken} on`);
    }
  }

  #takeHeader(): boolean {
    const { left } = this.#queue;
    const head = left.subarray(0, MOST_HEADER_BYTES);
    const text = latin1(head);
    if (!text.startsWith(MAGIC.slice(0, text.length)) || /^mrtrix tracks[^\s]/.test(text)) {
      throw this.#refuse("tck.magic", `it begins with ${JSON.stringify(text.slice(0, 20))}`);
    }
    const end = /\nEND[ \t]*\r?\n/.exec(text);
    if (!end) {
      if (left.length >= MOST_HEADER_BYTES) throw this.#refuse("tck.header", "no END in 1 MiB");
      return false;
    }
    const fields = readFields(text.slice(0, end.index));
    const header = this.#checkHeader(fields, end.index + end[0].length);
    if (left.length < header.offset) return false;
    this.#queue.take(header.offset);
    this.#header = header;
    return true;
  }

  #checkHeader(fields: Map<string, string>, behind: number): TckHeader {
    const datatype = fields.get("datatype") ?? "none";
    const known = /^Float(32|64)(LE|BE)$/.exec(datatype);
    if (!known) throw this.#refuse("tck.datatype", `data type ${JSON.stringify(datatype)}`);
    const file = fields.get("file") ?? "none";
    const place = /^\. (\d{1,15})$/.exec(file);
    const offset = Number(place?.[1]);
    const outside = this.#size !== undefined && offset > this.#size;
    if (!place || offset < behind || offset > MOST_HEADER_BYTES || outside) {
      throw this.#refuse("tck.file", `file ${JSON.stringify(file)}, a header of ${behind} bytes`);
    }
    return { fields, offset, littleEndian: known[2] === "LE", bytes: Number(known[1]) / 8 };
  }

  #takePoints({ bytes, littleEndian }: TckHeader): Tractogram | null {
    const { left } = this.#queue;
    const step = 3 * bytes;
    const view = new DataView(left.buffer, left.byteOffset, left.byteLength);
    const read = (at: number) =>
      bytes === 4 ? view.getFloat32(at, littleEndian) : view.getFloat64(at, littleEndian);
    const values = new Float32Array(3 * Math.floor(left.length / step));
    const offsets = [0];
    let [points, closed, at, takenTo] = [0, 0, 0, 0];
    const close = () => {
      offsets.push(points);
      closed = points;
      takenTo = at;
    };
    for (; !this.#ended && at + step <= left.length;) {
      const [x, y, z] = [read(at), read(at + bytes), read(at + 2 * bytes)];
      at += step;
      if (Number.isNaN(x) && Number.isNaN(y) && Number.isNaN(z)) close();
      else if (isInfinite(x) && isInfinite(y) && isInfinite(z)) {
        this.#ended = true;
        if (points > closed) close();
        takenTo = at;
      } else {
        values[3 * points] = x;
        values[3 * points + 1] = y;
        values[3 * points + 2] = z;
        points++;
      }
    }
    this.#queue.take(takenTo);
    this.#streamlines += offsets.length - 1;
    if (offsets.length === 1) return null;
    return { points: values.slice(0, 3 * closed), offsets: Uint32Array.from(offsets) };
  }
}

const MAGIC = "mrtrix tracks";

function isInfinite(x: number): boolean {
  return x === Infinity || x === -Infinity;
}

function latin1(bytes: Uint8Array): string {
  return new TextDecoder("latin1").decode(bytes);
}

/** A line without a colon goes on with the value before it; a key that comes again adds a line. */
function readFields(text: string): Map<string, string> {
  const fields = new Map<string, string>();
  let key = "";
  const add = (value: string) => {
    const before = fields.get(key);
    fields.set(key, before === undefined ? value : `${before}\n${value}`);
  };
  for (const line of text.split(/\r?\n/).slice(1)) {
    const parts = /^([^:]+):(.*)$/.exec(line);
    if (parts) {
      key = parts[1].trim();
      add(parts[2].trim());
    } else if (key !== "" && line.trim() !== "") add(line.trim());
  }
  return fields;
}

/**
 * Reads a whole file.
 *
 * @param bytes The file, not compressed.
 * @param options `source`: path or label for messages.
 * @throws {FormatError} naming one of {@link TCK_RULES}.
 */
export function readTck(bytes: Uint8Array, options: { readonly source?: string } = {}): Tractogram {
  const reader = new TckReader({ ...options, size: bytes.length });
  const found = reader.push(bytes);
  reader.finish();
  return joinTractograms([{
    ...(found ?? { points: new Float32Array(0), offsets: new Uint32Array(1) }),
    remarks: reader.remarks,
  }]);
}

/**
 * A whole file.
 *
 * @param tractogram Values beside the points are not written: the format has no place for them.
 */
export function writeTck(tractogram: Tractogram): Uint8Array<ArrayBuffer> {
  return concatBytes([
    tckHeader(streamlineCount(tractogram)),
    tckBody(tractogram),
    tckEnd(),
  ]);
}

/**
 * The header of a file that this library writes.
 *
 * @param count Streamlines in the whole file.
 */
export function tckHeader(count: number): Uint8Array<ArrayBuffer> {
  const begin = `${MAGIC}\ncount: ${
    String(count).padStart(10, "0")
  }\ndatatype: Float32LE\nfile: . `;
  // The offset counts its own digits.
  let digits = 1;
  while (String(begin.length + digits + 5).length > digits) digits++;
  return Uint8Array.from(
    `${begin}${begin.length + digits + 5}\nEND\n`,
    (letter) => letter.charCodeAt(0),
  );
}

/**
 * The bytes of streamlines.
 *
 * @param tractogram The streamlines.
 */
export function tckBody({ points, offsets }: Tractogram): Uint8Array<ArrayBuffer> {
  const streamlines = offsets.length - 1;
  const bytes = new Uint8Array(4 * points.length + 12 * streamlines);
  const view = new DataView(bytes.buffer);
  let at = 0;
  const put = (value: number) => {
    view.setFloat32(at, value, true);
    at += 4;
  };
  for (let s = 0; s < streamlines; s++) {
    for (let i = 3 * offsets[s]; i < 3 * offsets[s + 1]; i++) put(points[i]);
    for (let i = 0; i < 3; i++) put(NaN);
  }
  return bytes;
}

/** The end mark. */
export function tckEnd(): Uint8Array<ArrayBuffer> {
  return new Uint8Array(Float32Array.of(Infinity, Infinity, Infinity).buffer);
}
