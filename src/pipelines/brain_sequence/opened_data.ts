/** The runs a sequence model is trained and scored on. */
import { ConfigError, FormatError } from "../../base/errors.ts";
import { findFiles, recordFile } from "../../data/file_record.ts";
import { type ParcelRun, readParcelRuns } from "../../data/parcellated/parcel_run.ts";
import { trainTestSplit } from "../../data/splits.ts";
import {
  type Autoregression,
  fitAutoregression,
  predictAutoregression,
  type SeriesBlock,
} from "../../linalg/autoregression.ts";
import type { OpenedData, OpenedRun } from "../pipeline.ts";
import { batchCount, type CropSource } from "./crops.ts";
import type { DataSettings, SequenceRunConfig } from "./settings.ts";
import type { TableFiles } from "./table_files.ts";
import type { TrainValues } from "./train_options.ts";

/** Largest order of the autoregressive model that is tried. */
const LARGEST_ORDER = 10;

/** Runs, divided. */
export interface SequenceData extends OpenedData {
  readonly train: readonly ParcelRun[];
  readonly heldOut: readonly ParcelRun[];
  /** Runs of the last training subject, which choose the epoch whose weights are kept; none with fewer than three. */
  readonly validation: readonly ParcelRun[];
  readonly repetitionTime: number;
}

/** Series of runs for linear models. */
export function blocksOf(runs: readonly ParcelRun[]): SeriesBlock[] {
  return runs.map(({ values, volumes }) => ({ values, length: volumes }));
}

/**
 * Opens the data of a new run.
 *
 * @param values Options.
 * @param tables What it is trained on.
 */
export async function openNew(
  values: TrainValues,
  { files, notes: leftOut }: TableFiles,
): Promise<OpenedRun<SequenceRunConfig, SequenceData>> {
  const runs = readParcelRuns(files, values.lines ? { lines: values.lines } : {});
  const subjects = runs.map(({ subject }) => subject);
  const seed = values.seed ?? 1;
  const { test } = trainTestSplit(subjects, { testFraction: values["held-out"] ?? 0.25, seed });
  const settings: DataSettings = {
    files: await Promise.all(files.map((path) => recordFile(path))),
    lines: runs[0].lines,
    repetitionTime: values.tr!,
    heldOut: [...new Set(test.map((row) => subjects[row]))].sort(),
  };
  const style = values.style ?? "csm";
  const objective = style === "csm" ? values.objective ?? "every" : "one";
  const data = divided(runs, settings, values.length ?? 50);
  const training = {
    epochs: values.epochs ?? 40,
    batchSize: values["batch-size"] ?? 8,
    learningRate: values["learning-rate"] ?? 5e-4,
    weightDecay: values["weight-decay"] ?? 0.1,
    clipNorm: 1,
    seed,
    least: values["least-length"] ?? 10,
    length: values.length ?? 50,
    checkpointEvery: values["checkpoint-every"],
  };
  const model = {
    style,
    objective,
    autoregression: objective === "every" ? values.autoregression ?? chooseOrder(data.train) : 0,
    parcels: runs[0].parcels,
    embeddingDim: values["embedding-dim"] ?? 64,
    layers: values.layers ?? 2,
    heads: values.heads ?? 2,
    dropout: values.dropout ?? 0.1,
  };
  const chosen = objective === "every" && values.autoregression === undefined
    ? [`Autoregressive model of order ${model.autoregression}, chosen on the training subjects.`]
    : [];
  const notes = [
    ...leftOut,
    ...data.notes,
    `A line of a table is ${settings.lines === "volumes" ? "a volume" : "a parcel"}${
      values.lines ? "" : ", as the slow changes along the other axis tell"
    }.`,
    ...chosen,
  ];
  const batchesPerEpoch = batchCount(
    cropsOf(data, data.train, { length: training.length }),
    training.batchSize,
  );
  return { config: { model, training, data: settings }, data: { ...data, notes, batchesPerEpoch } };
}

/** Opens the data of a run again. */
export async function openAgain(
  config: SequenceRunConfig,
): Promise<OpenedRun<SequenceRunConfig, SequenceData>> {
  const { files, lines } = config.data;
  const found = await findFiles(files);
  found.forEach((file, i) => {
    if (file?.state === "same") return;
    const { path } = files[i];
    const why = file ? "holds something else than when the run was trained" : "is not there";
    throw new FormatError(path, "data.changed", `Cannot go on: "${path}" ${why}; restore the file`);
  });
  const runs = readParcelRuns(found.map((file) => file!.record.path), { lines });
  const data = divided(runs, config.data, config.training.length);
  const batchesPerEpoch = batchCount(
    cropsOf(data, data.train, { length: config.training.length }),
    config.training.batchSize,
  );
  return { config, data: { ...data, batchesPerEpoch } };
}

function divided(runs: readonly ParcelRun[], settings: DataSettings, length: number): SequenceData {
  const isHeldOut = ({ subject }: ParcelRun) => settings.heldOut.includes(subject);
  const train = runs.filter((run) => !isHeldOut(run));
  const subjects = [...new Set(train.map(({ subject }) => subject))];
  const last = subjects.length >= 3 ? subjects.at(-1) : undefined;
  const tooShort = runs.find(({ volumes }) => volumes < 4);
  if (tooShort) {
    throw new ConfigError(
      "files",
      `Cannot train on "${tooShort.path}": it has ${tooShort.volumes} volumes, needs at least 4`,
    );
  }
  const constant = runs.filter((run) => run.constant > 0);
  return {
    train: train.filter(({ subject }) => subject !== last),
    validation: train.filter(({ subject }) => subject === last),
    heldOut: runs.filter(isHeldOut),
    repetitionTime: settings.repetitionTime,
    notes: constant.length === 0
      ? []
      : [`${constant.length} runs have parcels that never change; they stay 0.`],
    batchesPerEpoch: Math.max(1, Math.ceil(runs.length / length)),
    describe: (row) => runs[row]?.path ?? `run ${row + 1}`,
    close() {},
  };
}

/**
 * What sequences are cut from.
 *
 * @param data For the time between volumes.
 * @param runs Some of its runs.
 * @param options Longest sequence, and the model whose rest is predicted, in units of its scale.
 */
export function cropsOf(
  { repetitionTime }: Pick<SequenceData, "repetitionTime">,
  runs: readonly ParcelRun[],
  { length, residuals }: { readonly length: number; readonly residuals?: readonly Float32Array[] },
): CropSource {
  return { runs, repetitionTime, length, ...(residuals && { residuals }) };
}

/** x − what an autoregressive model predicts, over `scale`. */
export function residualsOf(
  runs: readonly ParcelRun[],
  model: Autoregression,
  scale = 1,
): Float32Array[] {
  return blocksOf(runs).map((block) => {
    const predicted = predictAutoregression(model, block);
    return predicted.map((value, i) => (block.values[i] - value) / scale);
  });
}

/**
 * The order with the smallest error, each subject (or run, of a single subject) predicted by a model of the others; 1 where
 * there is one run.
 */
function chooseOrder(runs: readonly ParcelRun[]): number {
  const bySubject = new Set(runs.map(({ subject }) => subject)).size > 1;
  const groupOf = ({ subject, path }: ParcelRun) => bySubject ? subject : path;
  const groups = [...new Set(runs.map(groupOf))];
  if (groups.length < 2) return 1;
  const shortest = Math.min(...runs.map(({ volumes }) => volumes));
  const largest = Math.min(LARGEST_ORDER, Math.floor(shortest / 4));
  const orders = Array.from({ length: largest + 1 }, (_, order) => order);
  const errors = orders.map((order) =>
    groups.reduce((sum, group) => {
      const others = runs.filter((run) => groupOf(run) !== group);
      const apart = runs.filter((run) => groupOf(run) === group);
      return sum + errorOf(others, apart, { order, largest });
    }, 0)
  );
  return orders.reduce((best, order) => (errors[order] < errors[best] ? order : best), 0);
}

function errorOf(
  fitted: readonly ParcelRun[],
  scored: readonly ParcelRun[],
  { order, largest }: { readonly order: number; readonly largest: number },
): number {
  const [{ parcels }] = scored;
  const model = fitAutoregression(blocksOf(fitted), { series: parcels, order });
  let [sum, count] = [0, 0];
  for (const residual of residualsOf(scored, model)) {
    for (let i = largest * parcels; i < residual.length; i++) sum += Math.abs(residual[i]);
    count += residual.length - largest * parcels;
  }
  return sum / count;
}
