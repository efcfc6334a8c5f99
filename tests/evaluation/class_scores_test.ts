/** Scores and tests against closed forms, scikit-learn 1.2.1 and SciPy 1.10.1. */
import { assert, assertAlmostEquals, assertEquals, assertThrows } from "../../src/deps/std.ts";
import { ConfigError, ShapeError } from "../../src/base/errors.ts";
import { RandomStream } from "../../src/base/random.ts";
import {
  areaUnderCurve,
  balancedAccuracy,
  confusionMatrix,
  orderedPairs,
} from "../../src/evaluation/class_scores.ts";
import { bootstrapInterval, spreadOf } from "../../src/evaluation/intervals.ts";
import {
  combinedPValue,
  permutationPValue,
  permuteWithin,
} from "../../src/evaluation/permutations.ts";
import { standardise } from "../../src/evaluation/standardise.ts";
import { kolmogorovTail, testUniformity } from "../../src/evaluation/uniformity.ts";

Deno.test("the area under the curve counts ties one half, as scikit-learn does", () => {
  const scores = [0.1, 0.4, 0.4, 0.4, 0.8, 0.8, 0.9, 0.2];
  const positive = [0, 1, 0, 1, 1, 0, 1, 0].map(Boolean);
  assertEquals(areaUnderCurve(scores, positive), 0.78125);
  assertEquals(orderedPairs(scores, positive), { right: 12.5, pairs: 16 });
  assertEquals(areaUnderCurve([1, 1, 1], [true, false, false]), 0.5);
  assert(Number.isNaN(areaUnderCurve([1, 2], [true, true])));
  assertThrows(() => areaUnderCurve([1], []), ShapeError, "1 and 0");
});

Deno.test("balanced accuracy is the mean over the classes, whatever their sizes", () => {
  const confusion = confusionMatrix([0, 0, 0, 0, 1, 1], [0, 0, 0, 1, 1, 0], 3);
  assertEquals(confusion, [[3, 1, 0], [1, 1, 0], [0, 0, 0]]);
  assertEquals(balancedAccuracy(confusion), (3 / 4 + 1 / 2) / 2);
  assertThrows(() => confusionMatrix([0], [3], 3), ConfigError, "predicted as 3");
});

Deno.test("a permutation's p-value is never 0, and labels stay in their stratum", () => {
  assertEquals(permutationPValue(0.7, [0.1, 0.7, 0.9]), 3 / 4);
  assertEquals(permutationPValue(1, new Array(99).fill(0)), 0.01);
  assertEquals(permutationPValue(0.5, [NaN]), 1);
  const labels = Array.from({ length: 30 }, (_, i) => i);
  const permuted = permuteWithin(labels, labels.map((i) => i % 3), RandomStream.fromSeed(1));
  assert(permuted.every((label, i) => label % 3 === i % 3));
  assert(permuted.some((label, i) => label !== i));
  assertEquals(permuted.toSorted((a, b) => a - b), labels);
  assertEquals(combinedPValue([0.2]), 0.2);
  assertEquals(combinedPValue([0.9, 0.01, 0.03]), 0.06);
  assertEquals(combinedPValue([0.9, 0.8]), 1);
});

Deno.test("Kolmogorov and Smirnov's test has SciPy's statistic and tail", () => {
  const expected = [
    [0.5, 0.9639452436648751],
    [0.8, 0.5441424115741981],
    [1, 0.26999967167735456],
    [1.36, 0.049485876755377876],
    [2, 0.0006709252557796953],
  ];
  for (const [x, tail] of expected) assertAlmostEquals(kolmogorovTail(x), tail, 1e-14);
  assertEquals(kolmogorovTail(0), 1);
  const values = Array.from({ length: 40 }, (_, i) => ((37 * i + 11) % 101) / 101 * 0.9);
  const { statistic, pValue } = testUniformity(values);
  assertAlmostEquals(statistic, 0.12846534653465347, 1e-15);
  assertAlmostEquals(pValue, 0.4845325280536471, 0.015); // SciPy's exact distribution
  assertThrows(() => testUniformity([]), ConfigError, "no values");
  assertThrows(() => testUniformity([0.5, 1.5]), ConfigError, "1.5");
});

Deno.test("spread and interval are those of the normal distribution where it holds", () => {
  assertEquals(spreadOf([1, 2, 3]), { count: 3, mean: 2, deviation: 1, least: 1, most: 3 });
  assert(Number.isNaN(spreadOf([4]).deviation));
  const values = RandomStream.fromSeed(5).normals64(400);
  const mean = (drawn: Int32Array) => drawn.reduce((sum, i) => sum + values[i], 0) / drawn.length;
  const random = RandomStream.fromSeed(6);
  const [low, high] = bootstrapInterval(400, mean, { random, samples: 2000 });
  assertAlmostEquals(high - low, 2 * 1.96 / 20, 0.02);
  assertEquals(bootstrapInterval(3, () => NaN, { random, samples: 5 }), [NaN, NaN]);
});

Deno.test("a scaling is of the rows it was fitted to, and leaves constant columns alone", () => {
  const scaling = standardise(Float64Array.of(1, 5, 3, 5), 2);
  assertEquals([...scaling.apply([1, 5, 3, 5] as unknown as Float64Array)], [-1, 0, 1, 0]);
  assertEquals([...scaling.apply(Float64Array.of(4, 7))], [2, 2]);
});
