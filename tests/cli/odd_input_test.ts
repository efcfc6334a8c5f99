/** Input that is legal and hardly meant, and paths that lead nowhere: what the program says. */
import { writeNifti } from "../../src/formats/nifti_write.ts";
import { assertEquals, assertStringIncludes } from "../../src/deps/std.ts";
import { zipFile } from "../support/zip_bytes.ts";
import { inFolder } from "../support/folders.ts";
import { recvae } from "./run_recvae.ts";

/** Writes a scan of 6×10×10 voxels. */
function writeScan(path: string, frames: number, value: (i: number) => number): void {
  const voxels = Float32Array.from({ length: frames * 600 }, (_, i) => value(i));
  Deno.writeFileSync(path, writeNifti(voxels, { spatialShape: [6, 10, 10], frames }));
}

/** Trains one epoch on the scans of a folder. */
function trainOn(folder: string) {
  const out = [
    "--preset",
    "conv",
    "--out",
    `${folder}/run`,
    "--epochs",
    "1",
    "--fit-offsets",
    "1",
    "--quiet",
  ];
  return recvae("train", "--data", folder, ...out);
}

Deno.test("single frames train and are scored, and a note says that there is no time in them", async () => {
  await inFolder(async (folder) => {
    writeScan(`${folder}/a.nii`, 1, Math.sin);
    writeScan(`${folder}/b.nii`, 1, Math.cos);
    const { code, stdout, stderr } = await trainOn(folder);
    assertEquals(code, 0, stderr);
    assertStringIncludes(stdout, "One frame a scan");
    assertStringIncludes(stdout, "PCA with 0 components");
    assertStringIncludes(stdout, "Dynamics  F is zero");
  });
});

Deno.test("a scan of one value is named", async () => {
  await inFolder(async (folder) => {
    writeScan(`${folder}/a.nii`, 3, Math.sin);
    writeScan(`${folder}/flat.nii`, 3, () => 7);
    const { code, stdout, stderr } = await trainOn(folder);
    assertEquals(code, 0, stderr);
    assertStringIncludes(stdout, 'flat.nii" has one value everywhere');
  });
});

Deno.test("paths that do not exist are named as such", async () => {
  for (const args of [["inspect", "nowhere"], ["train", "--resume", "nowhere"]]) {
    const { code, stderr } = await recvae(...args);
    assertEquals(code, 3, stderr);
    assertStringIncludes(stderr, 'recvae: Cannot read "nowhere');
    assertStringIncludes(stderr, "there is no such file or folder");
  }
});

Deno.test("converting what is no PyTorch file says what it is", async () => {
  await inFolder(async (folder) => {
    writeScan(`${folder}/a.nii`, 1, Math.sin);
    const { code, stderr } = await recvae("convert", `${folder}/a.nii`, `${folder}/a.safetensors`);
    assertEquals(code, 3);
    assertStringIncludes(stderr, "it is a NIfTI-1 file, needs a file of torch.save");
    const archive = zipFile([{ name: "notes.txt", content: new Uint8Array(9) }]);
    Deno.writeFileSync(`${folder}/other.zip`, archive);
    for (const command of ["inspect", "convert"]) {
      const to = command === "convert" ? [`${folder}/a.safetensors`] : [];
      const foreign = await recvae(command, `${folder}/other.zip`, ...to);
      const found = 'it is a ZIP archive that torch.save did not write ("notes.txt")';
      assertStringIncludes(foreign.stderr, found);
    }
  });
});

Deno.test("few frames allow few latent dimensions: a note says how many are used, and a number that is asked for is refused", async () => {
  await inFolder(async (folder) => {
    const wave = (i: number) => 100 + Math.sin(i * i);
    for (const name of ["a", "b", "c"]) {
      writeScan(`${folder}/${name}.nii`, 6, (i) => wave(i + name.charCodeAt(0)));
    }
    const train = (...args: string[]) =>
      recvae(
        "train",
        "--data",
        folder,
        "--out",
        `${folder}/run`,
        "--epochs",
        "1",
        "--quiet",
        ...args,
      );
    const asked = await train("--latent-dim", "40");
    assertEquals(asked.code, 2);
    assertStringIncludes(asked.stderr, "lower --latent-dim");
    const { code, stdout, stderr } = await train();
    assertEquals(code, 0, stderr);
    assertStringIncludes(stderr, "enough for 7 latent dimensions in place of 10");
    assertStringIncludes(stdout, "Model     7 latent dimensions");
  });
});
