import { RandomStream } from "../../src/base/random.ts";
import { assert, assertAlmostEquals, assertEquals, assertThrows } from "../../src/deps/std.ts";
import { xFastest } from "../../src/data/synthetic.ts";
import { composePlanted, plantedCohort } from "../../src/data/planted.ts";
import { eigenvalueErrors, latentRecovery } from "../../src/evaluation/planted_scores.ts";
import { reportDynamics, timeConstant } from "../../src/evaluation/reported_dynamics.ts";
import { eigenvalues } from "../../src/linalg/eigenvalues.ts";
import { cholesky, lowerInverse } from "../../src/linalg/cholesky.ts";
import { ridgeTransition } from "../../src/linalg/run_transition.ts";
import { assertClose } from "../support/closeness.ts";
import { LaggedFixture } from "../support/lagged_fixtures.ts";

const GRID = [8, 10, 8] as const;
const VOXELS = 640;

Deno.test("golden: planted values from the stored parts, their sums, and the floor of the sample", () => {
  const fixture = new LaggedFixture("planted");
  const latents = fixture.floats("latents");
  const maps = fixture.floats("maps");
  const noise = fixture.runs("noise");
  const composed = composePlanted({
    latents,
    maps: { ...maps, data: xFastest(maps.data as Float32Array, GRID) },
    noise: (run, t) => noise[run].subarray(t * VOXELS, (t + 1) * VOXELS),
  }, { spatialShape: GRID, nonlinearity: 0.5, snr: 1 });
  const x = composed.values;
  const expected = xFastest(Float32Array.from(fixture.floats("x_first_and_last").data), GRID);
  assertClose([...x.subarray(0, VOXELS), ...x.subarray(-VOXELS)], expected, { tolerance: 1e-6 });
  let sum = 0, squares = 0;
  for (const value of x) {
    sum += value;
    squares += value * value;
  }
  const summary = fixture.floats("x_summary").data;
  assertAlmostEquals(sum, summary[0], 1e-3);
  [squares, ...composed.deviations].forEach((value, i) =>
    assertAlmostEquals(value / summary[i + 1], 1, 1e-6)
  );
  const runs = Array.from({ length: 8 }, (_, n) => ({
    states: latents.data.subarray(n * 480, (n + 1) * 480),
  }));
  // The fixture's ridge has λ = 1e-6 in all, this one 2·rows·ρ.
  const { transition } = ridgeTransition(runs, 4, { rho: 1e-6 / (2 * 960) });
  fixture.compare("F_true_states", transition);
  const truth = eigenvalues(fixture.floats("F_true").data, 4);
  const errors = eigenvalueErrors(truth, eigenvalues(transition, 4));
  assertEquals(errors.map((error) => (100 * error).toFixed(1)), ["0.3", "0.5"]);
});

Deno.test("a planted cohort is a function of its seed, and its states have the dynamics asked for", async () => {
  const options = {
    runs: 3,
    frames: 2000,
    spatialShape: [2, 3, 2],
    moduli: [0.9],
    angles: [0.5],
    seed: 3,
  } as const;
  const cohort = plantedCohort(options);
  const again = plantedCohort(options);
  const first = async (of: typeof cohort) => (await of.subjects[2].open()).readFrame(399);
  assertEquals(await first(cohort), await first(again));
  assert((await first(plantedCohort({ ...options, seed: 4 })))[0] !== (await first(cohort))[0]);
  const runs = [0, 1, 2].map((n) => ({
    states: (cohort.latents.data as Float64Array).subarray(n * 4000, (n + 1) * 4000),
  }));
  const { modes: [mode] } = reportDynamics(runs, 2)!;
  assertAlmostEquals(mode.modulus, 0.9, 0.01);
  assertAlmostEquals(mode.period, 2 * Math.PI / 0.5, 0.5);
  const mean = (values: Float64Array) => values.reduce((a, b) => a + b * b, 0) / values.length;
  assertAlmostEquals(mean(cohort.latents.data as Float64Array), 1, 0.12);
  assertThrows(() => plantedCohort({ moduli: [1] }), Error, "moduli");
  assertThrows(() => plantedCohort({ moduli: [0.5] }), Error, "1 moduli and 2 angles");
});

Deno.test("planted groups differ in their dynamics alone: the maps are the same", async () => {
  const pair = (label: string, modulus: number) => ({
    label,
    runs: 2,
    moduli: [modulus],
    angles: [0.3],
  });
  const options = { frames: 300, spatialShape: [3, 3, 2], snr: 1e6, nonlinearity: 0 } as const;
  const cohort = plantedCohort({ ...options, groups: [pair("CN", 0.95), pair("AD", 0.5)] });
  assertEquals(cohort.subjects.map(({ label }) => label), ["CN", "CN", "AD", "AD"]);
  const moduli = [0, 1].map((g) => {
    const data = cohort.latents.data as Float64Array;
    const runs = [2 * g, 2 * g + 1].map((n) => ({ states: data.subarray(n * 600, (n + 1) * 600) }));
    return reportDynamics(runs, 2)!.modes[0].modulus;
  });
  assertAlmostEquals(moduli[0], 0.95, 0.03);
  assertAlmostEquals(moduli[1], 0.5, 0.1);
  // Two maps span every frame of every group.
  const frames = await Promise.all(cohort.subjects.map(async (subject) => {
    const run = await subject.open();
    return [0, 150, 299].map((t) => Float64Array.from(run.readFrame(t), (value) => value - 1000));
  }));
  const [a, b, ...others] = frames.flat();
  const basis = { data: interleaved([a, b]), shape: [18, 2] };
  const rest = { data: interleaved(others), shape: [18, others.length] };
  latentRecovery(rest, basis).forEach((r2) => assertAlmostEquals(r2, 1, 1e-3));
});

/** Columns of a matrix as one row-major array. */
function interleaved(columns: readonly Float64Array[]): Float64Array {
  return Float64Array.from(
    { length: columns[0].length * columns.length },
    (_, i) => columns[i % columns.length][Math.floor(i / columns.length)],
  );
}

Deno.test("recovery: any invertible mixture with an offset gives the states back, noise does not", () => {
  const truth = { data: Float64Array.from(RandomStream.fromSeed(1).normals(300)), shape: [100, 3] };
  const mixed = Float64Array.from(truth.data, (_, i) => {
    const [a, b, c] = truth.data.subarray(i - i % 3, i - i % 3 + 3);
    return [a + b + 5, 2 * b - c, a - 3 * c][i % 3];
  });
  latentRecovery(truth, { data: mixed, shape: [100, 3] }).forEach((r2) =>
    assertAlmostEquals(r2, 1, 1e-12)
  );
  const noise = { data: RandomStream.fromSeed(2).normals(300), shape: [100, 3] };
  latentRecovery(truth, noise).forEach((r2) => assert(r2 < 0.2));
  assertThrows(
    () => latentRecovery(truth, { data: noise.data, shape: [300, 1] }),
    Error,
    "300 frames",
  );
});

Deno.test("intervals hold the true modulus as often as they say, for noise in the dynamics alone", () => {
  const stream = RandomStream.fromSeed(11);
  let held = 0;
  for (let trial = 0; trial < 60; trial++) {
    const draws = stream.split(trial).normals(2 * 600);
    const states = new Float64Array(draws.length);
    for (let t = 1; t < 600; t++) {
      const [a, b] = states.subarray(2 * t - 2);
      states[2 * t] = 0.9 * (Math.cos(0.4) * a - Math.sin(0.4) * b) + draws[2 * t];
      states[2 * t + 1] = 0.9 * (Math.sin(0.4) * a + Math.cos(0.4) * b) + draws[2 * t + 1];
    }
    const { modes: [mode] } = reportDynamics([{ states }], 2, { seed: trial })!;
    const [low, high] = mode.modulusInterval;
    if (low <= 0.9 && 0.9 <= high) held++;
    assert(low < mode.modulus && mode.modulus < high);
    assertEquals(mode.timeConstantInterval, [timeConstant(low), timeConstant(high)]);
  }
  // 95 % of 60 is 57; fewer than 52 or all happen with a probability of about 1 % and 5 %.
  assert(held >= 52, `${held} of 60`);
});

Deno.test("a mode that does not decay has no time constant; dimensions that do not move have no dynamics", () => {
  assertEquals([timeConstant(1), timeConstant(1.2), timeConstant(0)], [Infinity, Infinity, 0]);
  assertAlmostEquals(timeConstant(Math.exp(-0.25)), 4, 1e-12);
  assertEquals(reportDynamics([{ states: new Float64Array(200) }], 2), null);
  assertEquals(reportDynamics([{ states: Float64Array.of(1, 2, 3) }], 1), null);
});

Deno.test("Cholesky: L·Lᵀ is the matrix, L·L⁻¹ the identity, what is not positive definite has none", () => {
  const matrix = Float64Array.of(4, 2, -1, 2, 5, 0.5, -1, 0.5, 3);
  const lower = cholesky(matrix, 3)!;
  const times = (a: ArrayLike<number>, b: ArrayLike<number>, transpose: boolean) =>
    Array.from({ length: 9 }, (_, i) =>
      [0, 1, 2].reduce((sum, k) => {
        const [row, column] = [Math.floor(i / 3), i % 3];
        return sum + a[row * 3 + k] * (transpose ? b[column * 3 + k] : b[k * 3 + column]);
      }, 0));
  assertClose(times(lower, lower, true), matrix, { tolerance: 1e-14 });
  assertClose(times(lower, lowerInverse(lower, 3), false), [1, 0, 0, 0, 1, 0, 0, 0, 1], {
    tolerance: 1e-14,
  });
  assertEquals(cholesky(Float64Array.of(1, 2, 2, 1), 2), null);
});
