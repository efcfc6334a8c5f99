/** What a command writes replaces no file unasked, never an input, and leaves nothing unfinished. */
import { assert, assertEquals, assertStringIncludes } from "../../src/deps/std.ts";
import { inFolder } from "../support/folders.ts";
import { recvae, startRecvae } from "./run_recvae.ts";

const SCANS = ["--spatial", "6,6,6", "--frames", "3", "--cn", "2", "--ad", "1"];

Deno.test("encode, reconstruct and synthesize replace files with --force only, and never an input", async () => {
  await inFolder(async (folder) => {
    const scans = `${folder}/scans`;
    const synthesize = ["synthesize", ...SCANS, "--out", scans];
    assertEquals((await recvae(...synthesize)).code, 0);
    const first = `${scans}/CN/sub-CN01_task-rest_bold.nii`;
    const before = Deno.readFileSync(first);
    const refused = await recvae(...synthesize, "--seed", "1");
    assertEquals(refused.code, 2);
    assertStringIncludes(refused.stderr, `"${first}" and 2 more outputs exist already; --force`);
    assertEquals(Deno.readFileSync(first), before);

    const run = `${folder}/run`;
    const trained = await recvae(
      ...[
        "train",
        scans + "/CN",
        "--out",
        run,
        "--preset",
        "conv",
        "--epochs",
        "1",
        "--channels",
        "2,2",
      ],
      ...["--fit-offsets", "0", "--quiet"],
    );
    assertEquals(trained.code, 0, trained.stderr);
    const out = `${folder}/out`;
    for (
      const [command, file] of [["encode", "latents.tsv"], [
        "reconstruct",
        "desc-reconstruction_bold.nii",
      ]]
    ) {
      Deno.mkdirSync(out, { recursive: true });
      const taken = `${out}/sub-CN01_task-rest_${file}`;
      Deno.writeTextFileSync(taken, "mine");
      const args = [command, run, `${scans}/CN`, "--out", out];
      const { code, stderr } = await recvae(...args);
      assertEquals(code, 2, stderr);
      assertStringIncludes(stderr, `"${taken}" exists already; --force replaces it`);
      assertEquals(Deno.readTextFileSync(taken), "mine");
      const forced = await recvae(...args, "--force");
      assertEquals(forced.code, 0, forced.stderr);
      assert(Deno.readTextFileSync(taken) !== "mine");
    }

    Deno.mkdirSync(`${folder}/rr`);
    Deno.copyFileSync(first, `${folder}/rr/x_bold.nii`);
    const input = `${folder}/rr/x_desc-reconstruction_bold.nii`;
    Deno.copyFileSync(first, input);
    const own = await recvae(
      ...["reconstruct", run, `${folder}/rr/x_bold.nii`, input, "--out", `${folder}/rr`, "--force"],
    );
    assertEquals(own.code, 2);
    assertStringIncludes(own.stderr, `"${input}" is to be read and would be replaced`);
    assertEquals(Deno.readFileSync(input), before);

    const weights = `${run}/weights.safetensors`;
    const converted = await recvae("convert", weights, weights, "--force");
    assertEquals(converted.code, 2);
    assertStringIncludes(converted.stderr, "is to be read and would be replaced");
  });
});

Deno.test("a signal leaves no unfinished file of synthesize", {
  ignore: Deno.build.os === "windows",
}, async () => {
  await inFolder(async (folder) => {
    const size = ["--spatial", "91,109,91", "--frames", "200"];
    const process = startRecvae(["synthesize", ...size, "--out", folder]);
    const names = () => {
      try {
        return Array.from(Deno.readDirSync(`${folder}/CN`), ({ name }) => name);
      } catch {
        return [];
      }
    };
    while (!names().some((name) => name.startsWith(".writing-"))) {
      await new Promise((resolve) => setTimeout(resolve, 20));
    }
    process.kill("SIGINT");
    assertEquals((await process.output()).code, 130);
    assertEquals(names().filter((name) => name.startsWith(".writing-")), []);
  });
});
