/** The family vae through the real program: from files to a run, its verbs, what it refuses. */
import { assert, assertEquals, assertMatch, assertStringIncludes } from "../../src/deps/std.ts";
import { openBoldRun } from "../../src/data/bold_run.ts";
import { NiftiFile } from "../../src/files/nifti_file.ts";
import { RandomStream } from "../../src/base/random.ts";
import { VAE } from "../../src/models/vae/mod.ts";
import { selectBackend } from "../../src/backends/registry.ts";
import { inFolder } from "../support/folders.ts";
import { recvaeInProcess } from "../support/recvae_in_process.ts";

const ENGINE = ["--backend", "cpu"];

async function done(...args: string[]): Promise<string> {
  const { code, stdout, stderr } = await recvaeInProcess(args);
  assertEquals(code, 0, stderr);
  return stdout;
}

async function refused(code: number, ...args: string[]): Promise<string> {
  const finished = await recvaeInProcess(args);
  assertEquals(finished.code, code, finished.stderr + finished.stdout);
  return finished.stderr;
}

function train(source: string[], out: string, ...args: string[]): Promise<string> {
  return done("train", "vae", ...source, "--out", out, "--quiet", ...ENGINE, ...args);
}

/** Forty rows of two factors in six columns, with an age that follows the first. */
function table(missing = false): string {
  const random = RandomStream.fromSeed(3).split("table");
  const lines = Array.from({ length: 40 }, (_, row) => {
    const [a, b] = random.normals64(2);
    const cells = Array.from({ length: 6 }, (_, c) => a * Math.cos(c) + b * Math.sin(2 * c));
    const shown: (string | number)[] = cells.map((x) => (x + 0.1 * random.normal()).toFixed(4));
    if (missing && row === 7) shown[2] = "n/a";
    return [`p${row}`, ...shown, (50 + 10 * a).toFixed(2)].join("\t");
  });
  return `${["sample", "a", "b", "c", "d", "e", "f", "age"].join("\t")}\n${lines.join("\n")}\n`;
}

/** Eight images of one grid, two a person. */
async function images(folder: string): Promise<void> {
  const random = RandomStream.fromSeed(4).split("images");
  for (let i = 0; i < 8; i++) {
    const path = `${folder}/sub-${Math.floor(i / 2) + 1}_run-${i % 2 + 1}_T1w.nii`;
    using file = new NiftiFile(path, {
      spatialShape: [5, 4, 6],
      frames: 1,
      affine: [2, 0, 0, -7, 0, 2, 0, 5, 0, 0, 3, 1, 0, 0, 0, 1],
    });
    await file.append(random.normals(120));
    await file.finish();
  }
}

Deno.test("a table goes to a run whose latents know the age, and is resumed to the same bits", async () => {
  await inFolder(async (folder) => {
    const rows = `${folder}/rows.tsv`;
    await Deno.writeTextFile(rows, table());
    const asked = ["--target", "age", "--latent-dim", "2", "--widths", "16", "--epochs"];
    const summary = JSON.parse(
      await train([rows], `${folder}/run`, ...asked, "200", "--learning-rate", "0.01", "--json"),
    );
    const [model, mean, pca] = summary.reconstruction;
    assertEquals([mean.name, mean.varianceExplained], ["training mean", 0]);
    assert(model.varianceExplained > 0.7, `${model.varianceExplained}`);
    assert(pca.varianceExplained > 0.8);
    assertEquals([summary.latentsInUse, summary.heldOut], [2, 10]);
    assertEquals(summary.probe.latents.kind, "numbers");
    assert(summary.probe.latents.score > 0.7, `${summary.probe.latents.score}`);
    const again = JSON.parse(await done("evaluate", `${folder}/run`, "--json", ...ENGINE));
    assertEquals(again.reconstruction, summary.reconstruction);

    await train([rows], `${folder}/whole`, ...asked, "6");
    await train([rows], `${folder}/parts`, ...asked, "2");
    await done("train", "--resume", `${folder}/parts`, "--epochs", "6", "--quiet", ...ENGINE);
    for (const name of ["weights.safetensors", "optimiser.safetensors", "history.json"]) {
      const read = (run: string) => Deno.readFile(`${folder}/${run}/${name}`);
      assertEquals(await read("parts"), await read("whole"), name);
    }
  });
});

Deno.test("images of people: verbs write NIfTI with the affine, the library loads the run", async () => {
  await inFolder(async (folder) => {
    await Deno.mkdir(`${folder}/scans`);
    await images(`${folder}/scans`);
    const run = `${folder}/run`;
    const text = await train([`${folder}/scans`], run, "--epochs", "2", "--latent-dim", "3");
    assertStringIncludes(text, "8 samples (6 trained on, 2 held out by group)");
    assertStringIncludes(await Deno.readTextFile(`${run}/report.html`), "One latent moves");
    const scan = `${folder}/scans/sub-1_run-1_T1w.nii`;
    await done("encode", run, scan, "--out", `${folder}/z.tsv`, ...ENGINE);
    const [header, line] = (await Deno.readTextFile(`${folder}/z.tsv`)).split("\n");
    assertEquals(header, "sample\tz1\tz2\tz3");
    assertEquals(line.split("\t").length, 4);
    await selectBackend("cpu");
    assertEquals((await VAE.load(run)).latentDim, 3);
    const outputs = {
      "recon.nii.gz": ["reconstruct", run, scan],
      "drawn.nii": ["sample", run, "--count", "3", "--seed", "5"],
      "moved.nii": ["traverse", run, "--latent", "2", "--steps", "5"],
    };
    for (const [name, words] of Object.entries(outputs)) {
      await done(...words, "--out", `${folder}/${name}`, ...ENGINE);
      const written = await openBoldRun(`${folder}/${name}`);
      assertEquals([...written.affine].slice(0, 4), [2, 0, 0, -7]);
      assertEquals(written.frames, name[0] === "r" ? 1 : name[0] === "d" ? 3 : 5);
      written.close();
      assertMatch(await refused(2, ...words, "--out", `${folder}/${name}`, ...ENGINE), /--force/);
    }
    const people = "participants.tsv";
    const ages = [61, 62, 71, 72].map((age, i) => `sub-${i + 1}\t${age > 70 ? "old" : "young"}`);
    await Deno.writeTextFile(`${folder}/${people}`, ["participant_id\tclass", ...ages].join("\n"));
    const about = ["--participants", `${folder}/${people}`, "--target", "class"];
    const probed = JSON.parse(await done("probe", run, ...about, "--json", ...ENGINE));
    assertEquals([probed.kind, probed.rows, probed.folds, probed.chance], ["classes", 8, 4, 0.5]);
    assertStringIncludes(await refused(2, "probe", run, ...ENGINE), "have no targets");
    const facts = JSON.parse(await done("inspect", run, "--json"));
    assertEquals([facts.latentDim, facts.shape], [3, [5, 4, 6]]);
  });
});

Deno.test("images of NumPy are trained on, whatever the order of their axes", async () => {
  await inFolder(async (folder) => {
    const header = "{'descr': '<f4', 'fortran_order': False, 'shape': (12, 6, 5), }";
    const text = new TextEncoder().encode(header.padEnd(117) + "\n");
    const values = new Uint8Array(RandomStream.fromSeed(6).normals(360).buffer);
    const start = [0x93, ...new TextEncoder().encode("NUMPY"), 1, 0, text.length, 0];
    await Deno.writeFile(`${folder}/x.npy`, Uint8Array.from([...start, ...text, ...values]));
    const run = `${folder}/run`;
    const summary = await train([`${folder}/x.npy`], run, "--epochs", "1", "--latent-dim", "2");
    assertStringIncludes(summary, "12 samples (9 trained on, 3 held out by group), 6×5 values");
    await done("sample", run, "--out", `${folder}/s.safetensors`, ...ENGINE);
  });
});

Deno.test("what cannot be trained on is refused by name, with the way out", async () => {
  await inFolder(async (folder) => {
    const rows = `${folder}/rows.tsv`;
    await Deno.writeTextFile(rows, table(true));
    const out = ["--out", `${folder}/run`, ...ENGINE, "--quiet", "--epochs", "1"];
    const missing = await refused(3, "train", "vae", rows, ...out);
    assertStringIncludes(missing, 'line 9 has "n/a" in column "c"');
    assertStringIncludes(missing, "--drop-missing");
    const kept = await done("train", "vae", rows, "--drop-missing", ...out);
    assertStringIncludes(kept, "39 samples");
    const again = (...more: string[]) => refused(3, "train", "vae", ...more, ...out, "--force");
    assertStringIncludes(await again(rows, "--target", "agee"), 'no column "agee" (--target)');
    await Deno.mkdir(`${folder}/scans`);
    assertStringIncludes(await again(`${folder}/scans`), "has 0 entries");
    await images(`${folder}/scans`);
    const scans = `${folder}/scans`;
    using other = new NiftiFile(`${scans}/sub-5_T1w.nii`, { spatialShape: [5, 4, 5], frames: 1 });
    await other.append(new Float32Array(100).fill(NaN));
    await other.finish();
    const shapes = await refused(3, "train", "vae", scans, ...out, "--force");
    assertMatch(
      shapes,
      /sub-5_T1w.nii" has samples of 5×4×5 .* sub-1_run-1_T1w.nii" have 5×4×6|one grid/,
    );
    assertStringIncludes(await again(`${scans}/sub-5_T1w.nii`), "100 of 100 values are NaN");
    const participants = await refused(2, "train", "vae", rows, "--participants", rows, ...out);
    assertStringIncludes(participants, "--participants needs --target");
  });
});
