import { ConfigError } from "../../src/base/errors.ts";
import type { MaskedRun } from "../../src/base/masked_run.ts";
import type { FloatArray } from "../../src/base/arrays.ts";
import { assert, assertAlmostEquals, assertEquals, assertRejects } from "../../src/deps/std.ts";
import { fitLinearStart, type LinearStartOptions } from "../../src/linalg/linear_start.ts";
import { leastSquaresFit, ridgeTransition } from "../../src/linalg/run_transition.ts";
import { assertClose } from "../support/closeness.ts";
import { LaggedFixture } from "../support/lagged_fixtures.ts";

const V = 432;
const FRAMES = 20;

function runsOf(values: FloatArray, voxels = V, frames = FRAMES): MaskedRun[] {
  const size = voxels * frames;
  return Array.from(
    { length: values.length / size },
    (_, n) => runOf(values.slice(n * size, (n + 1) * size), voxels),
  );
}

/** Frames in one buffer that the next read overwrites, as a loader's. */
function runOf(values: FloatArray, voxels: number): MaskedRun {
  const buffer = new Float64Array(values.length);
  return {
    frames: values.length / voxels,
    read(start, count) {
      buffer.fill(NaN);
      buffer.set(values.subarray(start * voxels, (start + count) * voxels));
      return buffer.subarray(0, count * voxels);
    },
  };
}

async function compareStart(options: Partial<LinearStartOptions>) {
  const fixture = new LaggedFixture("start");
  const runs = runsOf(fixture.floats("frames").data);
  const found = await fitLinearStart(runs, { latentDim: 4, ...options });
  const compare = (name: string, values: ArrayLike<number>) =>
    fixture.compare(`start/${name}`, values, { float64: true });
  compare("singular_values", found.singularValues);
  compare("s2", [found.residualVariance]);
  compare("voxel_mean", found.mean);
  compare("W", found.decoder);
  compare("P", found.encoder);
  compare("b", found.bias);
  compare("c", found.logVariance);
  compare("log_sig_x", [found.logNoise]);
  compare("H", found.states.flatMap(({ states }) => [...states]));
  compare("U", found.lag);
  compare("F", found.transition);
  compare("q", found.transitionNoise);
  assertEquals(fixture.untouched().filter((name) => name.startsWith("start/")), []);
}

for (const gram of ["voxels", "frames"] as const) {
  for (const blockFrames of [7, 100]) {
    Deno.test(`golden: the start by ${gram} in blocks of ${blockFrames} frames, every array at float64's tolerance`, async () => {
      await compareStart({ gram, blockFrames });
    });
  }
}

Deno.test("the smaller matrix is taken, and a subset of frames gives axes close to all frames'", async () => {
  const values = Float64Array.from({ length: 40 * 50 }, (_, i) => {
    const [t, v] = [Math.floor(i / 50), i % 50];
    return 5 * Math.sin(t * 0.7) * Math.cos(v) + 3 * Math.cos(t * 0.4) * Math.sin(2 * v) +
      0.01 * Math.sin(i * i);
  });
  const runs = [runOf(values, 50)];
  const all = await fitLinearStart(runs, { latentDim: 2 });
  assertEquals(all.singularValues.length, 40);
  const some = await fitLinearStart(runs, { latentDim: 2, pcaFrames: 20 });
  assertEquals(some.singularValues.length, 20);
  assertClose(some.encoder, all.encoder, { tolerance: 0.02 });
  assertClose(some.mean, all.mean, { tolerance: 1e-14 });
});

Deno.test("missing frames count nowhere: their values change nothing, and pairs across them are no pairs", async () => {
  const fixture = new LaggedFixture("start");
  const values = Float64Array.from(fixture.floats("frames").data);
  const observed = new Float32Array(FRAMES).fill(1);
  observed[0] = 0;
  observed[9] = 0;
  const withGap = () => runsOf(values).map((run, n) => n === 1 ? { ...run, observed } : run);
  const before = await fitLinearStart(withGap(), { latentDim: 3 });
  for (const t of [0, 9]) values.fill(1e6 + t, (FRAMES + t) * V, (FRAMES + t + 1) * V);
  const after = await fitLinearStart(withGap(), { latentDim: 3 });
  assertEquals(after, before);
  const { rows } = ridgeTransition(before.states, 3, { rho: 1e-3 });
  // 60 frames less 2 missing ones and the 2 after them.
  assertEquals(rows, 56);
  const squares = before.states.flatMap(({ states }) => [...states]).filter((_, i) => i % 3 === 0);
  assertAlmostEquals(squares.reduce((sum, h) => sum + h * h, 0) / 58, 1, 1e-10);
});

Deno.test("the lag path is the minimiser: moving U along any direction raises the penalised error", async () => {
  const fixture = new LaggedFixture("start");
  const runs = runsOf(fixture.floats("frames").data);
  const found = await fitLinearStart(runs, { latentDim: 4, lagPenalty: 0.5 });
  const lossOf = async (lag: Float64Array) => {
    let loss = 0.5 * 60 * lag.reduce((sum, u) => sum + u * u, 0);
    for (const [n, run] of runs.entries()) {
      const x = (await run.read(0, FRAMES)).slice();
      const { states } = found.states[n];
      for (let t = 0; t < FRAMES; t++) {
        for (let v = 0; v < V; v++) {
          let r = found.mean[v];
          for (let d = 0; d < 4; d++) {
            r += found.decoder[v * 4 + d] * states[t * 4 + d];
            if (t > 0) r += lag[v * 4 + d] * states[(t - 1) * 4 + d];
          }
          loss += (x[t * V + v] - r) ** 2;
        }
      }
    }
    return loss;
  };
  const least = await lossOf(found.lag);
  for (const step of [1e-3, -1e-3]) {
    for (const seed of [1, 2]) {
      const moved = found.lag.map((u, i) => u + step * Math.sin(seed * 37 * i + 1));
      assert(await lossOf(moved) > least);
    }
  }
});

Deno.test("too many latent dimensions and frames that do not vary are refused by the name of the setting", async () => {
  const values = Float64Array.from({ length: 6 * 9 }, (_, i) => Math.sin(3 * i));
  const refused = async (runs: MaskedRun[], latentDim: number) =>
    (await assertRejects(() => fitLinearStart(runs, { latentDim }), ConfigError, "latentDim is"))
      .field;
  assertEquals(await refused([runOf(values, 9)], 6), "latentDim");
  assertEquals(await refused([runOf(values, 6)], 6), "latentDim");
  assertEquals(await refused([], 1), "latentDim");
  // Two rows repeated: one axis about the mean.
  const flat = Float64Array.from(
    { length: 6 * 9 },
    (_, i) => Math.floor(i / 9) % 2 === 0 ? i % 9 : 1,
  );
  assertEquals(await refused([runOf(flat, 9)], 2), "latentDim");
});

Deno.test("least squares on centred pairs finds F whatever the mean of the states; the ridge does not", () => {
  const F = [0.9, -0.2, 0.2, 0.9];
  const states = new Float64Array(2 * 200);
  states.set([1, 0]);
  for (let t = 1; t < 200; t++) {
    const [a, b] = states.subarray(2 * t - 2);
    states[2 * t] = F[0] * a + F[1] * b + Math.sin(1.7 * t * t);
    states[2 * t + 1] = F[2] * a + F[3] * b + Math.cos(2.3 * t * t);
  }
  const shifted = states.map((value) => value + 50);
  const found = leastSquaresFit([{ states: shifted }], 2)!.transition;
  assertClose(found, leastSquaresFit([{ states }], 2)!.transition, { tolerance: 1e-9 });
  assertClose(found, F, { tolerance: 0.15 });
  const { transition } = ridgeTransition([{ states: shifted }], 2, { rho: 1e-3 });
  assert(Math.abs(transition[1] - F[1]) > 0.1, `${transition}`);
  assertEquals(leastSquaresFit([{ states: states.slice(0, 6) }], 2), null);
});
