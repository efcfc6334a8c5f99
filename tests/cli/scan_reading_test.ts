/** Space, time and persons of scans through every command: training, evaluating, encoding, reconstructing. */
import { openBoldRun } from "../../src/data/bold_run.ts";
import { assert, assertEquals, assertStringIncludes } from "../../src/deps/std.ts";
import { writeNifti } from "../../src/formats/nifti_write.ts";
import { inFolder } from "../support/folders.ts";
import { writeSmallScan } from "../support/small_scans.ts";
import { recvaeOverheard } from "../support/recvae_in_process.ts";

const SHAPE = [8, 9, 8] as const;
const RAS = [2, 0, 0, 1, 0, 2, 0, 2, 0, 0, 2, 3, 0, 0, 0, 1];
const LAS = [-2, 0, 0, 15, 0, 2, 0, 2, 0, 0, 2, 3, 0, 0, 0, 1];
const ENGINE = ["--backend", "cpu"];
const TRAINING = ["--epochs", "1", "--fit-offsets", "0", "--latent-dim", "2"]
  .concat("--channels", "2", ...ENGINE);

/** Writes one head in the given order. */
async function writeHead(path: string, options: {
  readonly seed: number;
  readonly flipped?: boolean;
  readonly repetitionTime?: number;
  readonly shift?: number;
}): Promise<string> {
  const { seed, flipped = false, repetitionTime = 2, shift = 0 } = options;
  writeSmallScan(path, { seed, frames: 6 });
  using run = await openBoldRun(path);
  const values = Array.from({ length: 6 }, (_, t) => {
    const frame = run.readFrame(t);
    return [...frame.map((_, i) => flipped ? frame[i - i % 8 + 7 - i % 8] : frame[i])];
  }).flat();
  const affine = [...flipped ? LAS : RAS];
  affine[3] += shift;
  Deno.writeFileSync(
    path,
    writeNifti(Float32Array.from(values), {
      spatialShape: SHAPE,
      frames: 6,
      affine,
      repetitionTime,
      description: "a head",
    }),
  );
  return path;
}

async function ok(...args: string[]): Promise<{ stdout: string; stderr: string }> {
  const { code, stdout, stderr } = await recvaeOverheard(args);
  assertEquals(code, 0, stderr);
  return { stdout, stderr };
}

async function refused(...args: string[]): Promise<string> {
  const { code, stderr } = await recvaeOverheard(args);
  assert(code !== 0, "it was not refused");
  return stderr;
}

Deno.test("a head stored the other way round goes through a run as itself, and comes back in its own order", async () => {
  await inFolder(async (folder) => {
    const scans: string[] = [];
    for (const seed of [1, 2, 3]) {
      scans.push(await writeHead(`${folder}/in/sub-${seed}_bold.nii`, { seed }));
    }
    const mixed = await writeHead(`${folder}/las/sub-4_bold.nii`, { seed: 4, flipped: true });
    const trained = await ok("train", ...scans, mixed, "--out", `${folder}/run`, ...TRAINING);
    assertStringIncludes(trained.stderr, `"${mixed}": stored in another voxel order (LAS)`);
    const run = `${folder}/run`;
    const flipped = await writeHead(`${folder}/las/sub-2_bold.nii`, { seed: 2, flipped: true });
    const latents = async (scan: string) =>
      JSON.parse((await ok("encode", run, scan, "--json", ...ENGINE)).stdout)[0].h;
    assertEquals(await latents(flipped), await latents(scans[1]));
    const score = async (scan: string) => {
      const { stdout } = await ok("evaluate", run, scan, "--json", "--fit-offsets", "0", ...ENGINE);
      return JSON.parse(stdout).model.mse;
    };
    assertEquals(await score(flipped), await score(scans[1]));
    await ok("reconstruct", run, flipped, "--out", `${folder}/las`, ...ENGINE);
    await ok("reconstruct", run, scans[1], "--out", `${folder}/ras`, ...ENGINE);
    using las = await openBoldRun(`${folder}/las/sub-2_desc-reconstruction_bold.nii`);
    using ras = await openBoldRun(`${folder}/ras/sub-2_desc-reconstruction_bold.nii`);
    assertEquals([...las.affine], LAS);
    assertStringIncludes(las.header.description, "a head; recvae reconstruction");
    const [a, b] = [las.readFrame(5), ras.readFrame(5)];
    assert(a.every((value, i) => value === b[i - i % 8 + 7 - i % 8]));

    const moved = await writeHead(`${folder}/sub-5_bold.nii`, { seed: 5, shift: 1 });
    for (const verb of ["encode", "evaluate", "reconstruct"]) {
      const more = verb === "evaluate" ? [] : ["--out", `${folder}/moved`];
      assertStringIncludes(await refused(verb, run, moved, ...more), "on another grid");
    }
    assertStringIncludes(
      await refused("train", ...scans, moved, "--out", `${folder}/no`),
      "--resample first",
    );
    const resampled = await ok("encode", run, moved, "--resample", "run", "--json", ...ENGINE);
    assertStringIncludes(resampled.stderr, "resampled to the grid of");
    const usage = await refused("encode", run, moved, "--resample", "first", "--json");
    assertStringIncludes(usage, "--resample run");

    const fast = await writeHead(`${folder}/sub-6_bold.nii`, { seed: 6, repetitionTime: 0.8 });
    assertStringIncludes(await refused("encode", run, fast, "--json"), "--allow-mixed-tr");
    await ok("encode", run, fast, "--allow-mixed-tr", "--json", ...ENGINE);
    const summary = JSON.parse(Deno.readTextFileSync(`${run}/config.json`)).data.reading;
    assertEquals([summary.repetitionTime, summary.grid.source], [2, "sub-1_bold.nii"]);
  });
});

Deno.test("a run resampled in training resamples again, skips its frames again and keeps its persons", async () => {
  await inFolder(async (folder) => {
    const scans: string[] = [];
    for (const [seed, shift] of [[1, 0], [2, 1], [3, 0], [4, 0.5]]) {
      const path = `${folder}/in/S${seed % 2}_run${seed}.nii`;
      scans.push(await writeHead(path, { seed, shift }));
    }
    const run = `${folder}/run`;
    const options = ["--resample", "first", "--skip-frames", "2", "--subject-pattern", "(S\\d)_"];
    const { stderr } = await ok("train", ...scans, "--out", run, ...options, ...TRAINING);
    assertStringIncludes(stderr, "resampled to the grid of");
    assert(!stderr.includes("No person"), stderr);
    const lines = Deno.readTextFileSync(`${run}/subjects.tsv`).trim().split("\n").slice(1)
      .map((line) => line.split("\t"));
    assertEquals(lines.map((line) => line[5]), ["S1", "S0", "S1", "S0"]);
    const partOf = (person: string) =>
      new Set(lines.filter((line) => line[5] === person).map((line) => line[2]));
    assertEquals([partOf("S0").size, partOf("S1").size], [1, 1]);
    const encoded = await ok("encode", run, scans[1], "--json", ...ENGINE);
    assertEquals(JSON.parse(encoded.stdout)[0].shape, [4, 2]);
    await ok("evaluate", run, "--fit-offsets", "0", ...ENGINE);
    await ok("reconstruct", run, "--out", `${folder}/recon`, ...ENGINE);
    using whole = await openBoldRun(`${folder}/recon/S0_run2_desc-reconstruction_bold.nii`);
    assertEquals([whole.frames, ...whole.affine.slice(0, 4)], [4, 2, 0, 0, 1]);
    const unknown = await ok(
      "train",
      ...scans,
      "--resample",
      "first",
      "--out",
      `${folder}/b`,
      ...TRAINING,
    );
    assertStringIncludes(unknown.stderr, "No person can be read from the names of the scans");
  });
});

Deno.test("options on frames and grids that cannot be meant are refused", async () => {
  const cases: [args: string[], part: string][] = [
    [["--frames", "5"], "needs FROM:TO"],
    [["--frames", "7:7"], "needs FROM:TO"],
    [["--frames", ":"], "needs FROM:TO"],
    [["--frames", "2:", "--skip-frames", "2"], "leave one of them out"],
    [["--resample", "run"], "goes with a trained run"],
    [["--mask-label", "3"], "name the file"],
    [["--subject-pattern", "("], "no regular expression"],
  ];
  await inFolder(async (folder) => {
    writeSmallScan(`${folder}/sub-1_bold.nii`);
    for (const [args, part] of cases) {
      const words = await refused(
        "train",
        `${folder}/sub-1_bold.nii`,
        ...args,
        "--out",
        `${folder}/r`,
      );
      assertStringIncludes(words, part, args.join(" "));
    }
  });
});
