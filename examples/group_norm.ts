/**
 * Group normalisation in place of batch normalisation [recurrent-vae §8]: a scan's code no longer depends on the
 * scans it shares a batch with, nor on training or evaluation mode.
 *
 * Run with: deno run examples/group_norm.ts
 */
import {
  buildDataLoader,
  fit,
  type NdArray,
  RecurrentVae,
  selectBackend,
  syntheticCohort,
} from "../mod.ts";

await selectBackend();
const cohort = syntheticCohort({ nCn: 2, nAd: 2, frames: 4, spatialShape: [33, 35, 40] });
const loader = await buildDataLoader(cohort, { batchSize: 2 });
const { spatialShape, frames, subjects } = loader;

/** First frame of some scans, `[B, Z, Y, X]`. */
function firstFrames(rows: readonly number[]): NdArray {
  const data = loader.batch(rows).read(0, 1).slice();
  return { data, shape: [rows.length, ...spatialShape.toReversed()] };
}

for (const normalization of ["batch", "group"] as const) {
  const model = new RecurrentVae({ spatialShape, tolTime: frames, normalization }, { subjects });
  await fit(model, loader, { learningRate: 1e-5, epochs: 2 });
  const inCompany = await model.train().encode(firstFrames([0, 1]));
  const inOther = await model.train().encode(firstFrames([0, 2]));
  const alone = await model.eval().encode(firstFrames([0]));
  const width = model.config.encOutDim;
  const largest = (other: NdArray) =>
    Math.max(
      ...Array.from({ length: width }, (_, i) => Math.abs(inCompany.data[i] - other.data[i])),
    );
  console.log(
    `${normalization}: other company changes the code by ${largest(inOther).toExponential(1)}, ` +
      `evaluation mode by ${largest(alone).toExponential(1)}`,
  );
}
