import { ConfigError } from "../../src/base/errors.ts";
import { RandomStream } from "../../src/base/random.ts";
import { assert, assertAlmostEquals, assertEquals, assertThrows } from "../../src/deps/std.ts";
import { fitAutoregression, predictAutoregression } from "../../src/linalg/autoregression.ts";

/** x_t = a·x_{t−1} + b·x_{t−2} + noise, two series. */
function series(length: number, coefficients: [number, number][], noise: number) {
  const random = RandomStream.fromSeed(5);
  const values = new Float32Array(2 * length);
  for (let t = 0; t < length; t++) {
    for (const [n, [a, b]] of coefficients.entries()) {
      const at = (lag: number) => (t >= lag ? values[2 * (t - lag) + n] : 0);
      values[2 * t + n] = t < 2 ? 1 - t : a * at(1) + b * at(2) + noise * random.normal();
    }
  }
  return { values, length };
}

Deno.test("coefficients without noise are found exactly, each series its own", () => {
  const planted: [number, number][] = [[1.6, -0.8], [0.5, 0.3]];
  const { coefficients } = fitAutoregression([series(40, planted, 0)], { series: 2, order: 2 });
  [1.6, 0.5, -0.8, 0.3].forEach((value, i) => assertAlmostEquals(coefficients[i], value, 1e-4));
});

Deno.test("coefficients of long noisy series are near the planted ones, several recordings together", () => {
  const block = series(4000, [[1.2, -0.5], [0.9, 0]], 0.3);
  const fitted = fitAutoregression([block, block], { series: 2, order: 2 });
  [1.2, 0.9, -0.5, 0].forEach((value, i) => {
    assertAlmostEquals(fitted.coefficients[i], value, 0.05);
  });
});

Deno.test("predictions are the sum over the past, with zeros before the beginning", () => {
  const coefficients = Float64Array.of(2, 3, 10, 20);
  const block = { values: Float32Array.of(1, 2, 3, 4, 5, 6), length: 3 };
  assertEquals(
    [...predictAutoregression({ order: 2, coefficients }, block)],
    [0, 0, 2, 6, 6 + 10, 12 + 40],
  );
  assert(
    predictAutoregression({ order: 0, coefficients: new Float64Array(0) }, block)
      .every((value) => value === 0),
  );
});

Deno.test("a constant series gets coefficients of zero; recordings that are too short are refused", () => {
  const zeros = { values: new Float32Array(20), length: 10 };
  assertEquals([...fitAutoregression([zeros], { series: 2, order: 1 }).coefficients], [0, 0]);
  assertThrows(
    () => fitAutoregression([zeros], { series: 2, order: 10 }),
    ConfigError,
    "more than 10",
  );
});
