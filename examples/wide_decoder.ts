/**
 * A decoder four times as wide with a clamped output, against the narrow one that collapses (spec 8, 10):
 * correlation with the input and contrast of the first frame.
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
const cohort = syntheticCohort({ nCn: 4, nAd: 4, frames: 4, spatialShape: [16, 16, 16] });
const loader = await buildDataLoader(cohort);
const { spatialShape, frames, subjects } = loader;
const decoders = {
  narrow: { decoderChannels: [32, 16, 8, 4], outputActivation: "tanh" },
  wide: { decoderChannels: [128, 64, 32, 16], outputActivation: "clamp" },
} as const;
for (const [name, decoder] of Object.entries(decoders)) {
  const model = new RecurrentVae({ spatialShape, tolTime: frames, ...decoder }, { subjects });
  const values = [...model.variables].filter(([key]) => key.startsWith("decoder"))
    .reduce((sum, [, variable]) => sum + variable.size, 0);
  await fit(model, loader, { optimiser: "adamw", learningRate: 5e-3, epochs: 25 });
  const { x, mu } = await evaluate(model, loader.batch([0]));
  const voxels = 16 ** 3;
  const first = [x, mu].map(({ data }) => data.subarray(0, voxels));
  const { correlation, contrast } = scoreReconstruction(first[0], first[1], { voxels });
  console.log(
    `${name}: ${values} values, correlation ${correlation.toFixed(3)}, contrast ${
      contrast.toFixed(3)
    }`,
  );
  model.dispose();
}
