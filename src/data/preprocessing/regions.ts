/** Time series of regions: one number a frame and region of an atlas, as nilearn's maskers extract them. */
import type { FloatArray } from "../../base/arrays.ts";
import { FormatError } from "../../base/errors.ts";
import { LuDecomposition, Matrix } from "../../deps/ml_matrix.ts";

/** How the voxels of a label become one number. */
export const STRATEGIES = [
  "mean",
  "median",
  "sum",
  "minimum",
  "maximum",
  "standard_deviation",
  "variance",
] as const;

/** Makes one number a region of a frame `[Z, Y, X]`. */
export interface RegionReader {
  /** Labels, or numbers of the maps from 1 on. */
  readonly names: readonly string[];
  /** Values of the regions in a frame, in the order of the names. */
  read(frame: FloatArray): Float64Array;
}

/**
 * Regions by label: every whole number but 0, ascending.
 *
 * @param labels `[Z, Y, X]` on the grid of the frames.
 * @param options `source` of the atlas for messages; `strategy`, default the mean; `mask`: voxels that count.
 * @throws {FormatError} (rule `data.atlas`) when no label is left.
 */
export function labelRegions(
  labels: FloatArray,
  { source, strategy = "mean", mask }: {
    readonly source: string;
    readonly strategy?: typeof STRATEGIES[number];
    readonly mask?: ArrayLike<number>;
  },
): RegionReader {
  const voxels = new Map<number, number[]>();
  labels.forEach((label, voxel) => {
    if (label === 0 || !Number.isFinite(label) || (mask && !(mask[voxel] > 0))) return;
    const list = voxels.get(label);
    if (list) list.push(voxel);
    else voxels.set(label, [voxel]);
  });
  if (voxels.size === 0) throw noRegion(source);
  const regions = [...voxels].sort(([a], [b]) => a - b);
  return {
    names: regions.map(([label]) => String(label)),
    read: (frame) =>
      Float64Array.from(
        regions,
        ([, list]) => SUMMARIES[strategy](Float64Array.from(list, (v) => finite(frame[v]))),
      ),
  };
}

function finite(value: number): number {
  return Number.isFinite(value) ? value : 0;
}

function sumOf(values: Float64Array): number {
  return values.reduce((sum, value) => sum + value, 0);
}

function varianceOf(values: Float64Array): number {
  const mean = sumOf(values) / values.length;
  return values.reduce((sum, value) => sum + (value - mean) ** 2, 0) / values.length;
}

const SUMMARIES: Readonly<Record<typeof STRATEGIES[number], (values: Float64Array) => number>> = {
  mean: (values) => sumOf(values) / values.length,
  median(values) {
    const sorted = values.toSorted();
    const half = sorted.length >> 1;
    return sorted.length % 2 === 1 ? sorted[half] : (sorted[half - 1] + sorted[half]) / 2;
  },
  sum: sumOf,
  minimum: (values) => values.reduce((least, value) => Math.min(least, value), Infinity),
  maximum: (values) => values.reduce((most, value) => Math.max(most, value), -Infinity),
  standard_deviation: (values) => Math.sqrt(varianceOf(values)),
  variance: varianceOf,
};

/**
 * Regions by weight: the least-squares weights of all maps together in each frame.
 *
 * @param maps Of the atlas, each `[Z, Y, X]` on the grid of the frames.
 * @param options `source` of the atlas for messages; `mask`: voxels that count.
 * @throws {FormatError} (rule `data.atlas`) when no map has a voxel.
 */
export function mapRegions(
  maps: readonly FloatArray[],
  { source, mask }: { readonly source: string; readonly mask?: ArrayLike<number> },
): RegionReader {
  const inside = Array.from(maps[0].keys()).filter((voxel) => !mask || mask[voxel] > 0);
  const used = maps.map((map, i) => ({ name: String(i + 1), map }))
    .filter(({ map }) => inside.some((voxel) => finite(map[voxel]) !== 0));
  if (used.length === 0) throw noRegion(source);
  const voxels = inside.filter((voxel) => used.some(({ map }) => finite(map[voxel]) !== 0));
  const weights = used.map(({ map }) => Float64Array.from(voxels, (voxel) => finite(map[voxel])));
  const dot = (a: Float64Array, b: Float64Array) =>
    a.reduce((sum, value, i) => sum + value * b[i], 0);
  const gram = new Matrix(weights.map((a) => weights.map((b) => dot(a, b))));
  const solver = new LuDecomposition(gram);
  if (solver.isSingular()) throw dependentMaps(source);
  return {
    names: used.map(({ name }) => name),
    read(frame) {
      const values = Float64Array.from(voxels, (voxel) => finite(frame[voxel]));
      const right = Matrix.columnVector(weights.map((weight) => dot(weight, values)));
      return Float64Array.from(solver.solve(right).to1DArray());
    },
  };
}

function dependentMaps(source: string): FormatError {
  return new FormatError(
    source,
    "data.atlas",
    `Cannot use the atlas "${source}": its maps depend on each other in the voxels of the scan, needs maps none of which ` +
      "is a sum of others",
  );
}

function noRegion(source: string): FormatError {
  return new FormatError(
    source,
    "data.atlas",
    `Cannot use the atlas "${source}": found no region in the voxels of the scan, needs at least one; check the space`,
  );
}
