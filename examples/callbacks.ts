/**
 * Shapes a training run from outside: a learning-rate schedule of one's own, a callback, validation on held-out
 * subjects, early stopping.
 *
 * Run with: deno run examples/callbacks.ts
 */
import {
  buildDataLoader,
  evaluate,
  fit,
  RecurrentVae,
  selectBackend,
  selectSubjects,
  splitSubjects,
  syntheticCohort,
} from "../mod.ts";

await selectBackend();
const cohort = syntheticCohort({ nCn: 4, nAd: 4, frames: 8, spatialShape: [16, 16, 16] });
const [{ train, test }] = splitSubjects(cohort.subjects.length, 4);
const loader = await buildDataLoader(selectSubjects(cohort, train));
const heldOut = await buildDataLoader(selectSubjects(cohort, test));
const { spatialShape, frames, subjects } = loader;
const model = new RecurrentVae(
  { spatialShape, tolTime: frames, normalization: "group", lambdaZ: 0.1 },
  { subjects },
);
const { ended, metrics } = await fit(model, loader, {
  epochs: 40,
  optimiser: "adam",
  schedule: { name: "constant", rateAt: ({ step }) => 0.02 / (1 + step / 10) },
  async validate() {
    const { losses } = await evaluate(model, heldOut.batch([0, 1]));
    return { heldOutLoss1: losses.loss1 };
  },
  earlyStopping: { monitor: "heldOutLoss1", patience: 3 },
  callbacks: [
    (epoch, { loss, heldOutLoss1 }) =>
      console.log(
        `epoch ${epoch + 1}: loss ${loss.toFixed(2)}, held out ${heldOutLoss1.toFixed(2)}`,
      ),
  ],
});
console.log(`ended after ${metrics.length} epochs: ${ended}`);
