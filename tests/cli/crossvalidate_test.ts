/** `recvae crossvalidate` on scans: two groups that synthesize makes, and the same groups by a table. */
import { assert, assertEquals, assertStringIncludes } from "../../src/deps/std.ts";
import { inFolder } from "../support/folders.ts";
import { recvaeIn } from "./run_recvae.ts";

const SMALL = ["--epochs", "2", "--latent-dim", "2", "--channels", "4", "--fit-offsets", "0"];
const RUN = [...SMALL, "--backend", "cpu", "--folds", "2", "--permutations", "19", "--json"];

Deno.test("scans of two groups are cross-validated by person, their groups from folders or a table", async () => {
  await inFolder(async (folder) => {
    const scans = `${folder}/scans`;
    const made = ["--cn", "3", "--ad", "3", "--frames", "8", "--spatial", "8,7,6"];
    await done(folder, "synthesize", "--out", scans, ...made);
    const groups = ["--cn", `${scans}/CN`, "--ad", `${scans}/AD`];
    const out = `${folder}/cv`;
    const summary = JSON.parse(
      await done(folder, "crossvalidate", ...groups, "--out", out, ...RUN),
    );
    assertEquals(summary.groups.groups, { AD: 3, CN: 3 });
    const methods = summary.groups.methods.map(({ method }: { method: string }) => method);
    assertEquals(methods, ["latent states", "PCA with 2 components", "functional connectivity"]);
    for (const { auc, repeats } of summary.groups.methods) {
      assert(auc.value >= 0 && auc.value <= 1 && auc.pValue > 0 && auc.pValue <= 1);
      assertEquals(repeats[0].confusion.flat().reduce((a: number, b: number) => a + b), 6);
    }
    const [reconstruction, ahead] = summary.verdicts;
    assertStringIncludes(reconstruction.rival, "PCA with 2 components");
    assertStringIncludes(ahead.measure, "one frame ahead");
    assertEquals([reconstruction.advantage.count, ahead.advantage.count], [2, 2]);
    // Each person is held out once, and both folds have both groups.
    const held = await Promise.all([1, 2].map(async (fold) => {
      const text = await Deno.readTextFile(`${out}/repeat-1_fold-${fold}/subjects.tsv`);
      return text.split("\n").filter((line) => line.includes("held-out")).map((line) =>
        line.split("\t").slice(0, 2)
      );
    }));
    assertEquals(new Set(held.flat().map(([name]) => name)).size, 6);
    for (const part of held) assertEquals(new Set(part.map(([, group]) => group)).size, 2);
    // A fold is what train gives by the same settings.
    const alone = `${folder}/alone`;
    const train = [
      ...groups,
      ...SMALL,
      "--backend",
      "cpu",
      "--fold",
      "2/2",
      "--out",
      alone,
      "--quiet",
    ];
    await done(folder, "train", ...train);
    const weights = (run: string) => Deno.readFile(`${run}/weights.safetensors`);
    assertEquals(await weights(alone), await weights(`${out}/repeat-1_fold-2`));

    const table = `${folder}/participants.tsv`;
    const people = held.flat().map(([name, group]) => ({ name: name.split("_")[0], group }));
    const lines = people.map(({ name, group }, i) =>
      `${name}\t${group === "CN" ? "a" : "b"}\t${i}`
    );
    await Deno.writeTextFile(table, ["participant_id\tdiagnosis\tage", ...lines].join("\n"));
    const data = ["--data", `${scans}/CN`, "--data", `${scans}/AD`];
    const again = `${folder}/table`;
    const by = ["--labels", table, "--group-column", "diagnosis"];
    const found = JSON.parse(
      await done(folder, "crossvalidate", ...data, ...by, "--out", again, ...RUN),
    );
    assertEquals(found.groups.groups, { a: 3, b: 3 });

    await Deno.writeTextFile(table, "participant_id\tdiagnosis\nsomebody\ta\n");
    const unknown = ["crossvalidate", ...data, ...by, "--out", `${folder}/none`, ...RUN];
    const { code, stderr } = await recvaeIn(folder, ...unknown);
    assertEquals(code, 2);
    assertStringIncludes(stderr, "--labels has a group for none of the scans");
  });
});

async function done(folder: string, ...args: string[]): Promise<string> {
  const { code, stdout, stderr } = await recvaeIn(folder, ...args);
  assertEquals(code, 0, stderr);
  return stdout;
}
