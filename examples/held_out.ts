/**
 * Trains on some runs and scores the others: offsets fitted with both objectives, and the baselines a
 * model has to beat.
 *
 * Run with: deno run --allow-read=data examples/held_out.ts
 */
import {
  buildDataLoader,
  cohortFromDirectories,
  compareWithBaselines,
  evaluateHeldOut,
  fit,
  RecurrentVae,
  selectBackend,
  selectSubjects,
  trainTestSplit,
} from "../mod.ts";

await selectBackend();
const cohort = await cohortFromDirectories(
  { viewing: "data/haxby2001" },
  { groupBy: "scan", tolTime: 60 }, // all runs are of one person: here a scan is a group of its own
);
const split = trainTestSplit(cohort.subjects.map(({ group }) => group));
const train = await buildDataLoader(selectSubjects(cohort, split.train), {
  normalization: "train-residual",
  batchSize: 1,
});
const test = await buildDataLoader(selectSubjects(cohort, split.test), {
  normalization: train.normalization, // what was fitted to the training runs
});
const model = new RecurrentVae(
  {
    spatialShape: train.spatialShape,
    tolTime: 60,
    normalization: "group",
    sigX: 0.1,
    lambdaZ: 0.1,
  },
  { subjects: train.subjects },
);
await fit(model, train, { optimiser: "adamw", learningRate: 5e-3, epochs: 30 });

const heldOut = test.batch([0, 1]);
for (const objective of ["training", "original"] as const) {
  const options = { objective, start: "zeros", innerSteps: 20 } as const;
  const { reconMse, zeroOffsetMse } = await evaluateHeldOut(model, heldOut, options);
  console.log(`${objective} objective: ${zeroOffsetMse.toFixed(6)} → ${reconMse.toFixed(6)}`);
}
const training = [...train.batches(0)];
const scores = await compareWithBaselines(model, { training, heldOut: [heldOut] });
for (const name of ["trainingMean", "model", "pca", "ownMean"] as const) {
  console.log(`${name.padEnd(12)} mse ${scores[name].mse.toFixed(6)}`);
}
