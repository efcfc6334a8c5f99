/** Parsing of command lines: values by kind, and messages that say what to type instead. */
import { assertEquals, assertStringIncludes, assertThrows } from "../../src/deps/std.ts";
import { type Option, parseOptions, UsageError } from "../../src/cli/options.ts";

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
  assertStringIncludes(refusal("-x"), "Unknown option -x");
});

Deno.test("malformed values are refused with what was found and what is needed", () => {
  assertStringIncludes(refusal("--epochs", "0"), '"0", needs a whole number of at least 1');
  assertStringIncludes(refusal("--epochs", "1.5"), "whole number");
  assertStringIncludes(refusal("--learning-rate", "fast"), "needs a number");
  assertStringIncludes(refusal("--learning-rate", " "), "needs a number");
  assertStringIncludes(refusal("--channels", "4,,8"), "whole number");
  assertStringIncludes(refusal("--backend", "wasn"), 'did you mean "wasm"');
  assertStringIncludes(refusal("--json=yes"), "takes no value");
});

Deno.test("missing and repeated values are refused", () => {
  assertStringIncludes(refusal("--out"), "needs a value");
  assertStringIncludes(refusal("--out", "--json"), "found the option --json");
  assertStringIncludes(refusal("--epochs", "1", "--epochs", "2"), "given twice");
});
