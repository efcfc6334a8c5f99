/** Made-up bundles: seven circular arcs, and `fibercup`, a slab with crossing, fanning and turning bundles [streamlines §2.3]. */
import { RandomStream } from "../../base/random.ts";
import { resampleStreamlines, type Streamlines } from "./geometry.ts";

/** Streamlines and the bundle of each. */
export interface LabelledStreamlines {
  /** Points in millimetres. */
  readonly streamlines: Streamlines;
  /** Bundle of each streamline. */
  readonly labels: Int32Array;
}

/** Points of every streamline of the phantoms. */
export const PHANTOM_POINTS = 256;

const RADIANS = Math.PI / 180;

/** cx, cy, r, a0, a1 of the seven arcs, mm and degrees. */
export const ARCS: readonly (readonly [number, number, number, number, number])[] = [
  [-95, -95, 40, 0, 60],
  [-95, -95, 80, 10, 95],
  [-95, -30, 55, -40, 70],
  [-30, -120, 45, 60, 200],
  [-150, -60, 35, -90, 60],
  [-60, -60, 60, 180, 330],
  [-120, -140, 30, 20, 120],
];

/**
 * Seven bundles of circular arcs in one plane; their scatter is a hash of bundle and number, so that they are the same
 * everywhere.
 *
 * @param perBundle Streamlines in each.
 */
export function sevenArcs(perBundle: number): LabelledStreamlines {
  const data = new Float32Array(ARCS.length * perBundle * PHANTOM_POINTS * 3);
  let at = 0;
  ARCS.forEach(([cx, cy, r, a0, a1], bundle) => {
    for (let s = 0; s < perBundle; s++) {
      const scatter = (i: number) => 2 * unitHash(7000 + bundle, 3 * s + i) - 1;
      const radius = r + scatter(0) * 4;
      const z = scatter(1) * 2;
      const shift = scatter(2) * 3;
      for (let k = 0; k < PHANTOM_POINTS; k++) {
        const angle = (a0 + shift + ((a1 - a0) * k) / (PHANTOM_POINTS - 1)) * RADIANS;
        data[at++] = cx + radius * Math.cos(angle);
        data[at++] = cy + radius * Math.sin(angle);
        data[at++] = z;
      }
    }
  });
  const count = ARCS.length * perBundle;
  return {
    streamlines: { data, shape: [count, PHANTOM_POINTS, 3] },
    labels: Int32Array.from({ length: count }, (_, i) => Math.floor(i / perBundle)),
  };
}

/** Element i of hash stream `stream`, on [0, 1). */
function unitHash(stream: number, i: number): number {
  let h = (Math.imul(i, 0x9e3779b1) + Math.imul(stream, 0x85ebca77) + 0x165667b1) >>> 0;
  h = Math.imul((h ^ (h >>> 16)) >>> 0, 0x7feb352d) >>> 0;
  h = Math.imul((h ^ (h >>> 15)) >>> 0, 0x846ca68b) >>> 0;
  return ((h ^ (h >>> 16)) >>> 0) / 2 ** 32;
}

/** Names and sizes of the bundles of `fibercup`. */
export const FIBERCUP_BUNDLES: readonly (readonly [name: string, streamlines: number])[] = [
  ["straight", 341],
  ["large-arc", 592],
  ["s-shape", 296],
  ["short-crossing", 256],
  ["quarter-arc", 511],
  ["fan", 448],
  ["wide-u", 668],
];

/** An image around the slab: 88 × 88 × 3 voxels of 3 mm, with the corner of the first at (−216, −216, 0). */
export const FIBERCUP_SPACE = {
  dimensions: [88, 88, 3],
  voxelSizes: [3, 3, 3],
  affine: [3, 0, 0, -214.5, 0, 3, 0, -214.5, 0, 0, 3, 1.5, 0, 0, 0, 1],
  voxelOrder: "RAS",
} as const;

/** Centre line of a bundle at t of 0 … 1, in the plane. */
function centreLine(bundle: number, t: number): [x: number, y: number] {
  const arc = (degrees: number, [cx, cy, r]: readonly [number, number, number]) =>
    [cx + r * Math.cos(degrees * RADIANS), cy + r * Math.sin(degrees * RADIANS)] as [
      number,
      number,
    ];
  switch (bundle) {
    case 0:
      return [-180 + 150 * t, -150];
    case 1:
      return arc(10 + 120 * t, [-95, -130, 75]);
    case 2:
      return [-165 + 110 * t, -95 + 35 * Math.sin(2 * Math.PI * t)];
    case 3:
      return [-140 + 60 * t, -60 - 70 * t];
    case 4:
      return arc(180 + 100 * t, [-60, -40, 55]);
    case 5:
      return [-170 + 120 * t, -30];
    default:
      return arc(-60 + 200 * t, [-130, -150, 32]);
  }
}

/** Steps of a centre line. */
const STEPS = 400;

/** Centre line and its in-plane normal, `[STEPS]` of x, y, nx, ny. */
function centreTable(bundle: number): Float64Array {
  const table = new Float64Array(4 * STEPS);
  const at = (k: number) => centreLine(bundle, k / (STEPS - 1));
  for (let k = 0; k < STEPS; k++) {
    const [x, y] = at(k);
    const [x0, y0] = at(Math.max(0, k - 1));
    const [x1, y1] = at(Math.min(STEPS - 1, k + 1));
    const length = Math.hypot(x1 - x0, y1 - y0);
    table.set([x, y, -(y1 - y0) / length, (x1 - x0) / length], 4 * k);
  }
  return table;
}

/** Options of {@link fibercup}. */
export interface FibercupOptions {
  /** Default 0. */
  readonly seed?: number;
  /** Share of the bundles' sizes; default 1. */
  readonly share?: number;
  /** `"training"` or `"test"` draw different streamlines; default `"training"`. */
  readonly set?: "training" | "test";
}

/**
 * The plausible streamlines of the slab, bundle after bundle.
 *
 * @param options See {@link FibercupOptions}.
 */
export function fibercup(options: FibercupOptions = {}): LabelledStreamlines {
  const { seed = 0, share = 1, set = "training" } = options;
  const random = RandomStream.fromSeed(seed).split("fibercup").split(set);
  const sizes = FIBERCUP_BUNDLES.map(([, size]) => Math.max(2, Math.round(size * share)));
  const count = sizes.reduce((sum, n) => sum + n, 0);
  const data = new Float32Array(count * PHANTOM_POINTS * 3);
  const labels = new Int32Array(count);
  let row = 0;
  sizes.forEach((size, bundle) => {
    const table = centreTable(bundle);
    for (let s = 0; s < size; s++, row++) {
      labels[row] = bundle;
      const one = drawStreamline(random.split(bundle).split(s), { bundle, table });
      data.set(one, row * PHANTOM_POINTS * 3);
    }
  });
  return { streamlines: { data, shape: [count, PHANTOM_POINTS, 3] }, labels };
}

function drawStreamline(
  draw: RandomStream,
  { bundle, table }: { readonly bundle: number; readonly table: Float64Array },
): Float32Array {
  const even = (limit: number) => (2 * draw.uniform() - 1) * limit;
  const [lateral, height, spread] = [even(6), even(3), even(1)];
  const waves = [1, 2, 3].map((k) => ({
    k,
    size: 0.8 * draw.normal(),
    phase: 2 * Math.PI * draw.uniform(),
  }));
  const low = Math.min(Math.abs(0.06 * draw.normal()), 0.2);
  const high = Math.max(1 - Math.abs(0.06 * draw.normal()), 0.8);
  const points: number[] = [];
  for (let step = 0; step < STEPS; step++) {
    const t = step / (STEPS - 1);
    if (t < low || t > high) continue;
    const [x, y, nx, ny] = table.subarray(4 * step, 4 * step + 4);
    let aside = bundle === 5 ? lateral / 2 : lateral;
    for (const { k, size, phase } of waves) aside += size * Math.sin(2 * Math.PI * k * t + phase);
    const fan = bundle === 5 ? 55 * spread * t * t : 0;
    points.push(x + nx * aside, y + ny * aside + fan, 4.5 + height);
  }
  const smooth = resampled(Float32Array.from(points), 120);
  for (let i = 0; i < smooth.length; i++) smooth[i] += 0.15 * draw.normal();
  return resampled(smooth, PHANTOM_POINTS);
}

/** One streamline at another number of points. */
export function resampled(points: Float32Array, count: number): Float32Array {
  return resampleStreamlines(
    { points, offsets: Uint32Array.of(0, points.length / 3) },
    count,
  ).data;
}
