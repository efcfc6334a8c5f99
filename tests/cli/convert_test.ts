/** `recvae convert` and `recvae inspect` with the files that PyTorch programs leave behind. */
import { readSafetensors } from "../../src/formats/safetensors.ts";
import { assertEquals, assertStringIncludes } from "../../src/deps/std.ts";
import { inFolder } from "../support/folders.ts";
import { recvae } from "./run_recvae.ts";

const sample = (name: string) => new URL(`../data/torch/${name}`, import.meta.url).pathname;

Deno.test("convert takes the state out of checkpoints, whatever their names and containers", async () => {
  await inFolder(async (folder) => {
    const out = `${folder}/w.safetensors`;
    for (const name of ["checkpoint.pth.tar", "checkpoint_legacy.pt"]) {
      const { code, stdout, stderr } = await recvae("convert", sample(name), out, "--force");
      assertEquals(code, 0, stderr);
      assertStringIncludes(stdout, 'Note      Taken: "model", and not epoch, best_loss, optimizer');
      assertEquals(readSafetensors(Deno.readFileSync(out)).tensors.size, 7);
    }
  });
});

Deno.test("convert lists the states of a checkpoint, and --state takes one", async () => {
  await inFolder(async (folder) => {
    const out = `${folder}/w.safetensors`;
    const many = await recvae("convert", sample("two_states.pt"), out);
    assertEquals(many.code, 3);
    assertStringIncludes(many.stderr, 'several states: "generator", "discriminator"');
    assertStringIncludes(many.stderr, "--state NAME");
    const one = await recvae("convert", sample("two_states.pt"), out, "--state", "discriminator");
    assertEquals(one.code, 0, one.stderr);
    assertEquals(readSafetensors(Deno.readFileSync(out)).tensors.get("w")!.shape, [3]);
  });
});

Deno.test("convert says of a folder, and of safetensors by another name, that they are such", async () => {
  await inFolder(async (folder) => {
    const [pt, out] = [`${folder}/w.pt`, `${folder}/w.safetensors`];
    assertEquals((await recvae("convert", sample("dtypes.pt"), out)).code, 0);
    Deno.renameSync(out, pt);
    const { code, stdout } = await recvae("convert", pt, out);
    assertEquals(code, 0);
    assertStringIncludes(stdout, `"${pt}" is a safetensors file in spite of its name`);
    assertEquals(Deno.readFileSync(out), Deno.readFileSync(pt));
    const part = await recvae("convert", pt, out, "--force", "--state", "model");
    assertEquals(part.code, 2);
    assertStringIncludes(part.stderr, "is a safetensors file, which has no parts");
    const nowhere = await recvae("convert", pt, `${pt}/below.safetensors`);
    assertEquals([nowhere.code, nowhere.stdout], [3, ""], "no note before a failure");
    const whole = await recvae("convert", folder, `${folder}/x.safetensors`);
    assertEquals(whole.code, 3);
    assertStringIncludes(whole.stderr, `Cannot read "${folder}": it is a directory, needs a file`);
  });
});

Deno.test("inspect lists what a checkpoint holds, and the arrays of its state", async () => {
  const { code, stdout } = await recvae("inspect", sample("checkpoint_legacy.pt"));
  assertEquals(code, 0);
  for (const line of ["kind               PyTorch checkpoint", "state              model"]) {
    assertStringIncludes(stdout, line);
  }
  assertStringIncludes(stdout, "optimizer                      dictionary of 2 entries");
  assertStringIncludes(stdout, "enc.weight                       [2, 3]");
});

Deno.test("inspect names a whole model's class, its arrays, and what to save instead", async () => {
  const { code, stdout } = await recvae("inspect", sample("refused_sequential.pt"));
  assertEquals(code, 0);
  assertStringIncludes(stdout, "model object of class torch.nn.modules.container.Sequential");
  assertStringIncludes(stdout, "0.weight                       array [1, 2]");
  assertStringIncludes(stdout, "torch.save(model.state_dict()");
  const several = JSON.parse((await recvae("inspect", sample("two_states.pt"), "--json")).stdout);
  assertEquals(several.states, ["generator", "discriminator"]);
});
