/** A command that is refused changes nothing: neither a run that is there, nor a folder for one. */
import { assert, assertEquals, assertStringIncludes } from "../../src/deps/std.ts";
import { inFolder } from "../support/folders.ts";
import { recvae, startRecvae } from "./run_recvae.ts";

const TINY = [
  ...["train", "--synthetic", "--spatial", "8,8,8", "--subjects", "4", "--tol-time", "3"],
  ...["--preset", "conv", "--channels", "2,3", "--fit-offsets", "1", "--quiet"],
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

Deno.test("what fails before training leaves no run behind, and does not touch one that --force names", () =>
  inFolder(async (folder) => {
    const run = `${folder}/run`;
    const wrong: [string[], Record<string, string>][] = [
      [["--backend", "wasm", "--threads", "999"], {}],
      [["--latent-dim", "1000000"], {}],
      [[], { RECVAE_BACKEND: "bogus" }],
    ];
    const fails = async (more: string[], env: Record<string, string>) => {
      const { code } = await startRecvae([...TINY, ...more, "--out", run], env).output();
      assert(code !== 0, more.join(" "));
    };
    for (const [options, env] of wrong) {
      await fails(options, env);
      assertEquals([...Deno.readDirSync(folder)], [], options.join(" "));
    }
    const before = await trained(run, 1);
    for (const [options, env] of wrong) {
      await fails([...options, "--force"], env);
      assertEquals(await Deno.readTextFile(`${run}/config.json`), before);
      assert(Deno.statSync(`${run}/weights.safetensors`).isFile);
    }
  }));

Deno.test("contradictory options, and those of a loss that is not chosen, are refused by name", async () => {
  for (
    const [options, message] of [
      [["--held-out", "0.25", "--fold", "1/4"], "--held-out and --fold"],
      [["--kl-weight", "10"], "--kl-weight goes with --temporal-loss kl"],
      [["--kl-ramp", "0.5"], "--kl-ramp goes with --temporal-loss kl"],
    ] as const
  ) {
    const { code, stderr } = await recvae(...TINY, ...options);
    assertEquals(code, 2, stderr);
    assertStringIncludes(stderr, message);
  }
});
