/** Streamlines of `fibercup` that no bundle has: what a filter must find [streamlines §2.3]. */
import { RandomStream } from "../../base/random.ts";
import type { Streamlines } from "./geometry.ts";
import { fibercup, type LabelledStreamlines, PHANTOM_POINTS, resampled } from "./phantom.ts";

/** What is wrong with a streamline, in turn. */
export const IMPLAUSIBLE_KINDS = ["stopped", "hop", "loop", "walk"] as const;

/** Options of {@link implausibleFibercup}. */
export interface ImplausibleOptions {
  /** Default 0. */
  readonly seed?: number;
  /** As of the plausible streamlines; default `"training"`. */
  readonly set?: "training" | "test";
}

/**
 * Streamlines that stop early, hop from bundle to bundle, make a loop or walk at random.
 *
 * @param count How many.
 * @param options See {@link ImplausibleOptions}.
 * @returns `labels` say what is wrong, by place in {@link IMPLAUSIBLE_KINDS}.
 */
export function implausibleFibercup(
  count: number,
  options: ImplausibleOptions = {},
): LabelledStreamlines {
  const { seed = 0, set = "training" } = options;
  const plausible = fibercup({ seed, set });
  const random = RandomStream.fromSeed(seed).split("implausible").split(set);
  const width = 3 * PHANTOM_POINTS;
  const data = new Float32Array(count * width);
  const labels = new Int32Array(count);
  for (let s = 0; s < count; s++) {
    labels[s] = s % 4;
    const one = drawOne(random.split(s), { kind: s % 4, plausible });
    data.set(resampled(one, PHANTOM_POINTS), s * width);
  }
  return { streamlines: { data, shape: [count, PHANTOM_POINTS, 3] }, labels };
}

function drawOne(
  draw: RandomStream,
  { kind, plausible: { streamlines, labels } }: {
    readonly kind: number;
    readonly plausible: LabelledStreamlines;
  },
): Float32Array {
  const pick = (other?: number) => {
    for (;;) {
      const row = draw.integer(labels.length);
      if (labels[row] !== other) return row;
    }
  };
  if (kind === 3) return randomWalk(draw);
  const row = pick();
  const one = rowOf(streamlines, row);
  if (kind === 0) {
    const kept = Math.round(PHANTOM_POINTS * (0.35 + 0.25 * draw.uniform()));
    return draw.uniform() < 0.5 ? one.slice(0, 3 * kept) : one.slice(-3 * kept);
  }
  if (kind === 1) return hop(one, rowOf(streamlines, pick(labels[row])));
  return loop(one, draw);
}

function rowOf({ data }: Streamlines, row: number): Float32Array {
  return data.subarray(row * 3 * PHANTOM_POINTS, (row + 1) * 3 * PHANTOM_POINTS);
}

/** One half of each, joined where the two come nearest. */
function hop(a: Float32Array, b: Float32Array): Float32Array {
  let [least, i, j] = [Infinity, 0, 0];
  for (let p = 0; p < PHANTOM_POINTS; p += 8) {
    for (let q = 0; q < PHANTOM_POINTS; q += 8) {
      const d = Math.hypot(
        a[3 * p] - b[3 * q],
        a[3 * p + 1] - b[3 * q + 1],
        a[3 * p + 2] - b[3 * q + 2],
      );
      if (d < least) [least, i, j] = [d, p, q];
    }
  }
  const joined = Float32Array.from([...a.subarray(0, 3 * (i + 1)), ...b.subarray(3 * j)]);
  return smoothed(resampled(joined, 300), 31);
}

/** A full circle in the plane of the tangent, then some further points. */
function loop(one: Float32Array, draw: RandomStream): Float32Array {
  const at = 90 + draw.integer(110);
  const radius = 4 + 6 * draw.uniform();
  const further = 1 + draw.integer(49);
  const [x, y, z] = one.subarray(3 * at, 3 * at + 3);
  const [dx, dy] = [x - one[3 * at - 3], y - one[3 * at - 2]];
  const length = Math.hypot(dx, dy) || 1;
  const [tx, ty] = [dx / length, dy / length];
  const points = [...one.subarray(0, 3 * at)];
  for (let k = 0; k <= 60; k++) {
    const angle = (2 * Math.PI * k) / 60;
    const [along, aside] = [radius * Math.sin(angle), radius * (1 - Math.cos(angle))];
    points.push(x + tx * along - ty * aside, y + ty * along + tx * aside, z);
  }
  points.push(...one.subarray(3 * at, 3 * (at + further)));
  return Float32Array.from(points);
}

function randomWalk(draw: RandomStream): Float32Array {
  let [x, y, z] = [-180 + 160 * draw.uniform(), -180 + 160 * draw.uniform(), 4.5];
  let heading = 2 * Math.PI * draw.uniform();
  const steps = 30 + draw.integer(91);
  const points = [x, y, z];
  for (let k = 0; k < steps; k++) {
    heading += 0.15 * draw.normal();
    x += 1.5 * Math.cos(heading);
    y += 1.5 * Math.sin(heading);
    z += 1.5 * 0.05 * draw.normal();
    points.push(x, y, z);
  }
  return smoothed(Float32Array.from(points), 9);
}

/** Moving average over `window` points; at the ends over those that are there. */
function smoothed(points: Float32Array, window: number): Float32Array {
  const count = points.length / 3;
  const half = (window - 1) / 2;
  return Float32Array.from(points, (_, i) => {
    const [k, axis] = [Math.floor(i / 3), i % 3];
    const [first, last] = [Math.max(0, k - half), Math.min(count - 1, k + half)];
    let sum = 0;
    for (let q = first; q <= last; q++) sum += points[3 * q + axis];
    return sum / (last - first + 1);
  });
}
