/** A tiny BIDS dataset with derivatives as fMRIPrep makes them, through the commands: what is used, and what is said of the rest. */
import { assert, assertEquals, assertStringIncludes } from "../../src/deps/std.ts";
import { inFolder } from "../support/folders.ts";
import { recvaeOverheard } from "../support/recvae_in_process.ts";
import { writeSmallScan } from "../support/small_scans.ts";

const ENGINE = ["--backend", "cpu"];
const TRAINING = ["--epochs", "1", "--fit-offsets", "0", "--latent-dim", "2", "--channels", "2"]
  .concat(ENGINE);

/** 3 persons × 2 sessions × 2 tasks of different lengths, raw and derived, with what lies beside them. */
function writeDataset(root: string): void {
  const text = (path: string, content: string) => {
    Deno.mkdirSync(path.slice(0, path.lastIndexOf("/")), { recursive: true });
    Deno.writeTextFileSync(path, content);
  };
  const derived = `${root}/derivatives/fmriprep`;
  text(`${root}/dataset_description.json`, '{"Name": "tiny", "BIDSVersion": "1.9.0"}');
  text(`${root}/task-rest_bold.json`, '{"RepetitionTime": 2}');
  text(
    `${root}/participants.tsv`,
    "participant_id\tdiagnosis\nsub-01\tCN\nsub-02\tAD\nsub-03\tn/a\n",
  );
  text(`${derived}/dataset_description.json`, '{"Name": "d", "DatasetType": "derivative"}');
  let seed = 0;
  for (const sub of ["01", "02", "03"]) {
    for (const ses of ["1", "2"]) {
      for (const [task, frames] of [["rest", 6], ["nback", 8]] as const) {
        const name = `sub-${sub}/ses-${ses}/func/sub-${sub}_ses-${ses}_task-${task}`;
        writeSmallScan(`${root}/${name}_bold.nii.gz`, { seed, frames });
        for (const space of ["MNI152NLin2009cAsym", "T1w"]) {
          const stem = `${derived}/${name}_space-${space}`;
          writeSmallScan(`${stem}_desc-preproc_bold.nii.gz`, { seed, frames });
          writeSmallScan(`${stem}_boldref.nii.gz`, { seed, frames: 1 });
          text(`${stem}_desc-preproc_bold.json`, '{"RepetitionTime": 2}');
        }
        const outliers = task === "rest" ? "\tnon_steady_state_outlier00" : "";
        text(`${derived}/${name}_desc-confounds_timeseries.tsv`, `trans_x${outliers}\n0\t1\n`);
        seed++;
      }
    }
    writeSmallScan(`${root}/sub-${sub}/ses-1/anat/sub-${sub}_ses-1_T1w.nii.gz`, { frames: 1 });
  }
  text(`${root}/sub-01/ses-1/func/._sub-01_ses-1_task-rest_bold.nii.gz`, "");
}

Deno.test("a raw dataset is used by task, and what is left out is said with the reason", async () => {
  await inFolder(async (folder) => {
    const root = `${folder}/ds`;
    writeDataset(root);
    const { code, stderr } = await recvaeOverheard(
      ["train", root, "--task", "rest", "--out", `${folder}/run`, ...TRAINING],
    );
    assertEquals(code, 0, stderr);
    assertStringIncludes(stderr, '3 × anatomy ("sub-01_ses-1_T1w.nii.gz" and 2 more)');
    assertStringIncludes(stderr, "6 × scans with task-nback, not rest");
    assertStringIncludes(stderr, "1 companion file of macOS");
    const rows = Deno.readTextFileSync(`${folder}/run/subjects.tsv`).trim().split("\n").slice(1)
      .map((line) => line.split("\t"));
    assertEquals(rows.length, 6);
    const parts = Map.groupBy(rows, (line) => line[5]);
    assertEquals([...parts.keys()], ["01", "02", "03"]);
    for (const lines of parts.values()) assertEquals(new Set(lines.map((line) => line[2])).size, 1);

    const shown = await recvaeOverheard(["inspect", root, "--json"]);
    const facts = JSON.parse(shown.stdout);
    assertEquals([facts.kind, facts.scans, facts.persons], ["BIDS dataset", 12, 3]);
    assertEquals(facts.leftOut.length, 4);
    const printed = await recvaeOverheard(["inspect", root]);
    assertStringIncludes(printed.stdout, "_T1w.nii.gz: anatomy");
  });
});

Deno.test("derivatives: spaces are never mixed, frames not in steady state are left out by every command", async () => {
  await inFolder(async (folder) => {
    writeDataset(`${folder}/ds`);
    const root = `${folder}/ds/derivatives/fmriprep`;
    const out = ["--out", `${folder}/run`];
    const mixed = await recvaeOverheard(["train", root, ...out, ...TRAINING]);
    assertStringIncludes(mixed.stderr, "several spaces (MNI152NLin2009cAsym: 12, T1w: 12)");
    assertStringIncludes(mixed.stderr, "--space");
    const chosen = ["--space", "MNI152NLin2009cAsym", "--task", "rest"];
    const trained = await recvaeOverheard(["train", root, ...chosen, ...out, ...TRAINING]);
    assertEquals(trained.code, 0, trained.stderr);
    assertStringIncludes(trained.stderr, "the first 1 frame is left out");
    const config = JSON.parse(Deno.readTextFileSync(`${folder}/run/config.json`));
    assertEquals(config.tolTime, 5);
    assertEquals(config.data.files[0].skipFrames, 1);
    const again = ["encode", `${folder}/run`, "--json", ...ENGINE];
    for (const scans of [[], [root, ...chosen, "--participant-label", "sub-01"]]) {
      const encoded = await recvaeOverheard([...again, ...scans]);
      assertEquals(encoded.code, 0, encoded.stderr);
      const tables = JSON.parse(encoded.stdout);
      assertEquals(tables.length, scans.length === 0 ? 6 : 2);
      assertEquals(tables[0].shape, [5, 2]);
    }
    const evaluated = await recvaeOverheard(
      ["evaluate", `${folder}/run`, root, ...chosen, "--fit-offsets", "0", "--json", ...ENGINE],
    );
    assertEquals(JSON.parse(evaluated.stdout).runs, 6);
    const alone = await recvaeOverheard(["evaluate", `${folder}/run`, "--task", "rest"]);
    assertStringIncludes(alone.stderr, "--task goes with scans named on the command line");
    const none = await recvaeOverheard(["train", root, "--task", "motor", ...out, ...TRAINING]);
    assertStringIncludes(none.stderr, "none of its 48 images is taken for a scan");
  });
});

Deno.test("absent content is answered with the command that fetches it; --skip-bad goes on without bad files", async () => {
  await inFolder(async (folder) => {
    const root = `${folder}/ds`;
    writeDataset(root);
    const link = "sub-01/ses-1/func/sub-01_ses-1_task-rest_bold.nii.gz";
    Deno.removeSync(`${root}/${link}`);
    Deno.symlinkSync("../../../.git/annex/objects/a/b/c.nii.gz", `${root}/${link}`);
    const broken = `${root}/sub-02/ses-1/func/sub-02_ses-1_task-rest_bold.nii.gz`;
    const whole = Deno.readFileSync(broken);
    Deno.writeFileSync(broken, whole.subarray(0, whole.length / 2));
    const train = ["train", root, "--task", "rest", "--out", `${folder}/run`, ...TRAINING];
    const absent = await recvaeOverheard(train);
    assertEquals(absent.code, 3);
    assertStringIncludes(absent.stderr, `datalad get -d "${root}" "${root}/${link}"`);
    const { code, stderr } = await recvaeOverheard([...train, "--skip-bad"]);
    assertEquals(code, 0, stderr);
    assertStringIncludes(stderr, "1 × links to content that is not here");
    assertStringIncludes(stderr, `Left out (--skip-bad): Cannot read "${broken}"`);
    const config = JSON.parse(Deno.readTextFileSync(`${folder}/run/config.json`));
    assertEquals(config.data.files.length, 4);
    assert(!JSON.stringify(config).includes("sub-02_ses-1_task-rest"));
    const own = await recvaeOverheard([
      "evaluate",
      `${folder}/run`,
      "--fit-offsets",
      "0",
      ...ENGINE,
    ]);
    assertEquals(own.code, 0, own.stderr);
  });
});

Deno.test("filters that cannot be meant are refused", async () => {
  await inFolder(async (folder) => {
    writeSmallScan(`${folder}/a/sub-1_task-rest_bold.nii`);
    const file = `${folder}/a/sub-1_task-rest_bold.nii`;
    const cases: [args: string[], part: string][] = [
      [[`${folder}/a`, "--bids-filter", "colour=red"], "an entity of BIDS: sub,"],
      [[`${folder}/a`, "--bids-filter", "echo"], "needs ENTITY=LABEL"],
      [[file, "--task", "rest"], "go with folders"],
      [[`${folder}/a`, "--run", "2"], "scans with run-(none), not 2"],
    ];
    for (const [args, part] of cases) {
      const { code, stderr } = await recvaeOverheard(["train", ...args, "--out", `${folder}/r`]);
      assert(code !== 0);
      assertStringIncludes(stderr, part);
    }
  });
});
