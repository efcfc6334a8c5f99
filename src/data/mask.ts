/** Brain masks: which voxels a mask-restricted loss counts. */
import type { SpatialShape } from "../base/arrays.ts";
import { FormatError, ShapeError } from "../base/errors.ts";
import { callback, checkOptions, record } from "../base/fields.ts";
import { fewOf } from "../base/lists.ts";
import { openBoldRun } from "./bold_run.ts";
import type { Cohort } from "./cohort.ts";
import type { FrameSource } from "./frame_source.ts";
import { type Location, OPEN_OPTIONS, type OpenOptions } from "./openers/open_bytes.ts";

/** Options of {@link openMask}, beside those of `openBoldRun`. */
export interface MaskOptions extends OpenOptions {
  /** Receives each oddity of the file that does not stop the reader, as a sentence for a person. */
  readonly onRemark?: (remark: string) => void;
}

const MASK_OPTIONS = record<MaskOptions>({ ...OPEN_OPTIONS.fields, onRemark: callback() });

/**
 * Reads a mask: a 3-D NIfTI file (or 4-D of one frame) on the grid of the data.
 *
 * @param location Path, URL or bytes of the file.
 * @param spatialShape Size of the data it is for, `[X, Y, Z]`.
 * @param options See {@link MaskOptions}.
 * @returns `[Z, Y, X]`, x fastest: 1 and 0 as in the file.
 * @throws {FormatError} (rule `data.mask`) when it has several frames, other values than 0 and 1, or no 1 at all.
 * @throws {FormatError} when it is no readable image.
 * @throws {ShapeError} when it is on another grid.
 */
export async function openMask(
  location: Location,
  spatialShape: SpatialShape,
  options: MaskOptions = {},
): Promise<Float32Array> {
  checkOptions(options, MASK_OPTIONS, { doing: "Cannot read the mask" });
  const { onRemark, ...opening } = options;
  using run = await openBoldRun(location, opening);
  run.remarks.forEach((remark) => onRemark?.(remark));
  const found = run.spatialShape;
  if (found.some((n, axis) => n !== spatialShape[axis])) {
    throw new ShapeError(
      `Cannot use the mask "${run.source}": found ${found.join("×")} voxels, needs ` +
        `${spatialShape.join("×")} as the data has; resample the mask to the data's grid`,
      found,
      spatialShape.join("×"),
    );
  }
  const refuse = (what: string, needs: string) =>
    new FormatError(
      run.source,
      "data.mask",
      `Cannot use the mask "${run.source}": found ${what}, needs ${needs}`,
    );
  if (run.frames !== 1) throw refuse(`${run.frames} frames`, "one");
  const mask = run.readFrame(0);
  const others = new Set(mask.filter((value) => value !== 0 && value !== 1));
  if (others.size > 0) {
    throw refuse(
      `the values ${
        fewOf(Array.from(others, (value) => String(Number(value.toPrecision(4)))), 5)
      } beside 0 and 1`,
      '0 outside and 1 inside; "fslmaths IN -thr 0.5 -bin OUT", or in Python ' +
        'nilearn.image.math_img("img > 0.5", img=IN), makes such a mask of one with other values',
    );
  }
  if (!mask.includes(1)) throw refuse("no voxel inside", "at least one that is 1");
  return mask;
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
