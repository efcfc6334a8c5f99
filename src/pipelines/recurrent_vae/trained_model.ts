/** Opens a finished run for use: its weights, configuration and normalisation, and loaders for other scans. */
import { CheckpointError, ConfigError } from "../../base/errors.ts";
import { type Cohort, selectSubjects } from "../../data/cohort.ts";
import { findFiles } from "../../data/file_record.ts";
import { buildDataLoader, type DataLoader } from "../../data/loader.ts";
import { finiteOutside, openMask } from "../../data/mask.ts";
import { type Normalization, parseNormalization } from "../../data/normalization.ts";
import { LaggedVae } from "../../models/recurrent_vae/lagged/lagged_vae.ts";
import { RecurrentVae } from "../../models/recurrent_vae/model.ts";
import { readRun } from "../../training/run_folder.ts";
import type { NamedArrays } from "../../training/weight_holder.ts";
import { droppedFrames, printNotes } from "./data_notes.ts";
import {
  locatedFile,
  namesScans,
  openPlan,
  type OWN_DATA_OPTIONS,
  planData,
  type SOURCE_OPTIONS,
} from "./data_options.ts";
import { withoutBad } from "./readable_scans.ts";
import { type ENGINE_OPTIONS, startEngine } from "../engine_options.ts";
import { UsageError, type Values } from "../option_table.ts";
import { temporaryFolder } from "../output_permissions.ts";
import { openOwnData, ownDataOf, requireGrid } from "./own_data.ts";
import { scanNotes } from "./scan_notes.ts";
import { modelledVoxels } from "./prepared_data.ts";
import { withSteadyFrames } from "./steady_frames.ts";
import { configFromJson, isLagged, type RunConfig } from "./run_config.ts";

/** A model of the family, whichever its network. */
export type TrainedModel = RecurrentVae | LaggedVae;

/** A run on disk, read. */
export interface SavedRun {
  readonly folder: string;
  readonly config: RunConfig;
  readonly normalization: Normalization;
  /** Epochs trained. */
  readonly epoch: number;
  /** Builds the model on the current engine. */
  model(): TrainedModel;
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
    model: () => modelOf(config, { subjects, weights, normalization }),
  };
}

function modelOf(
  { model }: RunConfig,
  { subjects, weights, normalization }: {
    readonly subjects: number;
    readonly weights: NamedArrays;
    readonly normalization: Normalization;
  },
): TrainedModel {
  const stored = { subjects, weights: new Map(weights) };
  if (!isLagged(model)) return new RecurrentVae(model, stored).eval();
  const { spatialShape } = model;
  return new LaggedVae(model, {
    ...stored,
    voxels: modelledVoxels({ normalization, spatialShape }),
  });
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
 * @param request Scans and options; `check` is called before anything is read but headers.
 * @throws {FormatError} {ShapeError} as cohorts do; fewer frames than the run used are an error.
 */
async function loadScans(run: SavedRun, request: ScanRequest): Promise<DataLoader> {
  const { values, files, check } = request;
  const { cohort: stored, notes } = namesScans(values, files)
    ? await openOthers(run, values, files)
    : await openOwnData(ownDataOf(run, values));
  check?.(stored);
  const cohort = await insideMask(run, stored, values["data-root"]);
  const loader = await loaderOf(run, cohort);
  printNotes([...notes, ...scanNotes([loader])]);
  return loader;
}

/** Scans of which all frames are used, in loaders of one length each. */
export interface WholeScans {
  /** All of them, in their order. */
  readonly cohort: Cohort;
  /** Where a scan is: its loader, and its row there. */
  at(place: number): { readonly loader: DataLoader; readonly row: number };
}

/** As {@link loadScans}, but scans named on the command line keep all their frames, however many. */
async function loadWholeScans(
  run: SavedRun,
  request: ScanRequest,
): Promise<WholeScans & { close(): void }> {
  const { values, files } = request;
  if (!namesScans(values, files) || values.synthetic) {
    const loader = await loadScans(run, request);
    const { cohort } = loader;
    return { cohort, at: (row) => ({ loader, row }), close: () => loader.close() };
  }
  refuseOwnOptions(values);
  const { cohort: stored, notes } = await openForRun(run, request, { tolTime: 1 });
  request.check?.(stored);
  const cohort = await insideMask(run, stored, values["data-root"]);
  const places = Map.groupBy(cohort.subjects.keys(), (place) => cohort.subjects[place].frames!);
  const loaders = new Map<number, DataLoader>();
  const close = () => loaders.forEach((loader) => loader.close());
  try {
    for (const [frames, rows] of places) {
      loaders.set(frames, await loaderOf(run, { ...selectSubjects(cohort, rows), frames }));
    }
  } catch (error) {
    close();
    throw error;
  }
  printNotes([...notes, ...scanNotes([...loaders.values()])]);
  const at = (place: number) => {
    const frames = cohort.subjects[place].frames!;
    return { loader: loaders.get(frames)!, row: places.get(frames)!.indexOf(place) };
  };
  return { cohort, at, close };
}

async function loaderOf(run: SavedRun, cohort: Cohort): Promise<DataLoader> {
  const { normalization, config: { model: { batchSize } } } = run;
  return await buildDataLoader(cohort, {
    batchSize,
    shuffle: false,
    normalization,
    ...temporaryFolder(run.folder),
  });
}

/** The scans as training read them: what is not finite outside the run's mask counts nowhere, if the mask is still the same. */
async function insideMask({ config: { data } }: SavedRun, cohort: Cohort, dataRoot?: string) {
  const [found] = data.mask ? await findFiles([locatedFile(data.mask)], dataRoot) : [];
  if (!found || found.state === "changed") return cohort;
  const mask = await openMask(found.record.path, cohort.spatialShape, {
    ...(cohort.grid ? { grid: cohort.grid } : {}),
    ...(data.maskLabels ? { labels: data.maskLabels } : {}),
  });
  return finiteOutside(cohort, mask);
}

/** These options are for a run's own scans. */
function refuseOwnOptions(values: ScanValues): void {
  for (const name of ["data-root", "accept-changed-data"] as const) {
    if (!values[name]) continue;
    throw new UsageError(
      `--${name} is for the scans the run was trained on; leave it out, or the scans`,
    );
  }
}

async function openOthers(run: SavedRun, values: ScanValues, files: readonly string[]) {
  refuseOwnOptions(values);
  const { tolTime, seed } = run.config.model;
  const { cohort, notes } = await openForRun(run, { values, files }, { tolTime, seed });
  return { cohort, notes: [...notes, ...droppedFrames(cohort, ", as many as in training")] };
}

/** Scans named on the command line, read as the run's own were. */
async function openForRun(
  run: SavedRun,
  { values, files }: ScanRequest,
  length: { readonly tolTime: number; readonly seed?: number },
) {
  const trained = run.config.data.reading ?? {};
  const named = planData(values, files, { ...length, trained });
  const readable = named.skipBad ? await withoutBad(named) : { plan: named, notes: [] };
  const { plan, notes: steady } = withSteadyFrames(readable.plan);
  const notes = [...readable.notes, ...steady];
  if (!trained.grid && plan.kind === "files") {
    notes.push(
      "The run does not say where its voxels lie (an earlier version did not remember it): the scans are taken to be " +
        "in its voxel order.",
    );
  }
  const cohort = await openPlan(plan);
  requireGrid(run, cohort);
  return { cohort, notes: [...notes, ...cohort.notes ?? []] };
}

/** Scans of a command. */
export interface ScanRequest {
  /** Source and engine options. */
  readonly values: ScanValues;
  /** Paths of scans. */
  readonly files: readonly string[];
  /** Refuses the scans before any work is done, if it throws. */
  readonly check?: (cohort: Cohort) => void;
}

/**
 * Runs a body with a run's model and a loader of scans (the run's own if none are named), on the engine the options
 * choose; all three are given back afterwards.
 *
 * @param run Whose model.
 * @param request See {@link ScanRequest}.
 * @param body Receives model and loader.
 * @throws as {@link loadScans} and `startEngine`.
 */
export async function withModelAndScans<R>(
  run: SavedRun,
  request: ScanRequest,
  body: (model: TrainedModel, loader: DataLoader) => Promise<R>,
): Promise<R> {
  return await withModel(run, request, { load: loadScans, body });
}

/**
 * The same with all frames of scans that are named, however many they have.
 *
 * @param run Whose model.
 * @param request See {@link ScanRequest}.
 * @param body Receives model and scans.
 */
export async function withModelAndWholeScans<R>(
  run: SavedRun,
  request: ScanRequest,
  body: (model: TrainedModel, scans: WholeScans) => Promise<R>,
): Promise<R> {
  return await withModel(run, request, { load: loadWholeScans, body });
}

async function withModel<S extends { close(): void }, R>(
  run: SavedRun,
  request: ScanRequest,
  { load, body }: {
    readonly load: (run: SavedRun, request: ScanRequest) => Promise<S>;
    readonly body: (model: TrainedModel, scans: S) => Promise<R>;
  },
): Promise<R> {
  const scans = await load(run, request);
  try {
    const engine = await startEngine(request.values);
    const model = run.model();
    const result = await body(model, scans);
    model.dispose();
    await engine.stop();
    return result;
  } finally {
    scans.close();
  }
}
