import { erf } from "../../src/base/erf.ts";
import { assert, assertEquals } from "../../src/deps/std.ts";

Deno.test("erf equals its tables to 1e-15", () => {
  // NIST Digital Library of Mathematical Functions 7; Abramowitz and Stegun, table 7.1.
  const known = [
    [1e-10, 1.1283791670955126e-10],
    [0.1, 0.1124629160182849],
    [0.5, 0.5204998778130465],
    [1, 0.8427007929497149],
    [2, 0.9953222650189527],
    [3, 0.9999779095030014],
    [5, 0.9999999999984626],
  ];
  for (const [x, y] of known) {
    assert(Math.abs(erf(x) - y) <= 1e-15 * y, `erf ${x} is ${erf(x)}, needs ${y}`);
    assertEquals(erf(-x), -erf(x));
  }
  assertEquals([erf(0), erf(7), erf(-Infinity), erf(NaN)], [0, 1, -1, NaN]);
});
