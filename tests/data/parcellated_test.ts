import { FormatError } from "../../src/base/errors.ts";
import { parseNumberTable } from "../../src/data/parcellated/number_table.ts";
import { orientationOf } from "../../src/data/parcellated/orientation.ts";
import { readParcelRuns } from "../../src/data/parcellated/parcel_run.ts";
import { assertAlmostEquals, assertEquals, assertThrows } from "../../src/deps/std.ts";
import { inFolder } from "../support/folders.ts";

const parse = (text: string) => parseNumberTable(text, "table");

function refused(text: string): [string, string] {
  const error = assertThrows(() => parse(text), FormatError);
  return [error.rule, error.message];
}

Deno.test("tables are read with tabs, commas and blanks, with and without names", () => {
  const values = [1, 2.5, -3, 4e-1, 5, 6];
  for (
    const text of ["1\t2.5\n-3\t0.4\n5\t6\n", "1, 2.5\r\n-3,.4\r\n5,6", " 1 2.5\n-3  0.4\n\n5 6 "]
  ) {
    const { data, rows, columns, names } = parse(text);
    assertEquals([[...data], rows, columns, names], [[...Float32Array.from(values)], 3, 2, null]);
  }
  assertEquals(parse("\uFEFFa\tb\n1\t2\n").names, ["a", "b"]);
});

Deno.test("every rule of tables refuses", () => {
  assertEquals(refused(" \n# a remark\n"), [
    "table.empty",
    'Cannot read "table": it has no line of values, needs at least one line of numbers',
  ]);
  assertEquals(refused("a b\n")[0], "table.empty");
  assertEquals(
    refused("1 2\n3\n")[1],
    'Cannot read "table": line 2 has 1 values, the first 2, needs as many values in every line as in the first',
  );
  assertEquals(refused("1\t2\n3\tn/a\n")[0], "table.number");
  assertEquals(refused("1,2\n3,\n")[1].includes("line 2, column 2 has nothing"), true);
  assertEquals(refused("1 2\nNaN 4\n")[0], "table.number");
  assertEquals(refused("1 2\nInfinity 4\n")[0], "table.number");
});

const slow = (t: number, n: number) => Math.sin(t / 5 + 17 * n);

/** T lines of N values, or N of T. */
function table(T: number, N: number, byVolume: boolean): string {
  const [rows, columns] = byVolume ? [T, N] : [N, T];
  return Array.from(
    { length: rows },
    (_, i) =>
      Array.from({ length: columns }, (_, j) => byVolume ? slow(i, j) : slow(j, i)).join("\t"),
  ).join("\n");
}

Deno.test("time is the axis along which neighbours are alike, also where the table is square", () => {
  assertEquals(orientationOf([parse(table(30, 30, true))], "t"), "volumes");
  assertEquals(orientationOf([parse(table(30, 30, false))], "t"), "parcels");
  const flat = parse("1 2 3\n4 5 6\n7 8 9\n");
  const error = assertThrows(() => orientationOf([flat], "t"), FormatError);
  assertEquals([error.rule, error.message.includes("--lines volumes or --lines parcels")], [
    "table.orientation",
    true,
  ]);
});

Deno.test("runs are z-scored by parcel, either way round and compressed alike", async () => {
  await inFolder(async (folder) => {
    Deno.writeTextFileSync(`${folder}/sub-01_a.tsv`, table(20, 3, true));
    Deno.writeTextFileSync(`${folder}/b.tsv`, table(20, 3, false));
    const packed = new Blob([table(20, 3, true)]).stream().pipeThrough(
      new CompressionStream("gzip"),
    );
    Deno.writeFileSync(`${folder}/c.tsv.gz`, await new Response(packed).bytes());
    const [a] = readParcelRuns([`${folder}/sub-01_a.tsv`]);
    const [b] = readParcelRuns([`${folder}/b.tsv`]);
    const [c] = readParcelRuns([`${folder}/c.tsv.gz`]);
    assertEquals([a.volumes, a.parcels, a.subject, b.subject], [20, 3, "sub-01", "b.tsv"]);
    assertEquals([b.values, c.values], [a.values, a.values]);
    for (let n = 0; n < 3; n++) {
      const column = Array.from({ length: 20 }, (_, t) => a.values[t * 3 + n]);
      assertAlmostEquals(column.reduce((sum, x) => sum + x, 0), 0, 1e-5);
      assertAlmostEquals(column.reduce((sum, x) => sum + x * x, 0) / 20, 1, 1e-5);
    }
  });
});

Deno.test("constant parcels stay 0 and are counted; other parcels and short runs are refused", async () => {
  await inFolder((folder) => {
    Deno.writeTextFileSync(`${folder}/a.tsv`, "1 7\n2 7\n3 7\n1 7\n");
    Deno.writeTextFileSync(`${folder}/b.tsv`, "1 7 1\n2 7 2\n3 7 3\n");
    Deno.writeTextFileSync(`${folder}/c.tsv`, "1 7\n2 7\n");
    const [run] = readParcelRuns([`${folder}/a.tsv`], { lines: "volumes" });
    assertEquals([run.constant, run.values[1], run.values[7]], [1, 0, 0]);
    const rule = (...names: string[]) =>
      assertThrows(
        () => readParcelRuns(names.map((name) => `${folder}/${name}`), { lines: "volumes" }),
        FormatError,
      ).rule;
    assertEquals([rule("a.tsv", "b.tsv"), rule("c.tsv")], ["table.parcels", "table.volumes"]);
    return Promise.resolve();
  });
});
