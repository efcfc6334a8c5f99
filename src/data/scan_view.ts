/** A run as a cohort reads it: in the cohort's voxel order or on its grid, and with the frames that are used alone. */
import type { SpatialShape } from "../base/arrays.ts";
import type { NiftiOrientation } from "../formats/nifti_header.ts";
import type { BoldRun } from "./bold_run.ts";
import { type FrameSource, frameTarget, voxelCount } from "./frame_source.ts";
import { resampleVolume } from "./resampling.ts";
import {
  gridOf,
  isSameOrder,
  reorderVolume,
  restoreVolume,
  type VoxelGrid,
  type VoxelOrder,
} from "./voxel_grid.ts";

/** How a run is read. */
export interface Reading {
  /** The grid its frames are on. */
  readonly grid: VoxelGrid;
  /** The order that brings the run to it; null: it is resampled. */
  readonly order: VoxelOrder | null;
  /** First frame that is used, 0-based. */
  readonly from: number;
  /** How many are. */
  readonly frames: number;
}

/** Where results about a scan belong: its own voxels, or the common grid it was resampled to. */
export interface ScanSpace {
  /** `[X, Y, Z]` in voxels. */
  readonly spatialShape: SpatialShape;
  /** Voxel index to millimetres, 4 × 4 row by row; absent where nothing is known. */
  readonly affine?: readonly number[];
  /** Codes and qform of the scan, where results lie in its own voxels. */
  readonly orientation?: NiftiOrientation;
  /** Of the scan, for people. */
  readonly description?: string;
  /** Brings a volume from the cohort's voxel order to this one. */
  restore(values: Float32Array): Float32Array;
}

/** Frames of a run on a cohort's grid. */
export interface ScanView extends FrameSource {
  /** Where results belong. */
  readonly space: ScanSpace;
}

/**
 * Makes the view; closing it closes the run.
 *
 * @param run Open.
 * @param reading How to read it.
 */
export function viewRun(run: BoldRun, reading: Reading): ScanView {
  const { grid, order, from, frames } = reading;
  const { spatialShape } = grid;
  const facts = { source: run.source, spatialShape, frames };
  const own = gridOf(run.header, run.source);
  const direct = order !== null && isSameOrder(order);
  let stored: Float32Array | undefined;
  const readFrame = (t: number, into?: Float32Array) => {
    const frame = frameTarget(facts, t, into);
    if (direct) return run.readFrame(from + t, frame);
    stored ??= new Float32Array(voxelCount(run.spatialShape));
    const values = run.readFrame(from + t, stored);
    return order
      ? reorderVolume(values, run.spatialShape, { order, into: frame })
      : resampleVolume({ values, grid: own }, grid, { into: frame });
  };
  return {
    ...facts,
    remarks: run.remarks,
    readFrame,
    close: () => run.close(),
    space: spaceOf(run, reading),
  };
}

function spaceOf(run: BoldRun, { grid, order }: Reading): ScanSpace {
  const { description } = run.header;
  if (!order) {
    const { spatialShape, affine } = grid;
    return { spatialShape, affine, description, restore: (values) => values };
  }
  const same = isSameOrder(order);
  // What nobody knows is not claimed in a result either.
  const nowhere = run.header.affineSource === "pixdim" ? { sformCode: 0, qformCode: 0 } : {};
  return {
    spatialShape: run.spatialShape,
    affine: run.affine,
    orientation: { ...run.header.orientation, ...nowhere },
    description,
    restore: (values) => same ? values : restoreVolume(values, run.spatialShape, order),
  };
}
