/**
 * Where the voxels of an image lie, and how images of one grid are brought to one voxel order: by exact flips and
 * swaps of axes, which their affines give.
 */
import type { SpatialShape } from "../base/arrays.ts";
import { list, number, other, record, text } from "../base/fields.ts";
import type { NiftiHeader } from "../formats/nifti_header.ts";
import { isSingular } from "../formats/nifti_space.ts";
import { applyAffine, composeAffines, invertAffine } from "../linalg/affine.ts";

/** Voxels in space. */
export interface VoxelGrid {
  /** `[X, Y, Z]` in voxels. */
  readonly spatialShape: SpatialShape;
  /** Voxel index (x, y, z, 1) to millimetres, 4 × 4 row by row. */
  readonly affine: readonly number[];
  /** Path or name of the image, for messages. */
  readonly source: string;
  /** False where the header says neither where the volume lies nor which side is left. Default true. */
  readonly located?: boolean;
}

/** What a grid in a file or an options object may hold. */
export const VOXEL_GRID = record<VoxelGrid>({
  spatialShape: list(number({ least: 1 })),
  affine: other(
    "4 × 4 numbers, row by row, that map volumes onto volumes",
    (value) =>
      Array.isArray(value) && value.length === 16 && value.every(Number.isFinite) &&
      !isSingular(value),
  ),
  source: text(),
  located: other("true or false", (value) => typeof value === "boolean"),
}, ["spatialShape", "affine", "source"]);

/** Grids that go by a name. */
export const NAMED_GRIDS: Readonly<Record<string, VoxelGrid>> = {
  "mni152-2mm": {
    spatialShape: [91, 109, 91],
    affine: [-2, 0, 0, 90, 0, 2, 0, -126, 0, 0, 2, -72, 0, 0, 0, 1],
    source: "mni152-2mm",
  },
};

/**
 * By how much two images of one grid may lie apart, in voxel edges, at the corner where they differ most. Headers keep
 * affines as float32, and programs round them.
 */
export const GRID_TOLERANCE = 0.1;

/**
 * The grid of an image.
 *
 * @param header Of a NIfTI file.
 * @param source Path or name of it.
 */
export function gridOf(
  header: Pick<NiftiHeader, "spatialShape" | "affine" | "affineSource">,
  source: string,
): VoxelGrid {
  const { spatialShape, affine } = header;
  return { spatialShape, affine, source, located: header.affineSource !== "pixdim" };
}

/** How voxels of an image are taken in another order: axis i of the result runs along axis `axes[i]` of the image. */
export interface VoxelOrder {
  /** For each axis of the result, the axis of the image. */
  readonly axes: readonly [number, number, number];
  /** For each axis of the result, whether it runs backwards. */
  readonly flipped: readonly [boolean, boolean, boolean];
}

/** The order in which nothing changes. */
export const SAME_ORDER: VoxelOrder = { axes: [0, 1, 2], flipped: [false, false, false] };

/**
 * Whether an order changes nothing.
 *
 * @param order Any.
 */
export function isSameOrder({ axes, flipped }: VoxelOrder): boolean {
  return axes.every((axis, i) => axis === i) && !flipped.includes(true);
}

/**
 * The order that brings an image to a grid.
 *
 * @param image Grid of the image.
 * @param grid Grid wanted.
 * @returns Null when no order does: the image has other voxels. Where one of the two is not located, sizes decide.
 */
export function orderBetween(image: VoxelGrid, grid: VoxelGrid): VoxelOrder | null {
  if (image.located === false || grid.located === false) {
    return image.spatialShape.every((n, axis) => n === grid.spatialShape[axis]) ? SAME_ORDER : null;
  }
  const map = composeAffines(invertAffine(grid.affine), image.affine);
  const axes = [0, 1, 2].map((row) => largest([0, 1, 2].map((c) => Math.abs(map[4 * row + c]))));
  if (new Set(axes).size < 3) return null;
  if (axes.some((axis, i) => image.spatialShape[axis] !== grid.spatialShape[i])) return null;
  const flipped = axes.map((axis, i) => map[4 * i + axis] < 0);
  const order = { axes, flipped } as unknown as VoxelOrder;
  return distanceOf(map, image, order) <= GRID_TOLERANCE ? order : null;
}

function largest(values: readonly number[]): number {
  return values.indexOf(Math.max(...values));
}

/** How far a corner of the image is at most from where the order puts it, in voxels of the grid. */
function distanceOf(map: readonly number[], image: VoxelGrid, order: VoxelOrder): number {
  const [X, Y, Z] = image.spatialShape;
  let most = 0;
  for (let corner = 0; corner < 8; corner++) {
    const index = [X - 1, Y - 1, Z - 1].map((last, axis) => (corner >> axis) & 1 ? last : 0);
    const found = applyAffine(map, index as [number, number, number]);
    order.axes.forEach((axis, i) => {
      const place = order.flipped[i] ? image.spatialShape[axis] - 1 - index[axis] : index[axis];
      most = Math.max(most, Math.abs(found[i] - place));
    });
  }
  return most;
}

/**
 * Brings a volume to another order of its voxels.
 *
 * @param values `[Z, Y, X]` of the image.
 * @param shape `[X, Y, Z]` of the image.
 * @param options The order; `into` receives the result, another array than `values`.
 * @returns The reordered volume, `[Z, Y, X]` of the result.
 */
export function reorderVolume(
  values: Float32Array,
  shape: SpatialShape,
  { order, into = new Float32Array(values.length) }: {
    readonly order: VoxelOrder;
    readonly into?: Float32Array;
  },
): Float32Array {
  const { start, steps, sizes } = walkOf(shape, order);
  const [nx, ny, nz] = sizes;
  let to = 0;
  for (let z = 0; z < nz; z++) {
    for (let y = 0; y < ny; y++) {
      let from = start + z * steps[2] + y * steps[1];
      for (let x = 0; x < nx; x++, from += steps[0]) into[to++] = values[from];
    }
  }
  return into;
}

/**
 * The opposite of {@link reorderVolume}.
 *
 * @param values `[Z, Y, X]` in the new order.
 * @param shape `[X, Y, Z]` of the image in its own order.
 * @param order The order that was applied.
 * @returns The volume in the image's own order.
 */
export function restoreVolume(
  values: Float32Array,
  shape: SpatialShape,
  order: VoxelOrder,
): Float32Array {
  const into = new Float32Array(values.length);
  const { start, steps, sizes } = walkOf(shape, order);
  const [nx, ny, nz] = sizes;
  let from = 0;
  for (let z = 0; z < nz; z++) {
    for (let y = 0; y < ny; y++) {
      let to = start + z * steps[2] + y * steps[1];
      for (let x = 0; x < nx; x++, to += steps[0]) into[to] = values[from++];
    }
  }
  return into;
}

/** Where the image's voxels are when the result is walked through in its order. */
function walkOf(shape: SpatialShape, { axes, flipped }: VoxelOrder) {
  const strides = [1, shape[0], shape[0] * shape[1]];
  const steps = axes.map((axis, i) => flipped[i] ? -strides[axis] : strides[axis]);
  const start = axes.reduce(
    (sum, axis, i) => sum + (flipped[i] ? (shape[axis] - 1) * strides[axis] : 0),
    0,
  );
  return { start, steps, sizes: axes.map((axis) => shape[axis]) };
}

/**
 * The directions of an image's axes in letters: RAS when x runs to the right, y to the front and z up.
 *
 * @param grid Any.
 */
export function orientationLetters({ affine, located }: VoxelGrid): string {
  if (located === false) return "unknown";
  return [0, 1, 2].map((column) => {
    const direction = [0, 1, 2].map((row) => affine[4 * row + column]);
    const row = largest(direction.map(Math.abs));
    return ["LR", "PA", "IS"][row][direction[row] < 0 ? 0 : 1];
  }).join("");
}

/**
 * A grid in words: sizes, orientation and affine.
 *
 * @param grid Any.
 */
export function describeGrid(grid: VoxelGrid): string {
  const rows = [0, 4, 8].map((at) =>
    grid.affine.slice(at, at + 4).map((value) => Number(value.toPrecision(6))).join(" ")
  );
  return `${grid.spatialShape.join("×")} voxels, ${orientationLetters(grid)}, affine [${
    rows.join("; ")
  }]`;
}
