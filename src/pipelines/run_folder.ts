/** What lies where in the folder of a run, beside the files of src/training/run_folder.ts. */
import { LOCK_FILE } from "../files/folder_lock.ts";

/** Key of config.json under which a run says its family; runs without are of the default family. */
export const FAMILY_KEY = "family";

/** Names inside a run folder of any family; what only one family writes stands in its folder. */
export const RUN_LAYOUT = {
  config: "config.json",
  lock: LOCK_FILE,
  checkpoints: "checkpoints",
  log: "log.jsonl",
  report: "report.html",
  summaryText: "summary.txt",
  summaryJson: "summary.json",
} as const;
