/** New streamlines of a bundle: codes drawn, decoded, cut to what was asked for. */
import type { NdArray } from "../../base/arrays.ts";
import { ConfigError } from "../../base/errors.ts";
import { RandomStream } from "../../base/random.ts";
import type { Streamlines } from "../../data/streamlines/geometry.ts";
import {
  Gaussian,
  KernelDensity,
  momentsOf,
  scottCovariance,
  shrunkCovariance,
} from "../../linalg/densities.ts";
import { logScale, rejectionSample } from "../../linalg/rejection_sampling.ts";
import type { StreamlineModel } from "../../models/streamlines/model.ts";
import { type BundleDensities, drawCodes } from "./bundle_densities.ts";
import type { FoundInData } from "./run_config.ts";

/** What is asked for. */
export interface SampleRequest {
  /** Bundle to sample from. */
  readonly bundle: number;
  /** Streamlines to sample. */
  readonly count: number;
  /** Of everything random. */
  readonly seed: number;
  /** mm, drawn evenly in the range; null: as the bundle's own. */
  readonly lengths: readonly [least: number, most: number] | null;
  /** The bundle's Gaussian, or N(0, I). */
  readonly prior: "bundle" | "normal";
}

/** Streamlines and the length asked of each. */
export interface Sampled {
  /** Sampled streamlines in millimetres. */
  readonly streamlines: Streamlines;
  /** mm. */
  readonly asked: Float64Array;
}

/**
 * Draws streamlines of a bundle.
 *
 * @param model Trained.
 * @param known What it knows of bundles, and of the lengths of the data.
 * @param request See {@link SampleRequest}.
 */
export async function sampleStreamlines(
  model: StreamlineModel,
  known: { readonly densities: BundleDensities; readonly found: FoundInData },
  request: SampleRequest,
): Promise<Sampled> {
  const { bundle, count, seed, prior } = request;
  const { mean, deviation, ranges } = known.found.length;
  const random = RandomStream.fromSeed(seed).split("sample").split(bundle);
  const [least, most] = request.lengths ?? ranges[bundle];
  const asked = Float64Array.from(
    random.split("length").uniforms64(count),
    (u) => least + (most - least) * u,
  );
  return await decodeAsked(model, known, { bundle, asked, prior, mean, deviation, random });
}

/**
 * Draws one streamline of a bundle for each length.
 *
 * @param model Trained.
 * @param known What it knows of bundles, and of the lengths of the data.
 * @param request The bundle, the lengths in mm, the seed and where codes come from.
 */
export async function sampleAtLengths(
  model: StreamlineModel,
  known: { readonly densities: BundleDensities; readonly found: FoundInData },
  request: Pick<SampleRequest, "bundle" | "seed" | "prior"> & { readonly asked: Float64Array },
): Promise<Sampled> {
  const { mean, deviation } = known.found.length;
  const random = RandomStream.fromSeed(request.seed).split("sample").split(request.bundle);
  return await decodeAsked(model, known, { ...request, mean, deviation, random });
}

async function decodeAsked(
  model: StreamlineModel,
  { densities }: { readonly densities: BundleDensities },
  { bundle, asked, prior, mean, deviation, random }: {
    readonly bundle: number;
    readonly asked: Float64Array;
    readonly prior: SampleRequest["prior"];
    readonly mean: number;
    readonly deviation: number;
    readonly random: RandomStream;
  },
): Promise<Sampled> {
  const scores = asked.map((mm) => (mm - mean) / deviation);
  const D = model.config.latentDim;
  const codes: NdArray = prior === "normal"
    ? { data: random.normals64(asked.length * D), shape: [asked.length, D] }
    : drawCodes(densities.bundles[bundle], scores, random);
  const decoded = await model.decode(codes, {
    labels: new Array(asked.length).fill(bundle),
    attributes: { data: Float32Array.from(scores), shape: [asked.length, 1] },
  });
  return { streamlines: decoded as Streamlines, asked };
}

/**
 * Refuses the prior N(0, I) where the training set cannot cover it: with a mean divergence above ln N the posteriors are so
 * narrow that N of them leave gaps.
 *
 * @param densities Of the run.
 * @param force Whether to go on all the same.
 * @throws {ConfigError} when it is refused.
 */
export function requireCoveredPrior(
  { bundles, divergence }: BundleDensities,
  force: boolean,
): void {
  const streamlines = bundles.reduce((sum, { count }) => sum + count, 0);
  if (force || divergence === null || divergence <= Math.log(streamlines)) return;
  throw new ConfigError(
    "prior",
    `Cannot sample from N(0, I): the mean divergence is ${
      divergence.toFixed(1)
    } nats, needs at most ln ${streamlines} = ${
      Math.log(streamlines).toFixed(1)
    } to be covered by ${streamlines} streamlines; leave --prior out for the bundle's Gaussian, or add --force`,
  );
}

/** Options of {@link sampleFromSeeds}. */
export interface SeedSampling {
  /** Streamlines to accept. */
  readonly count: number;
  /** Of everything random. */
  readonly seed: number;
  /** Factor on Scott's width; default 1. */
  readonly kernelFactor?: number;
  /** M is the largest ratio, or this quantile; default the largest. */
  readonly scale?: "max" | number;
}

/** Codes drawn around seeds. */
export interface SeededCodes {
  /** Accepted codes, `[n, latentDim]`. */
  readonly codes: NdArray<Float64Array>;
  /** Share of proposals that were accepted. */
  readonly acceptance: number;
  /** What a person should know of the acceptance. */
  readonly notes: readonly string[];
}

/**
 * GESTA: rejection sampling of a kernel density over the codes of seeds, with a normal proposal. The kernel has the shape of
 * the seeds' covariance; a seed's own kernel is left out where the scale is set.
 *
 * @param seeds Codes, `[N, D]`.
 * @param options See {@link SeedSampling}.
 * @throws {ConfigError} for fewer than three seeds, or when hardly anything is accepted.
 */
export function sampleFromSeeds(seeds: NdArray, options: SeedSampling): SeededCodes {
  const [count, D] = seeds.shape;
  if (count < 3) {
    throw new ConfigError(
      "seeds",
      `Cannot sample from ${count} seeds, needs at least 3; give more streamlines to --seeds`,
    );
  }
  const { covariance, mean } = momentsOf(seeds);
  const proposal = new Gaussian(mean, shrunkCovariance(covariance, count < D + 2 ? 0.5 : 0));
  const target = new KernelDensity(seeds, scottCovariance(seeds, options.kernelFactor ?? 1));
  const logM = logScale(
    target.logDensityAtSeeds(),
    proposal.logDensity(seeds),
    options.scale ?? "max",
  );
  const { samples, acceptance } = rejectionSample(target, {
    proposal,
    logM,
    count: options.count,
    random: RandomStream.fromSeed(options.seed).split("seeds"),
  });
  const notes = acceptance > 0.99
    ? [
      "Nearly every proposal was accepted: rejection does nothing; a larger --scale or a smaller --kernel-factor does.",
    ]
    : acceptance < 1e-4
    ? ["Hardly any proposal was accepted; a larger --kernel-factor or --scale 0.75 helps."]
    : [];
  return { codes: samples, acceptance, notes };
}
