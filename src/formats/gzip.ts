/**
 * Inflating gzip in chunks: any number of members one behind the other, checksums verified, nothing held
 * beyond a chunk. How much may come out is the caller's decision, made while it arrives.
 */
import { createGunzip, gunzipSync } from "../deps/node_zlib.ts";
import { Readable } from "../deps/node_stream.ts";
import type { FormatError } from "../base/errors.ts";
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

/** Whether the bytes begin as a gzip file does. */
export function isGzip(head: Uint8Array): boolean {
  return head[0] === 0x1f && head[1] === 0x8b;
}

/**
 * Inflates gzip data as it arrives. Zero bytes behind the last member are ignored, as gzip does.
 *
 * @param chunks The compressed bytes. @param source Path or label for messages.
 * @returns The contents in chunks; each is the consumer's to keep.
 * @throws {FormatError} naming one of {@link GZIP_RULES};
 *   contents before the fault may or may not have been given out.
 */
export async function* inflate(
  chunks: AsyncIterable<Uint8Array> | Iterable<Uint8Array>,
  source = "gzip file",
): AsyncGenerator<Uint8Array, void, undefined> {
  const gunzip = createGunzip({ chunkSize: CHUNK_BYTES });
  const input = Readable.from(chunks, { objectMode: true });
  let inputFault: Error | undefined;
  input.on("error", (fault: Error) => {
    inputFault = fault;
    gunzip.destroy(fault);
  });
  try {
    for await (const chunk of input.pipe(gunzip)) yield chunk as Uint8Array;
  } catch (fault) {
    throw inputFault ?? explain(fault, source);
  } finally {
    input.destroy();
    gunzip.destroy();
  }
}

/**
 * Inflates gzip data held in memory.
 *
 * @param bytes The whole file. @param options `maxBytes`: refuse more content than this; `source`: label.
 * @throws {FormatError} naming one of {@link GZIP_RULES}.
 */
export function inflateWhole(
  bytes: Uint8Array,
  options: { readonly maxBytes: number; readonly source?: string },
): Uint8Array {
  const source = options.source ?? "gzip file";
  try {
    return new Uint8Array(gunzipSync(bytes, { maxOutputLength: Math.max(1, options.maxBytes) }));
  } catch (fault) {
    if (codeOf(fault) === "ERR_BUFFER_TOO_LARGE") {
      throw refusals(GZIP_RULES, source)("gzip.size", `more than ${options.maxBytes} bytes in it`);
    }
    throw explain(fault, source);
  }
}

function explain(fault: unknown, source: string): FormatError {
  const refuse = refusals(GZIP_RULES, source);
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
