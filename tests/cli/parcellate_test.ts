/** `recvae parcellate`: nilearn's means of the shipped run, with flipped and coarse atlases, and what is refused. */
import { openBoldRun } from "../../src/data/bold_run.ts";
import { assert, assertEquals, assertStringIncludes } from "../../src/deps/std.ts";
import { writeNifti } from "../../src/formats/nifti_write.ts";
import { inFolder } from "../support/folders.ts";
import {
  preprocessingArray,
  scaledDifference,
  xFastest,
} from "../support/preprocessing_fixtures.ts";
import { recvaeOverheard } from "../support/recvae_in_process.ts";

const SCAN =
  new URL("../../data/haxby2001/sub-1_task-objectviewing_run-01_bold.nii.gz", import.meta.url)
    .pathname;
const SHAPE = [6, 10, 10] as const;

const arrayOf = (key: string) => preprocessingArray("maskers.safetensors", key);

function valuesOf(path: string): number[] {
  return Deno.readTextFileSync(path).trim().split("\n").slice(1)
    .flatMap((line) => line.split("\t").map(Number));
}

Deno.test("parcellate writes nilearn's means, also by an atlas stored the other way round", async () => {
  await inFolder(async (folder) => {
    const labels = Float32Array.from(xFastest(arrayOf("in.labels")));
    using run = await openBoldRun(SCAN);
    const affine = [...run.affine];
    Deno.writeFileSync(`${folder}/atlas.nii`, writeNifti(labels, { spatialShape: SHAPE, affine }));
    // x the other way round.
    const flipped = labels.map((_, i) => labels[i - i % 6 + 5 - i % 6]);
    const turned = [...affine];
    for (const row of [0, 4, 8]) {
      turned[row] = -affine[row];
      turned[row + 3] = affine[row + 3] + 5 * affine[row];
    }
    Deno.writeFileSync(
      `${folder}/turned.nii`,
      writeNifti(flipped, { spatialShape: SHAPE, affine: turned }),
    );
    const expected = arrayOf("out.labels_mean").data as Float64Array;
    for (const atlas of ["atlas.nii", "turned.nii"]) {
      const out = `${folder}/${atlas}-tables`;
      const { code, stderr } = await recvaeOverheard(
        ["parcellate", SCAN, "--atlas", `${folder}/${atlas}`, "--out", out],
      );
      assertEquals(code, 0, stderr);
      const stem = `${out}/sub-1_task-objectviewing_run-01_timeseries`;
      assert(scaledDifference(valuesOf(`${stem}.tsv`), expected) < 1e-9, atlas);
      const facts = JSON.parse(Deno.readTextFileSync(`${stem}.json`));
      assertEquals([facts.RepetitionTime, facts.Columns.length], [2.5, 5]);
    }
    const steps = ["--smooth", "40", "--detrend", "--standardize", "psc", "--low-pass", "0.1"];
    const args = ["parcellate", SCAN, "--atlas", `${folder}/atlas.nii`, "--out", `${folder}/clean`];
    assertEquals((await recvaeOverheard([...args, ...steps])).code, 0);
    const again = await recvaeOverheard(args);
    assertStringIncludes(again.stderr, "--force replaces");
    const none = await recvaeOverheard(["parcellate", SCAN, "--out", folder]);
    assertStringIncludes(none.stderr, "needs --atlas FILE and --out DIR");
    const empty = writeNifti(new Float32Array(600), { spatialShape: SHAPE, affine });
    Deno.writeFileSync(`${folder}/empty.nii`, empty);
    const refused = await recvaeOverheard(
      ["parcellate", SCAN, "--atlas", `${folder}/empty.nii`, "--out", `${folder}/no`],
    );
    assertStringIncludes(refused.stderr, "found no region");
  });
});
