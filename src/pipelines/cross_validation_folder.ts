/** The folder of a cross-validation: its settings, a run for each fold, and what the folds come to. */
import { CheckpointError, FormatError } from "../base/errors.ts";
import { isRecord } from "../base/fields.ts";
import { readRegularText } from "../data/openers/regular_file.ts";
import { toJson } from "../files/json.ts";
import { isFile, namesIn } from "../files/whats_there.ts";
import { LOCK_FILE } from "../files/folder_lock.ts";
import { writeWhole } from "../files/whole_file.ts";
import type { CrossValidationSettings } from "./cross_validation_options.ts";
import { requireSameSettings } from "./cross_validation_options.ts";
import { UsageError } from "./option_table.ts";
import type { FoldFeatures, FoldScore } from "./pipeline.ts";

/** Names inside. */
export const CROSS_VALIDATION_LAYOUT = {
  settings: "crossvalidation.json",
  scores: "scores.tsv",
  groups: "groups.tsv",
  summaryText: "summary.txt",
  summaryJson: "summary.json",
} as const;

/** Inside the run of a fold: what is gathered, written last. */
const FOLD_FILE = "fold.json";

/** A fold that is done. */
export interface FinishedFold {
  /** Both counted from 1. */
  readonly repeat: number;
  readonly fold: number;
  readonly folder: string;
  /** Whether training ended with a number that was not finite; the last good epoch is scored, if there is one. */
  readonly diverged: boolean;
  readonly scores: readonly FoldScore[];
  /** Null when the family has none, or nothing was learnt. */
  readonly features: FoldFeatures | null;
  /** What the folds must have in common. */
  readonly common: unknown;
}

/** The run of a fold. */
export function foldFolder(folder: string, { repeat, fold }: { repeat: number; fold: number }) {
  return `${folder}/repeat-${repeat}_fold-${fold}`;
}

/**
 * Reads what a fold came to.
 *
 * @param folder Of the fold's run.
 * @returns Null when it is not done.
 * @throws {CheckpointError} when the file is damaged.
 */
export function readFold(folder: string): FinishedFold | null {
  const path = `${folder}/${FOLD_FILE}`;
  if (!isFile(path)) return null;
  const json = readJson(path);
  if (!Array.isArray(json.scores)) throw damaged(path);
  return { ...json, folder } as unknown as FinishedFold;
}

/** Writes it. */
export function writeFold(fold: FinishedFold): void {
  const { folder, ...content } = fold;
  writeWhole(`${folder}/${FOLD_FILE}`, toJson(content) + "\n");
}

/**
 * Makes a folder a cross-validation's, or sees that it is one with the same settings.
 *
 * @param folder There already, and locked.
 * @param settings What was typed.
 * @throws {UsageError} when it holds something else or has other settings.
 * @throws {CheckpointError} when its settings cannot be read.
 */
export function beginOrGoOn(folder: string, settings: CrossValidationSettings): void {
  const path = `${folder}/${CROSS_VALIDATION_LAYOUT.settings}`;
  if (isFile(path)) {
    const saved = readJson(path) as unknown as CrossValidationSettings;
    if (!isRecord(saved.options)) throw damaged(path);
    requireSameSettings(folder, saved, settings);
    if (saved.repeats === settings.repeats) return;
  } else requireEmpty(folder);
  writeWhole(path, toJson(settings) + "\n");
}

/**
 * Refuses a folder that holds anything but a cross-validation.
 *
 * @param folder May not exist.
 * @throws {UsageError} when it is a file or something else lies in it.
 */
export function requireOwn(folder: string): void {
  if (isFile(folder)) throw new UsageError(`"${folder}" is a file; --out needs a folder`);
  if (!isFile(`${folder}/${CROSS_VALIDATION_LAYOUT.settings}`)) requireEmpty(folder);
}

function requireEmpty(folder: string): void {
  if ((namesIn(folder) ?? []).every((name) => name === LOCK_FILE)) return;
  throw new UsageError(
    `"${folder}" is not empty and holds no cross-validation; name another folder with --out`,
  );
}

function readJson(path: string): Record<string, unknown> {
  try {
    const json = JSON.parse(readRegularText(path));
    if (isRecord(json)) return json;
  } catch (error) {
    if (!(error instanceof SyntaxError || error instanceof FormatError)) throw error;
  }
  throw damaged(path);
}

function damaged(path: string): CheckpointError {
  return new CheckpointError(
    path,
    `Cannot go on with the cross-validation: "${path}" is damaged, needs what was written there; restore it, ` +
      "or remove the folder it lies in to compute that again",
  );
}
