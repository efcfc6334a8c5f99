/** Comparing arrays of numbers in tests. */
import { assert, assertEquals } from "../../src/deps/std.ts";

/** Largest |a − b| divided by the largest |b|. */
export function relativeDifference(a: ArrayLike<number>, b: ArrayLike<number>): number {
  let difference = 0, scale = 0;
  for (let i = 0; i < b.length; i++) {
    difference = Math.max(difference, Math.abs(a[i] - b[i]));
    scale = Math.max(scale, Math.abs(b[i]));
    if (Number.isNaN(a[i] - b[i])) return NaN;
  }
  return scale === 0 ? difference : difference / scale;
}

/** Fails unless lengths agree and |a − b| stays within `tolerance` times the largest |b|. */
export function assertClose(
  actual: ArrayLike<number>,
  expected: ArrayLike<number>,
  { tolerance, what = "values" }: { tolerance: number; what?: string },
): void {
  assertEquals(actual.length, expected.length, `${what}: number of values`);
  const found = relativeDifference(actual, expected);
  assert(found <= tolerance, `${what}: relative difference ${found}, needs at most ${tolerance}`);
}
