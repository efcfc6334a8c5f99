/** JSON as the program writes it. */
import type { NumericArray } from "../base/arrays.ts";

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
