/** Options that say which scans to use, and the cohort they come to. */
import { type GroupBy, groupName } from "../../data/bids.ts";
import {
  type Cohort,
  cohortFromFiles,
  type CohortOptions,
  type LabelledFile,
} from "../../data/cohort.ts";
import type { FileRecord } from "../../data/file_record.ts";
import { joinPath, listSubjectFiles } from "../../data/listing.ts";
import { groupOf } from "../../data/persons.ts";
import { SYNTHETIC_OPTIONS, syntheticCohort, type SyntheticOptions } from "../../data/synthetic.ts";
import { spatialShapeOf } from "./model_options.ts";
import { isAbsolute } from "../../deps/node_path.ts";
import { datasetFilters, FILTER_OPTIONS } from "./filter_options.ts";
import { listNamedScans } from "./named_scans.ts";
import { type Option, UsageError, type Values } from "../option_table.ts";
import {
  personRules,
  planReading,
  READING_OPTIONS,
  readingOptions,
  type ReadingPlan,
  withPersons,
} from "./reading_options.ts";

const GROUP = "Data";

/** Most frames used of a run unless `--tol-time` says otherwise (the original's default). */
const MOST_FRAMES = 120;

/** Where the data that ship with the project lie. */
const SHIPPED_FOLDER = new URL("../../../data/haxby2001", import.meta.url);

/** Which scans. */
export const SOURCE_OPTIONS = [
  {
    name: "cn",
    kind: "texts",
    value: "DIR",
    help: "Folder of NIfTI files of the group CN; may be repeated",
    group: GROUP,
  },
  {
    name: "ad",
    kind: "texts",
    value: "DIR",
    help: "Folder of NIfTI files of the group AD; may be repeated",
    group: GROUP,
  },
  {
    name: "group",
    kind: "texts",
    value: "NAME=DIR",
    help: "Folder of any other group; may be repeated",
    group: GROUP,
  },
  {
    name: "data",
    kind: "texts",
    value: "PATH",
    help: "Folder (a BIDS dataset, say) or file without a group; may be repeated",
    group: GROUP,
  },
  {
    name: "skip-prefix",
    kind: "text",
    value: "TEXT",
    help: "Names that begin like this are left out of folders",
    otherwise: "norm_",
    group: GROUP,
  },
  {
    name: "group-by",
    kind: "choice",
    choices: ["subject", "session", "scan"],
    help: "What never straddles a split, read from names and folders",
    otherwise: "subject",
    group: GROUP,
  },
  ...FILTER_OPTIONS,
  ...READING_OPTIONS,
  { name: "synthetic", kind: "flag", help: "Make a synthetic cohort instead", group: GROUP },
  {
    name: "subjects",
    kind: "integer",
    min: 2,
    range: SYNTHETIC_OPTIONS.fields.nCn.range,
    value: "N",
    help: "Subjects of the synthetic cohort, half of them in each group",
    otherwise: "8",
    group: GROUP,
  },
  {
    name: "spatial",
    kind: "text",
    value: "X,Y,Z",
    help: "Size of the synthetic volumes",
    otherwise: "91,109,91",
    group: GROUP,
  },
] as const satisfies readonly Option[];

/** Where the scans a run was trained on are now. */
export const OWN_DATA_OPTIONS = [
  {
    name: "data-root",
    kind: "text",
    value: "DIR",
    help: "Folder to which the scans the run was trained on have moved",
    group: GROUP,
  },
  {
    name: "accept-changed-data",
    kind: "flag",
    help: "Go on although scans the run was trained on hold something else now",
    group: GROUP,
  },
] as const satisfies readonly Option[];

/** A scan of a plan. */
export interface ScanRecord extends FileRecord {
  /** Diagnostic group or any other class. */
  readonly label?: string;
  /** Person, without `sub-`. */
  readonly subject?: string;
  /** Visit, without `ses-`. */
  readonly session?: string;
  /** What never straddles a split; runs of earlier versions do not say. */
  readonly group?: string;
  /** Frames at the beginning that are left out, where its confounds say so. */
  readonly skipFrames?: number;
}

/** The scans a run uses, as plain data that goes into its configuration. */
export interface DataPlan {
  /** Runs that ship with the project, the user's files, or synthetic ones. */
  readonly kind: "shipped" | "files" | "synthetic";
  /** Size and content are there once remembered; what ships with the project then has its name alone. */
  readonly files?: readonly ScanRecord[];
  readonly synthetic?: SyntheticOptions;
  readonly groupBy: GroupBy;
  readonly tolTime?: number;
  /** Most frames that are used of a scan where `tolTime` does not say. Default 120. */
  readonly mostFrames?: number | null;
  /** Whether scans that cannot be read are left out; not remembered. */
  readonly skipBad?: boolean;
  /** How the scans are read; absent in runs of earlier versions. */
  readonly reading?: ReadingPlan;
}

/**
 * What the options ask for; without any, the shipped runs.
 *
 * @param values Parsed options.
 * @param files Positional arguments.
 * @param more `tolTime` and `seed` (of a synthetic cohort), if given; how a run's scans were `trained`, for scans that go
 *   through it; `mostFrames`: no limit when null.
 * @throws {UsageError} when synthetic and real data are mixed.
 * @throws {FormatError} for whatever names no scan.
 */
export function planData(
  values: Values<typeof SOURCE_OPTIONS>,
  files: readonly string[],
  more: {
    readonly tolTime?: number;
    readonly seed?: number;
    readonly mostFrames?: number | null;
    readonly trained?: ReadingPlan;
  } = {},
): DataPlan {
  const { tolTime, seed, mostFrames } = more;
  const named = namesScans({ ...values, synthetic: false }, files);
  if (values.synthetic) {
    if (named) throw new UsageError("--synthetic makes its own data; leave out the files");
    const subjects = values.subjects ?? 8;
    const synthetic = {
      nCn: Math.ceil(subjects / 2),
      nAd: Math.floor(subjects / 2),
      ...(tolTime === undefined ? {} : { frames: tolTime }),
      ...(values.spatial === undefined ? {} : { spatialShape: spatialShapeOf(values.spatial) }),
      ...(seed === undefined ? {} : { seed }),
    };
    return { kind: "synthetic", synthetic, groupBy: values["group-by"] ?? "subject" };
  }
  for (const name of ["subjects", "spatial"] as const) {
    if (values[name] !== undefined) throw new UsageError(`--${name} goes with --synthetic`);
  }
  const reading = planReading(values, more.trained);
  if (!named) return { kind: "shipped", groupBy: values["group-by"] ?? "scan", tolTime, reading };
  const groupBy = values["group-by"] ?? "subject";
  const scans = withPersons(
    listNamedScans(values, files, datasetFilters(values)),
    personRules(values),
  )
    .map((scan) => ({ ...scan, group: groupOf(scan.path, scan, groupBy) }));
  return {
    kind: "files",
    files: scans,
    groupBy,
    tolTime,
    ...(mostFrames === undefined ? {} : { mostFrames }),
    ...(values["skip-bad"] ? { skipBad: true } : {}),
    reading,
  };
}

/**
 * Whether a command line names scans of its own.
 *
 * @param values Parsed options.
 * @param files Positional arguments.
 */
export function namesScans(
  values: Values<typeof SOURCE_OPTIONS>,
  files: readonly string[],
): boolean {
  const folders = [values.cn, values.ad, values.group, values.data];
  return values.synthetic || files.length > 0 || folders.some((list) => list.length > 0);
}

/**
 * Opens the planned scans (headers only).
 *
 * @param plan From {@link planData} or a run's configuration.
 * @throws {FormatError} and {ShapeError} as `cohortFromFiles`.
 */
export async function openPlan(plan: DataPlan): Promise<Cohort> {
  if (plan.kind === "synthetic") return syntheticCohort(plan.synthetic);
  const scans = locatedScans(plan).map((scan) => ({ ...scan, group: recordedGroup(scan, plan) }));
  const options: CohortOptions = {
    groupBy: plan.groupBy,
    ...(plan.tolTime === undefined ? {} : { tolTime: plan.tolTime }),
    ...await readingOptions(plan.reading ?? {}, scans[0]?.path),
  };
  const cohort = await cohortFromFiles(scans.map(labelled), options);
  const most = plan.mostFrames === undefined ? MOST_FRAMES : plan.mostFrames ?? Infinity;
  if (plan.tolTime !== undefined || cohort.frames <= most) return cohort;
  return { ...cohort, frames: most };
}

function labelled({ path, label, subject, session, group, skipFrames }: ScanRecord): LabelledFile {
  return { path, label, subject, session, group, skipFrames };
}

/**
 * What a recorded scan is kept together with; runs of earlier versions read it from the file's name alone.
 *
 * @param scan Of a plan.
 * @param plan How scans are grouped.
 */
export function recordedGroup(
  { path, group }: ScanRecord,
  { groupBy }: Pick<DataPlan, "groupBy">,
): string {
  return group ?? groupName(path, groupBy);
}

/**
 * The scans of a plan with paths that can be opened; none when they are synthetic.
 *
 * @param plan From {@link planData} or a run's configuration.
 * @throws {UsageError} for shipped runs where they are not at hand.
 */
export function locatedScans(plan: DataPlan): ScanRecord[] {
  if (plan.kind === "shipped" && !plan.files) {
    const folder = shippedFolder();
    return listSubjectFiles(folder).map((name) => ({ path: joinPath(folder, name) }));
  }
  return (plan.files ?? []).map(locatedFile);
}

/**
 * A remembered file with a path that can be opened.
 *
 * @param record From a run's configuration, or just made.
 * @throws {UsageError} for a file that ships with the project where it is not at hand.
 */
export function locatedFile<R extends FileRecord>(record: R): R {
  const { path, fingerprint } = record;
  // A run may have been made on another system.
  const absolute = isAbsolute(path) || /^([A-Za-z]:|\\\\)/.test(path);
  const ships = fingerprint !== undefined && !absolute;
  return ships ? { ...record, path: joinPath(shippedFolder(), path) } : record;
}

/**
 * The opposite of {@link locatedFile}: what ships with the project is remembered by its name alone, since where it lies
 * is where the program lies. Everything else keeps its absolute path.
 *
 * @param record With an absolute path.
 */
export function portableFile<R extends FileRecord>(record: R): R {
  if (SHIPPED_FOLDER.protocol !== "file:") return record;
  const start = `${shippedFolder()}/`;
  const { path } = record;
  return path.startsWith(start) ? { ...record, path: path.slice(start.length) } : record;
}

/** The brain mask of the runs that ship with the project. */
export function shippedMask(): string {
  return joinPath(shippedFolder(), "masks/sub-1_desc-brain_mask.nii.gz");
}

function shippedFolder(): string {
  if (SHIPPED_FOLDER.protocol !== "file:") {
    throw new UsageError(
      "The runs that ship with the project can be used from a copy of the repository only; " +
        "name your own scans, or use --synthetic",
    );
  }
  return decodeURIComponent(SHIPPED_FOLDER.pathname);
}
