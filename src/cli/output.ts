/** How commands print results. */
import { toJson } from "../files/json.ts";

/**
 * Prints a value as JSON on standard output; typed arrays become arrays, bigints numbers.
 *
 * @param value Plain data.
 */
export function printJson(value: unknown): void {
  console.log(toJson(value));
}
