/** What scans of one cohort must have in common: where their voxels lie, and the time between their frames. */
import { ConfigError, FormatError, ShapeError } from "../base/errors.ts";
import { flag, number, record } from "../base/fields.ts";
import { fewOf } from "../base/lists.ts";
import { sameTime } from "./repetition_time.ts";
import {
  describeGrid,
  GRID_TOLERANCE,
  isSameOrder,
  orderBetween,
  orientationLetters,
  VOXEL_GRID,
  type VoxelGrid,
  type VoxelOrder,
} from "./voxel_grid.ts";

/** Options that say what scans are brought to, and which differences are meant. */
export interface ScanAgreementOptions {
  /** The grid all scans are brought to. Default: the first scan's. */
  readonly grid?: VoxelGrid;
  /** Interpolate scans on other grids; otherwise they are refused. Default false. */
  readonly resample?: boolean;
  /** Seconds between frames that the scans must have, a trained model's say. Default: any, all alike. */
  readonly repetitionTime?: number;
  /** Take scans of different repetition times together. Default false. */
  readonly allowMixedTr?: boolean;
}

/** Options there are. */
export const AGREEMENT_OPTIONS = record<ScanAgreementOptions>({
  grid: VOXEL_GRID,
  resample: flag(),
  repetitionTime: number({ above: 0 }),
  allowMixedTr: flag(),
});

/** What decides whether scans go together. */
export interface ScanFacts {
  readonly path: string;
  readonly grid: VoxelGrid;
  /** Frames in the file. */
  readonly stored: number;
  /** First frame that is used. */
  readonly from: number;
  /** Frames from there on that may be used. */
  readonly frames: number;
  /** Seconds between frames; null when nobody says. */
  readonly seconds: number | null;
  /** Oddities, as sentences. */
  readonly remarks: readonly string[];
}

/**
 * The grid of a cohort and how each scan is brought to it.
 *
 * @param scans At least one.
 * @param options See {@link ScanAgreementOptions}.
 * @returns Orders by scan; null: it is interpolated.
 * @throws {ShapeError} {FormatError} (rule `data.space`) for scans on another grid that are not to be interpolated.
 */
export function agreeOnSpace(
  scans: readonly ScanFacts[],
  { grid: wanted, resample = false }: ScanAgreementOptions,
): {
  readonly grid: VoxelGrid;
  readonly orders: readonly (VoxelOrder | null)[];
  readonly notes: readonly string[];
} {
  const grid = wanted ?? scans[0].grid;
  const orders = scans.map((scan) => orderBetween(scan.grid, grid));
  const others = scans.filter((_, row) => orders[row] === null);
  if (others.length > 0 && !resample) throw otherGrid(others, grid, scans.length);
  const nowhere = others.find((scan) => scan.grid.located === false);
  if (nowhere || (others.length > 0 && grid.located === false)) {
    throw new FormatError(
      nowhere?.path ?? grid.source,
      "data.space",
      `Cannot bring "${
        (nowhere ?? others[0]).path
      }" to the grid of "${grid.source}": the header of "${
        nowhere?.path ?? grid.source
      }" does not say where its voxels lie; set its sform or qform, or leave it out`,
    );
  }
  return { grid, orders, notes: spaceNotes(scans, grid, orders) };
}

function spaceNotes(
  scans: readonly ScanFacts[],
  grid: VoxelGrid,
  orders: readonly (VoxelOrder | null)[],
): string[] {
  const notes: string[] = [];
  const turned = scans.filter((_, row) => orders[row] && !isSameOrder(orders[row]));
  if (turned.length > 0) {
    const letters = [...new Set(turned.map((scan) => orientationLetters(scan.grid)))].join(", ");
    notes.push(
      `${
        namedScans(turned, scans.length)
      }: stored in another voxel order (${letters}) than "${grid.source}" ` +
        `(${
          orientationLetters(grid)
        }); read in that order, and results are written back in their own.`,
    );
  }
  const others = scans.filter((_, row) => orders[row] === null);
  if (others.length > 0) {
    notes.push(
      `${namedScans(others, scans.length)}: resampled to the grid of "${grid.source}" (trilinear).`,
    );
  }
  const unknown = scans.filter((scan) => scan.grid.located === false);
  if (unknown.length > 0 && (unknown.length < scans.length || grid.located !== false)) {
    notes.push(
      `${
        namedScans(unknown, scans.length)
      }: taken to lie like "${grid.source}", since the header does not say where.`,
    );
  } else if (unknown.length === 0 && grid.located === false) {
    notes.push(
      `All scans are taken to lie like "${grid.source}", whose header does not say where.`,
    );
  }
  return notes;
}

function otherGrid(others: readonly ScanFacts[], grid: VoxelGrid, all: number): Error {
  const [{ path, grid: found }] = others;
  const sizes = found.spatialShape.some((n, axis) => n !== grid.spatialShape[axis]);
  const more = others.length > 1 ? ` and ${others.length - 1} more of ${all} scans` : "";
  const message = `Cannot make a cohort: "${path}"${more} ${
    others.length > 1 ? "lie" : "lies"
  } on another grid: found ${describeGrid(found)}, needs ${
    describeGrid(grid)
  } as "${grid.source}" has (within ${GRID_TOLERANCE} voxels); --resample first interpolates all scans to the first one's grid, --resample FILE to another`;
  return sizes
    ? new ShapeError(message, found.spatialShape, grid.spatialShape.join("×"))
    : new FormatError(path, "data.space", message);
}

/**
 * The time between frames of a cohort.
 *
 * @param scans At least one.
 * @param options See {@link ScanAgreementOptions}.
 * @returns Null when nobody says, and when times differ.
 * @throws {ConfigError} for different times, unless they are allowed.
 */
export function agreeOnTime(
  scans: readonly ScanFacts[],
  { repetitionTime, allowMixedTr = false }: ScanAgreementOptions,
): { readonly seconds: number | null; readonly notes: readonly string[] } {
  const kinds: { seconds: number; scans: ScanFacts[] }[] = repetitionTime === undefined
    ? []
    : [{ seconds: repetitionTime, scans: [] }];
  const timed = scans.filter(({ stored }) => stored > 1);
  for (const scan of timed) {
    if (scan.seconds === null) continue;
    const kind = kinds.find(({ seconds }) => sameTime(seconds, scan.seconds!));
    if (kind) kind.scans.push(scan);
    else kinds.push({ seconds: scan.seconds, scans: [scan] });
  }
  const found = kinds.map(({ seconds, scans: [first, ...more] }) =>
    first
      ? `${seconds} s ("${first.path}"${more.length > 0 ? ` and ${more.length} more` : ""})`
      : `${seconds} s (the scans the model was trained on)`
  ).join(", ");
  if (kinds.length > 1 && !allowMixedTr) {
    throw new ConfigError(
      "allowMixedTr",
      `Cannot make a cohort: the scans have different repetition times: ${found}; one model takes a frame for one ` +
        "step, so use scans of one repetition time, or --allow-mixed-tr",
    );
  }
  if (kinds.length > 1) {
    return {
      seconds: null,
      notes: [`The scans have different repetition times: ${found}; times are counted in frames.`],
    };
  }
  const silent = timed.filter(({ seconds }) => seconds === null);
  const [kind] = kinds;
  const notes = kind && silent.length > 0
    ? [
      `${
        namedScans(silent, scans.length)
      }: no repetition time in header or metadata; taken for ${kind.seconds} s as of the others.`,
    ]
    : [];
  return { seconds: kind?.seconds ?? null, notes };
}

/** A few of some scans, and how many there are. */
export function namedScans(scans: readonly { readonly path: string }[], all: number): string {
  const few = fewOf(scans.map(({ path }) => `"${path}"`));
  return scans.length > 1 ? `${scans.length} of ${all} files (${few})` : few;
}
