import { assert, assertAlmostEquals, assertEquals, assertThrows } from "../../src/deps/std.ts";
import { cohortFromVolumes } from "../../src/data/cohort.ts";
import { buildDataLoader } from "../../src/data/loader.ts";
import {
  applyScaling,
  checkNormalization,
  invertScaling,
  normalizationToJson,
  parseNormalization,
} from "../../src/data/normalization.ts";
import { RandomStream } from "../../src/base/random.ts";

const [N, T, Z, Y, X] = [3, 5, 2, 3, 4];

function cohort(seed: number) {
  const anatomy = RandomStream.fromSeed(9).uniforms(Z * Y * X);
  const noise = RandomStream.fromSeed(seed).normals(N * T * Z * Y * X);
  const data = noise.map((v, i) => 100 * anatomy[i % (Z * Y * X)] + v);
  return cohortFromVolumes({ data, shape: [N, T, Z, Y, X, 1] });
}

Deno.test("train-residual: training frames have mean 0 at every voxel and standard deviation 1/6", async () => {
  for (const memoryBudget of [2 ** 20, 0]) {
    const loader = await buildDataLoader(cohort(1), {
      normalization: "train-residual",
      memoryBudget,
      batchSize: N,
    });
    const frames = loader.batch([0, 1, 2]).read(0, T);
    const sums = new Float64Array(Z * Y * X);
    let squares = 0;
    frames.forEach((v, i) => {
      sums[i % sums.length] += v;
      squares += v * v;
    });
    for (const sum of sums) assertAlmostEquals(sum / (N * T), 0, 1e-6);
    assertAlmostEquals(Math.sqrt(squares / frames.length), 1 / 6, 1e-4);
    loader.close();
  }
});

Deno.test("train-residual: undoing it gives the file's values back", async () => {
  const source = cohort(2);
  const loader = await buildDataLoader(source, { normalization: "train-residual" });
  const frame = loader.batch([1]).read(3, 1).slice();
  const raw = (await source.subjects[1].open()).readFrame(3);
  invertScaling(frame, loader.scalings[1]);
  frame.forEach((v, i) => assertAlmostEquals(v, raw[i], 1e-4));
  loader.close();
});

Deno.test("train-residual: the stored method serves held-out subjects and is told from another", async () => {
  const training = await buildDataLoader(cohort(3), { normalization: "train-residual" });
  const stored = parseNormalization(
    JSON.parse(JSON.stringify(normalizationToJson(training.normalization))),
  );
  assertEquals(stored, training.normalization);
  checkNormalization(stored, training.normalization);
  const heldOut = await buildDataLoader(cohort(4), { normalization: stored });
  assert(heldOut.scalings[0].kind === "residual");
  assertEquals(heldOut.normalization, training.normalization);
  const other = await buildDataLoader(cohort(5), { normalization: "train-residual" });
  assertThrows(() => checkNormalization(stored, other.normalization), Error, "Cannot use these");
});

Deno.test("train-residual: a damaged image and a frame of another size are refused", async () => {
  const { normalization, scalings } = await buildDataLoader(cohort(6), {
    normalization: "train-residual",
  });
  const json = normalizationToJson(normalization);
  for (
    const broken of [
      { ...json, image: "%%" },
      { ...json, voxels: 7 },
      { ...json, spread: 0 },
      { kind: "train-residual" },
    ]
  ) assertThrows(() => parseNormalization(broken), Error, "Cannot use the normalisation");
  assertThrows(() => applyScaling(new Float32Array(5), scalings[0]), Error, "whole frames");
});
