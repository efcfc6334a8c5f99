/**
 * Opens files, URLs and bytes alike, compressed or not, as local bytes with random access.
 *
 * An uncompressed file on disk is read in place. Everything that has to be unpacked or fetched first is
 * taken in once, never beyond what the file's own header asks for: into memory if that fits the budget,
 * else into a temporary file.
 */
import { concatBytes } from "../../base/bytes.ts";
import { FormatError } from "../../base/errors.ts";
import { reasonOf } from "../../base/system_faults.ts";
import { inflate, type InflateOptions, isGzip, MAX_INFLATION } from "../../formats/gzip.ts";
import { type ByteSource, fileSource, memorySource, readHead } from "./byte_source.ts";
import { ContentStore, type OpenOptions, type ReadPlan, surplusRemarks } from "./content_store.ts";

export { OPEN_OPTIONS, type OpenOptions, type ReadPlan } from "./content_store.ts";

/** Where bytes come from: a path, an `http(s):` or `file:` URL, or the bytes themselves. */
export type Location = string | URL | Uint8Array;

const CHUNK_BYTES = 1 << 20;
/** Smaller, so that little more than what is wanted is inflated. */
const PEEK_CHUNK_BYTES = 1 << 14;

/**
 * Opens local bytes with random access.
 *
 * @param location See {@link Location}.
 * @param options See {@link OpenOptions}, and the format's plan.
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
      const needed = plan.neededBytes(head.subarray(0, plan.headBytes), raw.size);
      return { ...raw, remarks: surplusRemarks(raw.size - needed) };
    }
    const inflated = await takeIn(
      raw.label,
      readChunks(raw, CHUNK_BYTES),
      raw.size * MAX_INFLATION,
      options,
    );
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
 * @returns The bytes, the most bytes the content can have, and how many it has where that is known without
 *   inflating it.
 * @throws {FormatError} when it cannot be opened or its beginning is damaged.
 */
export async function peekBytes(
  location: Location,
  count: number,
  options: Pick<OpenOptions, "label"> = {},
): Promise<{ readonly head: Uint8Array; readonly limit: number; readonly size?: number }> {
  if (isRemote(location)) {
    const label = options.label ?? String(location);
    const chunks = await fetchChunks(location, label);
    return { head: await firstBytes(chunks, count, label), limit: Infinity };
  }
  const raw = openLocal(location, options.label);
  try {
    if (!isGzip(readHead(raw, 2))) {
      return { head: readHead(raw, count), limit: raw.size, size: raw.size };
    }
    const head = await firstBytes(readChunks(raw, PEEK_CHUNK_BYTES), count, raw.label);
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
    for await (const chunk of inflatedIfGzip(chunks, { source: label })) {
      parts.push(chunk);
      total += chunk.length;
      if (total >= count) break;
    }
  }
  return concatBytes(parts).subarray(0, count);
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
    if (fault instanceof Deno.errors.NotCapable) throw fault;
    why = reasonOf(fault);
  }
  throw new FormatError(label, "url.fetch", `Cannot fetch "${label}": ${why}; check the address`);
}

function* readChunks(source: ByteSource, chunkBytes: number): Generator<Uint8Array> {
  for (let at = 0; at < source.size; at += chunkBytes) {
    const chunk = new Uint8Array(Math.min(chunkBytes, source.size - at));
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
  const store = new ContentStore(label, limit, options);
  try {
    const onRemark = (text: string) => store.remark(text);
    for await (const chunk of inflatedIfGzip(chunks, { source: label, onRemark })) store.add(chunk);
    return store.finish();
  } catch (fault) {
    store.discard();
    throw fault;
  }
}

async function* inflatedIfGzip(
  chunks: AsyncIterable<Uint8Array> | Iterable<Uint8Array>,
  options: InflateOptions,
): AsyncGenerator<Uint8Array, void, undefined> {
  const iterator = Symbol.asyncIterator in chunks
    ? chunks[Symbol.asyncIterator]()
    : chunks[Symbol.iterator]();
  let head: Uint8Array = new Uint8Array(0);
  for (let next = await iterator.next(); !next.done; next = await iterator.next()) {
    head = concatBytes([head, next.value]);
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
  yield* isGzip(head) ? inflate(all(), options) : all();
}
