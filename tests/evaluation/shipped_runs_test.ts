/** What the linear methods score on the runs that ship with the project: figures of an independent program, to 0.1 points. */
import { openMask } from "../../src/data/mask.ts";
import { cohortFromFiles, selectSubjects } from "../../src/data/cohort.ts";
import { voxelIndex } from "../../src/data/data_mask.ts";
import { buildDataLoader } from "../../src/data/loader.ts";
import { maskedRuns } from "../../src/data/masked_runs.ts";
import { assert, assertAlmostEquals, assertEquals } from "../../src/deps/std.ts";
import { fitLinearMethods, scoreLinearMethods } from "../../src/evaluation/linear_methods.ts";
import { fitLinearStart } from "../../src/linalg/linear_start.ts";

const FOLDER = new URL("../../data/haxby2001/", import.meta.url).pathname;
const files = Array.from(
  { length: 8 },
  (_, n) => `${FOLDER}sub-1_task-objectviewing_run-0${n + 1}_bold.nii.gz`,
);
const cohort = await cohortFromFiles(files, { tolTime: 120 });
const mask = await openMask(`${FOLDER}masks/sub-1_desc-brain_mask.nii.gz`, cohort.spatialShape);

/** Held out {1,2} {3,4} {5,6} {7,8}, in percent. */
const EXPECTED = {
  pca: [27.7, 29.5, 29.8, 25.9],
  pcaLag: [27.94, 29.88, 30.39, 26.30],
  persistence: [-24, -33, -34, -30],
  voxelAr1: [16.6, 13.6, 12.6, 13.9],
  pcaVar1: [11.7, 11.8, 11.8, 8.0],
} as const;
const TOLERANCE = { pca: 0.06, pcaLag: 0.006, persistence: 0.6, voxelAr1: 0.06, pcaVar1: 0.06 };

Deno.test("the linear methods on the shipped runs score what they should, fold by fold", async () => {
  for (const fold of [0, 1, 2, 3]) {
    const test = [2 * fold, 2 * fold + 1];
    const rest = cohort.subjects.map((_, row) => row).filter((row) => !test.includes(row));
    const train = await buildDataLoader(selectSubjects(cohort, rest), {
      normalization: "run-z-score",
      mask,
    });
    const heldOut = await buildDataLoader(selectSubjects(cohort, test), {
      normalization: train.normalization,
    });
    const voxels = voxelIndex(mask);
    const training = maskedRuns(rest.map((_, row) => train.batch([row])), voxels);
    const start = await fitLinearStart(training, { latentDim: 10 });
    const scores = await scoreLinearMethods(
      maskedRuns([heldOut.batch([0]), heldOut.batch([1])], voxels),
      await fitLinearMethods(training, start),
    );
    for (const [name, values] of Object.entries(EXPECTED)) {
      const method = name as keyof typeof EXPECTED;
      assertAlmostEquals(
        100 * scores[method].share,
        values[fold],
        TOLERANCE[method],
        `${name}, fold ${fold}`,
      );
    }
  }
});

Deno.test("the mask found on the shipped runs has 111 voxels and a Dice coefficient of 0.77 with the brain's", async () => {
  const loader = await buildDataLoader(cohort, { normalization: "run-z-score" });
  assert(loader.normalization.kind === "run-z-score");
  const { inside } = loader.normalization.mask;
  const found = voxelIndex(inside);
  const both = found.filter((voxel) => mask[voxel] === 1).length;
  assertEquals([found.length, voxelIndex(mask).length], [111, 129]);
  assertEquals((2 * both / (111 + 129)).toFixed(2), "0.77");
});
