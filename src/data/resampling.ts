/**
 * Volumes on another grid: each voxel of the new grid takes the value of the place it has in the image, interpolated
 * between the image's voxels. The same numbers as nilearn's `resample_img` (scipy's `affine_transform`).
 */
import type { FloatArray, SpatialShape } from "../base/arrays.ts";
import {
  applyAffine,
  columnLengths,
  composeAffines,
  invertAffine,
  type Point,
} from "../linalg/affine.ts";
import type { VoxelGrid } from "./voxel_grid.ts";

/** `linear` for intensities, `nearest` for labels, `cubic` for smooth images (it may overshoot and is cut to their range). */
export type Interpolation = "linear" | "nearest" | "cubic";

/** Options of {@link resampleVolume}. */
export interface ResamplingOptions<A extends FloatArray> {
  /** Default `"linear"`. */
  readonly interpolation?: Interpolation;
  /** Receives the result, one value a voxel of the grid; default a new float32 array. */
  readonly into?: A;
  /** Value of voxels outside the image. Default 0. */
  readonly fill?: number;
  /** Whether cubic results are cut to the range of the image and 0. Default true. */
  readonly clip?: boolean;
}

/**
 * Brings a volume to another grid.
 *
 * @param volume Values `[Z, Y, X]` and their grid.
 * @param grid The grid wanted.
 * @param options See {@link ResamplingOptions}.
 * @returns `[Z, Y, X]` of the grid wanted.
 */
export function resampleVolume<A extends FloatArray = Float32Array>(
  volume: { readonly values: FloatArray; readonly grid: VoxelGrid },
  grid: VoxelGrid,
  options: ResamplingOptions<A> = {},
): A {
  const { interpolation = "linear", fill = 0, clip = true } = options;
  const [nx, ny, nz] = grid.spatialShape;
  const into = options.into ?? new Float32Array(nx * ny * nz) as FloatArray as A;
  const map = composeAffines(invertAffine(volume.grid.affine), grid.affine);
  const shape = volume.grid.spatialShape;
  const sample = SAMPLERS[interpolation](volume.values, shape);
  const last = shape.map((n) => n - 1);
  let at = 0;
  for (let z = 0; z < nz; z++) {
    for (let y = 0; y < ny; y++) {
      for (let x = 0; x < nx; x++) {
        const i = settle(map[3] + map[0] * x + map[1] * y + map[2] * z, last[0]);
        const j = settle(map[7] + map[4] * x + map[5] * y + map[6] * z, last[1]);
        const k = settle(map[11] + map[8] * x + map[9] * y + map[10] * z, last[2]);
        const inside = i >= 0 && j >= 0 && k >= 0 && i <= last[0] && j <= last[1] && k <= last[2];
        into[at++] = inside ? sample(i, j, k) : fill;
      }
    }
  }
  if (interpolation === "cubic" && clip) clipTo(into, volume.values);
  return into;
}

/** Rounding of affines, in voxels: a border voxel that lies so little outside is the border voxel. */
const ROUNDING = 1e-9;

function settle(place: number, last: number): number {
  if (place < 0 && place > -ROUNDING) return 0;
  return place > last && place < last + ROUNDING ? last : place;
}

/** Value of a volume at a place inside it, in voxels. */
type Sampler = (i: number, j: number, k: number) => number;

const SAMPLERS: Readonly<
  Record<Interpolation, (values: FloatArray, shape: SpatialShape) => Sampler>
> = {
  nearest: (values, [X, Y]) => (i, j, k) =>
    values[Math.floor(i + 0.5) + X * (Math.floor(j + 0.5) + Y * Math.floor(k + 0.5))],
  linear: linearSampler,
  cubic: cubicSampler,
};

function linearSampler(values: FloatArray, [X, Y, Z]: SpatialShape): Sampler {
  return (i, j, k) => {
    const [x, y, z] = [Math.floor(i), Math.floor(j), Math.floor(k)];
    const [u, v, w] = [i - x, j - y, k - z];
    const at = x + X * (y + Y * z);
    // On the last voxel of an axis its neighbour has no weight.
    const right = x + 1 < X ? 1 : 0;
    const front = y + 1 < Y ? X : 0;
    const up = z + 1 < Z ? X * Y : 0;
    const row = (base: number) => values[base] * (1 - u) + values[base + right] * u;
    const plane = (base: number) => row(base) * (1 - v) + row(base + front) * v;
    return plane(at) * (1 - w) + plane(at + up) * w;
  };
}

/** Cubic B-splines through the voxels, mirrored at the borders. */
function cubicSampler(values: FloatArray, shape: SpatialShape): Sampler {
  const coefficients = splineCoefficients(values, shape);
  const [X, Y] = shape;
  const taps = [0, 1, 2].map(() => ({ places: new Int32Array(4), weights: new Float64Array(4) }));
  return (i, j, k) => {
    [i, j, k].forEach((place, axis) => cubicTaps(place, shape[axis], taps[axis]));
    const [tx, ty, tz] = taps;
    let sum = 0;
    for (let c = 0; c < 4; c++) {
      for (let b = 0; b < 4; b++) {
        const base = X * (ty.places[b] + Y * tz.places[c]);
        const weight = ty.weights[b] * tz.weights[c];
        for (let a = 0; a < 4; a++) {
          sum += coefficients[base + tx.places[a]] * tx.weights[a] * weight;
        }
      }
    }
    return sum;
  };
}

function cubicTaps(
  place: number,
  size: number,
  { places, weights }: { readonly places: Int32Array; readonly weights: Float64Array },
): void {
  const floor = Math.floor(place);
  const t = place - floor;
  const s = 1 - t;
  weights[0] = s ** 3 / 6;
  weights[1] = (t * t * (t - 2) * 3 + 4) / 6;
  weights[2] = (s * s * (s - 2) * 3 + 4) / 6;
  weights[3] = 1 - weights[0] - weights[1] - weights[2];
  for (let tap = 0; tap < 4; tap++) places[tap] = mirrored(floor - 1 + tap, size);
}

/** d c b | a b c d | c b a */
function mirrored(index: number, size: number): number {
  if (size === 1) return 0;
  const period = 2 * size - 2;
  const place = ((index % period) + period) % period;
  return place < size ? place : period - place;
}

const POLE = Math.sqrt(3) - 2;

function splineCoefficients(values: FloatArray, shape: SpatialShape): Float64Array {
  const result = Float64Array.from(values);
  const strides = [1, shape[0], shape[0] * shape[1]];
  for (let axis = 0; axis < 3; axis++) {
    const size = shape[axis];
    if (size === 1) continue;
    const line = new Float64Array(size);
    for (let start = 0; start < result.length; start++) {
      if (Math.floor(start / strides[axis]) % size !== 0) continue;
      for (let n = 0; n < size; n++) line[n] = result[start + n * strides[axis]];
      filterLine(line);
      for (let n = 0; n < size; n++) result[start + n * strides[axis]] = line[n];
    }
  }
  return result;
}

/** The recursive filter that makes spline coefficients of samples, forth and back. */
function filterLine(line: Float64Array): void {
  const size = line.length;
  for (let n = 0; n < size; n++) line[n] *= 6;
  const far = POLE ** (size - 1);
  let power = POLE;
  line[0] += far * line[size - 1];
  for (let n = 1; n < size - 1; n++) {
    line[0] += power * (line[n] + far * line[size - 1 - n]);
    power *= POLE;
  }
  line[0] /= 1 - far * far;
  for (let n = 1; n < size; n++) line[n] += POLE * line[n - 1];
  line[size - 1] = (POLE * line[size - 2] + line[size - 1]) * POLE / (POLE * POLE - 1);
  for (let n = size - 2; n >= 0; n--) line[n] = POLE * (line[n + 1] - line[n]);
}

function clipTo(result: FloatArray, values: FloatArray): void {
  let [least, most] = [0, 0];
  for (const value of values) {
    if (value < least) least = value;
    if (value > most) most = value;
  }
  for (let n = 0; n < result.length; n++) result[n] = Math.min(Math.max(result[n], least), most);
}

/**
 * The grid with voxels of a map that covers an image.
 *
 * @param image Grid of the image.
 * @param affine 4 × 4: the grid begins where it says and ends behind the image's last corner; or the 3 × 3 part alone:
 *   the grid begins at the image's first corner.
 */
export function gridCovering(image: VoxelGrid, affine: readonly number[]): VoxelGrid {
  const corners = cornersOf(image.spatialShape).map((corner) => applyAffine(image.affine, corner));
  const map = affine.length === 16 ? [...affine] : beginningAt(affine, corners);
  const inverse = invertAffine(map);
  const ends = corners.map((corner) => applyAffine(inverse, corner));
  const size = (axis: number) => Math.ceil(Math.max(...ends.map((end) => end[axis])) - 1e-9) + 1;
  return { spatialShape: [size(0), size(1), size(2)], affine: map, source: image.source };
}

/**
 * The grid of cubes of one size that covers an image and keeps the directions of its axes.
 *
 * @param image Grid of the image.
 * @param edge Millimetres.
 */
export function gridOfVoxelSize(image: VoxelGrid, edge: number): VoxelGrid {
  const sizes = columnLengths(image.affine);
  const turned = [0, 1, 2].flatMap((row) =>
    [0, 1, 2].map((column) => image.affine[4 * row + column] / sizes[column] * edge)
  );
  const [x, y, z] = [3, 7, 11].map((at) => image.affine[at]);
  const [a, b, c, d, e, f, g, h, i] = turned;
  return gridCovering(image, [a, b, c, x, d, e, f, y, g, h, i, z, 0, 0, 0, 1]);
}

function cornersOf([X, Y, Z]: SpatialShape): Point[] {
  return Array.from({ length: 8 }, (_, corner) => [
    corner & 1 ? X - 1 : 0,
    corner & 2 ? Y - 1 : 0,
    corner & 4 ? Z - 1 : 0,
  ]);
}

/** A 3 × 3 map with the offset that puts the first voxel at the least of the corners, along each axis of the map. */
function beginningAt(part: readonly number[], corners: readonly Point[]): number[] {
  const [a, b, c, d, e, f, g, h, i] = part;
  const turn = [a, b, c, 0, d, e, f, 0, g, h, i, 0, 0, 0, 0, 1];
  const inverse = invertAffine(turn);
  const turned = corners.map((corner) => applyAffine(inverse, corner));
  const least = [0, 1, 2].map((axis) => Math.min(...turned.map((corner) => corner[axis])));
  const [x, y, z] = applyAffine(turn, least as [number, number, number]);
  return [a, b, c, x, d, e, f, y, g, h, i, z, 0, 0, 0, 1];
}
