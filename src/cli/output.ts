/** How commands print results and write files. */
import type { NumericArray } from "../base/arrays.ts";

/**
 * Prints a value as JSON on standard output; typed arrays become arrays, bigints numbers.
 *
 * @param value Plain data.
 */
export function printJson(value: unknown): void {
  console.log(toJson(value));
}

/**
 * JSON with an indent of 2; typed arrays become arrays, bigints numbers, NaN and infinities text.
 *
 * @param value Plain data.
 */
export function toJson(value: unknown): string {
  return JSON.stringify(value, (_, item) => {
    if (ArrayBuffer.isView(item)) return Array.from(item as NumericArray as Float64Array);
    if (typeof item === "bigint") return Number(item);
    if (typeof item === "number" && !Number.isFinite(item)) return String(item);
    return item;
  }, 2);
}

/**
 * Writes a file so that it is there whole or not at all: to a temporary name beside it, synced, renamed.
 *
 * @param path Where. @param content Text or bytes.
 */
export function writeWhole(path: string, content: string | Uint8Array): void {
  const temporary = `${path}.${crypto.randomUUID().slice(0, 8)}.tmp`;
  const bytes = typeof content === "string" ? new TextEncoder().encode(content) : content;
  try {
    using file = Deno.openSync(temporary, { write: true, createNew: true });
    for (let done = 0; done < bytes.length;) done += file.writeSync(bytes.subarray(done));
    file.syncSync();
    Deno.renameSync(temporary, path);
  } catch (error) {
    try {
      Deno.removeSync(temporary);
    } catch { /* it was never made, or is already gone */ }
    throw error;
  }
}
