import type { FloatArray } from "../../src/base/arrays.ts";
import type { MaskedRun } from "../../src/base/masked_run.ts";
import { assertAlmostEquals, assertEquals, assertThrows } from "../../src/deps/std.ts";
import {
  fitLinearMethods,
  LINEAR_METHODS,
  scoreLinearMethods,
} from "../../src/evaluation/linear_methods.ts";
import { ModelScorer } from "../../src/evaluation/model_scorer.ts";
import { reportDynamics } from "../../src/evaluation/reported_dynamics.ts";
import { ResidualAutocorrelation } from "../../src/evaluation/residual_autocorrelation.ts";
import { VarianceExplained } from "../../src/evaluation/variance_explained.ts";
import { fitLinearStart } from "../../src/linalg/linear_start.ts";
import { LaggedFixture } from "../support/lagged_fixtures.ts";

const V = 432;
const FRAMES = 20;
const D = 4;

/** Runs of frames rounded to float32, as a loader gives them. */
function runsOf(values: FloatArray): MaskedRun[] {
  const rounded = Float32Array.from(values);
  const size = V * FRAMES;
  return Array.from({ length: values.length / size }, (_, n) => ({
    frames: FRAMES,
    read: (start: number, count: number) =>
      rounded.subarray(n * size + start * V, n * size + (start + count) * V),
  }));
}

const fixture = new LaggedFixture("scores");
const training = runsOf(new LaggedFixture("start").floats("frames").data);
const heldOut = runsOf(fixture.floats("frames").data);
const start = await fitLinearStart(training, { latentDim: D });

Deno.test("golden: all nine scores, AR(1), VAR(1) and the training mean", async () => {
  const methods = await fitLinearMethods(training, start);
  fixture.compare("ar1", methods.voxelAr1, { float64: true });
  fixture.compare("var1", methods.scoreTransition, { float64: true });
  fixture.compare("mean", start.mean);
  const linear = await scoreLinearMethods(heldOut, methods);
  assertEquals(Object.keys(linear), [...LINEAR_METHODS]);

  const phi = fixture.floats("phi").data;
  const scorer = new ModelScorer(start.mean, phi);
  const [recon, oneStep] = [fixture.floats("recon").data, fixture.floats("one_step").data];
  for (const [run, source] of heldOut.entries()) {
    const x = await source.read(0, FRAMES);
    for (let t = 0; t < FRAMES; t++) {
      const at = (values: FloatArray, row: number) => values.subarray(row * V, (row + 1) * V);
      const reconstruction = at(recon, run * FRAMES + t);
      // The fixture's prediction has φ's correction in it.
      const predicted = t === 0
        ? undefined
        : at(oneStep, run * (FRAMES - 1) + t - 1).map((value, v) =>
          value - phi[v] * (x[(t - 1) * V + v] - recon[(run * FRAMES + t - 1) * V + v])
        );
      scorer.add(at(x, t), { reconstruction, ...(predicted ? { predicted } : {}) }, { run, t });
    }
  }
  const { model, modelState, modelAhead } = scorer.result();
  const nine = [
    ...[linear.pca, linear.pcaLag, model, linear.persistence, linear.voxelAr1, linear.pcaVar1],
    ...[linear.pcaVar1Residual, modelState, modelAhead],
  ];
  fixture.compare("scores", nine.map(({ share }) => share), { float64: true });
  const printed = nine.map(({ share }) => (100 * share).toFixed(4));
  assertEquals(printed, [
    ...["60.9113", "60.9950", "60.4210", "-2.8646", "23.7493"],
    ...["48.1687", "49.0575", "47.5169", "48.4740"],
  ]);
});

Deno.test("golden: the reported F is least squares on centred training states", () => {
  const { data } = fixture.floats("train_states");
  const size = FRAMES * D;
  const runs = [0, 1, 2].map((n) => ({ states: data.subarray(n * size, (n + 1) * size) }));
  const { transition, pairs } = reportDynamics(runs, D)!;
  fixture.compare("F_ls", transition, { float64: true });
  assertEquals(pairs, 57);
});

Deno.test("with as many components as the frames have axes, PCA explains everything and the lag adds nothing", async () => {
  // Three voxels, two of which are mixtures of one series each.
  const values = Float32Array.from({ length: 3 * 30 }, (_, i) => {
    const [t, v] = [Math.floor(i / 3), i % 3];
    return [Math.sin(t), Math.cos(2.1 * t), Math.sin(t) + Math.cos(2.1 * t)][v];
  });
  const run: MaskedRun = {
    frames: 30,
    read: (s, count) => values.subarray(3 * s, 3 * (s + count)),
  };
  const exact = await fitLinearStart([run], { latentDim: 2 });
  const scores = await scoreLinearMethods([run], await fitLinearMethods([run], exact));
  assertAlmostEquals(scores.pca.share, 1, 1e-12);
  assertAlmostEquals(scores.pcaLag.share, 1, 1e-6);
});

Deno.test("missing frames are scored nowhere, and nothing is predicted from or to them", async () => {
  const observed = new Float32Array(FRAMES).fill(1);
  observed[3] = 0;
  const methods = await fitLinearMethods(training, start);
  const spoilt = (value: number): MaskedRun => ({
    frames: FRAMES,
    observed,
    async read(from, count) {
      const block = (await heldOut[0].read(from, count)).slice();
      for (let t = from; t < from + count; t++) {
        if (t === 3) block.fill(value, (t - from) * V, (t - from + 1) * V);
      }
      return block;
    },
  });
  const found = await scoreLinearMethods([spoilt(7)], methods);
  assertEquals(await scoreLinearMethods([spoilt(-1e5)], methods), found);
  const whole = await scoreLinearMethods([heldOut[0]], methods);
  LINEAR_METHODS.forEach((name) =>
    assertEquals(found[name].share === whole[name].share, false, name)
  );
});

Deno.test("the share of all runs is of sums, not a mean of shares; a run that does not vary has none", () => {
  const score = new VarianceExplained(Float64Array.of(0, 0));
  score.add(Float64Array.of(1, 1), Float64Array.of(1, 0), 0);
  score.add(Float64Array.of(3, 1), Float64Array.of(3, 1), 1);
  score.add(Float64Array.of(0, 0), Float64Array.of(0, 0), 2);
  const { share, runs } = score.result();
  assertAlmostEquals(share, 1 - 1 / 12, 1e-15);
  assertEquals(runs.slice(0, 2), [0.5, 1]);
  assertEquals(Number.isNaN(runs[2]), true);
  assertThrows(
    () => score.add(Float64Array.of(1), Float64Array.of(1, 1), 0),
    Error,
    "1 and 2 voxels",
  );
});

Deno.test("residual autocorrelation: pairs only within a run and without gaps, 0 where there is no residual", () => {
  const zero = Float64Array.of(0, 0);
  const phi = new ResidualAutocorrelation(2);
  const add = (value: number, run: number, t: number) =>
    phi.add(Float64Array.of(value, 0), zero, { run, t });
  add(2, 0, 0);
  add(1, 0, 1);
  add(9, 0, 3); // a gap
  add(4, 1, 0); // another run
  add(8, 1, 1);
  assertEquals([...phi.result()], [(2 * 1 + 4 * 8) / (4 + 16), 0]);
});
