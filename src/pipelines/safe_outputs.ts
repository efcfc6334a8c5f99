/** What is safe when a file cannot be written: said by the command that knows, behind what the disk says. */
import { WriteError } from "../base/errors.ts";
import { isGranted } from "../deps/permissions.ts";
import { CheckpointStore, saveCheckpoint } from "../training/checkpoint.ts";
import { decodeRun } from "../training/run_contents.ts";
import { readRun, saveRun, type SaveRunOptions } from "../training/run_folder.ts";
import type { WeightSource } from "../training/weight_holder.ts";
import { namedFailure } from "../files/write_failure.ts";
import { RUN_LAYOUT } from "./run_folder.ts";

/**
 * Runs a body; when it cannot write a file, the error says also what is safe.
 *
 * @param safe Gives one or more sentences; called when the error has happened.
 * @param body Writes files.
 * @throws {WriteError} with the sentences behind its own.
 */
export async function sayingWhatIsSafe<T>(
  safe: () => string | Promise<string>,
  body: () => T | Promise<T>,
): Promise<T> {
  try {
    return await body();
  } catch (thrown) {
    const error = namedFailure(thrown);
    if (!(error instanceof WriteError)) throw error;
    const { path, message, code, cause } = error;
    throw new WriteError(path, `${message}. ${await safe()}`, { code, cause });
  }
}

/**
 * How many of a command's outputs are there.
 *
 * @param folder Where they are.
 * @param counts `written`, `all`, and what they are: `"tables"`.
 */
export function wholeOutputs(
  folder: string,
  { written, all, what }: { readonly written: number; readonly all: number; readonly what: string },
): string {
  return written === 0
    ? `No ${what} were written; start again, with --force if ${folder} is not empty`
    : `${written} of ${all} ${what} are whole in ${folder}; the same command with --force writes all of them again`;
}

/**
 * Saves a checkpoint because something else could not be written. This one may fail as well: the error that counts is the first.
 *
 * @param save Saves it.
 * @param error What happened; nothing is saved when the run's folder is gone.
 */
export async function saveInstead(save: () => Promise<unknown>, error: unknown): Promise<void> {
  if (!(error instanceof WriteError) || error.code === "ENOENT") return;
  try {
    await save();
  } catch {
    // Older checkpoints are as they were.
  }
}

/**
 * Writes the files a finished training leaves, or a checkpoint in their place. Training that went on after an earlier end has
 * saved a checkpoint before: while the files are replaced, one by one, something in the folder is whole.
 *
 * @param folder Of the run.
 * @param trained The model, and what is saved beside its weights.
 * @throws {WriteError} when the files cannot be written; the checkpoint is there if that could be written.
 */
export async function saveEnd(
  folder: string,
  { model, parts }: { readonly model: WeightSource; readonly parts: SaveRunOptions },
): Promise<void> {
  const store = new CheckpointStore(`${folder}/${RUN_LAYOUT.checkpoints}`);
  try {
    await saveRun(folder, model, parts);
  } catch (error) {
    await saveInstead(() => saveCheckpoint(store, model, parts), error);
    throw error;
  }
}

/**
 * What of a training is on the disk, and how to get the rest.
 *
 * @param folder Of the run.
 * @param epochs Of the whole training.
 */
export async function safeTraining(folder: string, epochs: number): Promise<string> {
  if (!isGranted("read", folder)) {
    return `${folder} may hold what was trained: recvae train --resume ${folder}, permitted to read it, goes on from there`;
  }
  const epoch = Math.max(await endedAt(folder), await newestCheckpoint(folder));
  const resume = `recvae train --resume ${folder}`;
  if (epoch < 0) {
    return `Nothing of the training is saved; start again, with --force if ${folder} is not empty`;
  }
  return epoch < epochs
    ? `The training is safe up to epoch ${epoch} of ${epochs}: ${resume} goes on from there`
    : `The training is safe in ${folder}: ${resume} writes the rest`;
}

/**
 * What to do when the training has not begun.
 *
 * @param folder Of the run.
 */
export function nothingTrained(folder: string): string {
  return `Nothing is trained yet; start again, with --force if ${folder} is not empty`;
}

/** Epochs of the run that ended in this folder; -1 when none did, or its files are not whole. */
async function endedAt(folder: string): Promise<number> {
  try {
    const { epoch, training } = await readRun(folder);
    return training ? epoch ?? -1 : -1;
  } catch {
    return -1;
  }
}

/** Epochs of the newest whole checkpoint of a run's folder, -1 without one. */
export async function newestCheckpoint(folder: string): Promise<number> {
  try {
    const newest = await new CheckpointStore(`${folder}/${RUN_LAYOUT.checkpoints}`).loadNewest();
    return newest ? decodeRun(newest.files, folder).epoch ?? -1 : -1;
  } catch {
    return -1;
  }
}
