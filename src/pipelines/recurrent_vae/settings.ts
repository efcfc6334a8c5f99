/**
 * What the settings of a run may hold, one row a field: of the sections of a run's config.json and of a file given
 * to `--config`. The model's own fields are described with the model (`CONFIG_FIELDS`).
 */
import {
  choice,
  flag,
  integer,
  list,
  nullable,
  number,
  other,
  record,
  text,
} from "../../base/fields.ts";
import type { BackendChoice } from "../../backends/engine.ts";
import { FILE_RECORD } from "../../data/file_record.ts";
import type { NormalizationKind } from "../../data/normalization.ts";
import { SYNTHETIC_OPTIONS } from "../../data/synthetic.ts";
import { OPTIMISER_KINDS } from "../../training/optimisers.ts";
import { SCHEDULE_KINDS } from "../../training/schedules.ts";
import { BACKEND_CHOICES } from "../engine_options.ts";
import { PRESETS } from "./presets.ts";
import { READING_FIELDS } from "./reading_options.ts";
import type { ScanRecord } from "./data_options.ts";
import type { TrainingDataPlan, TrainingPlan } from "./train_options.ts";

/** The section `training`. */
export const TRAINING_FIELDS = record<TrainingPlan>({
  preset: choice(Object.keys(PRESETS)),
  optimiser: choice(OPTIMISER_KINDS),
  momentum: number({ least: 0, below: 1 }),
  weightDecay: number({ least: 0 }),
  schedule: choice(SCHEDULE_KINDS),
  clipNorm: number({ above: 0 }),
  klRamp: number({ least: 0 }),
  patience: integer({ least: 1 }),
  keepBest: flag(),
  checkpointEvery: integer({ least: 1 }),
  fitOffsets: integer({ least: 0, most: 1_000_000 }),
}, ["preset", "optimiser", "schedule", "fitOffsets"]);

/** Kinds of normalisation. */
export const SCALINGS = [
  "run-z-score",
  "run-detrend",
  "train-residual",
  "min-max",
  "z-score",
  "train-z-score",
  "none",
] as const satisfies readonly NormalizationKind[];

/** A scan of the section `data`. */
const SCAN_RECORD = record<ScanRecord>({
  ...FILE_RECORD.fields,
  label: text(),
  subject: text(),
  session: text(),
  group: text(),
  skipFrames: integer({ least: 0 }),
}, ["path"]);

/** The section `data`. */
export const DATA_FIELDS = record<TrainingDataPlan>({
  kind: choice(["shipped", "files", "synthetic"]),
  files: list(SCAN_RECORD),
  synthetic: SYNTHETIC_OPTIONS,
  groupBy: choice(["subject", "session", "scan"]),
  tolTime: integer({ least: 1 }),
  mostFrames: nullable(integer({ least: 1 })),
  skipBad: flag(),
  reading: READING_FIELDS,
  scaling: choice(SCALINGS),
  heldOut: number({ least: 0, below: 1 }),
  fold: other('I/K such as "1/5"', (value) => foldOf(value) !== null),
  mask: FILE_RECORD,
  maskLabels: list(integer()),
}, ["kind", "groupBy", "scaling", "heldOut"]);

/** Choice of the engine, as a file for `--config` may hold it. */
export interface EngineSettings {
  readonly backend?: BackendChoice;
  readonly threads?: number;
}

/** The section `engine`. */
export const ENGINE_FIELDS = record<EngineSettings>({
  backend: choice(BACKEND_CHOICES),
  threads: integer({ least: 1 }),
});

/**
 * A fold from text.
 *
 * @param value `"I/K"`, 1 ≤ I ≤ K, K ≥ 2.
 * @returns 0-based fold and number of folds; null when it is not that.
 */
export function foldOf(value: unknown): { readonly fold: number; readonly folds: number } | null {
  const [, i, k] = /^(\d+)\/(\d+)$/.exec(typeof value === "string" ? value : "") ?? [];
  const [fold, folds] = [Number(i) - 1, Number(k)];
  return fold >= 0 && fold < folds && folds >= 2 && Number.isSafeInteger(folds)
    ? { fold, folds }
    : null;
}
