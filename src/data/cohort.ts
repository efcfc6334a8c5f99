/**
 * A cohort: the subjects a model is trained or tested on, each a run of frames of one common size. It
 * holds descriptions and openers, not data; `loader.ts` reads.
 */
import type { SpatialShape } from "../base/arrays.ts";
import { ConfigError, FormatError } from "../base/errors.ts";
import { checkOptions, choice, integer, list, pickOptions, record, text } from "../base/fields.ts";
import type { GroupBy } from "./bids.ts";
import { openBoldRun, readNiftiFacts } from "./bold_run.ts";
import { type FrameSource, frameTarget, voxelCount } from "./frame_source.ts";
import { joinPath, LISTING_OPTIONS, type ListingOptions, listSubjectFiles } from "./listing.ts";
import type { OpenOptions } from "./openers/open_bytes.ts";
import { groupOf, personOf } from "./persons.ts";
import { repetitionTimeOf } from "./repetition_time.ts";
import {
  AGREEMENT_OPTIONS,
  agreeOnSpace,
  agreeOnTime,
  namedScans,
  type ScanAgreementOptions,
  type ScanFacts,
} from "./scan_agreement.ts";
import { viewRun } from "./scan_view.ts";
import { Sidecars } from "./sidecars.ts";
import { gridOf, type VoxelGrid } from "./voxel_grid.ts";
import { subjectBlocks, tooFewFrames, type Volumes } from "./volumes.ts";

/** Some frames of a scan. */
export interface FrameWindow {
  /** First frame, 0-based. */
  readonly from: number;
  /** The frame behind the last one; default: all there are. */
  readonly to?: number;
}

/** What a range in a file or an options object may hold. */
export const FRAME_WINDOW = record<FrameWindow>({
  from: integer({ least: 0 }),
  to: integer({ least: 1 }),
}, ["from"]);

/** One row of the subject-offset table. */
export interface CohortSubject {
  /** Unique in the cohort: the path of the scan, or a name. */
  readonly id: string;
  /** Diagnostic group or any other class: `"CN"`, `"AD"`, `""`. */
  readonly label: string;
  /** Scans of one group never straddle a split: the person, usually. */
  readonly group: string;
  /** Person, without `sub-`; absent when nobody says. */
  readonly subject?: string;
  /** Visit, without `ses-`; absent when nobody says. */
  readonly session?: string;
  /** Frames the scan has beside those left out; the cohort may use fewer. Absent when that is not known. */
  readonly frames?: number;
  /** Seconds between frames; null when nobody says. Absent where there is no file. */
  readonly repetitionTime?: number | null;
  /** Oddities of its header and metadata, as sentences for a person. */
  readonly remarks?: readonly string[];
  /** Opens the scan's frames; the caller closes them. */
  open(options?: OpenOptions): FrameSource | Promise<FrameSource>;
}

/** Subjects with a common size and number of frames. */
export interface Cohort {
  /** In row order. */
  readonly subjects: readonly CohortSubject[];
  /** `[X, Y, Z]` in voxels. */
  readonly spatialShape: SpatialShape;
  /** Frames used of each subject (`tolTime`). */
  readonly frames: number;
  /** The grid all scans are brought to; absent where there are no files. */
  readonly grid?: VoxelGrid;
  /** Seconds between frames of all scans; null when nobody says, and when they differ. Absent where there are no files. */
  readonly repetitionTime?: number | null;
  /** What should be known about the scans together, as sentences for a person. */
  readonly notes?: readonly string[];
}

/** Options of making a cohort from files. */
export interface CohortOptions extends ScanAgreementOptions {
  /** Frames to use of each scan; default as many as the shortest scan has. */
  readonly tolTime?: number;
  /** What stays together in splits. Default `"subject"`, read from names and folders (see `personOf`). */
  readonly groupBy?: GroupBy;
  /** Frames at the beginning of each scan that are left out. Default 0. */
  readonly skipFrames?: number;
  /** Frames that are used of each scan, instead of `skipFrames`. */
  readonly frameRange?: FrameWindow;
}

/** Options there are. */
const COHORT_OPTIONS = record<CohortOptions>({
  ...AGREEMENT_OPTIONS.fields,
  tolTime: integer({ least: 1 }),
  groupBy: choice(["subject", "session", "scan"]),
  skipFrames: integer({ least: 0 }),
  frameRange: FRAME_WINDOW,
});

/** Options of making a cohort from directories. */
const DIRECTORY_OPTIONS = record<CohortOptions & ListingOptions>({
  ...COHORT_OPTIONS.fields,
  ...LISTING_OPTIONS.fields,
});

/** Options of {@link cohortFromVolumes}. */
export interface VolumeCohortOptions {
  /** Class of each subject; default `""`. */
  readonly labels?: readonly string[];
  /** Names of the subjects; default `"subject 0"`, …. */
  readonly ids?: readonly string[];
}

/** Options there are. */
const VOLUME_COHORT_OPTIONS = record<VolumeCohortOptions>({
  labels: list(text()),
  ids: list(text()),
});

/** A scan and its class. */
export interface LabelledFile {
  /** Path of the NIfTI file. */
  readonly path: string;
  /** Diagnostic group or any other class. */
  readonly label?: string;
  /** Person and visit, where they are known already; otherwise they are read from the path. */
  readonly subject?: string;
  /** See `subject`. */
  readonly session?: string;
  /** Scans of one group never straddle a split; default by person, see `groupBy`. */
  readonly group?: string;
  /** Frames at its beginning that are left out, instead of the cohort's. */
  readonly skipFrames?: number;
}

/**
 * Makes a cohort of NIfTI files. Only headers are read, and the JSON files that BIDS puts beside and above the scans.
 * All scans are brought to one voxel order by their affines; see {@link ScanAgreementOptions} for what else differs.
 *
 * @param files Paths, with or without labels, at least one.
 * @param options See {@link CohortOptions}.
 * @throws {FormatError} when a file cannot be read or has fewer than `tolTime` frames, or is a single image among scans
 *   with time.
 * @throws {ShapeError} when the scans differ in size.
 * @throws {ConfigError} for an empty or repeating list.
 */
export async function cohortFromFiles(
  files: readonly (string | LabelledFile)[],
  options: CohortOptions = {},
): Promise<Cohort> {
  checkOptions(options, COHORT_OPTIONS, { doing: "Cannot make a cohort" });
  const scans = files.map((file) => typeof file === "string" ? { path: file } : file);
  checkIds(scans.map((scan) => scan.path));
  const headers: ScanFacts[] = [];
  const sidecars = new Sidecars();
  const bad: Error[] = [];
  for (const scan of scans) {
    try {
      headers.push(await factsOf(scan, options, sidecars));
    } catch (error) {
      if (!(error instanceof FormatError)) throw error;
      bad.push(error);
    }
  }
  if (bad.length > 0) throw firstOf(bad as FormatError[], scans.length);
  if (options.tolTime !== 1) checkTime(headers);
  checkLength(headers, options.tolTime ?? 1);
  const agreement = agreeOnSpace(headers, options);
  const time = agreeOnTime(headers, options);
  const shortest = Math.min(...headers.map(({ frames }) => frames));
  const { groupBy = "subject" } = options;
  const subjects = scans.map((scan, row) => {
    const { path, label = "" } = scan;
    const { frames, from, seconds, remarks } = headers[row];
    const person = scan.subject === undefined ? personOf(path) : scan;
    const { subject, session } = person;
    const reading = { grid: agreement.grid, order: agreement.orders[row], from, frames };
    return {
      id: path,
      label,
      group: scan.group ?? groupOf(path, person, groupBy),
      ...(subject === undefined ? {} : { subject }),
      ...(session === undefined ? {} : { session }),
      frames,
      repetitionTime: seconds,
      remarks,
      open: async (openOptions?: OpenOptions) =>
        viewRun(await openBoldRun(path, openOptions), reading),
    };
  });
  return {
    subjects,
    spatialShape: agreement.grid.spatialShape,
    frames: options.tolTime ?? shortest,
    grid: agreement.grid,
    repetitionTime: time.seconds,
    notes: [...agreement.notes, ...time.notes],
  };
}

/**
 * Makes a cohort of directories of NIfTI files (listed as [recurrent-vae §2.1] does), one label each.
 *
 * @param directories Label → path: `{ CN: "data/cn", AD: "data/ad" }`.
 * @param options See {@link CohortOptions}; `skipPrefix` as in `listSubjectFiles`.
 * @throws as `cohortFromFiles` and `listSubjectFiles`.
 */
export function cohortFromDirectories(
  directories: Readonly<Record<string, string>>,
  options: CohortOptions & ListingOptions = {},
): Promise<Cohort> {
  checkOptions(options, DIRECTORY_OPTIONS, { doing: "Cannot make a cohort" });
  const listing = pickOptions(options, LISTING_OPTIONS);
  const files = Object.entries(directories).flatMap(([label, directory]) =>
    listSubjectFiles(directory, listing).map((name) => ({ path: joinPath(directory, name), label }))
  );
  return cohortFromFiles(files, pickOptions(options, COHORT_OPTIONS));
}

/**
 * Makes a cohort of volumes in memory (the original's dataset, [recurrent-vae §2.4]).
 *
 * @param volumes `[N, T, Z, Y, X, 1]`; kept, not copied.
 * @param options See {@link VolumeCohortOptions}.
 * @throws {ShapeError} ("6D") for another number of axes.
 * @throws {ConfigError} unless there is one label and
 *   one name a subject.
 */
export function cohortFromVolumes(
  volumes: Volumes,
  options: VolumeCohortOptions = {},
): Cohort {
  checkOptions(options, VOLUME_COHORT_OPTIONS, { doing: "Cannot make a cohort" });
  const blocks = subjectBlocks(volumes);
  for (const field of ["labels", "ids"] as const) {
    const found = options[field]?.length ?? blocks.length;
    if (found === blocks.length) continue;
    throw new ConfigError(
      field,
      `Cannot make a cohort: found ${found} ${field}, needs ${blocks.length}, one a subject`,
    );
  }
  const [, frames, Z, Y, X] = volumes.shape;
  const spatialShape: SpatialShape = [X, Y, Z];
  const ids = options.ids ?? blocks.map((_, n) => `subject ${n}`);
  checkIds(ids);
  const subjects = blocks.map((block, n) => ({
    id: ids[n],
    label: options.labels?.[n] ?? "",
    group: ids[n],
    open: () => memoryFrames(block, { source: ids[n], spatialShape, frames }),
  }));
  return { subjects, spatialShape, frames };
}

/** Frames of one subject in memory, `[T, Z, Y, X]`. */
export function memoryFrames(
  data: Float32Array,
  facts: Pick<FrameSource, "source" | "spatialShape" | "frames">,
): FrameSource {
  const voxels = voxelCount(facts.spatialShape);
  return {
    ...facts,
    readFrame(t, into) {
      const frame = frameTarget(facts, t, into);
      frame.set(data.subarray(t * voxels, (t + 1) * voxels));
      return frame;
    },
    close: () => {},
  };
}

/**
 * Some of a cohort's subjects, in the given order: the training or test part of a split.
 *
 * @param rows 0-based; the new cohort's rows are their positions here.
 * @throws {ConfigError} when a row does not exist.
 */
export function selectSubjects(cohort: Cohort, rows: ArrayLike<number>): Cohort {
  const subjects = Array.from(rows, (row) => {
    if (cohort.subjects[row]) return cohort.subjects[row];
    throw new ConfigError(
      "rows",
      `Cannot select subject ${row}: needs 0 to ${cohort.subjects.length - 1}`,
    );
  });
  return { ...cohort, subjects };
}

/** The first of some errors, with how many there are. */
function firstOf([first, ...more]: readonly FormatError[], all: number): FormatError {
  if (more.length === 0) return first;
  return new FormatError(
    first.source,
    first.rule,
    `${first.message} (${more.length} more of the ${all} scans cannot be read; --skip-bad goes on without them)`,
  );
}

/** Header and metadata of a scan, and the frames of it that are used. */
async function factsOf(
  scan: LabelledFile,
  options: CohortOptions,
  sidecars: Sidecars,
): Promise<ScanFacts> {
  const { path } = scan;
  const header = await readNiftiFacts(path);
  const { from, to } = options.frameRange ??
    { from: scan.skipFrames ?? options.skipFrames ?? 0, to: undefined };
  const frames = Math.min(to ?? header.frames, header.frames) - from;
  const { seconds, remarks } = repetitionTimeOf(path, header, sidecars);
  return {
    path,
    grid: gridOf(header, path),
    stored: header.frames,
    from,
    frames,
    seconds,
    remarks,
  };
}

/** Refuses single images among scans that have time: they would cut every scan to one frame. */
function checkTime(headers: readonly ScanFacts[]): void {
  const longest = headers.reduce((a, b) => b.stored > a.stored ? b : a);
  const single = headers.filter(({ stored }) => stored === 1);
  if (longest.stored === 1 || single.length === 0) return;
  throw new FormatError(
    single[0].path,
    "data.time",
    `Cannot make a cohort: ${namedScans(single, headers.length)} ${
      single.length === 1 ? "is a single image" : "are single images"
    }, and "${longest.path}" has ${longest.stored} frames; leave out what is no scan (masks, references, anatomy)`,
  );
}

function checkLength(headers: readonly ScanFacts[], tolTime: number): void {
  const short = headers.filter(({ frames }) => frames < tolTime);
  if (short.length === 0) return;
  const { path, stored, from, frames } = short[0];
  if (frames === stored) {
    throw tooFewFrames(path, frames, { needed: tolTime, others: short.length - 1 });
  }
  throw new FormatError(
    path,
    "data.frames",
    `Cannot use "${path}": found ${stored} timepoints, of which ${
      Math.max(0, frames)
    } are left from frame ${from} on (--skip-frames, --frames), needs ${tolTime}; leave out fewer frames or the file`,
  );
}

function checkIds(ids: readonly string[]): void {
  if (ids.length === 0) {
    throw new ConfigError(
      "files",
      "Cannot make a cohort: found no scans, needs at least one; check the folder and the skipped prefix",
    );
  }
  const repeated = ids.find((id, i) => ids.indexOf(id) !== i);
  if (repeated !== undefined) {
    throw new ConfigError(
      "files",
      `Cannot make a cohort: found "${repeated}" twice, needs it once`,
    );
  }
}
