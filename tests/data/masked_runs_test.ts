import { cohortFromVolumes } from "../../src/data/cohort.ts";
import { voxelIndex } from "../../src/data/data_mask.ts";
import { buildDataLoader } from "../../src/data/loader.ts";
import { maskedRuns } from "../../src/data/masked_runs.ts";
import { assertEquals } from "../../src/deps/std.ts";
import { fitLinearStart } from "../../src/linalg/linear_start.ts";
import { LaggedFixture } from "../support/lagged_fixtures.ts";

const GRID = [9, 8, 10] as const;
const VOXELS = 720;

Deno.test("golden: the start from raw frames through a loader, in batches of one and of two runs", async () => {
  const fixture = new LaggedFixture("start");
  const index = fixture.integers("voxel_index");
  const mask = new Float32Array(VOXELS);
  index.forEach((voxel) => mask[voxel] = 1);
  const data = Float32Array.from(fixture.runs("raw").flatMap((run) => [...run]));
  const [X, Y, Z] = GRID;
  const cohort = cohortFromVolumes({ data, shape: [3, 20, Z, Y, X, 1] });
  const loader = await buildDataLoader(cohort, { normalization: "run-z-score", mask });
  for (const rows of [[[0], [1], [2]], [[0, 1], [2]]]) {
    const runs = maskedRuns(rows.map((batch) => loader.batch(batch)), voxelIndex(mask));
    assertEquals(runs.length, 3);
    const found = await fitLinearStart(runs, { latentDim: 4, blockFrames: 7 });
    fixture.compare("start/W", found.decoder);
    fixture.compare("start/P", found.encoder);
    fixture.compare("start/U", found.lag);
    fixture.compare("start/F", found.transition);
    fixture.compare("start/q", found.transitionNoise);
    fixture.compare("start/c", found.logVariance);
    fixture.compare("start/s2", [found.residualVariance]);
    fixture.compare("start/H", found.states.flatMap(({ states }) => [...states]));
  }
});

Deno.test("voxels are numbered x fastest, on a grid of three different sides", async () => {
  const [X, Y, Z] = [2, 3, 4];
  const data = Float32Array.from({ length: 2 * X * Y * Z }, (_, i) => i);
  const cohort = cohortFromVolumes({ data, shape: [1, 2, Z, Y, X, 1] });
  const loader = await buildDataLoader(cohort, { normalization: "none" });
  const mask = new Uint8Array(X * Y * Z);
  const place = (x: number, y: number, z: number) => x + X * (y + Y * z);
  for (const [x, y, z] of [[1, 2, 3], [1, 0, 0], [0, 1, 2]]) mask[place(x, y, z)] = 1;
  const voxels = voxelIndex(mask);
  assertEquals([...voxels], [1, 14, 23]);
  const [run] = maskedRuns([loader.batch([0])], voxels);
  assertEquals([...await run.read(1, 1)], [25, 38, 47]);
  assertEquals([...await run.read(0, 2)], [1, 14, 23, 25, 38, 47]);
});
