/** Runs that were begun and have not ended: stopped, killed, diverged, or at work now. */
import { CheckpointError } from "../base/errors.ts";
import { FolderLock } from "../files/folder_lock.ts";
import { isFile } from "../files/whats_there.ts";
import { RUN_FILES } from "../training/run_contents.ts";
import { readRunOnDisk } from "./families.ts";
import { RUN_LAYOUT } from "./run_folder.ts";
import { newestCheckpoint } from "./safe_outputs.ts";

/** How far a run is that has not ended. */
export interface UnfinishedRun {
  readonly kind: string;
  readonly family: string;
  /** Epochs saved, of those planned. */
  readonly epochs: string;
  readonly state: string;
}

/**
 * Looks at the configuration of a run, and whether it has ended.
 *
 * @param folder Of the run.
 * @param command Who asks, for the message.
 * @returns Null for a run that has ended, and where no run was begun.
 * @throws {CheckpointError} naming a field of its configuration that cannot be used.
 */
export async function unfinishedRun(
  folder: string,
  command: string,
): Promise<UnfinishedRun | null> {
  if (!isFile(`${folder}/${RUN_LAYOUT.config}`)) return null;
  const { pipeline, config } = readRunOnDisk(folder, command);
  if (isFile(`${folder}/${RUN_FILES.weights}`)) return null;
  const { epochs } = pipeline.view(config);
  const saved = Math.max(0, await newestCheckpoint(folder));
  const holder = FolderLock.holderOf(folder);
  return {
    kind: "run of recvae train, not finished",
    family: pipeline.family,
    epochs: `${saved} of ${epochs}`,
    state: holder === null
      ? `stopped; go on with: recvae train --resume ${folder}`
      : `another program is at work in it${holder === "" ? "" : ` (${holder})`}`,
  };
}

/**
 * Refuses a run that has not ended.
 *
 * @param folder Of the run.
 * @param command What needs it.
 * @throws {CheckpointError} saying how far it is and how to go on; as {@link unfinishedRun}.
 */
export async function requireEnded(folder: string, command: string): Promise<void> {
  const run = await unfinishedRun(folder, command);
  if (run === null) return;
  throw new CheckpointError(
    folder,
    `Cannot ${command} the run "${folder}": it is not finished, ${run.epochs} epochs are saved, needs one that has ` +
      `ended; ${run.state}`,
  );
}
