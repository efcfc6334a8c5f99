/** Runs whose data are scaled run by run: the mask that is found, the comparison, maps, and other scans afterwards. */
import { openBoldRun } from "../../src/data/bold_run.ts";
import { assert, assertEquals, assertMatch, assertStringIncludes } from "../../src/deps/std.ts";
import { writeNifti } from "../../src/formats/nifti_write.ts";
import { inFolder } from "../support/folders.ts";
import { recvae } from "./run_recvae.ts";

const VOXELS = 8 * 9 * 8;
/** Of the scans that `synthesize` writes: voxels of 2 mm. */
const AFFINE = [2, 0, 0, 0, 0, 2, 0, 0, 0, 0, 2, 0, 0, 0, 0, 1];

Deno.test("train finds a mask, says so, and prints the comparison with linear methods that evaluate prints again", async () => {
  await inFolder(async (folder) => {
    const scans = `${folder}/scans`;
    const size = ["--frames", "8", "--spatial", "8,9,8", "--runs", "4"];
    const made = await recvae("synthesize", "--planted", "--out", scans, ...size);
    assertEquals(made.code, 0, made.stderr);
    const run = `${folder}/run`;
    const trained = await recvae(
      ...["train", "--data", scans, "--out", run, "--latent-dim", "3", "--epochs", "2", "--quiet"],
    );
    assertEquals(trained.code, 0, trained.stderr);
    assertStringIncludes(trained.stderr, `No mask given: ${VOXELS} of ${VOXELS} voxels are used`);
    const { stdout } = trained;
    for (
      const row of [
        "this model",
        "PCA with 3 components and a lag path",
        "this model, by its state alone",
        "VAR\\(1\\) of PCA scores, noise AR\\(1\\)",
        "AR\\(1\\) of each voxel",
        "persistence",
      ]
    ) assertMatch(stdout, new RegExp(`\n    ${row} +-?\\d+\\.\\d %`));
    assertMatch(
      stdout,
      /Reconstruction of each frame: .* (wins, \d+\.\d points ahead of|are even)/,
    );
    const evaluated = await recvae("evaluate", run);
    assertEquals(evaluated.code, 0, evaluated.stderr);
    assertStringIncludes(stdout, evaluated.stdout.trim().split("\n").slice(1, 8).join("\n"));
    using mask = await openBoldRun(`${run}/mask.nii`);
    assertEquals([...new Set(mask.readFrame(0))], [1]);
    using maps = await openBoldRun(`${run}/latent_maps.nii`);
    assertEquals([maps.frames, [...maps.spatialShape]], [3, [8, 9, 8]]);
    assert(maps.readFrame(2).some((value) => value !== 0));
    assertStringIncludes(
      await Deno.readTextFile(`${run}/report.html`),
      "What each latent dimension changes",
    );
  });
});

Deno.test("a mask that is given restricts everything, reconstructions have their own intensities inside and 0 outside", async () => {
  await inFolder(async (folder) => {
    const scans = `${folder}/scans`;
    const size = ["--frames", "8", "--spatial", "8,9,8", "--runs", "3"];
    assertEquals((await recvae("synthesize", "--planted", "--out", scans, ...size)).code, 0);
    const inside = Float32Array.from({ length: VOXELS }, (_, i) => i % 8 < 3 ? 1 : 0);
    Deno.writeFileSync(
      `${folder}/mask.nii`,
      writeNifti(inside, { spatialShape: [8, 9, 8], frames: 1, affine: AFFINE }),
    );
    const run = `${folder}/run`;
    const trained = await recvae(
      ...["train", "--data", scans, "--mask", `${folder}/mask.nii`, "--out", run, "--quiet"],
      ...["--scaling", "run-detrend", "--latent-dim", "2", "--epochs", "1"],
    );
    assertEquals(trained.code, 0, trained.stderr);
    assert(!trained.stderr.includes("No mask given"));
    const out = `${folder}/recon`;
    const scan = `${scans}/sub-01_task-rest_bold.nii`;
    const written = await recvae("reconstruct", run, scan, "--out", out);
    assertEquals(written.code, 0, written.stderr);
    using recon = await openBoldRun(`${out}/sub-01_task-rest_desc-reconstruction_bold.nii`);
    for (const t of [0, 7]) {
      recon.readFrame(t).forEach((value, i) => {
        assert(inside[i] === 1 ? value > 900 && value < 1100 : value === 0, `${value} at ${i}`);
      });
    }
  });
});
