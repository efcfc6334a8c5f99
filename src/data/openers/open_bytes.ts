/**
 * Opens files, URLs and bytes alike, compressed or not, as local bytes with random access.
 *
 * An uncompressed file on disk is read in place. Everything that has to be unpacked or fetched first is
 * taken in once, never beyond what the file's own header asks for: into memory if that fits the budget,
 * else into a temporary file.
 */
import { FormatError } from "../../base/errors.ts";
import { GZIP_RULES, inflate, isGzip, MAX_INFLATION } from "../../formats/gzip.ts";
import { refusals } from "../../formats/rejection.ts";
import { type ByteSource, fileSource, memorySource, temporaryFile } from "./byte_source.ts";

/** Where bytes come from: a path, an `http(s):` or `file:` URL, or the bytes themselves. */
export type Location = string | URL | Uint8Array;

/** Options of {@link openBytes}. */
export interface OpenOptions {
  /** Label for messages; default the path or URL, "bytes in memory" for bytes. */
  readonly label?: string;
  /** Bytes of unpacked content to keep in memory; more goes to a temporary file. Default 512 MiB. */
  readonly memoryBudget?: number;
  /** Folder of temporary files; default the system's. */
  readonly cacheDirectory?: string;
}

/** What a format decides from the first bytes. */
export interface ReadPlan {
  /** How many first bytes `neededBytes` wants to see. */
  readonly headBytes: number;
  /**
   * How many bytes of content the file has to have. `limit` is the most it can have, as far as known.
   *
   * @throws {FormatError} when the head shows that the file cannot be read.
   */
  neededBytes(head: Uint8Array, limit: number): number;
}

const DEFAULT_MEMORY_BUDGET = 512 * 2 ** 20;
/** Bytes behind the last needed one that are looked through (for the checksum) before giving up. */
const MAX_SURPLUS_BYTES = 256 * 2 ** 20;
const CHUNK_BYTES = 1 << 20;

/**
 * Opens local bytes with random access.
 *
 * @param location See {@link Location}. @param options See {@link OpenOptions}, and the format's plan.
 * @throws {FormatError} when it cannot be opened, is damaged, or the plan refuses it.
 */
export async function openBytes(
  location: Location,
  options: OpenOptions & { readonly plan: ReadPlan },
): Promise<ByteSource> {
  const { plan } = options;
  if (isRemote(location)) {
    const label = options.label ?? String(location);
    return takeIn(label, await fetchChunks(location, label), Infinity, options);
  }
  const raw = openLocal(location, options.label);
  try {
    const head = readHead(raw, Math.max(2, plan.headBytes));
    if (!isGzip(head)) {
      plan.neededBytes(head.subarray(0, plan.headBytes), raw.size);
      return raw;
    }
    const inflated = await takeIn(raw.label, readChunks(raw), raw.size * MAX_INFLATION, options);
    raw.close();
    return inflated;
  } catch (fault) {
    raw.close();
    throw fault;
  }
}

/**
 * Looks at the beginning of a file's content without taking in the rest.
 *
 * @param count Bytes to see, if there are as many.
 * @returns The bytes, and the most bytes the content can have.
 * @throws {FormatError} when it cannot be opened or its beginning is damaged.
 */
export async function peekBytes(
  location: Location,
  count: number,
  options: Pick<OpenOptions, "label"> = {},
): Promise<{ readonly head: Uint8Array; readonly limit: number }> {
  if (isRemote(location)) {
    const label = options.label ?? String(location);
    const chunks = await fetchChunks(location, label);
    return { head: await firstBytes(chunks, count, label), limit: Infinity };
  }
  const raw = openLocal(location, options.label);
  try {
    if (!isGzip(readHead(raw, 2))) return { head: readHead(raw, count), limit: raw.size };
    const head = await firstBytes(readChunks(raw), count, raw.label);
    return { head, limit: raw.size * MAX_INFLATION };
  } finally {
    raw.close();
  }
}

/** The first `count` bytes of the content of chunks that may be gzip. */
async function firstBytes(
  chunks: AsyncIterable<Uint8Array> | Iterable<Uint8Array>,
  count: number,
  label: string,
): Promise<Uint8Array> {
  const parts: Uint8Array[] = [];
  let total = 0;
  if (count > 0) {
    for await (const chunk of inflatedIfGzip(chunks, label)) {
      parts.push(chunk);
      total += chunk.length;
      if (total >= count) break;
    }
  }
  return joined(parts).subarray(0, count);
}

/** The first `count` bytes, or as many as there are. */
export function readHead(source: ByteSource, count: number): Uint8Array {
  const head = new Uint8Array(Math.min(count, source.size));
  source.readInto(0, head);
  return head;
}

function openLocal(location: string | URL | Uint8Array, label?: string): ByteSource {
  if (location instanceof Uint8Array) return memorySource(location, label ?? "bytes in memory");
  const path = pathOf(location);
  return fileSource(path, label ?? path);
}

/** The path of a path or `file:` URL. */
export function pathOf(location: string | URL): string {
  const text = String(location);
  if (!text.startsWith("file:")) return text;
  return decodeURIComponent(new URL(text).pathname).replace(/^\/(?=[A-Za-z]:)/, "");
}

/** Whether a location is fetched over the network. */
export function isRemote(location: Location): location is string | URL {
  return !(location instanceof Uint8Array) && /^https?:/i.test(String(location));
}

async function fetchChunks(
  location: string | URL,
  label: string,
): Promise<AsyncIterable<Uint8Array>> {
  let why: string;
  try {
    const response = await fetch(location);
    if (response.ok && response.body) return response.body;
    await response.body?.cancel();
    why = `the server answered ${response.status} ${response.statusText}`.trim();
  } catch (fault) {
    why = fault instanceof Error ? fault.message : String(fault);
  }
  throw new FormatError(label, "url.fetch", `Cannot fetch "${label}": ${why}; check the address`);
}

function* readChunks(source: ByteSource): Generator<Uint8Array> {
  for (let at = 0; at < source.size; at += CHUNK_BYTES) {
    const chunk = new Uint8Array(Math.min(CHUNK_BYTES, source.size - at));
    source.readInto(at, chunk);
    yield chunk;
  }
}

/** Takes chunks in, inflating them if they are gzip, and keeps as much as the plan says is needed. */
async function takeIn(
  label: string,
  chunks: AsyncIterable<Uint8Array> | Iterable<Uint8Array>,
  limit: number,
  options: OpenOptions & { readonly plan: ReadPlan },
): Promise<ByteSource> {
  const store = new Store(label, limit, options);
  try {
    for await (const chunk of inflatedIfGzip(chunks, label)) store.add(chunk);
    return store.finish();
  } catch (fault) {
    store.discard();
    throw fault;
  }
}

async function* inflatedIfGzip(
  chunks: AsyncIterable<Uint8Array> | Iterable<Uint8Array>,
  label: string,
): AsyncGenerator<Uint8Array, void, undefined> {
  const iterator = Symbol.asyncIterator in chunks
    ? chunks[Symbol.asyncIterator]()
    : chunks[Symbol.iterator]();
  let head: Uint8Array = new Uint8Array(0);
  for (let next = await iterator.next(); !next.done; next = await iterator.next()) {
    head = joined([head, next.value]);
    if (head.length >= 2) break;
  }
  const all = async function* () {
    try {
      yield head;
      for (let next = await iterator.next(); !next.done; next = await iterator.next()) {
        yield next.value;
      }
    } finally {
      await iterator.return?.();
    }
  };
  yield* isGzip(head) ? inflate(all(), label) : all();
}

/** Collects content: first the head, then, once the plan has spoken, memory or a temporary file. */
class Store {
  readonly #label: string;
  readonly #limit: number;
  readonly #options: OpenOptions & { readonly plan: ReadPlan };
  #head: Uint8Array[] = [];
  #headBytes = 0;
  #needed: number | undefined;
  #total = 0;
  #memory: Uint8Array | undefined;
  #file: ReturnType<typeof temporaryFile> | undefined;

  constructor(label: string, limit: number, options: OpenOptions & { readonly plan: ReadPlan }) {
    this.#label = label;
    this.#limit = limit;
    this.#options = options;
  }

  add(chunk: Uint8Array): void {
    if (this.#needed !== undefined) return this.#keep(chunk);
    this.#head.push(chunk);
    this.#headBytes += chunk.length;
    if (this.#headBytes >= this.#options.plan.headBytes) this.#begin();
  }

  finish(): ByteSource {
    if (this.#needed === undefined) this.#begin();
    // The plan judges again, now knowing how many bytes there are.
    const source = this.#memory
      ? memorySource(this.#memory.subarray(0, this.#total), this.#label)
      : this.#file!.finish();
    this.#options.plan.neededBytes(readHead(source, this.#options.plan.headBytes), this.#total);
    return source;
  }

  discard(): void {
    this.#memory = undefined;
    this.#file?.discard();
  }

  #begin(): void {
    const head = joined(this.#head);
    this.#head = [];
    const needed = this.#options.plan.neededBytes(
      head.subarray(0, this.#options.plan.headBytes),
      Infinity,
    );
    if (needed > this.#limit) {
      throw refusals(GZIP_RULES, this.#label)(
        "gzip.ratio",
        `its header asks for ${needed} bytes, and at most ${this.#limit} can be in it`,
      );
    }
    this.#needed = needed;
    if (needed <= (this.#options.memoryBudget ?? DEFAULT_MEMORY_BUDGET)) {
      this.#memory = new Uint8Array(needed);
    } else {
      this.#file = temporaryFile(this.#label, this.#options.cacheDirectory);
    }
    this.#keep(head);
  }

  #keep(chunk: Uint8Array): void {
    const wanted = chunk.subarray(0, Math.max(0, this.#needed! - this.#total));
    if (this.#memory) this.#memory.set(wanted, Math.min(this.#total, this.#needed!));
    else this.#file!.write(wanted);
    this.#total += chunk.length;
    if (this.#total > this.#needed! + MAX_SURPLUS_BYTES) {
      throw refusals(GZIP_RULES, this.#label)(
        "gzip.size",
        `more than ${MAX_SURPLUS_BYTES} bytes behind the last voxel`,
      );
    }
  }
}

function joined(parts: readonly Uint8Array[]): Uint8Array {
  if (parts.length === 1) return parts[0];
  const whole = new Uint8Array(parts.reduce((sum, part) => sum + part.length, 0));
  let at = 0;
  for (const part of parts) {
    whole.set(part, at);
    at += part.length;
  }
  return whole;
}
