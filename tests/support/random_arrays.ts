/** Host arrays of random numbers for tests. */
import type { NdArray } from "../../src/base/arrays.ts";
import type { RandomStream } from "../../src/base/random.ts";

/** Standard normal values times `scale`, rounded to float32 and stored as float64. */
export function normalArray(
  random: RandomStream,
  shape: readonly number[],
  scale = 1,
): NdArray<Float64Array> {
  const length = shape.reduce((product, n) => product * n, 1);
  const data = Float64Array.from(random.normals(length), (v) => Math.fround(v * scale));
  return { data, shape };
}

/** Uniform values in [low, high), rounded to float32 and stored as float64. */
export function uniformArray(
  random: RandomStream,
  shape: readonly number[],
  [low, high]: readonly [number, number],
): NdArray<Float64Array> {
  const length = shape.reduce((product, n) => product * n, 1);
  const data = Float64Array.from(
    random.uniforms(length),
    (v) => Math.fround(low + (high - low) * v),
  );
  return { data, shape };
}

/** One of the given values. */
export function pick<T>(random: RandomStream, values: readonly T[]): T {
  return values[random.integer(values.length)];
}

/** A whole number in low … high. */
export function between(random: RandomStream, low: number, high: number): number {
  return low + random.integer(high - low + 1);
}
