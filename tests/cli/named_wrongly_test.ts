/** What is named by mistake: nothing, a run as scans, links that lead nowhere, places of the system, one scan many times. */
import { assertEquals, assertStringIncludes } from "../../src/deps/std.ts";
import { permissionAdvice } from "../../src/cli/permission_advice.ts";
import { copies } from "../../src/pipelines/recurrent_vae/data_notes.ts";
import { inFolder } from "../support/folders.ts";
import { recvaeInProcess } from "../support/recvae_in_process.ts";

Deno.test("an empty argument is refused by every command that takes a path", async () => {
  for (
    const args of [["train", ""], ["inspect", ""], ["encode", "", "--json"], [
      "convert",
      "",
      "a.safetensors",
    ]]
  ) {
    const { code, stderr } = await recvaeInProcess(args);
    assertEquals(code, 2, stderr);
    assertStringIncludes(stderr, "Argument 1 is empty");
  }
});

Deno.test("a run, a dangling link and a name that is no UTF-8 are told apart from missing scans", async () => {
  await inFolder(async (folder) => {
    Deno.mkdirSync(`${folder}/run/reconstructions`, { recursive: true });
    Deno.writeTextFileSync(`${folder}/run/config.json`, "{}");
    Deno.writeTextFileSync(`${folder}/run/reconstructions/a.nii`, "");
    Deno.symlinkSync("nowhere.nii", `${folder}/link.nii`);
    for (
      const [name, text] of [
        ["run", "it is a run, which holds no scans; recvae train --resume"],
        ["link.nii", "it is a link to something that is not there"],
        ["a\uFFFDb.nii", "its name is not UTF-8 text"],
      ]
    ) {
      for (const option of name.includes("\uFFFD") ? [[]] : [[], ["--data"]]) {
        const { code, stderr } = await recvaeInProcess([
          "train",
          ...option,
          `${folder}/${name}`,
          "--out",
          `${folder}/x`,
        ]);
        assertEquals(code, 3, stderr);
        assertStringIncludes(stderr, text);
      }
    }
  });
});

Deno.test("an option that is no UTF-8 is refused", async () => {
  const { code, stderr } = await recvaeInProcess(["synthesize", "--out", "o\uFFFDo"]);
  assertEquals(code, 2);
  assertStringIncludes(stderr, "is not UTF-8 text");
});

Deno.test("a place of the system gets no advice to allow it", () => {
  const advice = permissionAdvice(
    'Requires all access to "/dev/full", run again with the --allow-all flag',
  );
  assertStringIncludes(advice, '"/dev/full": it is a place of the system');
  assertEquals(advice.includes("--allow-all"), false);
});

Deno.test("many copies of a scan are one note", () => {
  const scan = (i: number) => ({ path: `${i}.nii`, bytes: 1, fingerprint: "same" });
  const notes = copies(Array.from({ length: 60 }, (_, i) => scan(i)));
  assertEquals(notes.length, 1);
  assertStringIncludes(notes[0], '"0.nii", "1.nii" and 58 more are the same scan');
});
