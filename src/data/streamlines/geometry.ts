/** Lengths, resampling and distances of streamlines [streamlines §2]. */
import type { NdArray } from "../../base/arrays.ts";
import { ConfigError, ShapeError } from "../../base/errors.ts";
import type { Tractogram } from "../../formats/tractogram.ts";

/** Streamlines of one number of points each, `[N, P, 3]` float32, RAS mm. */
export type Streamlines = NdArray<Float32Array>;

/**
 * Arc lengths: the sum of distances between consecutive points.
 *
 * @param tractogram Streamlines.
 * @returns mm, one per streamline.
 */
export function streamlineLengths(
  { points, offsets }: Pick<Tractogram, "points" | "offsets">,
): Float64Array {
  const lengths = new Float64Array(offsets.length - 1);
  for (let s = 0; s < lengths.length; s++) {
    lengths[s] = pathLength(points, offsets[s], offsets[s + 1]);
  }
  return lengths;
}

function pathLength(points: Float32Array, first: number, end: number): number {
  let length = 0;
  for (let k = first + 1; k < end; k++) length += stepLength(points, k);
  return length;
}

function stepLength(points: Float32Array, k: number): number {
  return Math.hypot(
    points[3 * k] - points[3 * k - 3],
    points[3 * k + 1] - points[3 * k - 2],
    points[3 * k + 2] - points[3 * k - 1],
  );
}

/**
 * Arc length of one streamline.
 *
 * @param points `[P, 3]` in mm.
 */
export function streamlineLength(points: Float32Array): number {
  return pathLength(points, 0, points.length / 3);
}

/**
 * Lengths of streamlines of one number of points.
 *
 * @param streamlines `[N, P, 3]`.
 * @returns mm, `[N]`.
 */
export function lengthsOf({ data, shape: [count, points] }: Streamlines): Float64Array {
  return Float64Array.from(
    { length: count },
    (_, s) => pathLength(data, s * points, (s + 1) * points),
  );
}

/**
 * Every streamline as P points at equal steps along it, by linear interpolation in float64; the first and last point stay.
 * Repeated points are no obstacle.
 *
 * @param tractogram Streamlines of at least two points.
 * @param points P, at least 2.
 * @returns `[N, P, 3]`.
 * @throws {ConfigError} when P is below 2.
 * @throws {ShapeError} when a streamline has fewer than two points, with its number.
 */
export function resampleStreamlines(
  tractogram: Pick<Tractogram, "points" | "offsets">,
  points: number,
): Streamlines {
  if (!Number.isInteger(points) || points < 2) {
    throw new ConfigError(
      "points",
      `Cannot resample to ${points} points, needs a whole number of at least 2`,
    );
  }
  const { offsets } = tractogram;
  const count = offsets.length - 1;
  const data = new Float32Array(count * points * 3);
  for (let s = 0; s < count; s++) {
    const [first, end] = [offsets[s], offsets[s + 1]];
    if (end - first < 2) {
      throw new ShapeError(
        `Cannot resample streamline ${s}: it has ${
          end - first
        } points, needs at least 2; leave such streamlines ` +
          "out (--drop-invalid)",
        [end - first, 3],
        "at least 2 points",
      );
    }
    resampleOne(tractogram.points.subarray(3 * first, 3 * end), data, {
      at: 3 * s * points,
      points,
    });
  }
  return { data, shape: [count, points, 3] };
}

/** Resamples one streamline into its place. */
function resampleOne(
  source: Float32Array,
  target: Float32Array,
  { at, points }: { readonly at: number; readonly points: number },
): void {
  const last = source.length / 3 - 1;
  const step = streamlineLength(source) / (points - 1);
  let [k, behind, next] = [1, 0, stepLength(source, 1)];
  for (let i = 1; i < points - 1; i++) {
    const place = i * step;
    while (k < last && behind + next < place) {
      behind += next;
      next = stepLength(source, ++k);
    }
    const share = next > 0 ? Math.min(1, (place - behind) / next) : 0;
    for (let c = 0; c < 3; c++) {
      const from = source[3 * k - 3 + c];
      target[at + 3 * i + c] = from + (source[3 * k + c] - from) * share;
    }
  }
  target.set(source.subarray(0, 3), at);
  target.set(source.subarray(3 * last), at + 3 * (points - 1));
}

/**
 * Some of the streamlines.
 *
 * @param streamlines `[N, P, 3]`.
 * @param rows Which, in this order.
 */
export function pickStreamlines(
  { data, shape: [, points] }: Streamlines,
  rows: ArrayLike<number>,
): Streamlines {
  const width = 3 * points;
  const picked = new Float32Array(rows.length * width);
  for (let i = 0; i < rows.length; i++) {
    picked.set(data.subarray(rows[i] * width, (rows[i] + 1) * width), i * width);
  }
  return { data: picked, shape: [rows.length, points, 3] };
}

/**
 * Streamlines one behind the other as a tractogram.
 *
 * @param streamlines `[N, P, 3]`.
 */
export function tractogramOf({ data, shape: [count, points] }: Streamlines): Tractogram {
  return {
    points: data,
    offsets: Uint32Array.from({ length: count + 1 }, (_, s) => s * points),
  };
}

/**
 * The same streamline from its other end.
 *
 * @param points `[P, 3]`; not changed.
 */
export function flipStreamline(points: Float32Array): Float32Array {
  const flipped = new Float32Array(points.length);
  for (let i = 0; i < points.length; i += 3) {
    flipped.set(points.subarray(i, i + 3), points.length - 3 - i);
  }
  return flipped;
}

/** A distance of two streamlines, and whether the second lies nearer from its other end. */
export interface FlipDistance {
  /** Mean distance of points at equal places, in the unit of the points (mm). */
  readonly distance: number;
  /** Whether the second streamline had to be turned round for it. */
  readonly flipped: boolean;
}

/**
 * The mean distance of points of equal number, in the order in which it is smaller.
 *
 * @param a `[P, 3]`.
 * @param b `[P, 3]`.
 * @returns mm.
 * @throws {ShapeError} when they have different numbers of points.
 */
export function meanDirectFlipDistance(a: Float32Array, b: Float32Array): FlipDistance {
  if (a.length !== b.length || a.length === 0) {
    throw new ShapeError(
      `Cannot compare streamlines of ${a.length / 3} and ${
        b.length / 3
      } points, needs equal numbers; resample them`,
      [b.length / 3, 3],
      `${a.length / 3} points`,
    );
  }
  let [direct, flip] = [0, 0];
  const end = a.length - 3;
  for (let i = 0; i <= end; i += 3) {
    direct += apart(a, i, b, i);
    flip += apart(a, i, b, end - i);
  }
  const points = a.length / 3;
  return direct <= flip
    ? { distance: direct / points, flipped: false }
    : { distance: flip / points, flipped: true };
}

function apart(a: Float32Array, i: number, b: Float32Array, j: number): number {
  const [x, y, z] = [a[i] - b[j], a[i + 1] - b[j + 1], a[i + 2] - b[j + 2]];
  return Math.sqrt(x * x + y * y + z * z);
}

/** Points at which distances of many streamlines are taken. */
const DISTANCE_POINTS = 24;

/**
 * Each streamline's smallest mean direct-flip distance to any of the others, on 24 points.
 *
 * @param queries `[N, P, 3]`.
 * @param references `[M, P, 3]`.
 * @returns mm, `[N]`.
 */
export function nearestDistances(queries: Streamlines, references: Streamlines): Float64Array {
  const coarse = (set: Streamlines) => {
    const { data } = resampleStreamlines(tractogramOf(set), DISTANCE_POINTS);
    const width = 3 * DISTANCE_POINTS;
    return Array.from(
      { length: set.shape[0] },
      (_, s) => data.subarray(s * width, (s + 1) * width),
    );
  };
  const others = coarse(references);
  return Float64Array.from(coarse(queries), (one) => {
    let least = Infinity;
    for (const other of others) {
      const d = meanDirectFlipDistance(one, other).distance;
      if (d < least) least = d;
    }
    return least;
  });
}
