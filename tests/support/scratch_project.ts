/** A copy of the project in a temporary folder, with the files of a user in it whom the documents speak of. */
import { ROOT } from "../../tools/repository.ts";
import { runDeno } from "./run_deno.ts";
import { writeNifti } from "../../src/formats/nifti_write.ts";
import { writeSmallScan } from "./small_scans.ts";

/** What of the project is copied. */
const PROJECT = [
  "deno.json",
  "deno.lock",
  "mod.ts",
  "src",
  "data",
  "wasm/dist",
  "examples",
  "tests/golden/fixtures/recvae/small_state.pt",
];

/** Scans by the names that documents use; all of one grid, and each another subject. */
const SCANS = [
  ...["scans/cn", "scans/ad", "scans/CN", "scans/AD", "scans", "other/scans"].flatMap((folder) =>
    [1, 2, 3, 4].map((i) => `${folder}/${folder.replaceAll("/", "-")}-${i}_bold.nii.gz`)
  ),
  ...[1, 2, 3, 4, 5, 6, 7].map((i) => `sub-0${i}_bold.nii.gz`),
  ...["new/sub-08_bold.nii.gz", "new/sub-09_bold.nii.gz", "a_bold.nii.gz", "b_bold.nii.gz"],
  ...["01", "02", "03", "04"].flatMap((sub) => [
    `dataset/sub-${sub}/func/sub-${sub}_task-rest_bold.nii.gz`,
    `dataset/derivatives/fmriprep/sub-${sub}/func/sub-${sub}_task-rest_space-MNI152NLin2009cAsym_desc-preproc_bold.nii.gz`,
  ]),
];

/** Two regions on the grid of the scans. */
function atlas(): Uint8Array {
  const labels = Float32Array.from({ length: 8 * 9 * 8 }, (_, i) => i % 8 < 4 ? 1 : 2);
  return writeNifti(labels, { spatialShape: [8, 9, 8] });
}

/** The run that documents speak of once it is trained. */
export const TRAINED_RUN = "runs/first";

/** A project to run commands in. */
export interface ScratchProject {
  /** Its folder, the current one of every command. */
  readonly folder: string;
  /**
   * Brings back the state before the first command.
   *
   * @param withRun Whether {@link TRAINED_RUN} is there already.
   */
  reset(withRun: boolean): void;
}

/**
 * Copies the project and makes the user's files, a short training of them included.
 *
 * @param folder Empty.
 */
export async function scratchProject(folder: string): Promise<ScratchProject> {
  const [project, files] = [`${folder}/project`, `${folder}/files`];
  for (const path of PROJECT) copy(ROOT + path, `${project}/${path}`);
  const own = new Set([...Deno.readDirSync(project)].map(({ name }) => name));
  for (const [seed, path] of SCANS.entries()) writeSmallScan(`${files}/${path}`, { seed });
  Deno.writeFileSync(`${files}/atlas.nii`, atlas());
  copy(`${project}/tests/golden/fixtures/recvae/small_state.pt`, `${files}/model_state.pt`);
  const people = [1, 2, 3, 4].map((i) => `scans-${i}_bold\t${i % 2 === 0 ? "F" : "M"}`);
  const table = ["participant_id\tsex", ...people].join("\n") + "\n";
  Deno.writeTextFileSync(`${files}/participants.tsv`, table);
  const run = `${folder}/run`;
  const options = ["--cn", "scans/cn", "--ad", "scans/ad", "--epochs", "2", "--out", run];
  const main = `${project}/src/cli/main.ts`;
  const grants = ["--allow-read", `--allow-write=${folder}`];
  const trained = await runDeno([...grants, main, "train", ...options], files);
  if (trained.code !== 0) throw new Error(`training for the documents failed: ${trained.stderr}`);
  return {
    folder: project,
    reset(withRun) {
      for (const { name } of Deno.readDirSync(project)) {
        if (!own.has(name)) Deno.removeSync(`${project}/${name}`, { recursive: true });
      }
      for (const { name } of Deno.readDirSync(files)) {
        copy(`${files}/${name}`, `${project}/${name}`);
      }
      if (withRun) copy(run, `${project}/${TRAINED_RUN}`);
    },
  };
}

/** Copies a file or a folder, making the folders above. */
function copy(from: string, to: string): void {
  if (!Deno.statSync(from).isDirectory) {
    Deno.mkdirSync(to.slice(0, to.lastIndexOf("/")), { recursive: true });
    return Deno.copyFileSync(from, to);
  }
  for (const { name } of Deno.readDirSync(from)) copy(`${from}/${name}`, `${to}/${name}`);
}
