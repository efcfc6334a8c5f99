/**
 * A cohort: the subjects a model is trained or tested on, each a run of frames of one common size. It
 * holds descriptions and openers, not data; `loader.ts` reads.
 */
import type { SpatialShape } from "../base/arrays.ts";
import { ConfigError, FormatError, ShapeError } from "../base/errors.ts";
import { fewOf } from "../base/lists.ts";
import type { NiftiHeader } from "../formats/nifti_header.ts";
import { checkOptions, choice, integer, list, pickOptions, record, text } from "../base/fields.ts";
import { type GroupBy, groupName } from "./bids.ts";
import { openBoldRun, readNiftiFacts } from "./bold_run.ts";
import { type FrameSource, frameTarget, voxelCount } from "./frame_source.ts";
import { joinPath, LISTING_OPTIONS, type ListingOptions, listSubjectFiles } from "./listing.ts";
import type { OpenOptions } from "./openers/open_bytes.ts";
import { subjectBlocks, tooFewFrames, type Volumes } from "./volumes.ts";

/** One row of the subject-offset table. */
export interface CohortSubject {
  /** Unique in the cohort: the path of the scan, or a name. */
  readonly id: string;
  /** Diagnostic group or any other class: `"CN"`, `"AD"`, `""`. */
  readonly label: string;
  /** Scans of one group never straddle a split: the person, usually. */
  readonly group: string;
  /** Frames the scan has; the cohort may use fewer. Absent when that is not known. */
  readonly frames?: number;
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
}

/** Options of making a cohort from files. */
export interface CohortOptions {
  /** Frames to use of each scan; default as many as the shortest scan has. */
  readonly tolTime?: number;
  /** What stays together in splits. Default `"subject"`, read from `sub-…` in the names. */
  readonly groupBy?: GroupBy;
}

/** Options there are. */
const COHORT_OPTIONS = record<CohortOptions>({
  tolTime: integer({ least: 1 }),
  groupBy: choice(["subject", "session", "scan"]),
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
}

/**
 * Makes a cohort of NIfTI files. Only headers are read.
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
  const headers: ScanHeader[] = [];
  for (const { path } of scans) headers.push({ path, ...await readNiftiFacts(path) });
  if (options.tolTime !== 1) checkTime(headers);
  if (options.tolTime !== undefined) checkLength(headers, options.tolTime);
  checkGrid(headers);
  const shortest = Math.min(...headers.map(({ frames }) => frames));
  const [{ spatialShape }] = headers;
  const { groupBy = "subject" } = options;
  const subjects = scans.map(({ path, label = "" }, row) => ({
    id: path,
    label,
    group: groupName(path, groupBy),
    frames: headers[row].frames,
    open: (openOptions?: OpenOptions) => openBoldRun(path, openOptions),
  }));
  return { subjects, spatialShape, frames: options.tolTime ?? shortest };
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

/** What decides whether scans go together. */
interface ScanHeader extends Pick<NiftiHeader, "spatialShape" | "frames"> {
  readonly path: string;
}

/** Refuses single images among scans that have time: they would cut every scan to one frame. */
function checkTime(headers: readonly ScanHeader[]): void {
  const longest = headers.reduce((a, b) => b.frames > a.frames ? b : a);
  const single = headers.filter(({ frames }) => frames === 1);
  if (longest.frames === 1 || single.length === 0) return;
  throw new FormatError(
    single[0].path,
    "data.time",
    `Cannot make a cohort: ${named(single, headers.length)} ${
      single.length === 1 ? "is a single image" : "are single images"
    }, and "${longest.path}" has ${longest.frames} frames; leave out what is no scan (masks, references, anatomy)`,
  );
}

function checkLength(headers: readonly ScanHeader[], tolTime: number): void {
  const short = headers.filter(({ frames }) => frames < tolTime);
  if (short.length > 0) {
    throw tooFewFrames(short[0].path, short[0].frames, {
      needed: tolTime,
      others: short.length - 1,
    });
  }
}

function checkGrid(headers: readonly ScanHeader[]): void {
  const [first] = headers;
  const needed = first.spatialShape.join("×");
  const other = headers.filter(({ spatialShape }) => spatialShape.join("×") !== needed);
  if (other.length === 0) return;
  throw new ShapeError(
    `Cannot make a cohort: ${named(other, headers.length)} ${
      other.length === 1 ? "has" : "have other sizes, the first"
    } ${
      other[0].spatialShape.join("×")
    } voxels, needs ${needed} as in "${first.path}"; resample the scans to ` +
      `one grid`,
    other[0].spatialShape,
    needed,
  );
}

/** A few of some scans, and how many there are. */
function named(scans: readonly ScanHeader[], all: number): string {
  const few = fewOf(scans.map(({ path }) => `"${path}"`));
  return scans.length > 1 ? `${scans.length} of ${all} files (${few})` : few;
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
