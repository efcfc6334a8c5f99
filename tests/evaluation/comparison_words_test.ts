import { assertEquals, assertStringIncludes } from "../../src/deps/std.ts";
import {
  type ComparedMethod,
  comparisonTable,
  verdictOf,
} from "../../src/evaluation/comparison_words.ts";

function method(name: string, runs: readonly number[], seen = false): ComparedMethod {
  const share = runs.reduce((a, b) => a + b, 0) / runs.length;
  return { name, share: { share, runs }, ...(seen ? { seen } : {}) };
}

const title = "reconstruction";
const pca = method("PCA", [0.277, 0.295]);
const fitted = method("offset fitted", [0.9, 0.9], true);

Deno.test("the model stands first, the others by what they explain, and what has seen the run is marked", () => {
  const methods = [
    method("model", [0.28, 0.3]),
    pca,
    fitted,
    method("persistence", [-0.24, -0.33]),
  ];
  assertEquals(comparisonTable([{ title, methods }], ["run-01", "run-02"]), [
    "                         all   run-01   run-02",
    "  reconstruction",
    "    model             29.0 %   28.0 %   30.0 %",
    "    offset fitted *   90.0 %   90.0 %   90.0 %",
    "    PCA               28.6 %   27.7 %   29.5 %",
    "    persistence      -28.5 %  -24.0 %  -33.0 %",
    "  * has seen the held-out run.",
  ]);
  const [head] = comparisonTable([{ title, methods }], ["a", "b", "c", "d", "e"]);
  assertEquals(head.trim(), "all", "many runs are not shown one by one");
});

Deno.test("the words say who wins, by how much and how steadily; rows that have seen the run never win", () => {
  const say = (...methods: ComparedMethod[]) => verdictOf({ title, methods }, "run");
  assertEquals(say(method("this model", [0.28, 0.304]), pca, fitted), {
    outcome: "wins",
    sentence: "Reconstruction: this model wins, 0.6 points ahead of PCA (0.3 to 0.9 by run).",
  });
  assertEquals(say(method("this model", [0.267, 0.296]), pca).outcome, "loses");
  assertEquals(
    say(method("this model", [0.267, 0.296]), pca).sentence,
    "Reconstruction: PCA wins, 0.5 points ahead of this model (-0.1 to 1.0 by run).",
  );
  assertEquals(say(method("this model", [0.2771, 0.2951]), pca), {
    outcome: "even",
    sentence: "Reconstruction: this model and PCA are even (0.0 in every run).",
  });
  assertStringIncludes(say(method("this model", [0.3]), method("PCA", [0.2])).sentence, "of PCA.");
  assertStringIncludes(
    say(method("this model", [0.3, 0.4]), method("a", [0.1, 0.1]), method("b", [0.2, 0.3]))
      .sentence,
    "10.0 points ahead of b (10.0 in every run)",
  );
});
