import { nearestName } from "../../src/base/nearest_name.ts";
import { assertEquals } from "../../src/deps/std.ts";

Deno.test("the name with the fewest edits is the nearest", () => {
  const nearest: [string, string[], string][] = [
    ["optimizer", ["momentum", "optimiser", "schedule"], "optimiser"],
    ["bacth-size", ["batch-size", "patience"], "batch-size"],
    ["latent_dim", ["zDim", "latentDim"], "latentDim"],
    ["EPOCHS", ["epochs", "EP"], "epochs"],
    ["", ["abc", "a"], "a"],
    ["abc", ["abd", "abe"], "abd"],
  ];
  for (const [word, names, expected] of nearest) assertEquals(nearestName(word, names), expected);
});
