import { ConfigError } from "../../src/base/errors.ts";
import { assert, assertEquals, assertNotEquals, assertThrows } from "../../src/deps/std.ts";
import {
  groupedFolds,
  type Split,
  splitSubjects,
  stratifiedFolds,
  trainTestSplit,
} from "../../src/data/splits.ts";

/** Training and test rows make up 0 … n−1 without overlap, for every split; tests cover all rows once. */
function assertPartition(splits: readonly Split[], n: number): void {
  const all = Array.from({ length: n }, (_, i) => i);
  for (const { train, test } of splits) {
    assertEquals([...train, ...test].sort((a, b) => a - b), all);
  }
  assertEquals(splits.flatMap(({ test }) => test).sort((a, b) => a - b), all);
}

Deno.test("golden: the original's folds of six cases", () => {
  const text = Deno.readTextFileSync(
    new URL("../golden/fixtures/recvae/manifest.json", import.meta.url),
  );
  const golden: Record<string, { shuffled: number[]; test_sets: number[][] }> =
    JSON.parse(text).files["rng.safetensors"].scalars.split_subjects;
  assertEquals(Object.keys(golden).length, 6);
  for (const [key, { shuffled, test_sets }] of Object.entries(golden)) {
    const [n, k, seed] = key.match(/\d+/g)!.map(Number);
    const splits = splitSubjects(n, k, { seed });
    assertEquals(splits.map(({ test }) => test), test_sets, key);
    splits.forEach(({ train }, fold) => {
      assertEquals(train, shuffled.filter((row) => !test_sets[fold].includes(row)), key);
    });
  }
});

Deno.test("five folds of ten partition the subjects, train/test disjoint and complete", () => {
  assertPartition(splitSubjects(10, 5), 10);
});

Deno.test("folds are deterministic in the seed, another seed differs", () => {
  assertEquals(splitSubjects(10, 5, { seed: 4 }), splitSubjects(10, 5, { seed: 4 }));
  assertNotEquals(splitSubjects(10, 5, { seed: 4 }), splitSubjects(10, 5, { seed: 5 }));
});

Deno.test("one fold trains on nothing; impossible numbers are refused", () => {
  assertEquals(splitSubjects(4, 1)[0].train, []);
  for (const [n, k] of [[0, 1], [-3, 1], [4, 0], [4, 5], [4, 1.5], [2.5, 1]]) {
    assertThrows(() => splitSubjects(n, k), ConfigError);
  }
});

const GROUPS = Array.from(
  { length: 30 },
  (_, scan) => `sub-${Math.floor(scan / (scan < 12 ? 3 : 2))}`,
);
const LABELS = GROUPS.map((group) => Number(group.slice(4)) % 3 === 0 ? "AD" : "CN");

Deno.test("grouped folds never divide a person, and share the classes", () => {
  for (const seed of [0, 1, 2, 3, 4]) {
    const folds = groupedFolds(GROUPS, 4, { seed, labels: LABELS });
    assertPartition(folds, 30);
    for (const { train, test } of folds) {
      const trained = new Set(train.map((row) => GROUPS[row]));
      assert(test.every((row) => !trained.has(GROUPS[row])), "a person on both sides");
      const patients = test.filter((row) => LABELS[row] === "AD").length;
      assert(patients >= 1 && patients <= 4, `${patients} patients in a fold of ${test.length}`);
    }
  }
  assertNotEquals(groupedFolds(GROUPS, 4, { seed: 1 }), groupedFolds(GROUPS, 4, { seed: 2 }));
});

Deno.test("stratified folds have equal shares of each class up to one", () => {
  const labels = Array.from({ length: 23 }, (_, i) => i < 9 ? "AD" : "CN");
  const folds = stratifiedFolds(labels, 5, { seed: 3 });
  assertPartition(folds, 23);
  for (const label of ["AD", "CN"]) {
    const counts = folds.map(({ test }) => test.filter((row) => labels[row] === label).length);
    assert(Math.max(...counts) - Math.min(...counts) <= 1, `${label}: ${counts}`);
  }
});

Deno.test("a train/test split keeps people whole and has every class on both sides", () => {
  for (let seed = 0; seed < 20; seed++) {
    const split = trainTestSplit(GROUPS, { seed, labels: LABELS });
    const trained = new Set(split.train.map((row) => GROUPS[row]));
    assert(split.test.every((row) => !trained.has(GROUPS[row])));
    for (const part of [split.train, split.test]) {
      assertEquals(new Set(part.map((row) => LABELS[row])).size, 2);
    }
    assertEquals(split.train.length + split.test.length, 30);
  }
  const share = trainTestSplit(Array.from({ length: 100 }, (_, i) => `${i}`), {
    testFraction: 0.1,
  });
  assertEquals(share.test.length, 10);
});

Deno.test("a split needs two groups and says how to get them", () => {
  assertThrows(() => trainTestSplit(["a", "a"]), ConfigError, '"scan"');
  assertThrows(() => trainTestSplit(["a", "b"], { testFraction: 1 }), ConfigError);
  assertThrows(() => groupedFolds(["a", "a", "b"], 3), ConfigError, "2 groups");
  assertThrows(() => groupedFolds(["a", "b"], 2, { labels: ["x"] }), ConfigError, "1 labels");
  const pair = trainTestSplit(["a", "b"], { labels: ["x", "y"] });
  assertEquals([pair.train.length, pair.test.length], [1, 1]);
});
