/**
 * Inflating gzip in chunks: any number of members one behind the other, checksums verified, nothing held
 * beyond a chunk. How much may come out is the caller's decision, made while it arrives. Source: RFC 1952.
 *
 * The members are taken apart here and only the deflate streams in them are zlib's: its own gzip reader fails
 * on anything behind the last member and drops the end of the content with it.
 */
import { concatBytes } from "../base/bytes.ts";
import type { FormatError } from "../base/errors.ts";
import { crc32, createInflateRaw, gunzipSync, type InflateRaw } from "../deps/node_zlib.ts";
import { refusals } from "./rejection.ts";

/** What a good gzip file satisfies; a rejection names one of these. */
export const GZIP_RULES = {
  "gzip.data": "well-formed gzip data",
  "gzip.truncated": "a gzip file that is complete",
  "gzip.checksum": "contents that match the recorded checksum and length",
  "gzip.ratio": `content that deflate can pack into the file (at most 1032 bytes per byte)`,
  "gzip.size": "no more content than the caller allows",
} as const;

/** The most bytes deflate can make of one: 258 bytes from a two-bit code. */
export const MAX_INFLATION = 1032;

const CHUNK_BYTES = 256 * 1024;
/** Nothing is inflated before what came before is taken: who stops early does not meet what lies behind. */
const ONE_CHUNK_AHEAD = { highWaterMark: 1 };
/** Magic, method, flags, time, extra flags, system. */
const FIXED_HEADER_BYTES = 10;
const FLAGS = { headerChecksum: 2, extra: 4, name: 8, comment: 16 } as const;

/** Options of {@link inflate}. */
export interface InflateOptions {
  /** Path or label for messages. */
  readonly source?: string;
  /** Called with a sentence about what is odd in the file and does not stop the reader. */
  readonly onRemark?: (remark: string) => void;
}

/** Whether the bytes begin as a gzip file does. */
export function isGzip(head: Uint8Array): boolean {
  return head[0] === 0x1f && head[1] === 0x8b;
}

/**
 * Inflates gzip data as it arrives. Zero bytes behind the last member are ignored, anything else there is
 * remarked and ignored, as gzip does.
 *
 * @param chunks The compressed bytes.
 * @param options See {@link InflateOptions}.
 * @returns The contents in chunks; each is the consumer's to keep.
 * @throws {FormatError} naming one of {@link GZIP_RULES};
 *   contents before the fault may or may not have been given out.
 */
export async function* inflate(
  chunks: AsyncIterable<Uint8Array> | Iterable<Uint8Array>,
  options: InflateOptions = {},
): AsyncGenerator<Uint8Array, void, undefined> {
  const refuse = refusals(GZIP_RULES, options.source ?? "gzip file");
  const input = new ByteQueue(chunks);
  try {
    for (let first = true; first || await beginsMember(input); first = false) {
      await skipHeader(input, refuse);
      yield* inflateMember(input, refuse);
    }
    if (await holdsMore(input)) {
      options.onRemark?.("Behind the compressed content are further bytes, which are not read.");
    }
  } finally {
    await input.close();
  }
}

/**
 * Inflates gzip data held in memory.
 *
 * @param bytes The whole file.
 * @param options `maxBytes`: refuse more content than this; `source`: label.
 * @throws {FormatError} naming one of {@link GZIP_RULES}.
 */
export function inflateWhole(
  bytes: Uint8Array,
  options: { readonly maxBytes: number; readonly source?: string },
): Uint8Array {
  const refuse = refusals(GZIP_RULES, options.source ?? "gzip file");
  try {
    return new Uint8Array(gunzipSync(bytes, { maxOutputLength: Math.max(1, options.maxBytes) }));
  } catch (fault) {
    if (codeOf(fault) === "ERR_BUFFER_TOO_LARGE") {
      throw refuse("gzip.size", `more than ${options.maxBytes} bytes in it`);
    }
    throw explain(fault, refuse);
  }
}

type Refuse = (rule: keyof typeof GZIP_RULES, found: string) => FormatError;

/** Bytes that arrive in chunks and may be put back. */
class ByteQueue {
  readonly #iterator: AsyncIterator<Uint8Array> | Iterator<Uint8Array>;
  #front: Uint8Array = new Uint8Array(0);

  constructor(chunks: AsyncIterable<Uint8Array> | Iterable<Uint8Array>) {
    this.#iterator = Symbol.asyncIterator in chunks
      ? chunks[Symbol.asyncIterator]()
      : chunks[Symbol.iterator]();
  }

  /** The next chunk as it comes, or undefined at the end. */
  async next(): Promise<Uint8Array | undefined> {
    if (this.#front.length > 0) return this.take(this.#front.length);
    const { done, value } = await this.#iterator.next();
    return done ? undefined : value;
  }

  /** The next `count` bytes without taking them; fewer at the end. */
  async peek(count: number): Promise<Uint8Array> {
    while (this.#front.length < count) {
      const { done, value } = await this.#iterator.next();
      if (done) break;
      this.#front = joined([this.#front, value]);
    }
    return this.#front.subarray(0, count);
  }

  /** Takes bytes that were peeked. */
  take(count: number): Uint8Array {
    const taken = this.#front.subarray(0, count);
    this.#front = this.#front.subarray(count);
    return taken;
  }

  /** Puts bytes back in front. */
  putBack(bytes: Uint8Array): void {
    this.#front = joined([bytes, this.#front]);
  }

  async close(): Promise<void> {
    await this.#iterator.return?.();
  }
}

async function take(input: ByteQueue, count: number, refuse: Refuse): Promise<Uint8Array> {
  const bytes = await input.peek(count);
  if (bytes.length < count) throw refuse("gzip.truncated", "it ends too early");
  return input.take(count);
}

async function beginsMember(input: ByteQueue): Promise<boolean> {
  return isGzip(await input.peek(2));
}

/** Whether anything but zero bytes is left. */
async function holdsMore(input: ByteQueue): Promise<boolean> {
  for (let chunk = await input.next(); chunk; chunk = await input.next()) {
    if (chunk.some((byte) => byte !== 0)) return true;
  }
  return false;
}

async function skipHeader(input: ByteQueue, refuse: Refuse): Promise<void> {
  const [, , method, flags] = await take(input, FIXED_HEADER_BYTES, refuse);
  if (method !== 8 || flags > 31) {
    throw refuse("gzip.data", `its header has the method ${method} and the flags ${flags}`);
  }
  if (flags & FLAGS.extra) {
    const [low, high] = await take(input, 2, refuse);
    await take(input, low + 256 * high, refuse);
  }
  for (const field of [FLAGS.name, FLAGS.comment]) {
    if (flags & field) { while ((await take(input, 1, refuse))[0] !== 0); }
  }
  if (flags & FLAGS.headerChecksum) await take(input, 2, refuse);
}

/** One deflate stream, then the checksum and the length of what was in it. */
async function* inflateMember(
  input: ByteQueue,
  refuse: Refuse,
): AsyncGenerator<Uint8Array, void, undefined> {
  const inflater = createInflateRaw({ chunkSize: CHUNK_BYTES, ...ONE_CHUNK_AHEAD });
  const feeder = new Feeder(input, inflater);
  const feeding = feeder.feed();
  let checksum = 0;
  let length = 0;
  try {
    for await (const chunk of inflater) {
      const content = chunk as Uint8Array;
      checksum = crc32(content, checksum);
      length += content.length;
      yield content;
    }
  } catch (fault) {
    throw feeder.fault ?? explain(fault, refuse);
  } finally {
    inflater.destroy();
    await feeding;
  }
  if (feeder.fault) throw feeder.fault;
  input.putBack(feeder.unused());
  const trailer = await take(input, 8, refuse);
  const view = new DataView(trailer.buffer, trailer.byteOffset, 8);
  if (view.getUint32(0, true) !== checksum || view.getUint32(4, true) !== length % 2 ** 32) {
    throw refuse("gzip.checksum", "its checksum does not match");
  }
}

/** Hands chunks to zlib, which is given more than it needs, and knows which bytes it did not use. */
class Feeder {
  /** What the input threw. */
  fault: unknown;
  readonly #input: ByteQueue;
  readonly #inflater: InflateRaw;
  /** Chunks that zlib may not have used, and how many bytes were in those before. */
  #kept: Uint8Array[] = [];
  #before = 0;

  constructor(input: ByteQueue, inflater: InflateRaw) {
    this.#input = input;
    this.#inflater = inflater;
  }

  /** Feeds until the input or the deflate stream ends; never rejects. */
  async feed(): Promise<void> {
    const inflater = this.#inflater;
    try {
      for (let chunk = await this.#input.next(); chunk; chunk = await this.#input.next()) {
        this.#keep(chunk);
        if (inflater.destroyed) return;
        if (!inflater.write(chunk)) await roomIn(inflater);
        if (inflater.destroyed) return;
      }
      inflater.end();
    } catch (fault) {
      this.fault = fault;
      inflater.destroy(fault as Error);
    }
  }

  /** The bytes zlib was given and did not use. */
  unused(): Uint8Array {
    return joined(this.#kept).subarray(this.#inflater.bytesWritten - this.#before);
  }

  #keep(chunk: Uint8Array): void {
    this.#kept.push(chunk);
    const used = this.#inflater.bytesWritten;
    while (this.#kept.length > 1 && this.#before + this.#kept[0].length <= used) {
      this.#before += this.#kept.shift()!.length;
    }
  }
}

/** Parts behind each other; not copied where there is only one, as in files of many small members. */
function joined(parts: readonly Uint8Array[]): Uint8Array {
  const filled = parts.filter((part) => part.length > 0);
  return filled.length === 1 ? filled[0] : concatBytes(filled);
}

/** Waits until more can be written, or nothing more is wanted. */
function roomIn(inflater: InflateRaw): Promise<void> {
  return new Promise((resolve) => {
    const done = () => {
      inflater.off("drain", done);
      inflater.off("close", done);
      resolve();
    };
    inflater.on("drain", done);
    inflater.on("close", done);
  });
}

function explain(fault: unknown, refuse: Refuse): FormatError {
  const text = fault instanceof Error ? fault.message : String(fault);
  if (codeOf(fault) === "Z_BUF_ERROR") return refuse("gzip.truncated", "it ends too early");
  if (text.includes("data check") || text.includes("length check")) {
    return refuse("gzip.checksum", "its checksum does not match");
  }
  return refuse("gzip.data", `inflating failed (${text})`);
}

function codeOf(fault: unknown): unknown {
  return typeof fault === "object" && fault !== null && "code" in fault ? fault.code : undefined;
}
