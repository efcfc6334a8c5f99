/**
 * Tells two groups apart by their mean latent states, beside principal components of the frames. The split is
 * honest: model, components and classifier see the training subjects alone, and chance is printed with its width.
 *
 * Run with: deno run examples/classify_latents.ts
 */
import {
  buildDataLoader,
  type DataLoader,
  fit,
  fitPca,
  RecurrentVae,
  selectBackend,
  selectSubjects,
  syntheticCohort,
  trainTestSplit,
} from "../mod.ts";
import { accuracy, logisticRegression, meansOverTime } from "./logistic_regression.ts";

const frames = 8;
const latentDim = 6;
await selectBackend();
const size = { nCn: 24, nAd: 24, frames, spatialShape: [16, 16, 16] } as const;
const cohort = syntheticCohort({ ...size, cohortEffect: 0.9, seed: 2022 });
const labels = cohort.subjects.map(({ label }) => label);
const groups = cohort.subjects.map(({ group }) => group);
const split = trainTestSplit(groups, { labels, testFraction: 1 / 3 });
const train = await buildDataLoader(selectSubjects(cohort, split.train));
const test = await buildDataLoader(selectSubjects(cohort, split.test));
const { spatialShape, subjects } = train;
const config = { spatialShape, tolTime: frames, latentDim, sigX: 0.3, lambdaZ: 0.1 };
const model = new RecurrentVae({ ...config, normalization: "group" }, { subjects });
await fit(model, train, { optimiser: "adamw", learningRate: 3e-3, epochs: 10 });

/** Frame i of a cohort whose frames are counted subject by subject. */
const frameOf = ({ batch }: DataLoader, i: number) =>
  batch([Math.floor(i / frames)]).read(i % frames, 1);
const pca = await fitPca({
  rows: subjects * frames,
  columns: 16 ** 3,
  read: (i) => frameOf(train, i),
}, latentDim);
const encoders = {
  "latent states": async (loader: DataLoader) => {
    const batch = loader.batch(Array.from({ length: loader.subjects }, (_, row) => row));
    // States do not depend on the offsets, which test subjects have none of.
    const offsets = { data: new Float32Array(latentDim), shape: [1, latentDim] };
    return (await model.eval().rollout(batch, { offsets })).posteriorMean.data;
  },
  "principal components": (loader: DataLoader) => {
    const all = Array.from({ length: loader.subjects * frames }, (_, i) => i);
    return all.flatMap((i) => [...pca.transform(frameOf(loader, i))]);
  },
};
const isAd = (rows: readonly number[]) => rows.map((row) => labels[row] === "AD");
for (const [name, encode] of Object.entries(encoders)) {
  const [seen, unseen] = [await encode(train), await encode(test)]
    .map((codes) => meansOverTime(codes, frames, latentDim));
  const classifier = logisticRegression(seen, isAd(split.train));
  const scores = [[seen, split.train], [unseen, split.test]] as const;
  const [trained, tested] = scores.map(([x, rows]) =>
    accuracy(classifier, x, isAd(rows)).toFixed(2)
  );
  console.log(`${name}: accuracy ${trained} on training subjects, ${tested} on test subjects`);
}
const width = 1.96 * Math.sqrt(0.25 / split.test.length);
console.log(`chance: 0.50 ± ${width.toFixed(2)} with ${split.test.length} test subjects`);
