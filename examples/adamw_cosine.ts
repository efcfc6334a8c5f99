/**
 * AdamW with a cosine schedule against plain SGD at the original's rate [recurrent-vae §8].
 *
 * Run with: deno run examples/adamw_cosine.ts
 */
import {
  buildDataLoader,
  createSchedule,
  fit,
  RecurrentVae,
  selectBackend,
  syntheticCohort,
} from "../mod.ts";

await selectBackend();
const cohort = syntheticCohort({ nCn: 2, nAd: 2, frames: 8, spatialShape: [16, 16, 16] });
const loader = await buildDataLoader(cohort, { batchSize: 2 });
const { spatialShape, frames, subjects } = loader;
const epochs = 10;
const runs = {
  "SGD 1e-6": { optimiser: "sgd", learningRate: 1e-6 },
  "AdamW 3e-3, cosine": {
    optimiser: "adamw",
    schedule: createSchedule("cosine", { learningRate: 3e-3, epochs }),
  },
} as const;
for (const [name, options] of Object.entries(runs)) {
  const model = new RecurrentVae({ spatialShape, tolTime: frames }, { subjects });
  const { trainLossHistory } = await fit(model, loader, { ...options, epochs });
  console.log(`${name}: ${trainLossHistory.map((loss) => loss.toFixed(1)).join(" ")}`);
  model.dispose();
}
