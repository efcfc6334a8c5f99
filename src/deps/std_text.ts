/** Text helpers of the Deno standard library (npm package without declarations), with their types. */
import { closestString as closest } from "npm:deno-std@1.4.0/text/closest_string.js";

/** The entry of `candidates` (at least one) with the smallest edit distance to `word`. */
export const closestString: (word: string, candidates: string[]) => string = closest;
