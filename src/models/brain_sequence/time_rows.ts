/** Rows of the time table, in float32 arithmetic [brain-sequence §3.2]. */
import { ConfigError } from "../../base/errors.ts";
import { LONGEST_TIME } from "./config.ts";

/** Time of a token that is no volume. */
export const NO_TIME = -1;

/**
 * Number of rows of the time table; the last one is for tokens without a time.
 *
 * @param precision Seconds between rows.
 */
export function timeRowCount(precision: number): number {
  return Math.floor(LONGEST_TIME / precision) + 1;
}

/**
 * Rows of times: the nearest multiple of the precision, halves to the even one, every operation rounded to float32.
 *
 * @param times Seconds; negative: no time.
 * @param precision Seconds between rows.
 * @returns int32, as many.
 * @throws {ConfigError} for a time beyond the table.
 */
export function timeRows(times: Float32Array, precision: number): Int32Array {
  const step = Math.fround(precision);
  const perSecond = Math.trunc(1 / precision);
  const last = timeRowCount(precision) - 1;
  return Int32Array.from(times, (time) => {
    if (time >= LONGEST_TIME) {
      throw new ConfigError(
        "times",
        `Cannot place a volume at ${time} s in the time table, which ends before ${LONGEST_TIME} s; ` +
          "use shorter crops",
      );
    }
    if (time < 0) return last;
    const multiple = roundHalfToEven(Math.fround(time / step));
    return Math.trunc(Math.fround(Math.fround(multiple * step) * perSecond));
  });
}

function roundHalfToEven(x: number): number {
  const below = Math.floor(x);
  if (x - below !== 0.5) return Math.round(x);
  return below % 2 === 0 ? below : below + 1;
}
