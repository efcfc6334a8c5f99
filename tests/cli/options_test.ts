/** Parsing of command lines: values by kind, and messages that say what to type instead. */
import { assert, assertEquals, assertStringIncludes, assertThrows } from "../../src/deps/std.ts";
import { type Option, UsageError } from "../../src/pipelines/option_table.ts";
import { parseOptions } from "../../src/cli/options.ts";

const TABLE = [
  { name: "out", kind: "text", short: "o", help: "" },
  { name: "epochs", kind: "integer", min: 1, help: "" },
  { name: "learning-rate", kind: "number", help: "" },
  { name: "channels", kind: "integers", min: 1, help: "" },
  { name: "backend", kind: "choice", choices: ["cpu", "wasm"], help: "" },
  { name: "data", kind: "texts", help: "" },
  { name: "json", kind: "flag", help: "" },
] as const satisfies readonly Option[];

function refusal(...args: string[]): string {
  return assertThrows(() => parseOptions(args, TABLE), UsageError).message;
}

Deno.test("every kind of value is parsed", () => {
  const { values, positionals } = parseOptions(
    [
      "-o",
      "x",
      "--epochs=3",
      "--learning-rate",
      "-1e-3",
      "--channels",
      "4,8",
      "--data",
      "a",
      "--data=b",
      "f",
      "--json",
    ],
    TABLE,
  );
  assertEquals(values.out, "x");
  assertEquals(values.epochs, 3);
  assertEquals(values["learning-rate"], -1e-3);
  assertEquals(values.channels, [4, 8]);
  assertEquals(values.data, ["a", "b"]);
  assertEquals(values.json, true);
  assertEquals(positionals, ["f"]);
});

Deno.test("what is not given is undefined, empty or false", () => {
  const { values } = parseOptions([], TABLE);
  assertEquals([values.out, values.epochs, values.data.length, values.json], [
    undefined,
    undefined,
    0,
    false,
  ]);
});

Deno.test("after -- everything is an argument", () => {
  assertEquals(parseOptions(["--", "--epochs"], TABLE).positionals, ["--epochs"]);
});

Deno.test("an unknown option suggests the nearest one", () => {
  assertEquals(
    refusal("--lerning-rate", "1"),
    "Unknown option --lerning-rate; did you mean --learning-rate?",
  );
  assertEquals(refusal("--lr", "3"), "Unknown option --lr; did you mean --learning-rate?");
  assertEquals(refusal("-x"), "Unknown option -x");
});

Deno.test("malformed values are refused with what was found and what is needed", () => {
  assertStringIncludes(refusal("--epochs", "0"), '"0", needs a whole number of at least 1');
  assertStringIncludes(refusal("--epochs", "1.5"), "whole number");
  assertStringIncludes(refusal("--learning-rate", "fast"), "needs a number");
  assertStringIncludes(refusal("--learning-rate", " "), "needs a number");
  assertStringIncludes(refusal("--channels", "4,,8"), '"4,,8", needs between the commas a whole');
  assertStringIncludes(refusal("--backend", "wasn"), 'did you mean "wasm"');
  assert(!refusal("--backend", "foo").includes("did you mean"), "no name is like it");
  assertStringIncludes(refusal("--json=yes"), "takes no value");
});

Deno.test("missing and repeated values are refused", () => {
  assertStringIncludes(refusal("--out"), "needs a value");
  assertStringIncludes(refusal("--out", "--json"), "found the option --json");
  assertStringIncludes(refusal("--epochs", "1", "--epochs", "2"), "given twice");
});

Deno.test("a number is a decimal number within its range, written without anything around it", () => {
  const table = [
    { name: "rate", kind: "number", range: { above: 0 }, help: "" },
    { name: "share", kind: "number", range: { least: 0, below: 1 }, help: "" },
    { name: "count", kind: "integer", range: { most: 9 }, help: "" },
  ] as const satisfies readonly Option[];
  const parsed = (...args: string[]) => parseOptions(args, table).values;
  const refused = (...args: string[]) => assertThrows(() => parsed(...args), UsageError).message;
  for (const [text, value] of [["1e3", 1000], [".5", 0.5], ["5.", 5], ["+2", 2], ["1E-3", 1e-3]]) {
    assertEquals(parsed(`--rate=${text}`).rate, value);
  }
  for (
    const text of [" 5", "5 ", "0x10", "0b1", "1_000", "1,5", "Infinity", "NaN", "1e999", "0", "-1"]
  ) {
    assertStringIncludes(refused(`--rate=${text}`), `--rate is "${text}", needs a number above 0`);
  }
  assertStringIncludes(refused("--share", "1"), "needs a number of at least 0 and below 1");
  for (const text of ["1e3", "0x5", " 5", "5.0", "-1", "10", "９"]) {
    assertStringIncludes(
      refused(`--count=${text}`),
      `--count is "${text}", needs a whole number of at least 0 and of at most 9`,
    );
  }
});

Deno.test("an empty or blank text is no value, and neither is a short option", () => {
  for (const value of ["", " ", "\t"]) {
    assertStringIncludes(refusal(`--out=${value}`), "--out needs a value, found none");
    assertStringIncludes(refusal("--data", value), "--data needs a value, found none");
  }
  assertStringIncludes(refusal("--out", "-o"), "found the option -o");
  assertEquals(parseOptions(["--out=-o"], TABLE).values.out, "-o");
  assertEquals(parseOptions(["--out", "-"], TABLE).values.out, "-");
});

Deno.test("-o=x is refused instead of becoming a folder called =x", () => {
  assertEquals(refusal("-o=x"), '-o is "=x", needs -o x or --out=x');
  assertEquals(parseOptions(["-ox"], TABLE).values.out, "x");
});

Deno.test("an option of other commands is refused with their names", () => {
  const parse = () => parseOptions(["--clip-norm", "1"], TABLE, { ownersOf: () => ["train"] });
  assertEquals(
    assertThrows(parse, UsageError).message,
    "Unknown option --clip-norm; it is an option of train",
  );
});
