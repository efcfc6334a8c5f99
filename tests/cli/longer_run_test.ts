/** A run that came to its end can be made longer. */
import { assertEquals, assertStringIncludes } from "../../src/deps/std.ts";
import { inFolder } from "../support/folders.ts";
import { recvae } from "./run_recvae.ts";

const SETTINGS = ["--synthetic", "--spatial", "8,9,8", "--subjects", "4", "--tol-time", "5"]
  .concat("--schedule", "constant", "--fit-offsets", "1", "--quiet");

Deno.test("a finished run goes on to more epochs, in the bits of one that was as long at once", async () => {
  await inFolder(async (folder) => {
    const train = (...args: string[]) => recvae("train", ...args);
    const [short, long] = [`${folder}/short`, `${folder}/long`];
    for (const [out, epochs] of [[short, "3"], [long, "6"]]) {
      // So short that no checkpoint is saved on the way.
      const { code, stderr } = await train(...SETTINGS, "--out", out, "--epochs", epochs);
      assertEquals(code, 0, stderr);
    }
    const { code, stdout, stderr } = await train("--resume", short, "--epochs", "6", "--quiet");
    assertEquals(code, 0, stderr);
    assertStringIncludes(stdout, "6 of 6 epochs");
    for (const name of ["weights.safetensors", "optimiser.safetensors", "history.json"]) {
      assertEquals(
        await Deno.readFile(`${short}/${name}`),
        await Deno.readFile(`${long}/${name}`),
        name,
      );
    }
  });
});
