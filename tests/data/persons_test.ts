/** Who a scan is of. */
import { ConfigError, FormatError } from "../../src/base/errors.ts";
import { cohortFromFiles } from "../../src/data/cohort.ts";
import { groupOf, personOf, readPersonTable } from "../../src/data/persons.ts";
import { assertEquals, assertThrows } from "../../src/deps/std.ts";
import { writeSmallScan } from "../support/small_scans.ts";
import { withDirectory } from "../support/images.ts";

Deno.test("persons are read from names, folders, INDI releases and a pattern", () => {
  const cases: [path: string, subject?: string, session?: string][] = [
    ["x/sub-01_ses-b_task-rest_bold.nii.gz", "01", "b"],
    ["x/sub-01/ses-2/func/rest.nii.gz", "01", "2"],
    ["sub-01/func/task-rest_bold.nii", "01"],
    ["C:\\data\\sub-07\\rest.nii", "07"],
    ["ABIDE/0010001/session_1/rest_1/rest.nii.gz", "0010001", "1"],
    ["x/S001_run1.nii.gz"],
    ["subject-1/rest.nii.gz"],
    ["2024/scan.nii"],
  ];
  for (const [path, subject, session] of cases) {
    const expected = { ...(subject ? { subject } : {}), ...(session ? { session } : {}) };
    assertEquals(personOf(path), expected, path);
  }
  assertEquals(personOf("x/S001_run1.nii.gz", { pattern: "(S\\d+)_run" }), { subject: "S001" });
  const named = { pattern: "(?<session>v\\d)/(?<subject>S\\d+)" };
  assertEquals(personOf("v2/S001.nii", named), { subject: "S001", session: "v2" });
  assertEquals(personOf("x/sub-3_bold.nii", { pattern: "(S\\d+)_run" }), { subject: "3" });
  assertThrows(() => personOf("x.nii", { pattern: "S\\d+" }), ConfigError, "no group");
  assertThrows(() => personOf("x.nii", { pattern: "(S" }), ConfigError, "--subject-pattern");
});

Deno.test("scans without a person are groups of their own, also where their names are equal", () => {
  assertEquals(groupOf("a/rest.nii", {}, "subject"), "a/rest.nii");
  assertEquals(groupOf("a/rest.nii", { subject: "1", session: "2" }, "subject"), "sub-1");
  assertEquals(groupOf("a/rest.nii", { subject: "1", session: "2" }, "session"), "sub-1_ses-2");
  assertEquals(groupOf("a/rest.nii", { subject: "1" }, "scan"), "a/rest.nii");
});

Deno.test("a table says who scans are of; one that does not is refused", async () => {
  await withDirectory((folder) => {
    const path = `${folder}/subjects.tsv`;
    const read = (text: string) => {
      Deno.writeTextFileSync(path, text);
      return readPersonTable(path);
    };
    const table = read("file\tsubject\tsession\nrest.nii\tA\tn/a\nb/rest.nii\tsub-B\t2\n");
    assertEquals(personOf("x/a/rest.nii", { table }), { subject: "A" });
    assertEquals(personOf("x/b/rest.nii", { table }), { subject: "B", session: "2" });
    assertEquals(personOf("x/sub-3_bold.nii", { table }), { subject: "3" });
    const refused: [text: string, part: string][] = [
      ["name\tsubject\na\tb\n", 'the columns "file" and "subject"'],
      ["file\tsubject\na\tn/a\n", "no subject in line 2"],
      ["file\tsubject\na\tb\na\tc\n", '"a" twice'],
      ["file\tsubject\na\n", "line 2 has 1 values"],
    ];
    for (const [text, part] of refused) assertThrows(() => read(text), FormatError, part);
  });
});

Deno.test("a cohort keeps the scans of a person together and names the person", async () => {
  await withDirectory(async (folder) => {
    const paths = [1, 1, 2].map((person, n) =>
      `${folder}/000000${person}/session_${n + 1}/rest_1/rest.nii`
    );
    paths.forEach((path, seed) => writeSmallScan(path, { seed, frames: 3 }));
    const { subjects } = await cohortFromFiles(paths);
    assertEquals(subjects.map(({ group }) => group), ["sub-0000001", "sub-0000001", "sub-0000002"]);
    assertEquals(subjects.map(({ session }) => session), ["1", "2", "3"]);
    const given = await cohortFromFiles([{ path: paths[0], subject: "X", group: "pair 1" }]);
    assertEquals([given.subjects[0].subject, given.subjects[0].group], ["X", "pair 1"]);
  });
});
