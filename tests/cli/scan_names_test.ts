/** Names of what is derived from scans: readable, safe, and never twice the same. */
import { uniqueStems } from "../../src/pipelines/recurrent_vae/scan_names.ts";
import { assert, assertEquals } from "../../src/deps/std.ts";

const stems = (...ids: string[]) => uniqueStems(ids.map((id) => ({ id, label: "" })));

Deno.test("letters of every script stay, what systems and shells dislike becomes a hyphen", () => {
  assertEquals(
    stems(
      "被験者01_bold.nii.gz",
      "x/Ärger+2.NII",
      "c:\\d\\a b (2)*.hdr",
      "कि.nii",
      "🧠.nii",
      ".nii",
    ),
    ["被験者01", "Ärger+2", "a-b-2-", "कि", "🧠", "scan"],
  );
});

Deno.test("names that some system takes for the same are told apart", () => {
  assertEquals(stems("a/Sub.nii", "b/sub.nii"), ["Sub_row-1", "sub_row-2"]);
  assertEquals(stems("\u00c4.nii", "A\u0308.nii.gz"), ["\u00c4_row-1", "A\u0308_row-2"]);
  assertEquals(stems("x/a.nii", "y/a.nii", "a_row-1.nii"), ["a_row-1", "a_row-2", "a_row-1_row-3"]);
  const labelled = uniqueStems([{ id: "x/a.nii", label: "A/B" }, { id: "y/a.nii", label: "C" }]);
  assertEquals(labelled, ["A-B_a", "C_a"]);
});

Deno.test("long names leave room for what is added to them", () => {
  const [first, second] = stems("é".repeat(120) + "1.nii.gz", "é".repeat(120) + "2.nii.gz");
  assert(new TextEncoder().encode(first).length < 200);
  assert(first !== second);
  assert(first.startsWith("ééé"));
});
