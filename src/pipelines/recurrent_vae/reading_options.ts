/** Options that say how scans are read: on which grid, at which times, and who they are of. */
import { UsageError } from "../option_table.ts";
import type { Option, Values } from "../option_table.ts";
import { integer, record, text } from "../../base/fields.ts";
import { readNiftiFacts } from "../../data/bold_run.ts";
import {
  type CohortOptions,
  FRAME_WINDOW,
  type FrameWindow,
  type LabelledFile,
} from "../../data/cohort.ts";
import { compiled, personOf, type PersonRules, readPersonTable } from "../../data/persons.ts";
import { gridOfVoxelSize } from "../../data/resampling.ts";
import { AGREEMENT_OPTIONS, type ScanAgreementOptions } from "../../data/scan_agreement.ts";
import { gridOf, NAMED_GRIDS, type VoxelGrid } from "../../data/voxel_grid.ts";

const GROUP = "Data";

/** How scans are read. */
export const READING_OPTIONS = [
  {
    name: "resample",
    kind: "text",
    value: "GRID",
    help: "Interpolate scans on other grids to that of a NIfTI file, of the first scan (first), " +
      "of a template (mni152-2mm) or of a size (3mm); with a trained run: run",
    otherwise: "scans on other grids are refused",
    group: GROUP,
  },
  {
    name: "allow-mixed-tr",
    kind: "flag",
    help: "Take scans of different repetition times together; times are then counted in frames",
    group: GROUP,
  },
  {
    name: "skip-frames",
    kind: "integer",
    min: 0,
    value: "N",
    help: "Leave out the first N frames of each scan",
    otherwise: "those that its confounds table marks as not in steady state",
    group: GROUP,
  },
  {
    name: "frames",
    kind: "text",
    value: "FROM:TO",
    help: "Use frames FROM to TO-1 of each scan, counted from 0; either may be left out",
    group: GROUP,
  },
  {
    name: "subject-pattern",
    kind: "text",
    value: "REGEX",
    help: "Who a scan is of: the first group of this expression in its path",
    otherwise: "sub-LABEL in names and folders, or folders of the INDI releases",
    group: GROUP,
  },
  {
    name: "subjects-table",
    kind: "text",
    value: "FILE",
    help: "Who scans are of: a table with the columns file and subject, separated by tabs",
    group: GROUP,
  },
] as const satisfies readonly Option[];

/** Parsed options. */
type ReadingValues = Values<typeof READING_OPTIONS>;

/** How scans are read, as plain data. */
export interface ReadingPlan extends ScanAgreementOptions {
  /** What `--resample` asks for, as long as `grid` is not known. */
  readonly resampleTo?: string;
  readonly skipFrames?: number;
  readonly frameRange?: FrameWindow;
}

/** What it may hold. */
export const READING_FIELDS = record<ReadingPlan>({
  ...AGREEMENT_OPTIONS.fields,
  resampleTo: text(),
  skipFrames: integer({ least: 0 }),
  frameRange: FRAME_WINDOW,
});

/**
 * What the options ask for.
 *
 * @param values Parsed options.
 * @param trained How the scans of a run were read, for scans that go through that run.
 * @throws {UsageError} for values that cannot be used, or do not go together.
 */
export function planReading(values: ReadingValues, trained?: ReadingPlan): ReadingPlan {
  const { resample, "skip-frames": skipFrames, frames } = values;
  if (skipFrames !== undefined && frames !== undefined) {
    throw new UsageError(
      "--skip-frames and --frames both say which frames are used; leave one of them out",
    );
  }
  if (trained && resample !== undefined && resample !== "run") {
    throw new UsageError(
      `--resample is "${resample}": scans for a trained run are brought to the run's grid, --resample run`,
    );
  }
  if (!trained && resample === "run") {
    throw new UsageError('--resample is "run", which goes with a trained run; first, FILE, … here');
  }
  const chosen = skipFrames === undefined && frames === undefined ? framesOf(trained) : {};
  return {
    ...(trained?.grid ? { grid: trained.grid } : {}),
    ...(trained?.repetitionTime ? { repetitionTime: trained.repetitionTime } : {}),
    ...(resample !== undefined || trained?.resample ? { resample: true } : {}),
    ...(resample !== undefined && !trained ? { resampleTo: resample } : {}),
    ...(values["allow-mixed-tr"] || trained?.allowMixedTr ? { allowMixedTr: true } : {}),
    ...chosen,
    ...(skipFrames === undefined ? {} : { skipFrames }),
    ...(frames === undefined ? {} : { frameRange: parseFrames(frames) }),
  };
}

function framesOf(plan: ReadingPlan = {}): Pick<ReadingPlan, "skipFrames" | "frameRange"> {
  const { skipFrames, frameRange } = plan;
  return {
    ...(skipFrames === undefined ? {} : { skipFrames }),
    ...(frameRange === undefined ? {} : { frameRange }),
  };
}

function parseFrames(value: string): FrameWindow {
  const [, first = "", behind = ""] = /^(\d*):(\d*)$/.exec(value) ?? [];
  const from = Number(first);
  const to = behind === "" ? undefined : Number(behind);
  if (!(first + behind) || (to !== undefined && to <= from)) {
    throw new UsageError(
      `--frames is "${value}", needs FROM:TO such as 5:125 (frames 5 to 124, counted from 0), 5: or :120`,
    );
  }
  return to === undefined ? { from } : { from, to };
}

/**
 * The options of a cohort that a plan comes to.
 *
 * @param plan How scans are read.
 * @param first Path of the first scan.
 * @throws {FormatError} when the file that names the grid cannot be read.
 */
export async function readingOptions(
  plan: ReadingPlan,
  first: string,
): Promise<Partial<CohortOptions>> {
  const { resampleTo, ...options } = plan;
  if (resampleTo === undefined || options.grid) return options;
  return { ...options, grid: await gridNamed(resampleTo, first) };
}

async function gridNamed(name: string, first: string): Promise<VoxelGrid> {
  if (Object.hasOwn(NAMED_GRIDS, name)) return NAMED_GRIDS[name];
  const gridOfFile = async (path: string) => gridOf(await readNiftiFacts(path), path);
  if (name === "first") return await gridOfFile(first);
  const size = /^(\d+(?:\.\d+)?)mm$/.exec(name);
  if (!size) return await gridOfFile(name);
  const edge = Number(size[1]);
  if (!(edge >= 0.1 && edge <= 100)) {
    throw new UsageError(`--resample is "${name}", needs voxels of 0.1 to 100 mm`);
  }
  return { ...gridOfVoxelSize(await gridOfFile(first), edge), source: `${name} over ${first}` };
}

/**
 * The rules that the options give for telling who a scan is of.
 *
 * @param values Parsed options.
 * @throws {FormatError} for a table that cannot be read.
 */
export function personRules(values: ReadingValues): PersonRules {
  const { "subject-pattern": pattern, "subjects-table": table } = values;
  if (pattern !== undefined) compiled(pattern);
  return {
    ...(pattern === undefined ? {} : { pattern }),
    ...(table === undefined ? {} : { table: readPersonTable(table) }),
  };
}

/**
 * Says, before anything is trained, that persons could not be read, so that a split may have one on both sides.
 *
 * @param scans With what could be read.
 */
export function personNotes(scans: readonly Pick<LabelledFile, "path" | "subject">[]): string[] {
  const unknown = scans.filter(({ subject }) => subject === undefined);
  if (scans.length < 2 || unknown.length === 0) return [];
  const [{ path }] = unknown;
  const some = unknown.length < scans.length;
  const hint = '--subject-pattern "REGEX" or --subjects-table FILE says it';
  return [
    `No person can be read from the names of ${
      some ? `${unknown.length} of the ${scans.length} scans` : "the scans"
    } ("${path}"), so ${
      some ? "each of them is split off" : "they are split"
    } by scan: two scans of one person may be on both sides. ${hint}.`,
  ];
}

/**
 * Adds who each scan is of.
 *
 * @param scans As they were named.
 * @param rules From {@link personRules}.
 */
export function withPersons<S extends LabelledFile>(scans: readonly S[], rules: PersonRules): S[] {
  return scans.map((scan) => ({ ...scan, ...personOf(scan.path, rules) }));
}
