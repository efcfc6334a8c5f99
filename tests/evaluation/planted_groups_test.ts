/**
 * Groups that differ in their dynamics alone are told apart by what a linear model of the training persons (principal components
 * and the regression of states on their predecessors) says of each person; groups that do not differ give uniform p-values.
 */
import { assert, assertAlmostEquals, assertEquals } from "../../src/deps/std.ts";
import { groupedFolds } from "../../src/base/grouped_folds.ts";
import { RandomStream } from "../../src/base/random.ts";
import { classifyAcrossFolds } from "../../src/evaluation/classification.ts";
import { connectivity, trajectoryFeatures } from "../../src/evaluation/trajectory_features.ts";
import { permuteWithin } from "../../src/evaluation/permutations.ts";
import { testUniformity } from "../../src/evaluation/uniformity.ts";
import { symmetricEigen } from "../../src/linalg/symmetric.ts";
import { assertClose } from "../support/closeness.ts";

interface Planted {
  readonly persons: number;
  readonly frames: number;
  readonly voxels: number;
  /** Modulus of F in the groups a and b. */
  readonly moduli: readonly [number, number];
}

/** Two oscillating states a person, of unit variance in both groups, seen through the same maps with noise. */
function plantedRuns(seed: number, { persons, frames, voxels, moduli }: Planted) {
  const stream = RandomStream.fromSeed(seed);
  const maps = stream.split("maps").normals64(2 * voxels);
  const labels = Array.from({ length: persons }, (_, person) => person % 2 === 0 ? "a" : "b");
  const runs = labels.map((label, person) => {
    const own = stream.split("person").split(person);
    const modulus = moduli[label === "a" ? 0 : 1];
    const [c, s] = [modulus * Math.cos(0.5), modulus * Math.sin(0.5)];
    const drive = Math.sqrt(1 - modulus ** 2);
    let [x, y] = own.normals64(2);
    return Array.from({ length: frames }, () => {
      const [e, f] = own.normals64(2);
      [x, y] = [c * x - s * y + drive * e, s * x + c * y + drive * f];
      const noise = own.normals64(voxels);
      return noise.map((value, v) => value + x * maps[v] + y * maps[voxels + v]);
    });
  });
  return { labels, runs };
}

/** Folds in which components are fitted to the training persons, and everyone's features come from them. */
function foldsOf(
  { labels, runs }: ReturnType<typeof plantedRuns>,
  { folds, seed }: { folds: number; seed: number },
) {
  const splits = groupedFolds(labels.map((_, i) => `${i}`), folds, { labels, seed });
  return splits.map((split) => {
    const axes = principalAxes(split.train.flatMap((person) => runs[person]));
    const features = runs.flatMap((run) => {
      const scores = Float64Array.from(
        run.flatMap((frame) => axes.map((axis) => dot(axis, frame))),
      );
      return trajectoryFeatures(scores, 2).values;
    });
    return { ...split, features: Float64Array.from(features) };
  });
}

/** The two leading axes of frames about zero. */
function principalAxes(frames: readonly Float64Array[]): Float64Array[] {
  const size = frames[0].length;
  const covariance = new Float64Array(size * size);
  for (const frame of frames) {
    for (let i = 0; i < size; i++) {
      for (let j = 0; j < size; j++) covariance[i * size + j] += frame[i] * frame[j];
    }
  }
  const { vectors } = symmetricEigen(covariance, size);
  return [0, 1].map((k) => vectors.slice(k * size, (k + 1) * size));
}

function dot(a: Float64Array, b: Float64Array): number {
  return a.reduce((sum, value, i) => sum + value * b[i], 0);
}

Deno.test("groups of different dynamics and the same maps are told apart: AUC of at least 0.9", async () => {
  const planted = plantedRuns(11, { persons: 24, frames: 80, voxels: 30, moduli: [0.95, 0.75] });
  const folds = foldsOf(planted, { folds: 4, seed: 1 });
  const { labels } = planted;
  const found = await classifyAcrossFolds(folds, { labels, permutations: 99, bootstraps: 100 });
  assert(found.auc.value >= 0.9, `AUC ${found.auc.value}`);
  assertEquals(found.auc.pValue, 0.01);
  const shuffled = permuteWithin(labels, labels.map(() => 0), RandomStream.fromSeed(5));
  const none = await classifyAcrossFolds(folds, {
    labels: shuffled,
    permutations: 99,
    bootstraps: 0,
  });
  assert(none.auc.pValue! > 0.05, "shuffled labels are not told apart");
});

Deno.test("identical groups give uniform p-values in 200 repetitions", async () => {
  const values: number[] = [];
  for (let seed = 0; seed < 200; seed++) {
    const planted = plantedRuns(seed, { persons: 12, frames: 24, voxels: 6, moduli: [0.8, 0.8] });
    const folds = foldsOf(planted, { folds: 3, seed });
    const { labels } = planted;
    const options = { labels, permutations: 29, bootstraps: 0, innerFolds: 2, seed };
    const found = await classifyAcrossFolds(folds, { ...options, penalties: [30, 3] });
    values.push(found.auc.pValue!);
  }
  const { pValue } = testUniformity(values);
  assert(pValue > 0.05, `Kolmogorov and Smirnov's p is ${pValue}`);
  const low = values.filter((value) => value <= 0.1).length;
  assert(low >= 8 && low <= 34, `${low} of 200 are at most 0.1`);
});

Deno.test("features of a trajectory are its moments, correlations and regression", () => {
  const angle = 0.3;
  const states = Float64Array.from({ length: 2 * 4000 }, (_, i) => {
    const t = Math.floor(i / 2);
    return i % 2 === 0 ? 5 + 2 * Math.cos(angle * t) : 2 * Math.sin(angle * t) - 1;
  });
  const { names, values } = trajectoryFeatures(states, 2);
  const at = (name: string) => values[names.indexOf(name)];
  assertEquals([names.length, values.length], [9, 9]);
  assertAlmostEquals(at("mean 1"), 5, 2e-3);
  assertAlmostEquals(at("log sd 2"), Math.log(2) / 2, 1e-3);
  assertAlmostEquals(at("correlation 2,1"), 0, 1e-3);
  const rotation = [Math.cos(angle), -Math.sin(angle), Math.sin(angle), Math.cos(angle)];
  // The penalty shrinks by 1/1.01.
  assertClose(values.slice(5), rotation.map((value) => value / 1.01), { tolerance: 2e-3 });
  const still = trajectoryFeatures(new Float64Array(20), 2).values;
  assert(still.every(Number.isFinite), "a state that does not move has finite features");
});

Deno.test("connectivity is the correlation of each pair, 0 with a constant series", () => {
  const series = Float64Array.of(1, 2, 7, 2, 1, 7, 3, 3, 7);
  assertClose(connectivity(series, 3).values, [Math.atanh(0.5), 0, 0], { tolerance: 1e-12 });
});
