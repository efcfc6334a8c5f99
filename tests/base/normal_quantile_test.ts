import { assert, assertEquals } from "../../src/deps/std.ts";
import { normalQuantile } from "../../src/base/normal_quantile.ts";

/** [p, quantile] from an independent implementation (Python 3.11, statistics.NormalDist().inv_cdf). */
const REFERENCE = [
  [2 ** -54, -8.292361075813595],
  [2 ** -53, -8.209536151601386],
  [1e-12, -7.034483825301132],
  [1e-5, -4.2648907939228256],
  [0.01, -2.3263478740408408],
  [0.0749, -1.4402382675279632],
  [0.075, -1.4395314709384557],
  [0.076, -1.4325027208258114],
  [0.1, -1.2815515655446008],
  [0.25, -0.6744897501960817],
  [0.4999, -0.0002506628300880075],
  [0.5, 0],
  [0.7, 0.5244005127080407],
  [0.924, 1.4325027208258119],
  [0.9251, 1.4402382675279632],
  [0.99, 2.3263478740408408],
  [0.999999, 4.753424308817089],
  [1 - 2 ** -53, 8.209536151601386],
];

Deno.test("normal quantiles agree with an independent implementation to 1e-14", () => {
  for (const [p, expected] of REFERENCE) {
    const found = normalQuantile(p);
    assert(Math.abs(found - expected) <= 1e-14 * Math.abs(expected), `p=${p}: ${found}`);
  }
});

Deno.test("normal quantiles are odd around one half, increase, and reach infinity at 0 and 1", () => {
  let previous = normalQuantile(0);
  assertEquals(previous, -Infinity);
  for (let k = 1; k < 4096; k++) {
    const value = normalQuantile(k / 4096);
    assert(value > previous);
    assert(Math.abs(value + normalQuantile(1 - k / 4096)) <= 1e-14 * Math.abs(value));
    previous = value;
  }
  assertEquals(normalQuantile(1), Infinity);
});
