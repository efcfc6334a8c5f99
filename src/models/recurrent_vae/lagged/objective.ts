/** The loss of the lagged network in parts, in float64 on the host [recurrent-vae §16.4]. Often negative. */
import type { FloatArray } from "../../../base/arrays.ts";
import { offsetPenalty, transitionPenalty } from "../losses/penalties.ts";
import type { LossTerms } from "../losses/terms.ts";
import type { LaggedConfig } from "./lagged_config.ts";
import type { LatentPass } from "./latent_pass.ts";

/** loss = loss1 + loss2 + lossZ + lossLag + lossPrediction; kl and lossF are reported only. */
export interface LaggedLosses extends LossTerms {
  /** Divergence of the posterior from the prior, before the factor β. */
  readonly kl: number;
  /** (λ_U/2)·‖U‖²/σ̄². */
  readonly lossLag: number;
  /** Error of the prediction one step ahead, times κ. */
  readonly lossPrediction: number;
}

/** What the loss is computed from. */
export interface LaggedObservations {
  /** States of all frames. */
  readonly latent: LatentPass;
  /** ln σ_x, one number or `[V]`. */
  readonly logSigma: FloatArray;
  /** V. */
  readonly voxels: number;
  /** Σ(x − r)², in parts that are added: over voxels and rows, or at each voxel where σ_x is by voxel. */
  readonly squaredErrors: readonly FloatArray[];
  /** The same of the prediction one step ahead; none without it. */
  readonly predictionErrors: readonly FloatArray[];
  /** ‖U‖². */
  readonly lagNorm: number;
  /** Offsets z of all subjects. */
  readonly offsets: FloatArray;
  /** β of this step. */
  readonly klWeight: number;
  /** a = 1/observed frames. */
  readonly scale: number;
}

/** All terms. */
export function laggedLosses(
  config: LaggedConfig,
  observed: LaggedObservations,
): LaggedLosses {
  const { lagPenalty, predictive, offsets } = config;
  const { latent, logSigma, voxels, scale, klWeight } = observed;
  const each = voxels / logSigma.length;
  const logDeterminant = each * sumOf(logSigma, (value) => value);
  const loss1 = scale * weighted(observed.squaredErrors, logSigma) + logDeterminant;
  const kl = scale * divergence(latent);
  const terms = {
    loss1,
    loss2: klWeight * kl,
    lossZ: offsets ? offsetPenalty(observed.offsets, config.lambdaZ) : 0,
    lossLag: lagPenalty / 2 * observed.lagNorm / meanVariance(logSigma),
    lossPrediction: predictive * scale * weighted(observed.predictionErrors, logSigma),
  };
  const { loss2, lossZ, lossLag, lossPrediction } = terms;
  return {
    loss: loss1 + loss2 + lossZ + lossLag + lossPrediction,
    ...terms,
    kl,
    lossF: transitionPenalty(latent.weights.transition, config.rho),
  };
}

/** σ̄²: σ_x², or the mean over the voxels. */
export function meanVariance(logSigma: FloatArray): number {
  return sumOf(logSigma, (value) => Math.exp(2 * value)) / logSigma.length;
}

/** Σ f(value), in float64. */
export function sumOf(values: FloatArray, f: (value: number) => number): number {
  let sum = 0;
  for (const value of values) sum += f(value);
  return sum;
}

/** Σ(x − r)² by voxel (or of all) of some parts together. */
export function totalErrors(parts: readonly FloatArray[], logSigma: FloatArray): Float64Array {
  const totals = new Float64Array(logSigma.length);
  const single = totals.length === 1;
  for (const part of parts) for (let i = 0; i < part.length; i++) totals[single ? 0 : i] += part[i];
  return totals;
}

/** Σ(x − r)²/(2σ²). */
function weighted(parts: readonly FloatArray[], logSigma: FloatArray): number {
  const totals = totalErrors(parts, logSigma);
  return totals.reduce((sum, value, i) => sum + value / (2 * Math.exp(2 * logSigma[i])), 0);
}

/** Σ ½[ln q − ℓ + (e^ℓ + (μ − gh)²)/q − 1] over the observed frames. */
function divergence({ size: { dim }, weights, input, mu, logVar, gh }: LatentPass): number {
  let sum = 0;
  for (let i = 0; i < mu.length; i++) {
    if (input.observed[Math.floor(i / dim)] === 0) continue;
    const q = weights.variance[i % dim];
    const distance = Math.exp(logVar[i]) + (mu[i] - gh[i]) ** 2;
    sum += Math.log(q) - logVar[i] + distance / q - 1;
  }
  return sum / 2;
}
