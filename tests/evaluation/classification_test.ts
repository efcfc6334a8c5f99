/** Classification across folds: finds what is there, finds nothing in noise, and a planted leak is noticed. */
import { assert, assertEquals, assertRejects } from "../../src/deps/std.ts";
import { ConfigError } from "../../src/base/errors.ts";
import { groupedFolds } from "../../src/base/grouped_folds.ts";
import { RandomStream } from "../../src/base/random.ts";
import { classifyAcrossFolds } from "../../src/evaluation/classification.ts";
import { testUniformity } from "../../src/evaluation/uniformity.ts";

/** Units of noise in `columns` columns; those of group b differ by `shift` in the first. */
function madeUp(seed: number, { units = 24, columns = 6, shift = 0 } = {}) {
  const stream = RandomStream.fromSeed(seed);
  const labels = Array.from({ length: units }, (_, unit) => unit % 2 === 0 ? "a" : "b");
  const features = stream.normals64(units * columns);
  labels.forEach((label, unit) => {
    if (label === "b") features[unit * columns] += shift;
  });
  const ids = labels.map((_, unit) => `${unit}`);
  const folds = groupedFolds(ids, 4, { labels, seed }).map((split) => ({ ...split, features }));
  return { labels, folds, features, columns };
}

Deno.test("classes that differ are told apart, with their interval and p-value", async () => {
  const { labels, folds } = madeUp(1, { shift: 4 });
  const found = await classifyAcrossFolds(folds, { labels, permutations: 99, bootstraps: 200 });
  assert(found.auc.value > 0.9 && found.balancedAccuracy.value > 0.8);
  assertEquals([found.auc.pValue, found.classes], [0.01, ["a", "b"]]);
  const [low, high] = found.auc.interval!;
  assert(low <= found.auc.value && found.auc.value <= high && low > 0.6);
  assertEquals(found.confusion.flat().reduce((a, b) => a + b), 24);
  const again = await classifyAcrossFolds(folds, { labels, permutations: 99, bootstraps: 200 });
  assertEquals(again, found);
});

Deno.test("three classes in more columns than units", async () => {
  const units = 18, columns = 60;
  const features = RandomStream.fromSeed(9).normals64(units * columns);
  const labels = Array.from({ length: units }, (_, unit) => "xyz"[unit % 3]);
  labels.forEach((label, unit) => {
    for (let c = 0; c < 8; c++) features[unit * columns + c * 3 + "xyz".indexOf(label)] += 2;
  });
  const folds = groupedFolds(labels.map((_, i) => `${i}`), 3, { labels })
    .map((split) => ({ ...split, features }));
  const { auc, balancedAccuracy } = await classifyAcrossFolds(folds, {
    labels,
    permutations: 19,
    bootstraps: 0,
  });
  assert(auc.value > 0.85 && balancedAccuracy.value > 0.6, `${auc.value}`);
  assertEquals([auc.pValue, auc.interval], [0.05, null]);
});

/** p-values of many small sets without any difference; with a leak the columns are chosen by all labels. */
async function pValues(leak: boolean): Promise<number[]> {
  const found: number[] = [];
  for (let seed = 0; seed < 60; seed++) {
    const { labels, folds, features, columns } = madeUp(seed, {
      units: 16,
      columns: leak ? 40 : 3,
    });
    const difference = (c: number) =>
      labels.reduce((sum, own, i) => sum + (own === "a" ? 1 : -1) * features[i * columns + c], 0);
    const chosen = Array.from({ length: columns }, (_, c) => c)
      .sort((a, b) => Math.abs(difference(b)) - Math.abs(difference(a))).slice(0, 3);
    const seen = Float64Array.from(
      { length: 16 * 3 },
      (_, i) => features[Math.floor(i / 3) * columns + chosen[i % 3]],
    );
    const options = { labels, permutations: 39, bootstraps: 0, penalties: [3], seed };
    const own = folds.map((fold) => ({ ...fold, features: leak ? seen : features }));
    found.push((await classifyAcrossFolds(own, options)).auc.pValue!);
  }
  return found;
}

Deno.test("without a difference p-values are uniform; columns chosen by all labels are noticed", async () => {
  assert(testUniformity(await pValues(false)).pValue > 0.05);
  const leaking = testUniformity(await pValues(true));
  assert(leaking.pValue < 1e-6, `a leak must show: ${leaking.pValue}`);
});

Deno.test("folds that test what they trained on are refused, and classes that cannot be learnt", async () => {
  const { labels, folds } = madeUp(2);
  const [first, ...others] = folds;
  const both = { ...first, train: [...first.train, first.test[0]] };
  const classify = (changed: typeof folds, own = labels) =>
    classifyAcrossFolds(changed, { labels: own, permutations: 0 });
  await assertRejects(
    () => classify([both, ...others]),
    ConfigError,
    "trained on and tested in fold 1",
  );
  await assertRejects(() => classify([first, first]), ConfigError, "tested in two folds");
  await assertRejects(
    () => classify(folds, labels.map(() => "a")),
    ConfigError,
    'the one class "a"',
  );
  const lonely = labels.map((_, unit) => unit === first.test[0] ? "b" : "a");
  await assertRejects(() => classify(folds, lonely), ConfigError, 'nobody of "b"');
});
