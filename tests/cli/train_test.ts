/** Training from outside: run folders, interruption and resumption, use of a trained run, bad input. */
import { openBoldRun } from "../../src/data/bold_run.ts";
import { writeNifti } from "../../src/formats/nifti_write.ts";
import { readSafetensors } from "../../src/formats/safetensors.ts";
import {
  assert,
  assertEquals,
  assertGreater,
  assertLess,
  assertMatch,
  assertStringIncludes,
} from "../../src/deps/std.ts";
import { inFolder } from "../support/folders.ts";
import { recvae, startRecvae } from "./run_recvae.ts";

/** A cohort so small that an epoch takes milliseconds. */
/** Of either preset of the convolutional network. */
const SCANS = [
  "--synthetic",
  "--spatial",
  "8,9,8",
  "--subjects",
  "6",
  "--tol-time",
  "6",
  "--channels",
  "4,8",
  "--fit-offsets",
  "3",
  "--quiet",
];
const TINY = ["--preset", "conv", ...SCANS];

async function exists(path: string): Promise<boolean> {
  return await Deno.stat(path).then(() => true, () => false);
}

Deno.test("train writes a complete run folder and a summary that names what was held out", async () => {
  await inFolder(async (folder) => {
    const out = `${folder}/run`;
    const { code, stdout, stderr } = await recvae("train", ...TINY, "--epochs", "3", "--out", out);
    assertEquals(code, 0, stderr);
    assertStringIncludes(stdout, "6 runs (4 trained on, 2 held out)");
    assertStringIncludes(stdout, "Reconstruction of the 2 held-out runs");
    for (
      const name of [
        "weights.safetensors",
        "optimiser.safetensors",
        "training.safetensors",
        "config.json",
        "history.json",
        "normalisation.json",
        "version.json",
        "log.jsonl",
        "subjects.tsv",
        "transition.json",
        "summary.txt",
        "summary.json",
        "report.html",
        "figures/loss.svg",
        "latents/sub-CN01_latents.tsv",
      ]
    ) assert(await exists(`${out}/${name}`), name);
    const { F, eigenvalues, leastSquares } = JSON.parse(
      await Deno.readTextFile(`${out}/transition.json`),
    );
    assertEquals([F.length, F[0].length, eigenvalues.length], [10, 10, 10]);
    // Three epochs leave ten states that move together: nothing to fit without a penalty.
    assertEquals(leastSquares, null);
    const history = JSON.parse(await Deno.readTextFile(`${out}/history.json`));
    assertEquals(history.map(({ epoch }: { epoch: number }) => epoch), [0, 1, 2]);
    assertLess(history[2].loss, history[0].loss);
    const again = await recvae("train", ...TINY, "--epochs", "3", "--out", out);
    assertEquals(again.code, 2, "an existing run is not overwritten");
    assertStringIncludes(again.stderr, "--resume");
  });
});

Deno.test("the same seed gives the same weights, another seed others", async () => {
  await inFolder(async (folder) => {
    const weights = async (name: string, seed: string) => {
      const out = `${folder}/${name}`;
      const { code } = await recvae(
        "train",
        ...TINY,
        "--epochs",
        "2",
        "--seed",
        seed,
        "--out",
        out,
      );
      assertEquals(code, 0);
      return await Deno.readFile(`${out}/weights.safetensors`);
    };
    const first = await weights("a", "7");
    assertEquals(await weights("b", "7"), first);
    assert((await weights("c", "8")).some((byte, i) => byte !== first[i]));
  });
});

Deno.test({
  name:
    "Ctrl-C saves a checkpoint, exits with 130, and --resume ends in the bits of an unbroken run",
  ignore: Deno.build.os === "windows",
  async fn() {
    await inFolder(async (folder) => {
      const args = ["train", ...TINY, "--epochs", "40", "--checkpoint-every", "3"];
      const whole = await recvae(...args, "--out", `${folder}/whole`);
      assertEquals(whole.code, 0, whole.stderr);

      const child = startRecvae([...args, "--out", `${folder}/broken`]);
      const checkpoints = `${folder}/broken/checkpoints`;
      while (!await exists(checkpoints)) await new Promise((wait) => setTimeout(wait, 5));
      child.kill("SIGINT");
      const { code, stderr } = await child.output();
      const message = new TextDecoder().decode(stderr);
      assertEquals(code, 130, message);
      assertStringIncludes(message, `recvae train --resume ${folder}/broken`);
      assert(!await exists(`${folder}/broken/weights.safetensors`), "not finished yet");

      const resumed = await recvae("train", "--resume", `${folder}/broken`, "--quiet");
      assertEquals(resumed.code, 0, resumed.stderr);
      assertStringIncludes(resumed.stdout, "40 of 40 epochs");
      for (const name of ["weights.safetensors", "optimiser.safetensors", "history.json"]) {
        const expected = await Deno.readFile(`${folder}/whole/${name}`);
        assertEquals(await Deno.readFile(`${folder}/broken/${name}`), expected, name);
      }
    });
  },
});

Deno.test("--resume refuses settings of its own and folders without a checkpoint", async () => {
  await inFolder(async (folder) => {
    const settings = await recvae("train", "--resume", folder, "--latent-dim", "3");
    assertEquals(settings.code, 2);
    assertStringIncludes(settings.stderr, "--latent-dim");
    assertEquals((await recvae("train", "--resume", folder)).code, 3);
  });
});

Deno.test("a learning rate that explodes exits with 4 and names the tensor", async () => {
  await inFolder(async (folder) => {
    const { code, stderr } = await recvae(
      "train",
      ...SCANS,
      "--preset",
      "original",
      "--learning-rate",
      "1e6",
      "--out",
      `${folder}/run`,
    );
    assertEquals(code, 4, stderr);
    assertStringIncludes(stderr, "diverged");
    assertMatch(stderr, /\w+ is (NaN|-?Infinity) in epoch \d+, batch 1 \(subjects/);
  });
});

Deno.test("a trained run encodes, reconstructs and scores NIfTI files of its own kind", async () => {
  await inFolder(async (folder) => {
    const scans = `${folder}/scans`;
    const made = await recvae(
      ...["synthesize", "--out", scans, "--cn", "3", "--ad", "3", "--frames", "6"],
      ...["--spatial", "8,9,8", "--voxel-size", "3.5", "--repetition-time", "2"],
    );
    assertEquals(made.code, 0, made.stderr);
    const run = `${folder}/run`;
    const trained = await recvae(
      ...["train", "--cn", `${scans}/CN`, "--ad", `${scans}/AD`, "--out", run],
      ...["--epochs", "2", "--channels", "4,8", "--fit-offsets", "2", "--quiet", "--json"],
    );
    assertEquals(trained.code, 0, trained.stderr);
    const summary = JSON.parse(trained.stdout);
    assertEquals(
      [summary.data.trained, summary.data.heldOut],
      [4, 2],
      "one of each group held out",
    );
    assertEquals(summary.data.repetitionTime, 2);

    const scan = `${scans}/CN/sub-CN01_task-rest_bold.nii`;
    const out = `${folder}/out`;
    assertEquals((await recvae("encode", run, scan, "--out", out)).code, 0);
    const table = await Deno.readTextFile(`${out}/sub-CN01_task-rest_latents.tsv`);
    assertEquals(table.trim().split("\n").length, 7);
    assertEquals(table, await Deno.readTextFile(`${run}/latents/sub-CN01_task-rest_latents.tsv`));

    assertEquals((await recvae("reconstruct", run, scan, "--out", out)).code, 0);
    using image = await openBoldRun(`${out}/sub-CN01_task-rest_desc-reconstruction_bold.nii`);
    assertEquals([...image.spatialShape, image.frames], [8, 9, 8, 6]);
    assertEquals(image.affine.slice(0, 4), [3.5, 0, 0, 0]);
    assertEquals(image.repetitionTime, 2);

    const scored = await recvae("evaluate", run, scan, "--json");
    assertEquals(scored.code, 0, scored.stderr);
    assertGreater(JSON.parse(scored.stdout).model.mse, 0);
    const own = await recvae("evaluate", run, "--json");
    assertEquals(JSON.parse(own.stdout).model.mse, summary.scores.model.mse);
    const facts = await recvae("inspect", run, "--json");
    assertEquals(JSON.parse(facts.stdout).subjects, 4);
  });
});

Deno.test("scans that do not fit exit with 3 and leave no folder behind", async () => {
  await inFolder(async (folder) => {
    const write = (name: string, spatialShape: readonly [number, number, number], frames: number) =>
      Deno.writeFile(
        `${folder}/${name}`,
        writeNifti(new Float32Array(spatialShape.reduce((a, b) => a * b) * frames), {
          spatialShape,
          frames,
        }),
      );
    await write("a.nii", [8, 9, 8], 6);
    await write("b.nii", [8, 9, 9], 6);
    const out = `${folder}/run`;
    const unequal = await recvae("train", `${folder}/a.nii`, `${folder}/b.nii`, "--out", out);
    assertEquals(unequal.code, 3, unequal.stderr);
    assertStringIncludes(unequal.stderr, "b.nii");
    const short = await recvae("train", `${folder}/a.nii`, "--tol-time", "7", "--out", out);
    assertEquals(short.code, 3);
    assertStringIncludes(short.stderr, "6");
    await Deno.writeTextFile(`${folder}/c.nii`, "not an image");
    const broken = await recvae("train", `${folder}/c.nii`, "--out", out);
    assertEquals(broken.code, 3);
    assertEquals(broken.stderr.trim().split("\n").length, 1, "one line, no stack");
    assertEquals((await recvae("train", "--cn", `${folder}/none`, "--out", out)).code, 3);
    for (const wrong of [["--latent-dim", "0"], ["--clip-norm", "-1"], ["--momentum", "2"]]) {
      const { code, stderr } = await recvae(
        ...["train", ...TINY, "--optimiser", "sgd", ...wrong, "--out", out],
      );
      assertEquals(code, 2, stderr);
    }
    assert(!await exists(out));
  });
});

Deno.test("nothing is scored as new when nothing was held out", async () => {
  await inFolder(async (folder) => {
    const { code, stdout } = await recvae(
      ...["train", ...TINY, "--held-out", "0", "--epochs", "1", "--out", `${folder}/run`],
    );
    assertEquals(code, 0);
    assertStringIncludes(stdout, "TRAINED ON");
    assert(!stdout.includes("held-out runs"));
  });
});

Deno.test("weights of a run are a safetensors file with PyTorch's names", async () => {
  await inFolder(async (folder) => {
    const out = `${folder}/run`;
    const preset = ["--preset", "original", "--epochs", "1"];
    assertEquals((await recvae("train", ...SCANS, ...preset, "--out", out)).code, 0);
    const { tensors } = readSafetensors(await Deno.readFile(`${out}/weights.safetensors`));
    assertEquals([...tensors.keys()].slice(0, 3), ["z_vectors", "F_mat", "encoder1.0.weight"]);
    assertEquals(tensors.get("encoder1.0.weight")!.shape, [4, 1, 4, 4, 4]);
  });
});

Deno.test("--config takes the settings of another run, options win over it, unknown names are refused", async () => {
  await inFolder(async (folder) => {
    const first = `${folder}/first`;
    const settings = ["--epochs", "2", "--latent-dim", "3", "--seed", "5", "--clip-norm", "4"];
    assertEquals((await recvae("train", ...TINY, ...settings, "--out", first)).code, 0);
    const read = async (run: string) =>
      JSON.parse(await Deno.readTextFile(`${folder}/${run}/config.json`));
    const config = ["--config", `${first}/config.json`];
    const second = await recvae(
      "train",
      ...TINY,
      ...config,
      "--epochs",
      "1",
      "--out",
      `${folder}/second`,
    );
    assertEquals(second.code, 0, second.stderr);
    const { latentDim, epochs, seed, training } = await read("second");
    assertEquals([latentDim, epochs, seed, training.clipNorm], [3, 1, 5, 4]);

    await Deno.writeTextFile(`${folder}/typo.json`, '{"latendDim": 4}');
    const typo = await recvae("train", ...TINY, "--config", `${folder}/typo.json`);
    assertEquals(typo.code, 2);
    assertStringIncludes(typo.stderr, 'did you mean "latentDim"?');
    await Deno.writeTextFile(`${folder}/list.json`, "[]");
    assertEquals((await recvae("train", ...TINY, "--config", `${folder}/list.json`)).code, 3);
  });
});
