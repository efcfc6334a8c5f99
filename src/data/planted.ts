/**
 * Scans with planted dynamics: latent states that rotate and decay, seen through smooth maps and a nonlinearity that mixes
 * neighbours, under noise. What a model finds can be held against what was put in.
 *
 * u = ½·Σ_d h_d ⊗ map_d; S = tanh(1.2·u), filtered with [¼, ½, ¼] along x, y and z, zeros beyond the edge;
 * signal = (1 − a)·u + a·S·std(u)/std(S); x = signal + noise·std(signal)/√SNR. Deviations are of all values together.
 */
import type { NdArray, SpatialShape } from "../base/arrays.ts";
import { ConfigError } from "../base/errors.ts";
import { checkOptions, integer, list, number, object, record } from "../base/fields.ts";
import { RandomStream } from "../base/random.ts";
import { type Cohort, memoryFrames } from "./cohort.ts";
import { voxelCount } from "./frame_source.ts";

/** What planted scans are made of. */
export interface PlantedOptions {
  /** Runs N of one group. Default 8. */
  readonly runs?: number;
  /** Instead: groups with dynamics of their own that are seen through the same maps. */
  readonly groups?: readonly PlantedGroup[];
  /** Frames T of each. Default 120. */
  readonly frames?: number;
  /** `[X, Y, Z]`. Default 8, 10, 8. */
  readonly spatialShape?: SpatialShape;
  /** Modulus of each rotating pair of states. Default 0.95, 0.88. */
  readonly moduli?: readonly number[];
  /** Its angle a frame, in radians; as many. Default 0.35, 0.9. */
  readonly angles?: readonly number[];
  /** Share a of the signal that is the nonlinear part. Default 0.5. */
  readonly nonlinearity?: number;
  /** Variance of the signal by that of the noise. Default 1. */
  readonly snr?: number;
  /** Default 0. */
  readonly seed?: number;
}

/** Runs that share their dynamics. */
export interface PlantedGroup {
  readonly label: string;
  readonly runs: number;
  /** As many as in the other groups. */
  readonly moduli: readonly number[];
  readonly angles: readonly number[];
}

/** Options there are. */
export const PLANTED_OPTIONS = record<PlantedOptions>({
  runs: integer({ least: 1, most: 10_000 }),
  groups: list(object("a group with label, runs, moduli and angles")),
  frames: integer({ least: 1, most: 1_000_000 }),
  spatialShape: list(integer({ least: 1 })),
  moduli: list(number({ above: 0, below: 1 })),
  angles: list(number()),
  nonlinearity: number({ least: 0, most: 1 }),
  snr: number({ above: 0 }),
  seed: integer(),
});

/** The parts of planted scans. Volumes are x fastest. */
export interface PlantedParts {
  /** h, `[N, T, D]`. */
  readonly latents: NdArray;
  /** `[D, Z, Y, X]`. */
  readonly maps: NdArray;
  /** Unit noise of frame t of run n, `[Z, Y, X]`. */
  noise(run: number, t: number): ArrayLike<number>;
}

/** Scans, and what was planted in them. */
export interface PlantedCohort extends Cohort {
  /** h, `[N, T, D]`. */
  readonly latents: NdArray;
  /** F of each group, `[D, D]` row-major: h_t = F·h_{t−1} + noise. */
  readonly transitions: readonly Float64Array[];
}

/** Standard deviation of the Gaussian that smooths the maps, in voxels. */
const SMOOTHING = 1.5;
/** Most values of a cohort: two GiB of them. */
const MOST_PLANTED = 2 ** 27;
/** What a scan has beside x: 1000 + 10·x, so that it looks like one. */
const BASELINE = 1000;
const SCALE = 10;

/**
 * Makes a cohort with planted dynamics.
 *
 * @param options See {@link PlantedOptions}.
 * @returns Frames 1000 + 10·x, computed once and kept.
 * @throws {ConfigError} for groups of other widths, and angles that are not as many as moduli.
 */
export function plantedCohort(options: PlantedOptions = {}): PlantedCohort {
  checkOptions(options, PLANTED_OPTIONS, { doing: "Cannot make planted scans" });
  const { frames = 120, spatialShape = [8, 10, 8], seed = 0, nonlinearity = 0.5, snr = 1 } =
    options;
  const groups = groupsOf(options);
  const D = 2 * groups[0].moduli.length;
  checkSize(groups.reduce((sum, { runs }) => sum + runs, 0) * frames * voxelCount(spatialShape));
  const stream = RandomStream.fromSeed(seed).split("planted");
  const transitions = groups.map(({ moduli, angles }) => rotations(moduli, angles));
  const members = groups.flatMap(({ runs }, g) => Array.from({ length: runs }, () => g));
  const states = members.map((g, n) =>
    rollStates(stream.split("states").split(n).normals(frames * D), {
      moduli: groups[g].moduli,
      transition: transitions[g],
    })
  );
  const data = new Float64Array(members.length * frames * D);
  states.forEach((run, n) => data.set(run, n * frames * D));
  const latents = { data, shape: [members.length, frames, D] };
  const maps = smoothMaps(stream.split("maps"), spatialShape, D);
  const noise = (run: number, t: number) =>
    stream.split("noise").split(run).split(t).normals(voxelCount(spatialShape));
  const x = composePlanted({ latents, maps, noise }, { spatialShape, nonlinearity, snr });
  const size = frames * voxelCount(spatialShape);
  const subjects = members.map((g, n) => {
    const id = `sub-${String(n + 1).padStart(2, "0")}`;
    const values = x.values.subarray(n * size, (n + 1) * size);
    const scan = Float32Array.from(values, (value) => BASELINE + SCALE * value);
    const open = () => memoryFrames(scan, { source: id, spatialShape, frames });
    return { id, label: groups[g].label, group: id, frames, open };
  });
  return { subjects, spatialShape, frames, latents, transitions };
}

/** All values are kept twice in float64. */
function checkSize(values: number): void {
  if (values <= MOST_PLANTED) return;
  throw new ConfigError(
    "spatialShape",
    `Cannot make planted scans: found ${values} values in all, needs at most ${MOST_PLANTED}; ask for smaller volumes, ` +
      "fewer frames or fewer runs",
  );
}

/** The groups asked for, checked. */
function groupsOf(options: PlantedOptions): readonly PlantedGroup[] {
  const { runs = 8, moduli = [0.95, 0.88], angles = [0.35, 0.9] } = options;
  const { groups = [{ label: "", runs, moduli, angles }] } = options;
  const width = groups[0]?.moduli.length ?? 0;
  for (const group of groups) {
    if (width > 0 && group.moduli.length === width && group.angles.length === width) continue;
    throw new ConfigError(
      "moduli",
      `Cannot make planted scans: found ${group.moduli.length} moduli and ${group.angles.length} angles, needs at ` +
        "least one, as many angles, and the same in every group",
    );
  }
  return groups;
}

/** Values `[N, T, Z, Y, X]`, and the deviations met on the way. */
export interface Composed {
  readonly values: Float64Array;
  /** Of u, of the filtered S, and of the signal. */
  readonly deviations: readonly [number, number, number];
}

/**
 * Composes the values of planted scans, in float64.
 *
 * @param parts See {@link PlantedParts}.
 * @param options Size and strengths.
 */
export function composePlanted(
  { latents, maps, noise }: PlantedParts,
  { spatialShape, nonlinearity, snr }: {
    readonly spatialShape: SpatialShape;
    readonly nonlinearity: number;
    readonly snr: number;
  },
): Composed {
  const voxels = voxelCount(spatialShape);
  const [runs, frames, D] = latents.shape;
  const linear = new Float64Array(runs * frames * voxels);
  const mixed = new Float64Array(linear.length);
  for (let row = 0; row < runs * frames; row++) {
    const u = linear.subarray(row * voxels, (row + 1) * voxels);
    for (let d = 0; d < D; d++) {
      const h = 0.5 * latents.data[row * D + d];
      for (let v = 0; v < voxels; v++) u[v] += h * maps.data[d * voxels + v];
    }
    mixed.set(
      smoothed(u.map((value) => Math.tanh(1.2 * value)), spatialShape, [0.5, 0.25]),
      row * voxels,
    );
  }
  const [sdLinear, sdMixed] = [deviation(linear), deviation(mixed)];
  const signal = linear;
  for (let i = 0; i < signal.length; i++) {
    signal[i] = (1 - nonlinearity) * signal[i] + nonlinearity * mixed[i] * sdLinear / sdMixed;
  }
  const sdSignal = deviation(signal);
  const strength = sdSignal / Math.sqrt(snr);
  for (let row = 0; row < runs * frames; row++) {
    const unit = noise(Math.floor(row / frames), row % frames);
    for (let v = 0; v < voxels; v++) signal[row * voxels + v] += unit[v] * strength;
  }
  return { values: signal, deviations: [sdLinear, sdMixed, sdSignal] };
}

/** Blocks m·[[cos θ, −sin θ], [sin θ, cos θ]] on the diagonal. */
function rotations(moduli: readonly number[], angles: readonly number[]): Float64Array {
  const D = 2 * moduli.length;
  const F = new Float64Array(D * D);
  moduli.forEach((m, k) => {
    const [c, s] = [m * Math.cos(angles[k]), m * Math.sin(angles[k])];
    F.set([c, -s], 2 * k * D + 2 * k);
    F.set([s, c], (2 * k + 1) * D + 2 * k);
  });
  return F;
}

/** States of variance 1 `[T, D]`: h_1 is normal, then h_t = F·h_{t−1} + √(1 − m²)·normal. */
function rollStates(
  draws: Float32Array,
  { moduli, transition }: {
    readonly moduli: readonly number[];
    readonly transition: Float64Array;
  },
): Float64Array {
  const D = 2 * moduli.length;
  const states = Float64Array.from(draws);
  for (let row = D; row < states.length; row += D) {
    for (let d = 0; d < D; d++) {
      const m = moduli[Math.floor(d / 2)];
      states[row + d] *= Math.sqrt(1 - m * m);
      for (let k = 0; k < D; k++) states[row + d] += transition[d * D + k] * states[row - D + k];
    }
  }
  return states;
}

/** Normal fields smoothed by a Gaussian, each of deviation 1. */
function smoothMaps(stream: RandomStream, shape: SpatialShape, count: number): NdArray {
  const voxels = voxelCount(shape);
  const radius = Math.ceil(4 * SMOOTHING);
  const kernel = Array.from(
    { length: radius + 1 },
    (_, i) => Math.exp(-0.5 * (i / SMOOTHING) ** 2),
  );
  const data = new Float64Array(count * voxels);
  for (let d = 0; d < count; d++) {
    const field = smoothed(Float64Array.from(stream.split(d).normals(voxels)), shape, kernel);
    const sd = deviation(field);
    data.set(field.map((value) => value / sd), d * voxels);
  }
  const [X, Y, Z] = shape;
  return { data, shape: [count, Z, Y, X] };
}

/** Filters a volume `[Z, Y, X]` along x, y and z with a symmetric kernel (centre first), zeros beyond the edge. */
function smoothed(
  volume: Float64Array,
  [X, Y, Z]: SpatialShape,
  kernel: readonly number[],
): Float64Array {
  let values = volume;
  for (const [length, step] of [[X, 1], [Y, X], [Z, X * Y]]) {
    const result = new Float64Array(values.length);
    for (let v = 0; v < values.length; v++) {
      const place = Math.floor(v / step) % length;
      let sum = kernel[0] * values[v];
      for (let i = 1; i < kernel.length; i++) {
        if (place - i >= 0) sum += kernel[i] * values[v - i * step];
        if (place + i < length) sum += kernel[i] * values[v + i * step];
      }
      result[v] = sum;
    }
    values = result;
  }
  return values;
}

/** Of all values together (divisor: their number). */
function deviation(values: Float64Array): number {
  let sum = 0, squares = 0;
  for (const value of values) sum += value;
  const mean = sum / values.length;
  for (const value of values) squares += (value - mean) ** 2;
  return Math.sqrt(squares / values.length);
}
