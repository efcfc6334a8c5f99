/** What lies where in the folder of a run, beside the files of src/training/run_folder.ts. */
import { LOCK_FILE } from "../files/folder_lock.ts";

/** Key of config.json under which a run says its family; runs without are of the default family. */
export const FAMILY_KEY = "family";

/** Names inside a run folder. */
export const RUN_LAYOUT = {
  config: "config.json",
  lock: LOCK_FILE,
  checkpoints: "checkpoints",
  log: "log.jsonl",
  subjects: "subjects.tsv",
  transition: "transition.json",
  latents: "latents",
  reconstructions: "reconstructions",
  maps: "latent_maps.nii",
  mask: "mask.nii",
  figures: "figures",
  report: "report.html",
  summaryText: "summary.txt",
  summaryJson: "summary.json",
} as const;
