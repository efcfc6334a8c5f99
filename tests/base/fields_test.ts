/** Tables of fields: what each kind takes, how a problem is named, and the check of options by them. */
import { ConfigError } from "../../src/base/errors.ts";
import {
  array,
  callback,
  checkOptions,
  choice,
  type Field,
  findProblem,
  flag,
  integer,
  list,
  map,
  nullable,
  number,
  object,
  pickOptions,
  record,
  text,
} from "../../src/base/fields.ts";
import { assertEquals, assertThrows } from "../../src/deps/std.ts";

interface Sample {
  readonly count: number;
  readonly rate?: number;
  readonly files?: readonly { readonly path: string }[];
  readonly totals?: Readonly<Record<string, number>>;
}

const SAMPLE = record<Sample>({
  count: integer({ least: 1 }),
  rate: number({ above: 0 }),
  files: list(record<{ path: string }>({ path: text() }, ["path"])),
  totals: map(number()),
}, ["count"]);

const KINDS: [kind: string, field: Field, fits: unknown[], not: unknown[]][] = [
  ["integer", integer({ least: 0, most: 9 }), [0, 9], [-1, 10, 0.5, "5", NaN, null, 5n, [5]]],
  ["integer", integer(), [-3, 2 ** 53 - 1], [2 ** 53, Infinity]],
  ["number", number(), [-1e308, 0.5], [NaN, Infinity, -Infinity, "1", true]],
  ["number", number({ above: 0, below: 1 }), [0.5], [0, 1]],
  ["number", number({ least: 0, most: Infinity }), [0, Infinity], [-1, NaN]],
  ["text", text(), ["", "a"], [1, null]],
  ["flag", flag(), [true, false], [0, "yes"]],
  ["choice", choice(["a", "b"]), ["a"], ["c", "A", 1, ["a"]]],
  ["list", list(integer()), [[], [1]], [[1, "2"], { 0: 1 }, "12", new Set([1])]],
  ["map", map(integer()), [{}, { a: 1 }], [{ a: "1" }, [1], null]],
  ["record", SAMPLE, [{ count: 1 }], [{}, { count: 0 }, { count: 1, extra: 1 }, [], null]],
  ["other", callback(), [() => 1], [1]],
  ["other", object("a thing"), [{}, []], [null, "thing"]],
  ["other", array("[D]"), [{ data: new Float32Array(1), shape: [1] }], [[1], { data: [1] }]],
  ["integer", nullable(integer()), [null, 1], [undefined, "1"]],
];

Deno.test("every kind takes what it names and nothing else", () => {
  for (const [kind, field, fits, not] of KINDS) {
    assertEquals(field.kind, kind);
    for (const value of fits) assertEquals(findProblem(value, field), null, `${kind}: ${value}`);
    for (const value of not) {
      assertEquals(findProblem(value, field) === null, false, `${kind}: ${value}`);
    }
  }
});

Deno.test("a problem has the path of its field, what was found and what is needed", () => {
  const clause = (value: unknown) =>
    findProblem(value, SAMPLE, { path: "run", noun: "field" })?.clause;
  assertEquals(
    clause({ count: "5" }),
    'run.count is "5", needs a whole number of at least 1',
  );
  assertEquals(clause({ rate: 1 }), "run.count is missing, needs a whole number of at least 1");
  assertEquals(clause({ count: 1, rate: -1 }), "run.rate is -1, needs a number above 0");
  assertEquals(
    clause({ count: 1, files: [{ path: "a" }, {}] }),
    "run.files[1].path is missing, needs text",
  );
  assertEquals(
    clause({ count: 1, totals: { loss: "x" } }),
    'run.totals.loss is "x", needs a finite number',
  );
  assertEquals(clause({ cuont: 1 }), 'there is no field "run.cuont"; did you mean run.count?');
  assertEquals(clause(5), "run is 5, needs an object");
  assertEquals(findProblem([1], list(text()), { path: "names" })?.field, "names[0]");
});

Deno.test("a long value is shown in part", () => {
  const { clause } = findProblem("x".repeat(1e6), integer(), { path: "a" })!;
  assertEquals(clause.length < 150, true);
  const circle: Record<string, unknown> = {};
  circle.itself = circle;
  assertEquals(
    findProblem(circle, integer(), { path: "a" })?.clause.startsWith("a is an object"),
    true,
  );
});

Deno.test("options are refused by name, and undefined ones are absent", () => {
  const refusal = (options: unknown) =>
    assertThrows(
      () => checkOptions(options as Sample, SAMPLE, { doing: "Cannot try" }),
      ConfigError,
    );
  checkOptions({ count: 1, rate: undefined }, SAMPLE, { doing: "Cannot try" });
  assertEquals(refusal({ count: 1, rte: 1 }).field, "rte");
  assertEquals(
    refusal({ count: 1, rte: 1 }).message,
    'Cannot try: there is no option "rte"; did you mean rate?',
  );
  assertEquals(
    refusal({ count: undefined }).message.startsWith("Cannot try: count is undefined"),
    true,
  );
  assertEquals(refusal(null).message, "Cannot try: the options are null, needs an object");
  // Names that every object inherits are not options.
  assertEquals(refusal({ count: 1, constructor: 1 }).field, "constructor");
  assertEquals(refusal(JSON.parse('{"count": 1, "__proto__": 1}')).field, "__proto__");
});

Deno.test("the options of another function are picked out", () => {
  assertEquals(pickOptions({ count: 1, other: 2 } as Sample, SAMPLE), { count: 1 });
});

Deno.test("a table without one of the names is an error of the type checker", () => {
  // @ts-expect-error: "label" is missing
  record<{ path: string; label?: string }>({ path: text() });
  // @ts-expect-error: "lable" is no name
  record<{ label?: string }>({ label: text(), lable: text() });
});
