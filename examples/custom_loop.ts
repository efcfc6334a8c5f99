/**
 * The training loop written out: gradients, an update, the transition matrix. `fit` does the same
 * and more; this is for what it cannot do.
 *
 * Run with: deno run examples/custom_loop.ts
 */
import {
  buildDataLoader,
  createOptimiser,
  createSchedule,
  RandomStream,
  RecurrentVae,
  selectBackend,
  syntheticCohort,
} from "../mod.ts";

await selectBackend("wasm");
const cohort = syntheticCohort({ frames: 8, spatialShape: [16, 16, 16] });
const loader = await buildDataLoader(cohort, { batchSize: 8 });
const { spatialShape, subjects } = loader;
const model = new RecurrentVae({ spatialShape, tolTime: 8, lambdaZ: 0.1 }, { subjects });
const optimiser = createOptimiser("sgd", model.variables, { momentum: 0.9 });
const schedule = createSchedule("warmup-cosine", { learningRate: 2e-5, epochs: 12, warmup: 3 });
const noise = RandomStream.fromSeed(2022).split("my noise");

for (let epoch = 0; epoch < 12; epoch++) {
  for (const batch of loader.batches(epoch)) {
    model.train();
    const { losses, gradients, states } = await model.computeGradients(batch, {
      noise: noise.split(epoch),
    });
    const rate = schedule.rateAt({ epoch, step: optimiser.stepCount });
    optimiser.step(gradients, rate);
    for (const gradient of gradients.values()) gradient.dispose();
    // One batch holds all subjects here, in the order of batch.subjects; F does not mind the order.
    model.updateTransitionMatrix(states);
    console.log(
      `epoch ${epoch + 1}, rate ${rate.toExponential(2)}: loss ${losses.loss.toFixed(2)}`,
    );
  }
}
