/** Opens a finished run for use: its weights, configuration and normalisation, and loaders for other scans. */
import { CheckpointError } from "../base/errors.ts";
import type { Cohort } from "../data/cohort.ts";
import { buildDataLoader, type DataLoader } from "../data/loader.ts";
import { type Normalization, parseNormalization } from "../data/normalization.ts";
import { resolveConfig } from "../models/recurrent_vae/config.ts";
import { RecurrentVae } from "../models/recurrent_vae/model.ts";
import { readRun } from "../training/run_folder.ts";
import { openPlan, planData, type SOURCE_OPTIONS } from "./data_options.ts";
import { type ENGINE_OPTIONS, startEngine } from "./engine_options.ts";
import type { Values } from "./options.ts";
import { temporaryFolder } from "./output_permissions.ts";
import { configFromJson, type RunConfig } from "./run_folder_layout.ts";

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
  const subjects = weights.get("z_vectors")?.shape[0] ?? 0;
  return {
    folder,
    config,
    normalization: parseNormalization(normalisation),
    epoch,
    model: () => new RecurrentVae(config.model, { subjects, weights: new Map(weights) }).eval(),
  };
}

/**
 * A loader of scans other than the run's own, normalised as the run's.
 *
 * @param run Whose normalisation and number of frames. @param values Source options. @param files Paths.
 * @throws {FormatError} {ShapeError} as cohorts do; fewer frames than the run used are an error.
 */
async function loadScans(
  run: SavedRun,
  values: Values<typeof SOURCE_OPTIONS>,
  files: readonly string[],
): Promise<DataLoader> {
  const { tolTime, batchSize, seed } = run.config.model;
  const cohort = await openPlan(planData(values, files, { tolTime, seed }));
  requireGrid(run, cohort);
  const { normalization } = run;
  return await buildDataLoader(cohort, {
    batchSize,
    shuffle: false,
    normalization,
    ...temporaryFolder(run.folder),
  });
}

/**
 * Runs a body with a run's model and a loader of scans, on the engine the options choose; all three are given
 * back afterwards.
 *
 * @param run Whose model. @param values Source and engine options. @param files Paths of scans.
 * @param body Receives model and loader.
 * @throws as {@link loadScans} and `startEngine`.
 */
export async function withModelAndScans(
  run: SavedRun,
  { values, files }: {
    readonly values: Values<typeof SOURCE_OPTIONS> & Values<typeof ENGINE_OPTIONS>;
    readonly files: readonly string[];
  },
  body: (model: RecurrentVae, loader: DataLoader) => Promise<void>,
): Promise<void> {
  const loader = await loadScans(run, values, files);
  try {
    const engine = await startEngine(values);
    const model = run.model();
    await body(model, loader);
    model.dispose();
    await engine.stop();
  } finally {
    loader.close();
  }
}

/** A scan of another grid cannot go through this network; resolveConfig would build another one. */
function requireGrid({ config: { model }, folder }: SavedRun, cohort: Cohort): void {
  const needed = resolveConfig(model).spatialShape;
  if (cohort.spatialShape.every((n, axis) => n === needed[axis])) return;
  throw new CheckpointError(
    folder,
    `Cannot use the run "${folder}" on these scans: found ${
      cohort.spatialShape.join("×")
    } voxels, needs ` +
      `${needed.join("×")} as in training; resample the scans`,
  );
}
