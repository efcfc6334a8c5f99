/** From a data plan to loaders: which subjects train, which are held out, and how all are normalised. */
import type { NdArray } from "../../base/arrays.ts";
import { type Cohort, type CohortSubject, selectSubjects } from "../../data/cohort.ts";
import { buildDataLoader, type DataLoader } from "../../data/loader.ts";
import { voxelIndex } from "../../data/data_mask.ts";
import { finiteOutside, openMask } from "../../data/mask.ts";
import type { Normalization } from "../../data/normalization.ts";
import { groupedFolds, type Split, trainTestSplit } from "../../data/splits.ts";
import type { OpenedData } from "../pipeline.ts";
import { printNotes } from "./data_notes.ts";
import { locatedFile } from "./data_options.ts";
import { openNewData, openOwnData, type OwnData } from "./own_data.ts";
import { maskNotes, requireContrast, scanNotes } from "./scan_notes.ts";
import { parseFold, type TrainingDataPlan } from "./train_options.ts";

/** Loaders of a run. */
export interface PreparedData extends OpenedData {
  /** Which data, with what is remembered of their files. */
  readonly plan: TrainingDataPlan;
  /** All subjects; `split` numbers them. */
  readonly cohort: Cohort;
  readonly split: Split;
  readonly train: DataLoader;
  /** Null when nothing is held out. */
  readonly heldOut: DataLoader | null;
  /** Voxels that count, `[Z, Y, X]`. */
  readonly mask?: NdArray;
}

/** What a loader needs beside the plan. */
export interface LoadingOptions {
  readonly batchSize: number;
  readonly seed: number;
  /** Bytes for frames. */
  readonly memoryBudget?: number;
  /** Folder of inflated copies that do not fit; default the system's for temporary files. */
  readonly cacheDirectory?: string;
  /** A method fixed before, instead of fitting the plan's kind to the training subjects. */
  readonly normalization?: Normalization;
  /** What is to be said with the notes on the data. */
  readonly remarks?: readonly string[];
}

/**
 * Opens, divides and surveys the data, and says on standard error what should be known about them before anything is
 * trained or scored.
 *
 * @param source Data from the command line, or a run whose data are wanted again.
 * @param options Batches and memory.
 * @throws {FormatError} {ShapeError} {ConfigError} as cohorts, splits and loaders do.
 * @throws {CheckpointError} when a run's data are missing or hold something else.
 */
export async function prepareData(
  source: TrainingDataPlan | OwnData,
  options: LoadingOptions,
): Promise<PreparedData> {
  const { plan, cohort: stored, notes: found } = "folder" in source
    ? await openOwnData(source)
    : await openNewData(source);
  const { split, notes: divided } = divide(stored.subjects, plan, options.seed);
  const notes = [...options.remarks ?? [], ...found, ...divided];
  const mask = plan.mask && await readMask(plan, stored, notes);
  const cohort = mask ? finiteOutside(stored, mask.data) : stored;
  const { batchSize, seed, memoryBudget, cacheDirectory } = options;
  const train = await buildDataLoader(selectSubjects(cohort, split.train), {
    batchSize,
    seed,
    memoryBudget,
    cacheDirectory,
    normalization: options.normalization ?? plan.scaling,
    ...(mask && { mask: mask.data }),
  });
  const heldOut = await closingOnFailure(train, async () => {
    requireContrast(train);
    if (split.test.length === 0) return null;
    return await buildDataLoader(selectSubjects(cohort, split.test), {
      batchSize,
      memoryBudget,
      cacheDirectory,
      shuffle: false,
      normalization: train.normalization,
    });
  });
  notes.push(...maskNotes(train), ...scanNotes(heldOut ? [train, heldOut] : [train]));
  printNotes(notes);
  return {
    plan,
    cohort,
    split,
    train,
    heldOut,
    ...(mask ? { mask } : {}),
    notes,
    batchesPerEpoch: train.batchesPerEpoch,
    describe: (row) => train.cohort.subjects[row]?.id ?? `row ${row}`,
    close() {
      train.close();
      heldOut?.close();
    },
  };
}

/**
 * Linear indices of the voxels that are modelled: those of the normalisation's mask, or all.
 *
 * @param loader Of training runs.
 */
export function modelledVoxels(
  { normalization, spatialShape }: Pick<DataLoader, "normalization" | "spatialShape">,
): Int32Array {
  if ("mask" in normalization) return voxelIndex(normalization.mask.inside);
  const size = spatialShape.reduce((product, n) => product * n, 1);
  return Int32Array.from({ length: size }, (_, voxel) => voxel);
}

async function closingOnFailure<T>(loader: DataLoader, action: () => Promise<T>): Promise<T> {
  try {
    return await action();
  } catch (error) {
    loader.close();
    throw error;
  }
}

/** The mask as an array on the cohort's grid; remarks on its file become notes. */
async function readMask(
  { mask, maskLabels: labels }: TrainingDataPlan,
  { spatialShape, grid }: Cohort,
  notes: string[],
): Promise<NdArray<Float32Array>> {
  const { path } = locatedFile(mask!);
  const [x, y, z] = spatialShape;
  const data = await openMask(path, spatialShape, {
    onRemark: (remark) => notes.push(`"${path}": ${remark}`),
    ...(grid ? { grid } : {}),
    ...(labels ? { labels } : {}),
  });
  return { data, shape: [z, y, x] };
}

/**
 * Training and held-out rows, as the plan says; scans of one group stay together. Names and labels decide, no file
 * is needed.
 *
 * @param subjects Of the cohort, in row order.
 * @param plan Which share or fold.
 * @param seed Of the run.
 * @throws {ConfigError} when there are fewer groups than folds.
 */
export function divide(
  subjects: readonly Pick<CohortSubject, "id" | "label" | "group">[],
  plan: TrainingDataPlan,
  seed: number,
): { readonly split: Split; readonly notes: readonly string[] } {
  const everyone = { train: subjects.map((_, row) => row), test: [] };
  if (plan.heldOut === 0 && plan.fold === undefined) return { split: everyone, notes: [] };
  if (subjects.length === 1) {
    const note =
      "One scan only: nothing is held out, so no score will say anything about new data.";
    return { split: everyone, notes: [note] };
  }
  const notes: string[] = [];
  const groups = unitsOf(subjects);
  if (new Set(subjects.map(({ group }) => group)).size === 1) {
    notes.push("All scans are of one subject, so whole scans are held out.");
  }
  const labels = subjects.map(({ label }) => label);
  if (plan.fold !== undefined) {
    const { fold, folds } = parseFold(plan.fold);
    return { split: groupedFolds(groups, folds, { labels, seed })[fold], notes };
  }
  const split = trainTestSplit(groups, { labels, seed, testFraction: plan.heldOut });
  return { split, notes };
}

/**
 * What stays whole when subjects are divided: the group of each, or the scan itself where all are of one group.
 *
 * @param subjects Of the cohort, in row order.
 */
export function unitsOf(subjects: readonly Pick<CohortSubject, "id" | "group">[]): string[] {
  const groups = subjects.map(({ group }) => group);
  return new Set(groups).size === 1 ? subjects.map(({ id }) => id) : groups;
}

/**
 * All batches of a loader in the order of its rows.
 *
 * @param loader Any.
 */
export function batchesInOrder(loader: DataLoader) {
  const rows = Array.from({ length: loader.subjects }, (_, row) => row);
  const starts = rows.filter((row) => row % loader.batchSize === 0);
  return starts.map((start) => loader.batch(rows.slice(start, start + loader.batchSize)));
}
