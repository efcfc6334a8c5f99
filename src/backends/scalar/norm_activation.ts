/**
 * Normalisation over blocks of samples and channels with LeakyReLU behind it, and its gradient [recurrent-vae §3.3]:
 * scalar, float64 sums, variance in two passes.
 *
 * A block is one of S runs of samples times one of K runs of channels. Sums are taken per channel first
 * and joined per block afterwards.
 */
import type { FloatArray } from "../../base/arrays.ts";
import type { NormAttributes } from "../kernel_contract.ts";

/** Sizes of a normalisation: `rows` = samples · voxels, each of `channels` contiguous values. */
export interface NormPlan extends NormAttributes {
  readonly rows: number;
  readonly channels: number;
}

/** Statistics `[S, K]` of every block. */
export interface BlockStatistics {
  readonly mean: FloatArray;
  readonly variance: FloatArray;
}

/**
 * Mean and biased variance Σ(x−m)²/n of every block; 0 for blocks without values.
 *
 * @param x `[rows, channels]`, rows of one sample group contiguous.
 * @param plan Sizes.
 */
export function blockStatistics(x: FloatArray, plan: NormPlan): BlockStatistics {
  const count = valuesPerBlock(plan);
  const mean = blockSums(plan, (sums, start, end) => {
    for (let i = start; i < end;) {
      for (let c = 0; c < plan.channels; c++, i++) sums[c] += x[i];
    }
  });
  divide(mean, count);
  const perChannel = channelMap(plan);
  const variance = blockSums(plan, (sums, start, end, group) => {
    const means = spread(mean, group, perChannel, plan.channelGroups);
    for (let i = start; i < end;) {
      for (let c = 0; c < plan.channels; c++, i++) {
        const centred = x[i] - means[c];
        sums[c] += centred * centred;
      }
    }
  });
  divide(variance, count);
  return { mean, variance };
}

/**
 * y = leaky(gamma·(x − mean)/√(variance + epsilon) + beta), written into `y`.
 *
 * @param y Overwritten, same size as x.
 * @param x `[rows, channels]`.
 * @param rest gamma and beta `[channels]`, statistics `[S, K]`, sizes.
 */
export function normalise(
  y: FloatArray,
  x: FloatArray,
  rest: { gamma: FloatArray; beta: FloatArray; statistics: BlockStatistics; plan: NormPlan },
): void {
  const { gamma, beta, statistics, plan } = rest;
  const { channels, slope } = plan;
  const perChannel = channelMap(plan);
  forEachGroup(plan, (group, start, end) => {
    const mean = spread(statistics.mean, group, perChannel, plan.channelGroups);
    const scale = inverseDeviation(statistics.variance, group, plan);
    for (let i = start; i < end;) {
      for (let c = 0; c < channels; c++, i++) {
        const value = gamma[c] * ((x[i] - mean[c]) * scale[c]) + beta[c];
        y[i] = value > 0 ? value : slope * value;
      }
    }
  });
}

/** What {@link normaliseGradient} reads. */
export interface NormGradientTask {
  readonly dy: FloatArray;
  readonly x: FloatArray;
  readonly gamma: FloatArray;
  readonly beta: FloatArray;
  readonly statistics: BlockStatistics;
  readonly plan: NormPlan;
  /** True when the statistics are constants, so that dx has no terms through them. */
  readonly fixedStatistics: boolean;
}

/**
 * Gradient of {@link normalise} after {@link blockStatistics}. With g = dy·leaky′ and per block
 * dx = (γg − mean(γg) − x̂·mean(γg·x̂))/√(v + eps); dγ = Σ g·x̂, dβ = Σ g [recurrent-vae §3.3].
 *
 * @param dx Overwritten, same size as x.
 * @param task Inputs.
 * @returns dGamma and dBeta, `[channels]`, summed over all groups.
 */
export function normaliseGradient(
  dx: FloatArray,
  task: NormGradientTask,
): { dGamma: Float64Array; dBeta: Float64Array } {
  const { dy, x, gamma, beta, statistics, plan } = task;
  const { channels, slope, channelGroups } = plan;
  const perChannel = channelMap(plan);
  const dGamma = new Float64Array(channels);
  const dBeta = new Float64Array(channels);
  forEachGroup(plan, (group, start, end) => {
    const mean = spread(statistics.mean, group, perChannel, channelGroups);
    const scale = inverseDeviation(statistics.variance, group, plan);
    const sumG = new Float64Array(channels);
    const sumGx = new Float64Array(channels);
    for (let i = start; i < end;) {
      for (let c = 0; c < channels; c++, i++) {
        const normal = (x[i] - mean[c]) * scale[c];
        const g = gamma[c] * normal + beta[c] > 0 ? dy[i] : slope * dy[i];
        sumG[c] += g;
        sumGx[c] += g * normal;
      }
    }
    for (let c = 0; c < channels; c++) {
      dBeta[c] += sumG[c];
      dGamma[c] += sumGx[c];
    }
    const meanG = new Float64Array(channels);
    const meanGx = new Float64Array(channels);
    if (!task.fixedStatistics) {
      joinChannels(meanG, sumG, gamma, plan);
      joinChannels(meanGx, sumGx, gamma, plan);
    }
    for (let i = start; i < end;) {
      for (let c = 0; c < channels; c++, i++) {
        const normal = (x[i] - mean[c]) * scale[c];
        const g = gamma[c] * normal + beta[c] > 0 ? dy[i] : slope * dy[i];
        dx[i] = scale[c] * (gamma[c] * g - meanG[c] - normal * meanGx[c]);
      }
    }
  });
  return { dGamma, dBeta };
}

/** means[c] = (Σ over the channels of c's block of gamma·sums) / values per block. */
function joinChannels(
  means: Float64Array,
  sums: Float64Array,
  gamma: FloatArray,
  plan: NormPlan,
): void {
  const width = plan.channels / plan.channelGroups;
  const count = valuesPerBlock(plan);
  for (let start = 0; start < plan.channels; start += width) {
    let sum = 0;
    for (let c = start; c < start + width; c++) sum += gamma[c] * sums[c];
    means.fill(sum / count, start, start + width);
  }
}

function valuesPerBlock(plan: NormPlan): number {
  return (plan.rows / plan.sampleGroups) * (plan.channels / plan.channelGroups);
}

/** Calls `visit` with the range of values of every sample group. */
function forEachGroup(
  plan: NormPlan,
  visit: (group: number, start: number, end: number) => void,
): void {
  const length = plan.sampleGroups === 0 ? 0 : (plan.rows / plan.sampleGroups) * plan.channels;
  for (let group = 0; group < plan.sampleGroups; group++) {
    visit(group, group * length, (group + 1) * length);
  }
}

/** Sums per channel within every sample group, then joined per channel group: `[S, K]`. */
function blockSums(
  plan: NormPlan,
  add: (sums: Float64Array, start: number, end: number, group: number) => void,
): Float64Array {
  const blocks = new Float64Array(plan.sampleGroups * plan.channelGroups);
  const perChannel = channelMap(plan);
  const sums = new Float64Array(plan.channels);
  forEachGroup(plan, (group, start, end) => {
    sums.fill(0);
    add(sums, start, end, group);
    for (let c = 0; c < plan.channels; c++) {
      blocks[group * plan.channelGroups + perChannel[c]] += sums[c];
    }
  });
  return blocks;
}

/** Channel group of every channel. */
function channelMap(plan: NormPlan): Int32Array {
  const width = plan.channels / plan.channelGroups;
  return Int32Array.from({ length: plan.channels }, (_, c) => Math.floor(c / width));
}

/** The statistics of one sample group as one value per channel. */
function spread(
  blocks: FloatArray,
  group: number,
  perChannel: Int32Array,
  channelGroups: number,
): Float64Array {
  return Float64Array.from(perChannel, (block) => blocks[group * channelGroups + block]);
}

/** 1/√(variance + epsilon) of one sample group, per channel. */
function inverseDeviation(variance: FloatArray, group: number, plan: NormPlan): Float64Array {
  return spread(variance, group, channelMap(plan), plan.channelGroups)
    .map((v) => 1 / Math.sqrt(v + plan.epsilon));
}

function divide(values: Float64Array, count: number): void {
  if (count > 0) { for (let i = 0; i < values.length; i++) values[i] /= count; }
}
