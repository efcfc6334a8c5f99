/** Largest errors of the elementary functions, in units of the last place, against float64. */
import { startWasm } from "../../../src/backends/wasm/mod.ts";
import { erf } from "../../../src/base/erf.ts";
import { assert, assertEquals } from "../../../src/deps/std.ts";
import { tf } from "../../../src/deps/tfjs.ts";
import { nightlyCount } from "../../support/nightly.ts";

interface FunctionCase {
  readonly name: string;
  readonly run: (x: tf.Tensor) => tf.Tensor;
  readonly exact: (x: number) => number;
  /** Arguments: linear in this range, and powers of ten up to it. */
  readonly range: readonly [number, number];
  readonly ulp: number;
}

const CASES: readonly FunctionCase[] = [
  { name: "exp", run: tf.exp, exact: Math.exp, range: [-87, 88], ulp: 1.5 },
  { name: "log", run: tf.log, exact: Math.log, range: [1e-30, 100], ulp: 1.5 },
  { name: "tanh", run: tf.tanh, exact: Math.tanh, range: [-12, 12], ulp: 3.5 },
  {
    name: "sigmoid",
    run: tf.sigmoid,
    exact: (x) => 1 / (1 + Math.exp(-x)),
    range: [-80, 30],
    ulp: 3,
  },
  { name: "erf", run: tf.erf, exact: erf, range: [-5, 5], ulp: 7 },
  {
    name: "softplus",
    run: tf.softplus,
    exact: (x) => Math.max(x, 0) + Math.log1p(Math.exp(-Math.abs(x))),
    range: [-80, 80],
    ulp: 4,
  },
  { name: "elu", run: tf.elu, exact: (x) => x > 0 ? x : Math.expm1(x), range: [-20, 20], ulp: 5 },
];

for (const build of ["relaxed", "simd128"] as const) {
  for (const { name, run, exact, range, ulp } of CASES) {
    Deno.test(`${name} errs by at most ${ulp} ulp [${build}]`, async () => {
      const engine = await startWasm({ build, threads: 1 });
      const x = argumentsIn(range);
      const y = tf.tidy(() => run(tf.tensor(x)).dataSync());
      let worst = { error: 0, at: 0 };
      x.forEach((v, i) => {
        const error = Math.abs(y[i] - exact(v)) / lastPlace(exact(v));
        if (!(error <= worst.error)) worst = { error, at: v };
      });
      assert(worst.error <= ulp, `${worst.error} ulp at ${worst.at}`);
      await engine.stop();
    });
  }
}

Deno.test("elementary functions at the ends of the range", async () => {
  const engine = await startWasm({ threads: 1 });
  const at = (run: (x: tf.Tensor) => tf.Tensor, x: number[]) =>
    tf.tidy(() => [...run(tf.tensor(x)).dataSync()]);
  assertEquals(at(tf.exp, [-Infinity, -200, 0, 200, Infinity, NaN]), [
    0,
    0,
    1,
    Infinity,
    Infinity,
    NaN,
  ]);
  assertEquals(at(tf.log, [0, -1, 1, Infinity, NaN]), [-Infinity, NaN, 0, Infinity, NaN]);
  assertEquals(at(tf.tanh, [-Infinity, -50, 0, 50, Infinity, NaN]), [-1, -1, 0, 1, 1, NaN]);
  assertEquals(at(tf.erf, [-Infinity, 0, Infinity, NaN]), [-1, 0, 1, NaN]);
  assertEquals(at(tf.softplus, [-Infinity, Infinity, NaN]), [0, Infinity, NaN]);
  assertEquals(at(tf.elu, [-Infinity, 0, Infinity, NaN]), [-1, 0, Infinity, NaN]);
  assertEquals(at(tf.sigmoid, [-Infinity, 0, Infinity, NaN]), [0, 0.5, 1, NaN]);
  const subnormal = 2 ** -140;
  assert(Math.abs(at(tf.log, [subnormal])[0] - Math.log(subnormal)) < 1e-5);
  assert(at(tf.exp, [-100])[0] > 0);
  await engine.stop();
});

function argumentsIn([low, high]: readonly [number, number]): Float32Array {
  const count = nightlyCount(500_000, 50_000);
  const linear = Array.from({ length: count }, (_, i) => low + (high - low) * i / (count - 1));
  const powers = Array.from({ length: count }, (_, i) => high * 10 ** (-20 * i / count));
  const negative = low < 0 ? powers.map((v) => -v) : [];
  return Float32Array.from([...linear, ...powers, ...negative]);
}

/** Distance between the float32 numbers around v. */
function lastPlace(v: number): number {
  return 2 ** (Math.max(-126, Math.floor(Math.log2(Math.abs(v) || 1e-45))) - 23);
}
