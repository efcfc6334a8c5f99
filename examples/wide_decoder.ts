/**
 * A decoder four times as wide with a clamped output beside the narrow one [recurrent-vae §8, §10]: how well the
 * frames of one scan correlate with their reconstructions, and how much of their contrast is left.
 *
 * Run with: deno run examples/wide_decoder.ts
 */
import {
  buildDataLoader,
  evaluate,
  fit,
  RecurrentVae,
  scoreReconstruction,
  selectBackend,
  syntheticCohort,
} from "../mod.ts";

await selectBackend();
const cohort = syntheticCohort({ nCn: 1, nAd: 1, frames: 4, spatialShape: [16, 16, 16] });
const loader = await buildDataLoader(cohort);
const { spatialShape, frames, subjects } = loader;
const decoders = {
  narrow: { decoderChannels: [32, 16, 8, 4], outputActivation: "tanh" },
  wide: { decoderChannels: [128, 64, 32, 16], outputActivation: "clamp" },
} as const;
for (const [name, decoder] of Object.entries(decoders)) {
  const model = new RecurrentVae(
    { spatialShape, tolTime: frames, normalization: "group", sigX: 0.1, ...decoder },
    { subjects },
  );
  const values = [...model.variables].filter(([key]) => key.startsWith("decoder"))
    .reduce((sum, [, variable]) => sum + variable.size, 0);
  await fit(model, loader, { optimiser: "adamw", learningRate: 5e-3, epochs: 30 });
  const { x, mu } = await evaluate(model, loader.batch([0]));
  const { correlation, contrast } = scoreReconstruction(x.data, mu.data, { voxels: 16 ** 3 });
  console.log(
    `${name}: ${values} values, correlation ${correlation.toFixed(3)}, contrast ${
      contrast.toFixed(3)
    }`,
  );
  model.dispose();
}
