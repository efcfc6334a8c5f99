/**
 * Saves a trained model, opens it again as another program would, and encodes the runs: latent states,
 * the eigenvalues of the transition matrix F and what they mean in seconds.
 *
 * Run with: deno run --allow-read=data,runs --allow-write=runs examples/encode_latents.ts runs/latents
 */
import {
  buildDataLoader,
  checkNormalization,
  cohortFromDirectories,
  eigenvalues,
  evaluate,
  fit,
  loadRun,
  normalizationToJson,
  parseNormalization,
  RecurrentVae,
  saveRun,
  selectBackend,
} from "../mod.ts";

await selectBackend();
const folder = Deno.args[0] ?? "runs/latents";
const cohort = await cohortFromDirectories({ viewing: "data/haxby2001" }, { tolTime: 60 });
const loader = await buildDataLoader(cohort, { normalization: "train-residual" });
const { spatialShape, subjects } = loader;
const settings = { spatialShape, tolTime: 60, latentDim: 6, normalization: "group" } as const;
const trained = new RecurrentVae({ ...settings, sigX: 0.1, lambdaZ: 0.1 }, { subjects });
await fit(trained, loader, { optimiser: "adamw", learningRate: 5e-3, epochs: 8 });
await saveRun(folder, trained, {
  config: { ...trained.config },
  normalisation: normalizationToJson(loader.normalization),
});

const model = new RecurrentVae(settings, { subjects });
const { normalisation } = await loadRun(folder, model);
checkNormalization(parseNormalization(normalisation), loader.normalization);
const { h, posteriorMean } = await evaluate(model, loader.batch([0, 1]));
const first = Array.from(posteriorMean.data.subarray(0, 6), (value) => value.toFixed(2));
console.log(`states [${h.shape}], the first posterior mean: ${first.join(" ")}`);
for (const { modulus } of eigenvalues(model.transitionMatrix.data, 6)) {
  const seconds = -2.5 / Math.log(modulus); // one frame is 2.5 s
  console.log(`|λ| ${modulus.toFixed(3)}, decays by e in ${seconds.toFixed(1)} s`);
}
