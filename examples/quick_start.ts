/**
 * The library in ten lines: a synthetic cohort, a model, training, latents.
 *
 * Run with: deno run examples/quick_start.ts (no permission is needed)
 */
import {
  buildDataLoader,
  evaluate,
  fit,
  RecurrentVae,
  selectBackend,
  syntheticCohort,
} from "../mod.ts";

await selectBackend("wasm");
const cohort = syntheticCohort({ nCn: 3, nAd: 3, spatialShape: [17, 19, 17], frames: 12 });
const loader = await buildDataLoader(cohort);
const model = new RecurrentVae(
  { spatialShape: loader.spatialShape, tolTime: loader.frames },
  { subjects: loader.subjects },
);
const { trainLossHistory } = await fit(model, loader, {
  optimiser: "adamw",
  learningRate: 1e-3,
  epochs: 5,
});
const { h } = await evaluate(model, loader.batch([0]));
console.log(`loss ${trainLossHistory.map((loss) => loss.toFixed(1)).join(" -> ")}`);
console.log(`latent states of the first subject: [${h.shape}]`);
