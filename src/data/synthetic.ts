/**
 * The synthetic cohort of [recurrent-vae §2.5]: each subject is one spatial pattern (a mixture of K = 4 random fields)
 * whose strength follows an AR(1) series, plus noise; in the second group the pattern is weaker in one half.
 *
 * Frames are made when they are read and are the same each time, so that a full-size cohort takes no more
 * memory than its K fields. `torchSyntheticCohort` draws as the Python package does instead, all at once.
 */
import { MOST_VALUES, type SpatialShape } from "../base/arrays.ts";
import { ConfigError } from "../base/errors.ts";
import { checkOptions, integer, list, number, record } from "../base/fields.ts";
import { RandomStream } from "../base/random.ts";
import { TorchGenerator } from "../base/torch_random.ts";
import type { Cohort } from "./cohort.ts";
import { type FrameSource, frameTarget, voxelCount } from "./frame_source.ts";

/** Number of basis fields, K. */
export const BASIS_FIELDS = 4;
/** Coefficient of the AR(1) series. */
const PERSISTENCE = Math.fround(0.7);
/** Labels of the two groups, in the order of the subjects. */
const LABELS = ["CN", "AD"] as const;

/** More than any study has; what is beyond is a slip of the finger that would take hours. */
const MOST_SUBJECTS = 100_000;
const MOST_FRAMES = 1_000_000;

/** What a synthetic cohort is made of. */
export interface SyntheticOptions {
  /** Subjects of the first group. Default 4. */
  readonly nCn?: number;
  /** Subjects of the second group. Default 4. */
  readonly nAd?: number;
  /** Frames of each subject, T. Default 16. */
  readonly frames?: number;
  /** `[X, Y, Z]`. Default 91, 109, 91. */
  readonly spatialShape?: SpatialShape;
  /** How much weaker the second group's pattern is for x < floor(X/2). Default 0.3. */
  readonly cohortEffect?: number;
  /** Standard deviation of the noise. Default 0.1. */
  readonly noiseStd?: number;
  /** Default 0. */
  readonly seed?: number;
}

/** Options there are. */
export const SYNTHETIC_OPTIONS = record<SyntheticOptions>({
  nCn: integer({ least: 0, most: MOST_SUBJECTS }),
  nAd: integer({ least: 0, most: MOST_SUBJECTS }),
  frames: integer({ least: 1, most: MOST_FRAMES }),
  spatialShape: list(integer({ least: 1 })),
  cohortEffect: number(),
  noiseStd: number({ least: 0 }),
  seed: integer(),
});

/** A cohort with its classes as numbers. */
export interface SyntheticCohort extends Cohort {
  /** 0 for the first group, 1 for the second (int64, as the Python package has them). */
  readonly labels: BigInt64Array;
}

/** The random numbers behind a cohort, standard normal, float32. Fields and noise are x fastest. */
export interface SyntheticDraws {
  /** `[K, Z, Y, X]`. */
  readonly basis: Float32Array;
  /** `[N, K]`. */
  readonly coefficients: Float32Array;
  /** `[N]`: start of each series (not itself emitted). */
  readonly starts: Float32Array;
  /** `[N, T]`. */
  readonly innovations: Float32Array;
  /** Noise of frame t of subject n, `[Z, Y, X]`; valid until the next call. */
  noise(subject: number, t: number): Float32Array;
}

/**
 * Makes a synthetic cohort from our own random streams.
 *
 * @param options See {@link SyntheticOptions}.
 * @returns Not normalised; frames are computed on reading.
 * @throws {ConfigError} for a negative count, no subjects, or no frames.
 *
 * @example
 * ```ts
 * import { syntheticCohort } from "./synthetic.ts";
 *
 * const cohort = syntheticCohort({ nCn: 3, nAd: 2, frames: 5, spatialShape: [8, 9, 8] });
 * const run = await cohort.subjects[0].open();
 * console.assert(run.readFrame(4).length === 8 * 9 * 8);
 * ```
 */
export function syntheticCohort(options: SyntheticOptions = {}): SyntheticCohort {
  const facts = checkedFacts(options);
  return cohortFromDraws(nativeDraws(facts), options);
}

/**
 * Makes the cohort the Python package makes from the same seed (equal up to 1.2e-7 per draw). Everything
 * is drawn at once and kept, as there.
 *
 * @param options See {@link SyntheticOptions}.
 * @throws as `syntheticCohort`.
 */
export function torchSyntheticCohort(options: SyntheticOptions = {}): SyntheticCohort {
  return cohortFromDraws(torchDraws(checkedFacts(options)), options);
}

/**
 * Makes the cohort of given random numbers.
 *
 * @param draws See {@link SyntheticDraws}.
 * @param options As for `syntheticCohort`; `seed` is not used.
 * @throws as `syntheticCohort`.
 */
export function cohortFromDraws(
  draws: SyntheticDraws,
  options: SyntheticOptions = {},
): SyntheticCohort {
  const facts = checkedFacts(options);
  const { spatialShape, frames } = facts;
  const labels = new BigInt64Array(facts.subjects).fill(1n, facts.nCn);
  const subjects = Array.from({ length: facts.subjects }, (_, n) => {
    const label = LABELS[Number(labels[n])];
    const number = String(n < facts.nCn ? n + 1 : n - facts.nCn + 1).padStart(2, "0");
    const id = `sub-${label}${number}`;
    return { id, label, group: id, open: () => new SyntheticRun(id, { facts, draws, subject: n }) };
  });
  return { subjects, spatialShape, frames, labels };
}

/** Options with their defaults, checked. */
interface Facts {
  readonly nCn: number;
  readonly subjects: number;
  readonly frames: number;
  readonly spatialShape: SpatialShape;
  readonly cohortEffect: number;
  readonly noiseStd: number;
  readonly seed: number;
}

function checkedFacts(options: SyntheticOptions): Facts {
  checkOptions(options, SYNTHETIC_OPTIONS, { doing: "Cannot make a synthetic cohort" });
  const { nCn = 4, nAd = 4, frames = 16, spatialShape = [91, 109, 91] as const } = options;
  const { cohortEffect = 0.3, noiseStd = 0.1, seed = 0 } = options;
  const refuse = (field: string, found: unknown, needs: string) =>
    new ConfigError(field, `Cannot make a synthetic cohort: ${field} is ${found}, needs ${needs}`);
  if (nCn + nAd === 0) throw refuse("nCn", "0 and nAd too", "at least one subject");
  if (spatialShape.length !== 3) {
    throw refuse("spatialShape", `[${spatialShape}]`, "three axes [X, Y, Z]");
  }
  if (BASIS_FIELDS * voxelCount(spatialShape) > MOST_VALUES) {
    throw refuse("spatialShape", spatialShape.join("×"), `at most ${MOST_VALUES / 4} voxels`);
  }
  return { nCn, subjects: nCn + nAd, frames, spatialShape, cohortEffect, noiseStd, seed };
}

/** One subject: volume(t) = pattern·signal(t) + noiseStd·noise(t), every operation in float32. */
class SyntheticRun implements FrameSource {
  readonly spatialShape: SpatialShape;
  readonly frames: number;
  readonly #pattern: Float32Array;
  readonly #signal: Float32Array;
  readonly #noise: (t: number) => Float32Array;
  readonly #noiseStd: number;

  constructor(
    readonly source: string,
    parts: { readonly facts: Facts; readonly draws: SyntheticDraws; readonly subject: number },
  ) {
    const { facts, draws, subject } = parts;
    ({ spatialShape: this.spatialShape, frames: this.frames } = facts);
    this.#pattern = makePattern(draws, subject, facts);
    this.#signal = makeSignal(draws, subject, facts.frames);
    this.#noise = (t) => draws.noise(subject, t);
    this.#noiseStd = Math.fround(facts.noiseStd);
  }

  readFrame(t: number, into?: Float32Array): Float32Array {
    const frame = frameTarget(this, t, into);
    const noise = this.#noise(t);
    const strength = this.#signal[t];
    for (let v = 0; v < frame.length; v++) {
      frame[v] = Math.fround(this.#pattern[v] * strength) + Math.fround(this.#noiseStd * noise[v]);
    }
    return frame;
  }

  close(): void {}
}

/** Σ_k c_k·basis_k, weaker for x < floor(X/2) in the second group. `[Z, Y, X]`. */
function makePattern(draws: SyntheticDraws, subject: number, facts: Facts): Float32Array {
  const [X] = facts.spatialShape;
  const voxels = voxelCount(facts.spatialShape);
  const pattern = new Float32Array(voxels);
  for (let k = 0; k < BASIS_FIELDS; k++) {
    const coefficient = draws.coefficients[subject * BASIS_FIELDS + k];
    for (let v = 0; v < voxels; v++) pattern[v] += coefficient * draws.basis[k * voxels + v];
  }
  if (subject >= facts.nCn) {
    const weaker = Math.fround(1 - facts.cohortEffect);
    for (let v = 0; v < voxels; v++) if (v % X < Math.floor(X / 2)) pattern[v] *= weaker;
  }
  return pattern;
}

/** s ← 0.7·s + e_t, from the start value on. */
function makeSignal(draws: SyntheticDraws, subject: number, frames: number): Float32Array {
  const signal = new Float32Array(frames);
  let s = draws.starts[subject];
  for (let t = 0; t < frames; t++) {
    s = Math.fround(Math.fround(PERSISTENCE * s) + draws.innovations[subject * frames + t]);
    signal[t] = s;
  }
  return signal;
}

function nativeDraws(facts: Facts): SyntheticDraws {
  const stream = RandomStream.fromSeed(facts.seed).split("synthetic");
  const voxels = voxelCount(facts.spatialShape);
  const { subjects, frames } = facts;
  return {
    basis: stream.split("basis").normals(BASIS_FIELDS * voxels),
    coefficients: stream.split("coefficients").normals(subjects * BASIS_FIELDS),
    starts: stream.split("starts").normals(subjects),
    innovations: stream.split("innovations").normals(subjects * frames),
    noise: (subject, t) => stream.split("noise").split(subject).split(t).normals(voxels),
  };
}

/** Draws in the package's order [recurrent-vae §2.5]: basis; per subject coefficients, start, innovations, noise. */
function torchDraws(facts: Facts): SyntheticDraws {
  const generator = new TorchGenerator(facts.seed);
  const { spatialShape, subjects, frames } = facts;
  const voxels = voxelCount(spatialShape);
  const basis = xFastest(generator.normals(BASIS_FIELDS * voxels), spatialShape);
  const coefficients = new Float32Array(subjects * BASIS_FIELDS);
  const starts = new Float32Array(subjects);
  const innovations = new Float32Array(subjects * frames);
  const noise: Float32Array[] = [];
  for (let n = 0; n < subjects; n++) {
    coefficients.set(generator.normals(BASIS_FIELDS), n * BASIS_FIELDS);
    starts.set(generator.normals(1), n);
    for (let t = 0; t < frames; t++) innovations.set(generator.normals(1), n * frames + t);
    noise.push(generator.normals(voxels * frames));
  }
  return {
    basis,
    coefficients,
    starts,
    innovations,
    noise: (n, t) => xFastest(frameOf(noise[n], t, frames), spatialShape),
  };
}

/** Frame t of an array with time as its last axis. */
function frameOf(values: Float32Array, t: number, frames: number): Float32Array {
  return Float32Array.from({ length: values.length / frames }, (_, v) => values[v * frames + t]);
}

/** Fields `[…, X, Y, Z]` (z fastest) to `[…, Z, Y, X]`. */
export function xFastest(fields: Float32Array, [X, Y, Z]: SpatialShape): Float32Array {
  const result = new Float32Array(fields.length);
  const voxels = X * Y * Z;
  for (let from = 0; from < fields.length; from++) {
    const v = from % voxels;
    const z = v % Z;
    const y = Math.floor(v / Z) % Y;
    const x = Math.floor(v / (Z * Y));
    result[from - v + (z * Y + y) * X + x] = fields[from];
  }
  return result;
}
