/** What a trained model knows of each bundle: where its codes lie, and how they move with length [streamlines §7]. */
import type { NdArray } from "../../base/arrays.ts";
import { CheckpointError, ConfigError } from "../../base/errors.ts";
import type { RandomStream } from "../../base/random.ts";
import { readSafetensors, writeSafetensors } from "../../formats/safetensors.ts";
import { Gaussian, momentsOf, shrunkCovariance } from "../../linalg/densities.ts";
import type { StreamlineModel } from "../../models/streamlines/model.ts";
import { StreamlineVae } from "../../models/streamlines/variational.ts";
import { lengthsOf } from "../../data/streamlines/geometry.ts";
import type { Labelled } from "./data.ts";
import type { FoundInData } from "./run_config.ts";

/** A normal distribution of a bundle's codes whose mean moves with the z-scored length. */
export interface BundleDensity {
  /** `[D]`, at the mean length of the bundle. */
  readonly mean: Float64Array;
  /** `[D]`, per deviation of length. */
  readonly slope: Float64Array;
  /** Of the residuals, with the mean posterior variance on its diagonal; `[D, D]`. */
  readonly covariance: Float64Array;
  /** z-scored mean length of the bundle. */
  readonly length: number;
  /** Streamlines it was fitted to. */
  readonly count: number;
}

/** Densities of all bundles. */
export interface BundleDensities {
  /** One density a bundle. */
  readonly bundles: readonly BundleDensity[];
  /** Mean divergence of the posteriors from N(0, I), nats; null where the model has none. */
  readonly divergence: number | null;
  /** Bundles whose covariance was shrunk, for want of streamlines. */
  readonly shrunk: readonly number[];
}

/** Fewer streamlines than this do not fix a covariance. */
const FEW = 50;

/**
 * Fits a normal distribution to the codes of each bundle.
 *
 * @param model Trained.
 * @param labelled Streamlines of the training set.
 * @param found Lengths of the data; the codes of a conditional model do not move with length, its decoder is told.
 */
export async function fitBundleDensities(
  model: StreamlineModel,
  { streamlines, labels }: Labelled,
  { length }: FoundInData,
): Promise<BundleDensities> {
  const posterior = model instanceof StreamlineVae ? await model.posteriorOf(streamlines) : null;
  const codes = posterior?.mean ?? await model.encode(streamlines);
  const scores = Float64Array.from(
    lengthsOf(streamlines),
    (mm) => (mm - length.mean) / length.deviation,
  );
  const bundles: BundleDensity[] = [];
  const shrunk: number[] = [];
  length.ranges.forEach((_, bundle) => {
    const rows = [...labels.keys()].filter((row) => labels[row] === bundle);
    const few = rows.length < FEW || rows.length < model.config.latentDim + 2;
    if (few) shrunk.push(bundle);
    bundles.push(fitOne(codes, posterior?.variance ?? null, {
      rows,
      scores,
      share: few ? 1 - rows.length / (rows.length + FEW) : 0,
    }));
  });
  return { bundles, divergence: posterior?.divergence ?? null, shrunk };
}

function fitOne(
  { data, shape: [, D] }: NdArray,
  variance: NdArray | null,
  { rows, scores, share }: {
    readonly rows: readonly number[];
    readonly scores: Float64Array;
    readonly share: number;
  },
): BundleDensity {
  const count = rows.length;
  const length = rows.reduce((sum, row) => sum + scores[row] / count, 0);
  const spread = rows.reduce((sum, row) => sum + (scores[row] - length) ** 2, 0);
  const mean = new Float64Array(D);
  for (const row of rows) for (let d = 0; d < D; d++) mean[d] += data[row * D + d] / count;
  const slope = new Float64Array(D);
  for (const row of rows) {
    const share = spread > 0 ? (scores[row] - length) / spread : 0;
    for (let d = 0; d < D; d++) slope[d] += share * (data[row * D + d] - mean[d]);
  }
  const residuals = new Float64Array(count * D);
  rows.forEach((row, i) => {
    for (let d = 0; d < D; d++) {
      const moved = mean[d] + slope[d] * (scores[row] - length);
      residuals[i * D + d] = data[row * D + d] - moved;
    }
  });
  const covariance = count > 1
    ? momentsOf({ data: residuals, shape: [count, D] }).covariance
    : new Float64Array(D * D);
  const safe = shrunkCovariance(covariance, share);
  for (let d = 0; d < D; d++) {
    const own = variance
      ? rows.reduce((sum, row) => sum + variance.data[row * D + d] / count, 0)
      : 0;
    safe[d * D + d] += own + 1e-9;
  }
  return { mean, slope, covariance: safe, length, count };
}

/**
 * Draws codes of a bundle.
 *
 * @param density Of the bundle.
 * @param lengths z-scored length wanted of each code.
 * @param random Draws.
 * @returns `[N, D]`.
 */
export function drawCodes(
  { mean, slope, covariance, length }: BundleDensity,
  lengths: ArrayLike<number>,
  random: RandomStream,
): NdArray<Float64Array> {
  const D = mean.length;
  const drawn = new Gaussian(mean, covariance).sample(lengths.length, random);
  for (let i = 0; i < lengths.length; i++) {
    for (let d = 0; d < D; d++) drawn.data[i * D + d] += slope[d] * (lengths[i] - length);
  }
  return drawn;
}

/** Name of the file in a run's folder. */
export const DENSITIES_FILE = "bundles.safetensors";

/**
 * Densities as a file.
 *
 * @param densities Of all bundles.
 */
export function densitiesToBytes({ bundles, divergence }: BundleDensities): Uint8Array {
  const D = bundles[0]?.mean.length ?? 0;
  const stacked = (pick: (bundle: BundleDensity) => ArrayLike<number>, ...inner: number[]) => ({
    data: Float64Array.from(bundles.flatMap((bundle) => Array.from(pick(bundle)))),
    shape: [bundles.length, ...inner],
  });
  return writeSafetensors([
    ["mean", stacked((bundle) => bundle.mean, D)],
    ["slope", stacked((bundle) => bundle.slope, D)],
    ["covariance", stacked((bundle) => bundle.covariance, D, D)],
    ["length", stacked((bundle) => [bundle.length])],
    ["count", stacked((bundle) => [bundle.count])],
    ["divergence", { data: Float64Array.of(divergence ?? NaN), shape: [1] }],
  ]);
}

/**
 * Densities from a file.
 *
 * @param bytes Of the file.
 * @param path For messages.
 * @throws {CheckpointError} when an array is missing.
 */
export function densitiesFromBytes(bytes: Uint8Array, path: string): BundleDensities {
  const { tensors } = readSafetensors(bytes, path);
  const get = (name: string) => {
    const found = tensors.get(name);
    if (found?.data instanceof Float64Array) return { data: found.data, shape: found.shape };
    throw new CheckpointError(
      path,
      `Cannot read "${path}": it holds no ${name}; train again, or take the file that training wrote`,
    );
  };
  const { data: means, shape: [count, D] } = get("mean");
  const part = (name: string, bundle: number, width: number) =>
    get(name).data.slice(bundle * width, (bundle + 1) * width);
  const divergence = get("divergence").data[0];
  return {
    bundles: Array.from({ length: count }, (_, bundle) => ({
      mean: means.slice(bundle * D, (bundle + 1) * D),
      slope: part("slope", bundle, D),
      covariance: part("covariance", bundle, D * D),
      length: part("length", bundle, 1)[0],
      count: part("count", bundle, 1)[0],
    })),
    divergence: Number.isNaN(divergence) ? null : divergence,
    shrunk: [],
  };
}

/**
 * A bundle by its name or number.
 *
 * @param named As typed: a name, or a number from 1.
 * @param classes Names of bundles.
 * @throws {ConfigError} naming those there are.
 */
export function bundleOf(named: string, classes: readonly string[]): number {
  const found = classes.indexOf(named);
  if (found >= 0) return found;
  const number = Number(named);
  if (Number.isInteger(number) && number >= 1 && number <= classes.length) return number - 1;
  throw new ConfigError(
    "bundle",
    `Cannot take the bundle "${named}", needs one of ${
      classes.join(", ")
    }, or a number from 1 to ${classes.length}`,
  );
}
