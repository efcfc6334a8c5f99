/** The table of families: what its rows may not disagree about. */
import { assertEquals } from "../../src/deps/std.ts";
import { allFamilies } from "../../src/pipelines/families.ts";
import type { Option } from "../../src/pipelines/option_table.ts";
import type { Pipeline } from "../../src/pipelines/pipeline.ts";
import { guardFamily } from "../support/guard_family.ts";

/**
 * Options of one name that are read differently by the verb of two families. A verb's command line is understood by the
 * options of all families before the run says which it is of.
 */
function disagreements(families: readonly Pipeline[]): string[] {
  const names = new Set(families.flatMap(({ verbs }) => Object.keys(verbs)));
  return [...names].flatMap((verb) => {
    const options = families.flatMap(({ verbs }) => verbs[verb]?.options ?? []);
    const readings = Map.groupBy(options, ({ name }: Option) => name);
    return [...readings].filter(([, same]) => new Set(same.map(readAs)).size > 1)
      .map(([name]) => `${verb} --${name}`);
  });
}

function readAs({ kind, short, choices, min, range }: Option): string {
  return JSON.stringify({ kind, short, choices, min, range });
}

Deno.test("options of one name are of one kind in every family that has the verb", () => {
  assertEquals(disagreements(allFamilies()), []);
});

Deno.test("an option of another kind in a second family is found", () => {
  const { evaluate } = guardFamily.verbs;
  const options: Option[] = [{ name: "fit-offsets", kind: "text", help: "Something else" }];
  const other: Pipeline = { ...guardFamily, verbs: { evaluate: { ...evaluate, options } } };
  assertEquals(disagreements([...allFamilies(), other]), ["evaluate --fit-offsets"]);
});
