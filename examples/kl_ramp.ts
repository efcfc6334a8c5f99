/**
 * The KL divergence as temporal loss, its weight raised from 0 over the first third of the epochs, beside the
 * squared distance of the original [recurrent-vae §4, §8]: the first keeps the posterior wide, the second narrows it.
 *
 * Run with: deno run examples/kl_ramp.ts
 */
import {
  buildDataLoader,
  evaluate,
  fit,
  klRamp,
  RecurrentVae,
  selectBackend,
  syntheticCohort,
} from "../mod.ts";

await selectBackend();
const cohort = syntheticCohort({ nCn: 2, nAd: 2, frames: 12, spatialShape: [16, 16, 16] });
const loader = await buildDataLoader(cohort);
const { spatialShape, frames, subjects } = loader;
const epochs = 36;
for (const temporalLoss of ["squared", "kl"] as const) {
  const model = new RecurrentVae(
    { spatialShape, tolTime: frames, temporalLoss, normalization: "group", lambdaZ: 0.1 },
    { subjects },
  );
  await fit(model, loader, {
    optimiser: "adam",
    learningRate: 1e-2,
    epochs,
    klWeight: (epoch) => klRamp(epoch, epochs, { fraction: 1 / 3 }),
  });
  const { posteriorLogVar, losses } = await evaluate(model, loader.batch([0, 1, 2, 3]));
  const deviations = Array.from(posteriorLogVar.data, (value) => Math.exp(value / 2));
  const width = deviations.reduce((sum, value) => sum + value) / deviations.length;
  const { loss1, loss2 } = losses;
  console.log(
    `${temporalLoss}: loss1 ${loss1.toFixed(1)}, loss2 ${loss2.toFixed(2)}, width ${
      width.toFixed(3)
    }`,
  );
}
