/** A run finds its data again: from any folder, after a move, and notices what was replaced. */
import { assert, assertEquals, assertStringIncludes } from "../../src/deps/std.ts";
import { writeNifti } from "../../src/formats/nifti_write.ts";
import { inFolder } from "../support/folders.ts";
import { type Finished, recvaeIn } from "./run_recvae.ts";

const SHORT = [
  "--preset",
  "conv",
  "--epochs",
  "1",
  "--channels",
  "4,8",
  "--fit-offsets",
  "0",
  "--quiet",
];
const CHANGED = "is not what the run was trained on";

function writeScan(path: string, seed: number, frames = 4): void {
  const voxels = Float32Array.from({ length: frames * 576 }, (_, i) => Math.sin(i * seed) + 2);
  Deno.writeFileSync(path, writeNifti(voxels, { spatialShape: [8, 9, 8], frames }));
}

/** Two groups of two scans, a mask beside them, and a run trained on them with relative paths. */
async function trainRun(folder: string, names = ["cn/a", "cn/b", "ad/a", "ad/b"]): Promise<void> {
  for (const name of ["study", "study/cn", "study/ad", "other"]) {
    Deno.mkdirSync(`${folder}/${name}`);
  }
  names.forEach((name, i) => writeScan(`${folder}/study/${name}.nii`, i + 1));
  const mask = writeNifti(new Float32Array(576).fill(1), { spatialShape: [8, 9, 8] });
  Deno.writeFileSync(`${folder}/study/mask.nii`, mask);
  const groups = ["--cn", "study/cn", "--ad", "study/ad", "--mask", "study/mask.nii"];
  const { code, stderr } = await recvaeIn(folder, "train", ...groups, "--out", "run", ...SHORT);
  assertEquals(code, 0, stderr);
}

/** The model's own held-out error, which is the run's whenever the data are. */
function errorOf({ code, stdout, stderr }: Finished): number {
  assertEquals(code, 0, stderr);
  return JSON.parse(stdout).model.mse;
}

// deno-lint-ignore no-explicit-any
function readJson(path: string): any {
  return JSON.parse(Deno.readTextFileSync(path));
}

/** What version 0.1.0 wrote: paths as they were typed, nothing of the content. */
function makeOld(folder: string): void {
  const path = `${folder}/run/config.json`;
  const config = readJson(path);
  const typed = (text: string) => text.slice(Deno.realPathSync(folder).length + 1);
  config.data.files = config.data.files.map((scan: { path: string; label: string }) => (
    { path: typed(scan.path), label: scan.label }
  ));
  config.data.mask = typed(config.data.mask.path);
  Deno.writeTextFileSync(path, JSON.stringify(config));
}

Deno.test("evaluate, encode and --resume work from another folder, and after a move with --data-root", async () => {
  await inFolder(async (temporary) => {
    const folder = Deno.realPathSync(temporary);
    await trainRun(folder);
    const there = `${folder}/other`;
    const mse = readJson(`${folder}/run/summary.json`).scores.model.mse;
    assertEquals(errorOf(await recvaeIn(there, "evaluate", "../run", "--json")), mse);
    const encoded = await recvaeIn(there, "encode", "../run", "--out", "latents");
    assertEquals(encoded.code, 0, encoded.stderr);

    Deno.renameSync(`${folder}/study`, `${folder}/moved`);
    const lost = await recvaeIn(there, "evaluate", "../run");
    assertEquals(lost.code, 3);
    assertStringIncludes(lost.stderr, `found no file "${folder}/study/cn/a.nii" (5 of its 5 files`);
    assertStringIncludes(lost.stderr, "--data-root DIR");
    const wrong = await recvaeIn(there, "evaluate", "../run", "--data-root", "../moved/ad");
    assertEquals(wrong.code, 3);
    assertStringIncludes(
      wrong.stderr,
      `no file below "../moved/ad" for "${folder}/study/cn/a.nii"`,
    );

    const found = ["--data-root", "../moved"];
    assertEquals(errorOf(await recvaeIn(there, "evaluate", "../run", "--json", ...found)), mse);
    for (const command of ["encode", "reconstruct"]) {
      const { code, stderr } = await recvaeIn(there, command, "../run", "--out", "out", ...found);
      assertEquals(code, 0, stderr);
    }
    const resumed = await recvaeIn(
      ...[there, "train", "--resume", "../run", "--epochs", "2", "--quiet", ...found] as const,
    );
    assertEquals(resumed.code, 0, resumed.stderr);
    const { files, mask } = readJson(`${folder}/run/config.json`).data;
    assertEquals(files[3].path, `${folder}/moved/ad/b.nii`, "from now on");
    assertEquals(mask.path, `${folder}/moved/mask.nii`);
    assertEquals((await recvaeIn(there, "evaluate", "../run")).code, 0);
  });
});

Deno.test("a scan or mask that was replaced is refused by name, or used and noted when asked to", async () => {
  await inFolder(async (folder) => {
    await trainRun(folder);
    const commands = [
      ["evaluate", "run"],
      ["encode", "run", "--json"],
      ["reconstruct", "run", "--out", "out"],
      ["train", "--resume", "run", "--epochs", "2", "--quiet"],
    ];
    const mask = Deno.readFileSync(`${folder}/study/mask.nii`);
    const last = new DataView(mask.buffer, mask.length - 4);
    last.setFloat32(0, 1 - last.getFloat32(0, true), true);
    Deno.writeFileSync(`${folder}/study/mask.nii`, mask);
    for (const [command, ...args] of commands) {
      const { code, stderr } = await recvaeIn(folder, command, ...args);
      assertEquals(code, 3, stderr);
      assertStringIncludes(stderr, `mask.nii" ${CHANGED} (other content of the same size)`);
    }
    writeScan(`${folder}/study/cn/a.nii`, 9, 5);
    for (const [command, ...args] of commands) {
      const { code, stderr } = await recvaeIn(folder, command, ...args);
      assertEquals(code, 3, stderr);
      assertStringIncludes(
        stderr,
        `cn/a.nii" ${CHANGED} (11872 bytes, in training 9568) (and 1 more)`,
      );
      const accepted = await recvaeIn(folder, command, ...args, "--accept-changed-data");
      assertEquals(accepted.code, 0, accepted.stderr);
      assertStringIncludes(accepted.stderr, `cn/a.nii" ${CHANGED}`);
    }
    assertEquals((await recvaeIn(folder, "evaluate", "run")).stderr, "", "resuming remembers anew");
    const tooShort = (frames: number) => writeScan(`${folder}/study/cn/a.nii`, 9, frames);
    tooShort(3);
    const short = await recvaeIn(folder, "evaluate", "run", "--accept-changed-data");
    assertEquals(short.code, 3);
    assertStringIncludes(short.stderr, "needs 4");
  });
});

Deno.test("a run of version 0.1.0 is used as before and says what could not be checked", async () => {
  await inFolder(async (temporary) => {
    const folder = Deno.realPathSync(temporary);
    // Names tell apart what earlier versions kept together by them.
    await trainRun(folder, ["cn/a", "cn/b", "ad/c", "ad/d"]);
    makeOld(folder);
    const mse = readJson(`${folder}/run/summary.json`).scores.model.mse;
    const own = await recvaeIn(folder, "evaluate", "run", "--json");
    assertEquals(errorOf(own), mse);
    assertStringIncludes(own.stderr, "could not be checked");
    const known = await recvaeIn(folder, "evaluate", "run", "study/cn", "study/ad", "--json");
    const { scans } = JSON.parse(known.stdout);
    assertEquals(scans.filter(({ seen }: { seen: string }) => seen === "trained on").length, 2);

    Deno.renameSync(`${folder}/study`, `${folder}/moved`);
    assertEquals((await recvaeIn(folder, "evaluate", "run")).code, 3);
    const found = await recvaeIn(folder, "evaluate", "run", "--json", "--data-root", "moved");
    assertEquals(errorOf(found), mse);
    const unknown = await recvaeIn(folder, "evaluate", "run", "moved/cn");
    assertStringIncludes(unknown.stdout, "  unknown     moved/cn/a.nii");
  });
});

Deno.test("a run of the shipped data holds no path of this machine, and finds them from anywhere", async () => {
  await inFolder(async (folder) => {
    const shipped = decodeURIComponent(new URL("../../data/haxby2001", import.meta.url).pathname);
    const mask = ["--mask", `${shipped}/masks/sub-1_desc-brain_mask.nii.gz`];
    const short = [...SHORT, "--tol-time", "6", "--checkpoint-every", "1"];
    const { code, stderr } = await recvaeIn(folder, "train", "--out", "run", ...mask, ...short);
    assertEquals(code, 0, stderr);
    let files = 0;
    const look = (path: string) => {
      for (const { name, isDirectory } of Deno.readDirSync(path)) {
        if (isDirectory) look(`${path}/${name}`);
        else {
          files++;
          const text = new TextDecoder("latin1").decode(Deno.readFileSync(`${path}/${name}`));
          assert(!text.includes(shipped), `${path}/${name}`);
        }
      }
    };
    look(`${folder}/run`);
    assert(files > 20, `${files} files`);
    const { data } = readJson(`${folder}/run/config.json`);
    assertEquals(data.files[0].path, "sub-1_task-objectviewing_run-01_bold.nii.gz");
    assertEquals(data.mask.path, "masks/sub-1_desc-brain_mask.nii.gz");
    assertEquals((await recvaeIn(folder, "evaluate", "run")).code, 0);
    const again = ["--config", "run/config.json", "--out", "again", ...short];
    assertEquals((await recvaeIn(folder, "train", ...again)).code, 0, "the mask of another run");
    const absent = await recvaeIn(folder, "evaluate", "again", "--data-root", "nowhere");
    assertEquals(absent.code, 2);
    assertStringIncludes(absent.stderr, '--data-root is "nowhere", needs a folder that exists');
    const nowhere = await recvaeIn(folder, "evaluate", "again", "--data-root", "run");
    assertEquals(nowhere.code, 0, "its mask has not moved");
  });
});

Deno.test("options about a run's own data are refused where there are none", async () => {
  await inFolder(async (folder) => {
    await trainRun(folder);
    const refused: [string[], string][] = [
      [["train", "study/cn", "--data-root", "x"], "--data-root goes with --resume"],
      [["train", "study/cn", "--accept-changed-data"], "--accept-changed-data goes with --resume"],
      [["evaluate", "run", "study/cn", "--data-root", "x"], "--data-root is for the scans the run"],
      [["encode", "run", "study/cn", "--json", "--accept-changed-data"], "leave it out"],
    ];
    for (const [[command, ...args], text] of refused) {
      const { code, stderr } = await recvaeIn(folder, command, ...args);
      assertEquals(code, 2, stderr);
      assertStringIncludes(stderr, text);
    }
    const made = [
      "--synthetic",
      "--spatial",
      "8,9,8",
      "--tol-time",
      "4",
      "--out",
      "made",
      ...SHORT,
    ];
    assertEquals((await recvaeIn(folder, "train", ...made)).code, 0);
    const synthetic = await recvaeIn(folder, "evaluate", "made", "--data-root", "x");
    assertEquals(synthetic.code, 2);
    assertStringIncludes(synthetic.stderr, "are synthetic");
  });
});

Deno.test("evaluate says of every scan whether the run was trained on it, whatever it is called now", async () => {
  await inFolder(async (temporary) => {
    const folder = Deno.realPathSync(temporary);
    await trainRun(folder);
    const parts = Deno.readTextFileSync(`${folder}/run/subjects.tsv`).trim().split("\n").slice(1)
      .map((line) => line.split("\t"));
    const pathOf = (part: string) => parts.find((cells) => cells[2] === part)![4];
    const [trained, heldOut] = [pathOf("training"), pathOf("held-out")];
    Deno.copyFileSync(trained, `${folder}/other/x.nii`);
    Deno.copyFileSync(heldOut, `${folder}/other/y.nii`);
    writeScan(`${folder}/other/z.nii`, 11);
    const scans = [trained, "other"];
    const { stdout, stderr } = await recvaeIn(folder, "evaluate", "run", ...scans, "--json");
    assertEquals(JSON.parse(stdout).scans, [
      { file: trained, seen: "trained on" },
      { file: "other/x.nii", seen: "trained on", as: trained },
      { file: "other/y.nii", seen: "held out", as: heldOut },
      { file: "other/z.nii", seen: "new" },
    ], stderr);
    const text = (await recvaeIn(folder, "evaluate", "run", ...scans)).stdout;
    assertStringIncludes(text, "TRAINED ON: 2 of these 4 scans.");
    assertStringIncludes(text, `  trained on  other/x.nii (as ${trained})`);
    assertStringIncludes(text, "  new         other/z.nii");
    const fresh = (await recvaeIn(folder, "evaluate", "run", "other/z.nii")).stdout;
    assertStringIncludes(fresh, "None of these scans was used in training.");
    const own = JSON.parse((await recvaeIn(folder, "evaluate", "run", "--json")).stdout);
    assertEquals(own.scans.map(({ seen }: { seen: string }) => seen), ["held out", "held out"]);
  });
});

Deno.test("evaluate recognises the synthetic scans of a run", async () => {
  await inFolder(async (folder) => {
    const size = ["--synthetic", "--spatial", "8,9,8"];
    const made = [...size, "--subjects", "4", "--tol-time", "4", "--seed", "5", "--out", "run"];
    const { code, stderr } = await recvaeIn(folder, "train", ...made, ...SHORT);
    assertEquals(code, 0, stderr);
    const seen = async (subjects: string) => {
      const args = [...size, "--subjects", subjects, "--json"];
      const { stdout } = await recvaeIn(folder, "evaluate", "run", ...args);
      return JSON.parse(stdout).scans.map((scan: { seen: string }) => scan.seen).sort();
    };
    assertEquals(await seen("4"), ["held out", "held out", "trained on", "trained on"]);
    assertEquals((await seen("6")).includes("new"), true);
  });
});
