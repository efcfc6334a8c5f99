/**
 * From a folder of NIfTI files to held-out scores and weights for PyTorch.
 *
 * Run with: deno run --allow-read=data,runs --allow-write=runs examples/own_scans.ts data/haxby2001 runs/own_scans
 */
import {
  buildDataLoader,
  cohortFromDirectories,
  createSchedule,
  evaluateHeldOut,
  fit,
  RecurrentVae,
  saveRun,
  selectBackend,
  selectSubjects,
  trainTestSplit,
} from "../mod.ts";

const [scans, out] = Deno.args;
await selectBackend("wasm");

// One group of scans; those of one person never end up on both sides (here: each scan for itself).
const cohort = await cohortFromDirectories({ runs: scans }, { groupBy: "scan" });
const split = trainTestSplit(cohort.subjects.map(({ group }) => group), { seed: 1 });
const train = await buildDataLoader(selectSubjects(cohort, split.train), {
  batchSize: 2,
  normalization: "train-residual",
});
const heldOut = await buildDataLoader(selectSubjects(cohort, split.test), {
  normalization: train.normalization,
});

const epochs = 10;
const model = new RecurrentVae(
  { spatialShape: train.spatialShape, tolTime: 60, normalization: "group", sigX: 0.1 },
  { subjects: train.subjects },
);
await fit(model, train, {
  optimiser: "adamw",
  schedule: createSchedule("cosine", { learningRate: 5e-3, epochs }),
  epochs,
  log: console.log,
});

const rows = split.test.map((_, row) => row);
const { reconMse, zeroOffsetMse } = await evaluateHeldOut(model, heldOut.batch(rows), {
  innerSteps: 20,
});
console.log(
  `held-out mean squared error: ${zeroOffsetMse.toFixed(4)} with z = 0, ` +
    `${reconMse.toFixed(4)} with z fitted`,
);
await saveRun(out, model, { config: { ...model.config }, epoch: epochs });
console.log(`weights in ${out}/weights.safetensors`);
