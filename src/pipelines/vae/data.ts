/** The samples of a run: opened, divided by group, scaled. */
import type { NdArray } from "../../base/arrays.ts";
import { ConfigError, FormatError } from "../../base/errors.ts";
import { RandomStream } from "../../base/random.ts";
import { explainEmptyListing, joinPath, listSubjectFiles } from "../../data/listing.ts";
import { openSamples, type SampleSet } from "../../data/sample_set.ts";
import { fitSampleScaling, type SampleScaling, scaleSamples } from "../../data/sample_scaling.ts";
import { trainTestSplit } from "../../data/splits.ts";
import { readParticipants } from "../../data/table_file.ts";
import { readRegularText } from "../../data/openers/regular_file.ts";
import { kindOf, namesIn } from "../../files/whats_there.ts";
import type { EpochBatches } from "../../models/vae/batches.ts";
import { UsageError } from "../option_table.ts";
import type { OpenedData } from "../pipeline.ts";
import type { DataConfig, VaeConfig } from "./config.ts";

/** Where the runs that ship with the project lie. */
const SHIPPED = new URL("../../../data/haxby2001", import.meta.url);

/** Samples of one part. */
export interface Part {
  /** Rows in the set. */
  readonly rows: readonly number[];
  /** Scaled, `[N, …]`. */
  readonly x: NdArray<Float32Array>;
}

/** What is open for training and scoring. */
export interface VaeData extends OpenedData {
  readonly set: SampleSet;
  readonly scaling: SampleScaling;
  readonly training: Part;
  readonly heldOut: Part;
}

/**
 * The files that a command line names: folders give their NIfTI files, arrays and tables; a `.txt` is a list of paths.
 *
 * @param named Paths.
 * @throws {FormatError} for a folder without samples, or a list without paths.
 */
export function listedFiles(named: readonly string[]): string[] {
  return named.flatMap((path) => {
    if (kindOf(path) === "folder") return filesIn(path);
    return path.endsWith(".txt") ? listedIn(path) : [path];
  });
}

function filesIn(folder: string): string[] {
  const { entries } = explainEmptyListing(folder);
  const people = (namesIn(folder) ?? []).filter((name) =>
    /^(sub-|ses-|anat$|func$)/.test(name) &&
    kindOf(joinPath(folder, name)) === "folder"
  ).toSorted();
  const own = listSubjectFiles(folder).map((name) => joinPath(folder, name));
  const files = [...own, ...people.flatMap((name) => filesIn(joinPath(folder, name)))];
  if (files.length > 0) return files;
  throw new FormatError(
    folder,
    "samples.none",
    `Cannot open samples: the folder "${folder}" has ${entries} entries and no .nii or .nii.gz among them, needs some; ` +
      "name tables and arrays (.csv, .tsv, .npy) themselves",
  );
}

function listedIn(path: string): string[] {
  const lines = readRegularText(path).split(/\r?\n/).map((line) => line.trim()).filter((l) =>
    l !== ""
  );
  if (lines.length > 0) return lines;
  throw new FormatError(
    path,
    "samples.none",
    `Cannot open samples: the list "${path}" is empty, needs a path a line`,
  );
}

/**
 * Opens the samples of a configuration.
 *
 * @param config Data alone.
 * @param files Others than its own, for verbs.
 * @throws {FormatError} {ShapeError} as `openSamples`.
 */
export function openSet(config: DataConfig, files = config.files): Promise<SampleSet> {
  const { samples, mask, participants, target, dropMissing, nanToZero } = config;
  const people = participants === undefined ? undefined : readParticipants(participants, target!);
  return openSamples(files.length > 0 ? files : shippedFiles(), {
    samples,
    ...(mask === undefined ? {} : { mask }),
    ...(people ? { participants: people } : {}),
    ...(target === undefined || people || !isTable(files) ? {} : { target }),
    ...(dropMissing ? { dropMissing } : {}),
    ...(nanToZero ? { nanToZero } : {}),
  });
}

/**
 * Opens, divides and scales.
 *
 * @param config Of the run, without or with the model.
 * @throws {ConfigError} when there are too few samples, or groups to divide.
 */
export async function openData(
  { data, training: { batchSize, seed } }: Pick<VaeConfig, "data" | "training">,
  fitted?: SampleScaling,
): Promise<VaeData> {
  const set = await openSet(data);
  const count = set.values.shape[0];
  if (new Set(set.groups).size < 2 || count < 4) {
    throw new ConfigError(
      "heldOut",
      `Cannot divide the samples: found ${count} in ${
        new Set(set.groups).size
      } groups, needs at least 4 in 2 groups, so ` +
        "that some can be held out; give more files",
    );
  }
  const split = trainTestSplit(set.groups, { testFraction: data.heldOut, seed });
  const take = (rows: readonly number[]) => takeRows(set.values, rows);
  const scaling = fitted ?? fitSampleScaling(take(split.train), data.scaling);
  const part = (rows: readonly number[]): Part => ({ rows, x: scaleSamples(take(rows), scaling) });
  return {
    set,
    scaling,
    training: part(split.train),
    heldOut: part(split.test),
    notes: set.notes,
    batchesPerEpoch: Math.ceil(split.train.length / batchSize),
    describe: (row) => set.names[row],
    close() {},
  };
}

/** Batches of training samples in an order of their own in every epoch. */
export function trainingBatches(
  { training: { rows, x }, set }: VaeData,
  { batchSize, seed }: VaeConfig["training"],
): EpochBatches & { batches(epoch: number): Iterable<{ rows: number[]; x: NdArray }> } {
  return {
    describe: (row) => set.names[row],
    *batches(epoch) {
      const order = RandomStream.fromSeed(seed).split("order").split(epoch).permutation(
        rows.length,
      );
      for (let start = 0; start < order.length; start += batchSize) {
        const taken = [...order.subarray(start, start + batchSize)];
        yield { rows: taken.map((i) => rows[i]), x: takeRows(x, taken) };
      }
    },
  };
}

/** Some rows of an array. */
export function takeRows(
  { data, shape }: NdArray,
  rows: readonly number[],
): NdArray<Float32Array> {
  const size = data.length / shape[0];
  const values = new Float32Array(rows.length * size);
  rows.forEach((row, i) => values.set(data.subarray(row * size, (row + 1) * size), i * size));
  return { data: values, shape: [rows.length, ...shape.slice(1)] };
}

function isTable(files: readonly string[]): boolean {
  return files.some((path) => /\.(csv|tsv)$/.test(path));
}

function shippedFiles(): string[] {
  if (SHIPPED.protocol !== "file:") {
    throw new UsageError(
      "The runs that ship with the project can be used from a copy of the repository only; name files of your own",
    );
  }
  const folder = decodeURIComponent(SHIPPED.pathname);
  return listSubjectFiles(folder).map((name) => joinPath(folder, name));
}
