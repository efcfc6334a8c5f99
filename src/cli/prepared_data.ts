/** From a data plan to loaders: which subjects train, which are held out, and how all are normalised. */
import type { NdArray } from "../base/arrays.ts";
import { type Cohort, selectSubjects } from "../data/cohort.ts";
import { buildDataLoader, type DataLoader } from "../data/loader.ts";
import { openMask } from "../data/mask.ts";
import type { Normalization } from "../data/normalization.ts";
import { groupedFolds, type Split, trainTestSplit } from "../data/splits.ts";
import { openPlan } from "./data_options.ts";
import { parseFold, type TrainingDataPlan } from "./train_options.ts";

/** Loaders of a run. */
export interface PreparedData {
  /** All subjects; `split` numbers them. */
  readonly cohort: Cohort;
  readonly split: Split;
  readonly train: DataLoader;
  /** Null when nothing is held out. */
  readonly heldOut: DataLoader | null;
  /** Voxels that count, `[Z, Y, X]`. */
  readonly mask?: NdArray;
  /** What the user should know about how the data were divided. */
  readonly notes: readonly string[];
  close(): void;
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
}

/**
 * Opens, divides and surveys the data.
 *
 * @param plan Which data. @param options Batches and memory.
 * @throws {FormatError} {ShapeError} {ConfigError} as cohorts, splits and loaders do.
 */
export async function prepareData(
  plan: TrainingDataPlan,
  options: LoadingOptions,
): Promise<PreparedData> {
  const cohort = await openPlan(plan);
  const { split, notes } = divide(cohort, plan, options.seed);
  const { batchSize, seed, memoryBudget, cacheDirectory } = options;
  const train = await buildDataLoader(selectSubjects(cohort, split.train), {
    batchSize,
    seed,
    memoryBudget,
    cacheDirectory,
    normalization: options.normalization ?? plan.scaling,
  });
  const heldOut = split.test.length === 0
    ? null
    : await buildDataLoader(selectSubjects(cohort, split.test), {
      batchSize,
      memoryBudget,
      cacheDirectory,
      shuffle: false,
      normalization: train.normalization,
    });
  const [x, y, z] = cohort.spatialShape;
  const mask = plan.mask === undefined
    ? {}
    : { mask: { data: await openMask(plan.mask, cohort.spatialShape), shape: [z, y, x] } };
  return {
    cohort,
    split,
    train,
    heldOut,
    ...mask,
    notes: [...notes, ...oddities(train), ...(heldOut ? oddities(heldOut) : [])],
    close() {
      train.close();
      heldOut?.close();
    },
  };
}

/** What is legal and yet hardly meant: scans without any contrast, or without time. */
function oddities({ cohort, statistics, frames }: DataLoader): string[] {
  const constant = cohort.subjects.filter((_, row) => statistics[row].std === 0);
  const notes = constant.map(({ id }) => `"${id}" has one value everywhere; check the file.`);
  if (frames === 1) notes.push("One frame a scan: there is nothing to learn about time.");
  return notes;
}

/** Training and held-out rows, as the plan says; scans of one group stay together. */
function divide(
  cohort: Cohort,
  plan: TrainingDataPlan,
  seed: number,
): { readonly split: Split; readonly notes: readonly string[] } {
  const { subjects } = cohort;
  const everyone = { train: subjects.map((_, row) => row), test: [] };
  if (plan.heldOut === 0 && plan.fold === undefined) return { split: everyone, notes: [] };
  if (subjects.length === 1) {
    return { split: everyone, notes: ["One scan only: nothing is held out."] };
  }
  const notes: string[] = [];
  let groups = subjects.map(({ group }) => group);
  if (new Set(groups).size === 1) {
    groups = subjects.map(({ id }) => id);
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
 * All batches of a loader in the order of its rows.
 *
 * @param loader Any.
 */
export function batchesInOrder(loader: DataLoader) {
  const rows = Array.from({ length: loader.subjects }, (_, row) => row);
  const starts = rows.filter((row) => row % loader.batchSize === 0);
  return starts.map((start) => loader.batch(rows.slice(start, start + loader.batchSize)));
}
