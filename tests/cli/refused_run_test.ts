/** A command that is refused changes nothing: neither a run that is there, nor a folder for one. */
import { assert, assertEquals, assertStringIncludes } from "../../src/deps/std.ts";
import { inFolder } from "../support/folders.ts";
import { recvae } from "./run_recvae.ts";

const TINY = [
  ...["train", "--synthetic", "--spatial", "8,8,8", "--subjects", "4", "--tol-time", "3"],
  ...["--channels", "2,3", "--fit-offsets", "1", "--quiet"],
];

async function trained(run: string, epochs: number): Promise<string> {
  const { code, stderr } = await recvae(...TINY, "--epochs", String(epochs), "--out", run);
  assertEquals(code, 0, stderr);
  return await Deno.readTextFile(`${run}/config.json`);
}

Deno.test("--resume with fewer epochs than are trained is refused and changes no file", () =>
  inFolder(async (folder) => {
    const run = `${folder}/run`;
    const before = await trained(run, 3);
    const { code, stderr } = await recvae("train", "--resume", run, "--epochs", "2");
    assertEquals(code, 2, stderr);
    assertEquals(await Deno.readTextFile(`${run}/config.json`), before);
    const again = await recvae("train", "--resume", run, "--quiet");
    assertEquals(again.code, 0, again.stderr);
  }));

Deno.test("settings for a finished run are refused by name and not written; with more epochs they count", () =>
  inFolder(async (folder) => {
    const run = `${folder}/run`;
    const before = await trained(run, 2);
    for (
      const option of [
        ["--learning-rate", "5"],
        ["--clip-norm", "2"],
        ["--patience", "1"],
        ["--checkpoint-every", "3"],
      ]
    ) {
      const { code, stderr } = await recvae("train", "--resume", run, ...option, "--quiet");
      assertEquals(code, 2, stderr);
      assertStringIncludes(stderr, `is finished after 2 epochs: ${option[0]} would change nothing`);
      assertStringIncludes(stderr, "--epochs N with N above 2");
      assertEquals(await Deno.readTextFile(`${run}/config.json`), before, option[0]);
    }
    const same = await recvae("train", "--resume", run, "--epochs", "2", "--quiet");
    assertEquals(same.code, 0, same.stderr);
    const longer = ["--learning-rate", "0.001", "--epochs", "3", "--quiet"];
    const more = await recvae("train", "--resume", run, ...longer);
    assertEquals(more.code, 0, more.stderr);
    const { learningRate, epochs } = JSON.parse(await Deno.readTextFile(`${run}/config.json`));
    assertEquals([learningRate, epochs], [0.001, 3]);
  }));
