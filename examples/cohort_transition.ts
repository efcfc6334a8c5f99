/**
 * A transition matrix for each group (the completion of [recurrent-vae §8]'s cohort-specific F): the ridge regression
 * of [recurrent-vae §5] with the states of that group alone. Both groups of the synthetic cohort follow one AR(1)
 * process, so the matrices should look alike.
 *
 * Run with: deno run examples/cohort_transition.ts
 */
import {
  buildDataLoader,
  eigenvalues,
  fit,
  RecurrentVae,
  selectBackend,
  solveTransitionMatrix,
  syntheticCohort,
} from "../mod.ts";

await selectBackend();
const cohort = syntheticCohort({ nCn: 4, nAd: 4, frames: 24, spatialShape: [16, 16, 16] });
const loader = await buildDataLoader(cohort, { batchSize: 2 });
const { spatialShape, frames, subjects } = loader;
const model = new RecurrentVae(
  { spatialShape, tolTime: frames, latentDim: 2, normalization: "group", sigX: 0.03, rho: 0.01 },
  { subjects },
);
const { allHHistory } = await fit(model, loader, {
  optimiser: "adamw",
  learningRate: 5e-3,
  epochs: 12,
});
const { latentDim, sigH, rho } = model.config;
const size = frames * latentDim;
for (const label of ["CN", "AD"]) {
  const rows = cohort.subjects.flatMap((subject, row) => subject.label === label ? [row] : []);
  const states = new Float32Array(rows.length * size);
  rows.forEach((row, n) =>
    states.set(allHHistory.data.subarray(row * size, (row + 1) * size), n * size)
  );
  const initialState = new Float32Array(latentDim);
  const problem = { states, initialState, subjects: rows.length, frames, latentDim, sigH, rho };
  const moduli = eigenvalues(solveTransitionMatrix(problem), latentDim).map(({ modulus }) =>
    modulus
  );
  console.log(`${label}: |λ| of F ${moduli.map((modulus) => modulus.toFixed(3)).join(" ")}`);
}
