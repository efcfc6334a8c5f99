import { FormatError, ShapeError } from "../../src/base/errors.ts";
import { type Cohort, memoryFrames } from "../../src/data/cohort.ts";
import { voxelIndex } from "../../src/data/data_mask.ts";
import { buildDataLoader } from "../../src/data/loader.ts";
import {
  checkNormalization,
  invertScaling,
  normalizationToJson,
  parseNormalization,
} from "../../src/data/normalization.ts";
import { constantVoxels } from "../../src/data/run_scaling.ts";
import { type RunScaling, TrendGatherer } from "../../src/data/run_trend.ts";
import {
  assert,
  assertAlmostEquals,
  assertEquals,
  assertRejects,
  assertThrows,
} from "../../src/deps/std.ts";
import { LaggedFixture } from "../support/lagged_fixtures.ts";

const GRID = [9, 8, 10] as const;
const VOXELS = 720;
const FRAMES = 20;
const start = new LaggedFixture("start");
const scores = new LaggedFixture("scores");
const index = start.integers("voxel_index");
const mask = new Float32Array(VOXELS);
index.forEach((voxel) => mask[voxel] = 1);

function cohortOf(runs: readonly Float32Array[], frames = FRAMES): Cohort {
  const subjects = runs.map((run, n) => ({
    id: `run-${n}`,
    label: "",
    group: `run-${n}`,
    open: () =>
      Promise.resolve(memoryFrames(run, { source: `run-${n}`, spatialShape: GRID, frames })),
  }));
  return { subjects, spatialShape: GRID, frames };
}

/** All runs as `[N, T, V]`. */
function masked(runs: readonly ArrayLike<number>[]): Float64Array {
  return Float64Array.from(
    runs.flatMap((run) =>
      Array.from({ length: FRAMES }, (_, t) => Array.from(index, (v) => run[t * VOXELS + v])).flat()
    ),
  );
}

Deno.test("golden: run-z-score gives the fixture's frames, means, slopes and deviations", async () => {
  const raw = start.runs("raw");
  using loader = disposable(
    await buildDataLoader(cohortOf(raw), { normalization: "run-z-score", mask }),
  );
  const frames = raw.map((_, row) => loader.batch([row]).read(0, FRAMES).slice());
  start.compare("frames", masked(frames));
  const trends = loader.scalings as readonly RunScaling[];
  start.compare("run_mean", trends.flatMap(({ mean }) => [...mean]));
  start.compare("run_slope", trends.flatMap(({ slope }) => [...slope]));
  start.compare("run_sd", trends.flatMap(({ divisor }) => [...divisor]));
  assertEquals(trends.map(constantVoxels), [2, 1, 1]);
  for (const [row, frame] of frames.entries()) {
    frame.forEach((value, i) => assert(mask[i % VOXELS] === 1 || value === 0, "outside is 0"));
    const back = invertScaling(frame, trends[row]);
    back.forEach((value, i) => {
      assertAlmostEquals(
        value,
        mask[i % VOXELS] === 1 ? raw[row][i] : 0,
        1e-4 * (1 + Math.abs(value)),
      );
    });
  }
});

Deno.test("golden: a held-out run is scaled by its own numbers, and from its file as from memory", async () => {
  const training = await buildDataLoader(cohortOf(start.runs("raw")), {
    normalization: "run-z-score",
    mask,
  });
  const stored = parseNormalization(
    JSON.parse(JSON.stringify(normalizationToJson(training.normalization))),
  );
  checkNormalization(training.normalization, stored);
  for (const memoryBudget of [0, 2 ** 30]) {
    const heldOut = await buildDataLoader(cohortOf(scores.runs("raw")), {
      normalization: stored,
      memoryBudget,
    });
    assertEquals(heldOut.cached, memoryBudget > 0);
    const frames = [0, 1].map((row) => {
      const parts = [[0, 7], [7, 13]].map(([from, count]) =>
        heldOut.batch([row]).read(from, count).slice()
      );
      return parts.flatMap((part) => [...part]);
    });
    scores.compare("frames", masked(frames));
    heldOut.close();
  }
  training.close();
});

Deno.test("golden: run-detrend, its grand means and root mean square", async () => {
  const raw = start.runs("raw");
  using loader = disposable(
    await buildDataLoader(cohortOf(raw), { normalization: "run-detrend", mask }),
  );
  const { normalization } = loader;
  assert(normalization.kind === "run-detrend");
  start.compare("detrend/rms", [normalization.rms]);
  const frames = raw.map((_, row) => loader.batch([row]).read(0, FRAMES).slice());
  start.compare("detrend/frames", masked(frames));
  const trends = loader.scalings as readonly RunScaling[];
  const grandMeans = trends.map(({ mean }) => mean.reduce((a, b) => a + b) / mean.length);
  start.compare("detrend/grand_mean", grandMeans);
  const back = invertScaling(frames[2], trends[2]);
  index.forEach((v) => assertAlmostEquals(back[v], raw[2][v], 1e-3));
});

Deno.test("run-z-score: missing frames are left out of the trend, whose time is theirs", () => {
  // x = 3 + 2·t at the observed frames 1, 2, 5: mean 3 + 2·8/3, slope 2, nothing left.
  const gatherer = new TrendGatherer(Int32Array.of(1));
  const run = { source: "run", spatialShape: [2, 1, 1] as const };
  for (const t of [1, 2, 5]) gatherer.add(Float32Array.of(NaN, 3 + 2 * t), { run, t });
  const { mean, slope, sd, centre, frames } = gatherer.finish();
  assertAlmostEquals(mean[0], 3 + 16 / 3, 1e-12);
  assertAlmostEquals(slope[0], 2, 1e-12);
  assertAlmostEquals(centre, 8 / 3, 1e-12);
  assertEquals([sd[0], frames], [0, 3]);
});

Deno.test("run-z-score: a run of one frame is 0 everywhere", async () => {
  const raw = start.runs("raw");
  const loader = await buildDataLoader(cohortOf([raw[0]], 1), {
    normalization: "run-z-score",
    mask,
  });
  assertEquals(loader.batch([0]).read(0, 1), new Float32Array(VOXELS));
});

Deno.test("run-z-score: what is not finite inside the mask is refused with run, frame and voxel", async () => {
  const raw = start.runs("raw");
  const [voxel] = index;
  raw[1][3 * VOXELS + voxel] = NaN;
  const place = `frame 3, voxel (${voxel % 9}, ${Math.floor(voxel / 9) % 8}, ${
    Math.floor(voxel / 72)
  })`;
  for (const memoryBudget of [0, 2 ** 30]) {
    const fault = await assertRejects(
      () => buildDataLoader(cohortOf(raw), { normalization: "run-z-score", mask, memoryBudget }),
      FormatError,
      place,
    );
    assertEquals(fault.source, "run-1");
  }
  const gatherer = new TrendGatherer(index);
  const run = { source: "run-1", spatialShape: GRID };
  const frame = raw[1].subarray(3 * VOXELS, 4 * VOXELS);
  assertThrows(() => gatherer.add(frame, { run, t: 3 }), FormatError, `${place}, inside the mask`);
});

Deno.test("run-z-score: without a mask, voxels above a fifth of the 98th percentile of the mean image", async () => {
  const { voxels, values } = { voxels: VOXELS, values: new Float32Array(VOXELS * 2) };
  for (let i = 0; i < voxels; i++) {
    values[i] = i < 100 ? 1000 : i < 200 ? 201 : i < 300 ? 199 : 0;
    values[voxels + i] = values[i];
  }
  const loader = await buildDataLoader(cohortOf([values], 2), { normalization: "run-z-score" });
  assert(loader.normalization.kind === "run-z-score");
  const { inside, from } = loader.normalization.mask;
  assertEquals(from, "mean image");
  assertEquals(voxelIndex(inside), Int32Array.from({ length: 200 }, (_, i) => i));
});

Deno.test("run-z-score: centred data without a mask are used where they vary, and constant ones are refused", async () => {
  const values = new Float32Array(VOXELS * 2);
  for (const voxel of [3, 700]) {
    values[voxel] = -1;
    values[VOXELS + voxel] = 1;
  }
  const loader = await buildDataLoader(cohortOf([values], 2), { normalization: "run-z-score" });
  assert(loader.normalization.kind === "run-z-score");
  assertEquals(loader.normalization.mask.from, "varying voxels");
  assertEquals(voxelIndex(loader.normalization.mask.inside), Int32Array.of(3, 700));
  await assertRejects(
    () =>
      buildDataLoader(cohortOf([new Float32Array(VOXELS * 2)], 2), {
        normalization: "run-z-score",
      }),
    FormatError,
    "every voxel is constant in time",
  );
});

Deno.test("run-z-score: a mask of another size, a damaged one and percent of a centred run are refused", async () => {
  const raw = cohortOf(start.runs("raw"));
  await assertRejects(
    () => buildDataLoader(raw, { normalization: "run-z-score", mask: new Float32Array(5) }),
    ShapeError,
    "found 5 voxels, needs 720",
  );
  const centred = cohortOf(start.runs("raw").map((run) => run.map((value) => -Math.abs(value))));
  await assertRejects(
    () => buildDataLoader(centred, { normalization: "run-detrend", mask }),
    FormatError,
    "run-z-score",
  );
  const loader = await buildDataLoader(raw, { normalization: "run-z-score", mask });
  const json = normalizationToJson(loader.normalization);
  for (const change of [{ mask: "?" }, { voxels: 9 }, { maskFrom: "afar" }, { mask: "" }]) {
    assertThrows(() => parseNormalization({ ...json, ...change }), Error, "run-z-score");
  }
  const other = await buildDataLoader(raw, {
    normalization: "run-z-score",
    mask: mask.map((value, i) => i === index[0] ? 0 : value),
  });
  assertThrows(
    () => checkNormalization(loader.normalization, other.normalization),
    Error,
    "normalised by",
  );
});

function disposable<T extends { close(): void }>(value: T): T & Disposable {
  return Object.assign(value, { [Symbol.dispose]: () => value.close() });
}
