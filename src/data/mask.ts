/** Brain masks: which voxels a mask-restricted loss counts. */
import type { SpatialShape } from "../base/arrays.ts";
import { FormatError, ShapeError } from "../base/errors.ts";
import { callback, checkOptions, integer, list, number, record } from "../base/fields.ts";
import { fewOf } from "../base/lists.ts";
import { type BoldRun, openBoldRun } from "./bold_run.ts";
import type { Cohort } from "./cohort.ts";
import type { FrameSource } from "./frame_source.ts";
import { type Location, OPEN_OPTIONS, type OpenOptions } from "./openers/open_bytes.ts";
import { resampleVolume } from "./resampling.ts";
import {
  describeGrid,
  gridOf,
  isSameOrder,
  orderBetween,
  reorderVolume,
  VOXEL_GRID,
  type VoxelGrid,
} from "./voxel_grid.ts";

/** Options of {@link openMask}, beside those of `openBoldRun`. */
export interface MaskOptions extends OpenOptions {
  /** Receives each oddity of the file that does not stop the reader, as a sentence for a person. */
  readonly onRemark?: (remark: string) => void;
  /**
   * The grid of the data (`cohort.grid`): the mask is brought to it by its affine, also from another grid. Without it
   * the mask must have the data's size, and is taken as it is.
   */
  readonly grid?: VoxelGrid;
  /** Labels that are inside, for a label image. */
  readonly labels?: readonly number[];
  /** Least probability that is inside, for an image of probabilities. Default 0.5. */
  readonly threshold?: number;
}

const MASK_OPTIONS = record<MaskOptions>({
  ...OPEN_OPTIONS.fields,
  onRemark: callback(),
  grid: VOXEL_GRID,
  labels: list(integer()),
  threshold: number({ above: 0, most: 1 }),
});

/**
 * Reads a mask: a 3-D NIfTI file (or 4-D of one frame) of 0 and 1, of probabilities, or of labels some of which are named.
 *
 * @param location Path, URL or bytes of the file.
 * @param spatialShape Size of the data it is for, `[X, Y, Z]`.
 * @param options See {@link MaskOptions}.
 * @returns `[Z, Y, X]`, x fastest: 1 inside, 0 outside.
 * @throws {FormatError} (rule `data.mask`) when it has several frames, other values than 0 and 1 without `labels`, or no
 *   voxel inside; (rule `data.space`) when it cannot be brought to the grid.
 * @throws {FormatError} when it is no readable image.
 * @throws {ShapeError} when it is on another grid.
 */
export async function openMask(
  location: Location,
  spatialShape: SpatialShape,
  options: MaskOptions = {},
): Promise<Float32Array> {
  checkOptions(options, MASK_OPTIONS, { doing: "Cannot read the mask" });
  const { onRemark, grid, labels, threshold = 0.5, ...opening } = options;
  using run = await openBoldRun(location, opening);
  const remark = (text: string) => onRemark?.(text);
  run.remarks.forEach(remark);
  if (run.frames !== 1) throw refusal(run, `${run.frames} frames`, "one");
  const inside = insideOf(run, { labels, threshold, remark });
  const mask = onGrid(run, inside, { spatialShape, grid, remark });
  if (!mask.includes(1)) {
    const needs = labels
      ? `a voxel with one of the labels ${labels.join(", ")}`
      : "at least one that is 1";
    throw refusal(run, "no voxel inside", needs);
  }
  return mask;
}

function refusal({ source }: BoldRun, found: string, needs: string): FormatError {
  return new FormatError(
    source,
    "data.mask",
    `Cannot use the mask "${source}": found ${found}, needs ${needs}`,
  );
}

/** The voxels inside, in the mask's own order. */
function insideOf(
  run: BoldRun,
  { labels, threshold, remark }: {
    readonly labels: readonly number[] | undefined;
    readonly threshold: number;
    readonly remark: (text: string) => void;
  },
): Float32Array {
  const values = run.readFrame(0);
  if (labels) {
    const absent = labels.filter((label) => !values.includes(label));
    if (absent.length > 0) {
      throw refusal(
        run,
        `no voxel with the label ${absent.join(", ")}`,
        `labels that it has: ${fewOf([...distinct(values)].map(String), 12)} (--mask-label)`,
      );
    }
    return values.map((value) => labels.includes(value) ? 1 : 0);
  }
  const others = [...distinct(values)].filter((value) => value !== 1);
  if (others.length === 0) return values;
  if (values.every((value) => value >= 0 && value <= 1)) {
    const count = values.reduce((sum, value) => sum + (value >= threshold ? 1 : 0), 0);
    remark(
      `Its values are probabilities: ${count} voxels of at least ${threshold} are inside the mask.`,
    );
    return values.map((value) => value >= threshold ? 1 : 0);
  }
  throw refusal(
    run,
    `the values ${
      fewOf(others.map((value) => String(Number(value.toPrecision(4)))), 5)
    } beside 0 and 1`,
    "0 outside and 1 inside, or probabilities from 0 to 1; of a label image --mask-label N takes the voxels with that " +
      'value; "fslmaths IN -thr 0.5 -bin OUT", or in Python nilearn.image.math_img("img > 0.5", img=IN), makes a mask',
  );
}

/** The values there are beside 0. */
function distinct(values: Float32Array): Set<number> {
  return new Set(values.filter((value) => value !== 0));
}

/** A volume of the mask's own voxels on the data's. */
function onGrid(
  run: BoldRun,
  inside: Float32Array,
  { spatialShape, grid, remark }: {
    readonly spatialShape: SpatialShape;
    readonly grid: VoxelGrid | undefined;
    readonly remark: (text: string) => void;
  },
): Float32Array {
  const own = gridOf(run.header, run.source);
  const order = grid && orderBetween(own, grid);
  if (order) {
    return isSameOrder(order) ? inside : reorderVolume(inside, run.spatialShape, { order });
  }
  if (!grid || own.located === false || grid.located === false) {
    const found = run.spatialShape;
    if (found.every((n, axis) => n === spatialShape[axis])) return inside;
    throw new ShapeError(
      `Cannot use the mask "${run.source}": found ${found.join("×")} voxels, needs ` +
        `${spatialShape.join("×")} as the data has; resample the mask to the data's grid`,
      found,
      spatialShape.join("×"),
    );
  }
  remark(
    `It lies on another grid (${describeGrid(own)}) than the data (${
      describeGrid(grid)
    }): resampled, each voxel from the nearest one.`,
  );
  return resampleVolume({ values: inside, grid: own }, grid, { interpolation: "nearest" });
}

/**
 * The cohort with 0 for what is not finite outside a mask; such voxels count nowhere, and one of them would otherwise
 * turn a whole scan into NaN. Each scan read so has a remark. Inside the mask everything stays as it is.
 *
 * @param cohort Scans on the mask's grid.
 * @param mask `[Z, Y, X]`, 0 outside.
 */
export function finiteOutside(cohort: Cohort, mask: Float32Array): Cohort {
  const outside = Uint32Array.from(mask.keys()).filter((voxel) => mask[voxel] === 0);
  const subjects = cohort.subjects.map((subject) => ({
    ...subject,
    open: async (options?: OpenOptions) => zeroed(await subject.open(options), outside),
  }));
  return { ...cohort, subjects };
}

/** Changes a source so that its frames are 0 where they are not finite, in the voxels of a list. */
function zeroed(source: FrameSource, voxels: Uint32Array): FrameSource {
  if (!source.remarks) return source; // made here, not read from a file
  const remarks = [...source.remarks];
  const read = source.readFrame.bind(source);
  let said = false;
  const readFrame = (t: number, into?: Float32Array) => {
    const frame = read(t, into);
    for (const voxel of voxels) {
      if (Number.isFinite(frame[voxel])) continue;
      frame[voxel] = 0;
      if (!said) remarks.push("Outside the mask are NaN or infinite voxels; they are taken for 0.");
      said = true;
    }
    return frame;
  };
  return Object.assign(source, { readFrame, remarks });
}
