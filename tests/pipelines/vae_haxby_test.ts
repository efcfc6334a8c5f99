/** The default settings on real frames, beside PCA of the same width: the whole training at night, a tenth of it always. */
import { assert, assertEquals } from "../../src/deps/std.ts";
import { inFolder } from "../support/folders.ts";
import { NIGHTLY } from "../support/nightly.ts";
import { recvaeInProcess } from "../support/recvae_in_process.ts";

const SLICE = new URL("../../data/haxby2001_slice", import.meta.url).pathname;
const MASK = `${SLICE}/masks/sub-1_desc-slice_mask.nii.gz`;

async function train(out: string, ...args: string[]) {
  const epochs = NIGHTLY ? [] : ["--epochs", "6"];
  const words = ["train", "vae", ...args, "--out", out, "--quiet", "--json", ...epochs];
  const { code, stdout, stderr } = await recvaeInProcess(words);
  assertEquals(code, 0, stderr);
  return JSON.parse(stdout);
}

Deno.test("defaults on the frames of a slice: variance, latents in use, decoding beside PCA", async () => {
  await inFolder(async (folder) => {
    const summary = await train(`${folder}/run`, SLICE, "--samples", "frames", "--mask", MASK);
    const [model, mean, pca] = summary.reconstruction;
    assertEquals([summary.heldOut, mean.varianceExplained], [242, 0]);
    assert(model.varianceExplained >= 0.2, `explains ${model.varianceExplained}`);
    assert(pca.varianceExplained > 0.7);
    assert(summary.latentsInUse >= 8, `${summary.latentsInUse} latents are in use`);
    const { latents, pca: components } = summary.probe;
    assertEquals([latents.rows, latents.folds, latents.classes.length], [64, 8, 8]);
    if (NIGHTLY) assert(latents.right >= components.right - 2, `${latents.right} right`);
  });
});

Deno.test({
  name: "defaults on the whole-brain frames that ship",
  ignore: !NIGHTLY,
  async fn() {
    await inFolder(async (folder) => {
      const summary = await train(`${folder}/run`);
      assert(summary.reconstruction[0].varianceExplained >= 0.2);
      assert(summary.latentsInUse >= 8);
      assert(summary.probe.latents.right >= summary.probe.pca.right - 2);
    });
  },
});
