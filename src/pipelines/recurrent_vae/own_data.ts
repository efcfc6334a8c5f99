/** The data of a run: remembered when it starts, found and checked again whenever they are needed. */
import { kindOf } from "../../files/whats_there.ts";
import { CheckpointError } from "../../base/errors.ts";
import type { Cohort } from "../../data/cohort.ts";
import { type FileRecord, findFiles, type FoundFile, recordFile } from "../../data/file_record.ts";
import { copies, droppedFrames } from "./data_notes.ts";
import {
  locatedFile,
  locatedScans,
  openPlan,
  type OWN_DATA_OPTIONS,
  portableFile,
  type ScanRecord,
  SOURCE_OPTIONS,
} from "./data_options.ts";
import { UsageError, type Values } from "../option_table.ts";
import { withoutBad } from "./readable_scans.ts";
import { personNotes } from "./reading_options.ts";
import type { RunConfig } from "./run_config.ts";
import { withSteadyFrames } from "./steady_frames.ts";
import type { TrainingDataPlan } from "./train_options.ts";

/** A run whose own scans are wanted. */
export interface OwnData {
  readonly folder: string;
  readonly config: RunConfig;
  /** Where else to look for them. */
  readonly dataRoot?: string;
  /** Whether scans that hold something else than in training are used all the same. */
  readonly acceptChanged: boolean;
}

/** Data that are open, and as they are to be remembered. */
export interface OpenData {
  /** With size and content of every file. */
  readonly plan: TrainingDataPlan;
  readonly cohort: Cohort;
  /** What the user should know before anything is computed. */
  readonly notes: readonly string[];
}

/**
 * The run and what the options say about where its scans are.
 *
 * @param run Its folder and configuration.
 * @param values Options of the command.
 * @throws {UsageError} for options that need scans named on the command line.
 */
export function ownDataOf(
  run: { readonly folder: string; readonly config: RunConfig },
  values: Values<typeof OWN_DATA_OPTIONS> & Partial<Values<typeof SOURCE_OPTIONS>>,
): OwnData {
  for (const { name } of SOURCE_OPTIONS) {
    const value = values[name];
    if (!value || (Array.isArray(value) && value.length === 0)) continue;
    throw new UsageError(`--${name} goes with scans named on the command line`);
  }
  const dataRoot = values["data-root"];
  const { folder, config } = run;
  const acceptChanged = values["accept-changed-data"];
  return { folder, config, acceptChanged, ...(dataRoot === undefined ? {} : { dataRoot }) };
}

/**
 * Opens the data of a run that begins (headers only) and takes the fingerprints of their files.
 *
 * @param plan From the command line.
 * @throws as `openPlan`.
 */
export async function openNewData(plan: TrainingDataPlan): Promise<OpenData> {
  const { plan: readable, notes: left } = plan.skipBad
    ? await withoutBad(plan)
    : { plan, notes: [] };
  const { plan: given, notes: read } = withSteadyFrames(readable);
  const cohort = await openPlan(given);
  const scans: ScanRecord[] = [];
  for (const scan of locatedScans(given)) scans.push({ ...scan, ...await recordFile(scan.path) });
  const mask = plan.mask && await recordFile(plan.mask.path);
  const chosen = plan.tolTime !== undefined || plan.kind !== "files";
  const divided = plan.groupBy !== "scan" && (plan.heldOut > 0 || plan.fold !== undefined);
  const notes = [
    ...(plan.kind === "files" && divided ? personNotes(scans) : []),
    ...left,
    ...read,
    ...cohort.notes ?? [],
    ...copies(scans),
    ...(chosen ? [] : droppedFrames(cohort)),
  ];
  return { plan: { ...remembering(given, scans, mask), ...readAs(given, cohort) }, cohort, notes };
}

/** How the scans of a run are read from now on: on the grid and with the repetition time that were found. */
function readAs(
  { reading = {} }: TrainingDataPlan,
  { grid, repetitionTime }: Cohort,
): Pick<TrainingDataPlan, "reading"> {
  if (!grid) return {};
  const { resampleTo: _, ...rest } = reading;
  const source = grid.source.split(/[\\/]/).at(-1)!;
  return {
    reading: {
      ...rest,
      grid: { ...grid, source },
      ...(repetitionTime ? { repetitionTime } : {}),
    },
  };
}

/**
 * Finds the data of a run again, checks that they are what the run was trained on, and opens them.
 *
 * @param own Which run, and where to look.
 * @throws {CheckpointError} when files are missing or hold something else.
 * @throws {UsageError} when there is nothing
 *   to look for.
 * @throws as `openPlan`.
 */
export async function openOwnData(own: OwnData): Promise<OpenData> {
  const { data, model } = own.config;
  const ofUser = data.kind === "files";
  if (own.dataRoot !== undefined && !ofUser && !data.mask) {
    throw new UsageError(
      `--data-root names where scans have moved to, and those of "${own.folder}" ` +
        (data.kind === "shipped" ? "ship with the project" : "are synthetic"),
    );
  }
  if (own.dataRoot !== undefined && kindOf(own.dataRoot) !== "folder") {
    throw new UsageError(`--data-root is "${own.dataRoot}", needs a folder that exists`);
  }
  const scans = locatedScans(data);
  const masks = data.mask ? [locatedFile(data.mask)] : [];
  const root = own.dataRoot;
  const found = [
    ...await findFiles(scans, ofUser ? root : undefined),
    ...await findFiles(masks, root),
  ];
  const records = [...scans, ...masks];
  const notes = judge(own, records, found);
  const now = records.map((record, i) => ({ ...record, ...found[i]!.record }));
  const mask = masks.length > 0 ? now.pop() : undefined;
  const plan = remembering(data, now, mask);
  const cohort = await openPlan({ ...plan, tolTime: model.tolTime });
  requireGrid(own, cohort);
  return { plan, cohort, notes: [...notes, ...cohort.notes ?? []] };
}

/** The plan with what is to be remembered of its files. */
function remembering(
  plan: TrainingDataPlan,
  scans: readonly ScanRecord[],
  mask?: FileRecord,
): TrainingDataPlan {
  return {
    ...plan,
    ...(plan.kind === "synthetic" ? {} : { files: scans.map(portableFile) }),
    ...(mask ? { mask: portableFile(mask) } : {}),
  };
}

/** Refuses missing and changed files; otherwise says what should be known. */
function judge(
  own: OwnData,
  records: readonly FileRecord[],
  found: readonly (FoundFile | null)[],
): string[] {
  const refuse = (what: string, needs: string) =>
    new CheckpointError(
      own.folder,
      `Cannot open the data of the run "${own.folder}": found ${what}; ${needs}`,
    );
  const missing = records.filter((_, i) => found[i] === null);
  if (missing.length > 0) throw refuse(...missingFiles(own, missing, records.length));
  const changes = records.flatMap((record, i) =>
    found[i]!.state === "changed" ? [changeOf(record, found[i]!)] : []
  );
  if (changes.length > 0 && !own.acceptChanged) {
    const others = changes.length > 1 ? ` (and ${changes.length - 1} more)` : "";
    throw refuse(
      `that ${changes[0]}${others}`,
      "needs what it was trained on; --accept-changed-data goes on with what is there now",
    );
  }
  const unchecked = found.filter((one) => one!.state === "unchecked").length;
  const notes = changes.map((change) => `${change}; it is used as it is now.`);
  if (unchecked > 0) {
    notes.push(
      `The run does not say what its ${unchecked} files held in training (recvae 0.1.0 did not remember it), so ` +
        "whether they have changed could not be checked.",
    );
  }
  return notes;
}

function missingFiles(
  { dataRoot, config }: OwnData,
  missing: readonly FileRecord[],
  all: number,
): [found: string, needs: string] {
  const others = missing.length > 1 ? ` (${missing.length} of its ${all} files are missing)` : "";
  const { path } = missing[0];
  if (config.data.kind === "shipped" && path !== config.data.mask?.path) {
    return [`no file "${path}"${others}`, "needs the runs that ship with the project complete"];
  }
  if (dataRoot === undefined) {
    return [
      `no file "${path}"${others}`,
      "if the data have moved, name their folder with --data-root DIR",
    ];
  }
  return [
    `no file below "${dataRoot}" for "${path}"${others}`,
    "needs --data-root to be the folder that holds the same files and subfolders as before",
  ];
}

function changeOf(record: FileRecord, { record: now }: FoundFile): string {
  const what = now.bytes === record.bytes
    ? "other content of the same size"
    : `${now.bytes} bytes, in training ${record.bytes}`;
  return `"${now.path}" is not what the run was trained on (${what})`;
}

/**
 * A scan of another grid cannot go through a trained network.
 *
 * @param run Trained.
 * @param cohort Scans for it.
 * @throws {CheckpointError} when sizes differ.
 */
export function requireGrid(
  { config: { model }, folder }: { readonly folder: string; readonly config: RunConfig },
  cohort: Cohort,
): void {
  const needed = model.spatialShape;
  if (cohort.spatialShape.every((n, axis) => n === needed[axis])) return;
  throw new CheckpointError(
    folder,
    `Cannot use the run "${folder}" on these scans: found ${
      cohort.spatialShape.join("×")
    } voxels, needs ` +
      `${needed.join("×")} as in training; resample the scans`,
  );
}
