/** Opens a finished run for use: its weights, configuration and normalisation, and loaders for other scans. */
import { CheckpointError, ConfigError } from "../../base/errors.ts";
import type { Cohort } from "../../data/cohort.ts";
import { findFiles } from "../../data/file_record.ts";
import { buildDataLoader, type DataLoader } from "../../data/loader.ts";
import { finiteOutside, openMask } from "../../data/mask.ts";
import { type Normalization, parseNormalization } from "../../data/normalization.ts";
import { RecurrentVae } from "../../models/recurrent_vae/model.ts";
import { readRun } from "../../training/run_folder.ts";
import { droppedFrames, printNotes } from "./data_notes.ts";
import {
  locatedFile,
  namesScans,
  openPlan,
  type OWN_DATA_OPTIONS,
  planData,
  type SOURCE_OPTIONS,
} from "./data_options.ts";
import { type ENGINE_OPTIONS, startEngine } from "../engine_options.ts";
import { UsageError, type Values } from "../option_table.ts";
import { temporaryFolder } from "../output_permissions.ts";
import { openOwnData, ownDataOf, requireGrid } from "./own_data.ts";
import { scanNotes } from "./scan_notes.ts";
import { configFromJson, type RunConfig } from "./run_config.ts";

/** A run on disk, read. */
export interface SavedRun {
  readonly folder: string;
  readonly config: RunConfig;
  readonly normalization: Normalization;
  /** Epochs trained. */
  readonly epoch: number;
  /** Builds the model on the current engine. */
  model(): RecurrentVae;
}

/**
 * Reads a run folder; no engine is needed yet.
 *
 * @param folder Written by `recvae train`.
 * @throws {CheckpointError} when it is missing, incomplete or damaged.
 */
export async function openRun(folder: string): Promise<SavedRun> {
  const { weights, config: json, epoch = 0, normalisation } = await readRun(folder);
  if (normalisation === undefined) {
    throw new CheckpointError(
      folder,
      `Cannot use the run "${folder}": found no normalisation.json, needs the one saved with the weights`,
    );
  }
  const config = configFromJson(json, folder);
  const normalization = normalizationOf(folder, normalisation);
  const subjects = weights.get("z_vectors")?.shape[0] ?? 0;
  return {
    folder,
    config,
    normalization,
    epoch,
    model: () => new RecurrentVae(config.model, { subjects, weights: new Map(weights) }).eval(),
  };
}

function normalizationOf(folder: string, json: unknown): Normalization {
  try {
    return parseNormalization(json);
  } catch (error) {
    if (!(error instanceof ConfigError)) throw error;
    throw new CheckpointError(
      folder,
      `Cannot use the run "${folder}": its normalisation.json is damaged (${error.message}); restore the file`,
    );
  }
}

/** What the options say about scans and engine. */
type ScanValues =
  & Values<typeof SOURCE_OPTIONS>
  & Values<typeof OWN_DATA_OPTIONS>
  & Values<typeof ENGINE_OPTIONS>;

/**
 * A loader of the scans named on the command line, or of the run's own without any; normalised as in the run. Says on
 * standard error what should be known about them.
 *
 * @param run Whose normalisation and number of frames.
 * @param values Source options.
 * @param files Paths.
 * @param check Called before anything is read but headers.
 * @throws {FormatError} {ShapeError} as cohorts do; fewer frames than the run used are an error.
 */
async function loadScans(
  run: SavedRun,
  values: ScanValues,
  files: readonly string[],
  check: (cohort: Cohort) => void,
): Promise<DataLoader> {
  const { cohort: stored, notes } = namesScans(values, files)
    ? await openOthers(run, values, files)
    : await openOwnData(ownDataOf(run, values));
  check(stored);
  const cohort = await insideMask(run, stored, values["data-root"]);
  const { normalization, config: { model: { batchSize } } } = run;
  const loader = await buildDataLoader(cohort, {
    batchSize,
    shuffle: false,
    normalization,
    ...temporaryFolder(run.folder),
  });
  printNotes([...notes, ...scanNotes([loader])]);
  return loader;
}

/** The scans as training read them: what is not finite outside the run's mask counts nowhere, if the mask is still the same. */
async function insideMask({ config: { data } }: SavedRun, cohort: Cohort, dataRoot?: string) {
  const [found] = data.mask ? await findFiles([locatedFile(data.mask)], dataRoot) : [];
  if (!found || found.state === "changed") return cohort;
  return finiteOutside(cohort, await openMask(found.record.path, cohort.spatialShape));
}

async function openOthers(run: SavedRun, values: ScanValues, files: readonly string[]) {
  for (const name of ["data-root", "accept-changed-data"] as const) {
    if (!values[name]) continue;
    throw new UsageError(
      `--${name} is for the scans the run was trained on; leave it out, or the scans`,
    );
  }
  const { tolTime, seed } = run.config.model;
  const cohort = await openPlan(planData(values, files, { tolTime, seed }));
  requireGrid(run, cohort);
  return { cohort, notes: droppedFrames(cohort, ", as many as in training") };
}

/**
 * Runs a body with a run's model and a loader of scans (the run's own if none are named), on the engine the options
 * choose; all three are given back afterwards.
 *
 * @param run Whose model.
 * @param values Source and engine options.
 * @param files Paths of scans.
 * @param check Refuses the scans before any work is done, if it throws.
 * @param body Receives model and loader.
 * @throws as {@link loadScans} and `startEngine`.
 */
export async function withModelAndScans<R>(
  run: SavedRun,
  { values, files, check = () => {} }: {
    readonly values: ScanValues;
    readonly files: readonly string[];
    readonly check?: (cohort: Cohort) => void;
  },
  body: (model: RecurrentVae, loader: DataLoader) => Promise<R>,
): Promise<R> {
  const loader = await loadScans(run, values, files, check);
  try {
    const engine = await startEngine(values);
    const model = run.model();
    const result = await body(model, loader);
    model.dispose();
    await engine.stop();
    return result;
  } finally {
    loader.close();
  }
}
