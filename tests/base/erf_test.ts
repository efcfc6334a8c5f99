import { erf } from "../../src/base/erf.ts";
import { assert, assertEquals } from "../../src/deps/std.ts";

/** From the C library and tables of 20 digits. */
const VALUES: readonly (readonly [number, number])[] = [
  [1e-10, 1.1283791670955126e-10],
  [0.5, 0.52049987781304653768],
  [1, 0.84270079294971486934],
  [2, 0.99532226501895273416],
  [2.4999, 0.999592830099667],
  [2.5001, 0.999593265756529],
  [3, 0.99997790950300141456],
  [4, 0.99999998458274209972],
  [5.9, 0.9999999999999999],
];

Deno.test("erf is right to a few units in the last place, odd, and ±1 far out", () => {
  for (const [x, value] of VALUES) {
    const found = erf(x);
    assert(Math.abs(found - value) <= 6e-16 * value, `erf ${x} is ${found}, needs ${value}`);
    assertEquals(erf(-x), -found);
  }
  assertEquals([erf(0), erf(7), erf(-Infinity), erf(NaN)], [0, 1, -1, NaN]);
});
