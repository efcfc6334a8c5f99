/** Normalisation with LeakyReLU and its gradient in the battery. */
import type { NdArray } from "../../src/base/arrays.ts";
import { RandomStream } from "../../src/base/random.ts";
import {
  batchNormActivation,
  fixedNormActivation,
  normActivationGradient,
} from "../../src/ops/norm_activation.ts";
import { between, normalArray, pick, uniformArray } from "../support/random_arrays.ts";
import type { Case, Family } from "./battery.ts";
import { blockOf, type NormSizes, type Statistic, statisticsOf } from "./norm_statistics.ts";
import { fromSquares, sumTolerance, UNIT_ROUNDOFF as u } from "./rounding.ts";

/** batchNormActivation for batch and group norm. */
export const NORM: Family = {
  name: "batch and group norm",
  cases: (count) => normSizes(count).map((sizes, i) => normCase(sizes, i)),
};

/** fixedNormActivation. */
export const FIXED_NORM: Family = {
  name: "norm with fixed statistics",
  cases: (count) =>
    normSizes(count).map((sizes, i) => {
      const whole = { ...sizes, sampleGroups: 1, channelGroups: sizes.shape.at(-1)! };
      return fixedCase(whole, i);
    }),
};

/** normActivationGradient for batch norm, group norm and fixed statistics. */
export const NORM_GRADIENT: Family = {
  name: "norm gradient",
  cases: (count) => normSizes(count).map((sizes, i) => gradientCase(sizes, i)),
};

function normSizes(count: number): NormSizes[] {
  const random = RandomStream.fromSeed(102).split("norms");
  const sizes: NormSizes[] = [
    { shape: [1, 1, 1, 1, 1], sampleGroups: 1, channelGroups: 1 },
    { shape: [2, 1, 1, 1, 32], sampleGroups: 1, channelGroups: 32 },
    { shape: [4, 1, 1, 1, 32], sampleGroups: 2, channelGroups: 32 },
    { shape: [0, 3, 2, 2, 4], sampleGroups: 1, channelGroups: 4 },
    { shape: [6, 5], sampleGroups: 3, channelGroups: 5 },
    { shape: [2, 2, 2, 2, 1024], sampleGroups: 1, channelGroups: 1024 },
    { shape: [8, 9, 10, 11, 4], sampleGroups: 4, channelGroups: 4 },
    { shape: [2, 13, 12, 20, 8], sampleGroups: 1, channelGroups: 8 },
    { shape: [3, 5, 6, 5, 32], sampleGroups: 3, channelGroups: 8 },
  ];
  while (sizes.length < count) {
    const sampleGroups = pick(random, [1, 1, 2, 3, 5]);
    const perGroup = between(random, 1, 4);
    const width = pick(random, [1, 1, 1, 2, 3]);
    const channelGroups = pick(random, [1, 2, 3, 4, 5, 7, 8, 16, 17]);
    sizes.push({
      shape: [
        sampleGroups * perGroup,
        between(random, 1, 6),
        between(random, 1, 6),
        between(random, 1, 9),
        channelGroups * width,
      ],
      sampleGroups,
      channelGroups,
    });
  }
  return sizes.slice(0, count);
}

/**
 * Values whose mean is up to two deviations from zero, in every fourth case a hundred, so that a variance
 * taken in one pass would show.
 */
function draw({ shape }: NormSizes, i: number) {
  const random = RandomStream.fromSeed(i).split("norm values");
  const channels = shape.at(-1)!;
  const offset = (i % 4 === 2 ? 100 : 2) * (2 * random.uniform() - 1);
  const x = normalArray(random, shape);
  return {
    x: { data: x.data.map((v) => Math.fround(v + offset)), shape },
    gamma: uniformArray(random, [channels], [-2, 2]),
    beta: normalArray(random, [channels]),
    random,
  };
}

function normCase(sizes: NormSizes, i: number): Case {
  const { x, gamma, beta } = draw(sizes, i);
  const options = { ...sizes, slope: i % 7 === 0 ? 1 : 0.2 };
  return {
    label: describe(sizes),
    inputs: { x, gamma, beta },
    run(tensors) {
      const { y, mean, variance } = batchNormActivation(tensors.x, {
        gamma: tensors.gamma,
        beta: tensors.beta,
      }, options);
      return [y, mean, variance];
    },
    tolerances() {
      const statistics = statisticsOf(x, sizes);
      return [
        outputTolerances({ x, gamma, beta }, sizes, statistics),
        statistics.map((s) => s.count === 0 ? Infinity : s.meanError),
        statistics.map((s) => s.count === 0 ? Infinity : s.varianceError),
      ];
    },
  };
}

function fixedCase(sizes: NormSizes, i: number): Case {
  const { x, gamma, beta, random } = draw(sizes, i);
  const channels = sizes.shape.at(-1)!;
  const mean = normalArray(random, [channels]);
  const variance = uniformArray(random, [channels], [0.01, 3]);
  return {
    label: describe(sizes),
    inputs: { x, gamma, beta, mean, variance },
    run: ({ x, gamma, beta, mean, variance }) => [
      fixedNormActivation(x, { gamma, beta }, { mean, variance }),
    ],
    tolerances: () => [
      outputTolerances({ x, gamma, beta }, sizes, givenStatistics(mean, variance)),
    ],
  };
}

/** Statistics handed to the operation are exact, so only what happens to them later errs. */
function givenStatistics(
  mean: NdArray<Float64Array>,
  variance: NdArray<Float64Array>,
): Statistic[] {
  return Array.from(mean.data, (m, c) => ({
    count: 1,
    mean: m,
    variance: variance.data[c],
    meanError: 0,
    varianceError: 0,
  }));
}

/**
 * x̂ = (x − m)/σ errs by (δm + 2u(|x| + |m|))/σ + |x̂|·(δv/(2σ²) + 5u): the mean's error and one rounding each of x and
 * m, which is what folding the normalisation into scale·x + shift amounts to; then the variance's error through
 * the root, the root and the division. y = γx̂ + β adds two roundings; LeakyReLU enlarges nothing.
 */
function outputTolerances(
  { x, gamma, beta }: Record<"x" | "gamma" | "beta", NdArray<Float64Array>>,
  sizes: NormSizes,
  statistics: readonly Statistic[],
): Float64Array {
  return x.data.map((value, position) => {
    const { block, channel } = blockOf(position, sizes);
    const { mean, variance, meanError, varianceError } = statistics[block];
    const total = variance + 1e-5;
    const deviation = Math.sqrt(total);
    const normal = Math.abs(value - mean) / deviation;
    const error = (meanError + 2 * u * (Math.abs(value) + Math.abs(mean))) / deviation +
      normal * (varianceError / (2 * total) + 5 * u);
    return Math.abs(gamma.data[channel]) * (error + 2 * u * normal) +
      3 * u * Math.abs(beta.data[channel]) + 1e-37;
  });
}

function gradientCase(sizes: NormSizes, i: number): Case {
  const { x, gamma, beta, random } = draw(sizes, i);
  const fixedStatistics = i % 4 === 3;
  const used = fixedStatistics
    ? { ...sizes, sampleGroups: 1, channelGroups: sizes.shape.at(-1)! }
    : sizes;
  const blocks = [used.sampleGroups, used.channelGroups];
  const statistics = statisticsOf(x, used);
  const mean = rounded(statistics.map((s) => s.mean), blocks);
  const variance = rounded(statistics.map((s) => s.variance), blocks);
  const dy = awayFromTheKink(normalArray(random, sizes.shape), {
    x,
    gamma,
    beta,
    mean,
    variance,
  }, used);
  const inputs = { dy, x, gamma, beta, mean, variance };
  return {
    label: `${describe(used)}${fixedStatistics ? " fixed" : ""}`,
    inputs,
    run({ dy, ...rest }) {
      const gradient = normActivationGradient(dy, {
        ...(rest as Record<"x" | "gamma" | "beta" | "mean" | "variance", typeof dy>),
        ...used,
        fixedStatistics,
      });
      return [gradient.dx, gradient.dGamma, gradient.dBeta];
    },
    tolerances: () => gradientTolerances(inputs, used, fixedStatistics),
  };
}

type GradientInputs = Record<
  "dy" | "x" | "gamma" | "beta" | "mean" | "variance",
  NdArray<Float64Array>
>;

/** x̂, g = dy·leaky′ and 1/σ of one value. */
function termsOf(inputs: GradientInputs, sizes: NormSizes, position: number) {
  const { block, channel } = blockOf(position, sizes);
  const scale = 1 / Math.sqrt(inputs.variance.data[block] + 1e-5);
  const normal = (inputs.x.data[position] - inputs.mean.data[block]) * scale;
  const before = inputs.gamma.data[channel] * normal + inputs.beta.data[channel];
  const g = inputs.dy.data[position] * (before > 0 ? 1 : 0.2);
  return { block, channel, scale, normal, before, g };
}

/**
 * dx = (γg − A − x̂·B)/σ with A = mean(γg), B = mean(γg·x̂) over the block. x̂ errs by 8u|x̂| (statistics are given
 * exactly), A and B like sums of terms of random sign, divided by their number.
 */
function gradientTolerances(
  inputs: GradientInputs,
  sizes: NormSizes,
  fixed: boolean,
): Float64Array[] {
  const blocks = sizes.sampleGroups * sizes.channelGroups;
  const channels = sizes.shape.at(-1)!;
  const perBlock = inputs.x.data.length / blocks;
  const perChannel = inputs.x.data.length / channels;
  const [squaresG, squaresGx] = [new Float64Array(blocks), new Float64Array(blocks)];
  const [sumG, sumGx] = [new Float64Array(blocks), new Float64Array(blocks)];
  const [betaSquares, gammaSquares] = [new Float64Array(channels), new Float64Array(channels)];
  inputs.x.data.forEach((_, position) => {
    const { block, channel, normal, g } = termsOf(inputs, sizes, position);
    betaSquares[channel] += g * g;
    gammaSquares[channel] += (g * normal) ** 2;
    if (fixed) return;
    const term = inputs.gamma.data[channel] * g;
    sumG[block] += term;
    sumGx[block] += term * normal;
    squaresG[block] += term * term;
    squaresGx[block] += (term * normal) ** 2;
  });
  const relative = sumTolerance(perBlock) + 20 * u;
  const dx = inputs.x.data.map((_, position) => {
    const { block, channel, scale, normal, g } = termsOf(inputs, sizes, position);
    const own = Math.abs(inputs.gamma.data[channel] * g);
    const sums = Math.abs(sumG[block]) + Math.abs(normal * sumGx[block]);
    const roots = Math.sqrt(squaresG[block]) + Math.abs(normal) * Math.sqrt(squaresGx[block]);
    const means = (relative * roots + 12 * u * sums) / perBlock;
    return scale * (means + 8 * u * own) + 1e-37;
  });
  return [
    dx,
    fromSquares(gammaSquares, perChannel).map((tolerance) => 2 * tolerance),
    fromSquares(betaSquares, perChannel),
  ];
}

/** dy with zeros where the value before LeakyReLU is so close to 0 that rounding decides its sign. */
function awayFromTheKink(
  dy: NdArray<Float64Array>,
  rest: Omit<GradientInputs, "dy">,
  sizes: NormSizes,
): NdArray<Float64Array> {
  const data = dy.data.map((value, position) => {
    const { before, normal, scale, block, channel } = termsOf({ dy, ...rest }, sizes, position);
    const folded = scale * (Math.abs(rest.x.data[position]) + Math.abs(rest.mean.data[block]));
    const margin = 16 * u * (Math.abs(rest.beta.data[channel]) +
      Math.abs(rest.gamma.data[channel]) * (Math.abs(normal) + folded));
    return Math.abs(before) <= margin ? 0 : value;
  });
  return { data, shape: dy.shape };
}

function rounded(values: readonly number[], shape: readonly number[]): NdArray<Float64Array> {
  return { data: Float64Array.from(values, Math.fround), shape };
}

function describe({ shape, sampleGroups, channelGroups }: NormSizes): string {
  return `shape [${shape}] groups ${sampleGroups}×${channelGroups}`;
}
