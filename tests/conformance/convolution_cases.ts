/** Sizes of convolutions for the battery, seeded: the model's layers, general ones, and the edges. */
import type { Triple } from "../../src/backends/kernel_contract.ts";
import { RandomStream } from "../../src/base/random.ts";
import { between, pick } from "../support/random_arrays.ts";

/** One convolution; `size` is the input's. */
export interface ConvolutionSizes {
  readonly samples: number;
  readonly size: Triple;
  readonly kernel: Triple;
  readonly stride: Triple;
  readonly padding: Triple;
  readonly channels: readonly [input: number, output: number];
}

const CHANNELS = [1, 1, 2, 3, 4, 4, 5, 7, 8, 8, 12, 16, 17, 32, 33];

/** Multiplications per case; larger draws are drawn again. */
const LARGEST = 400_000;

/** Cases at the edges, always included. */
const EDGES: readonly ConvolutionSizes[] = [
  ...([[2, 2, 2], [3, 3, 3], [2, 3, 2]] as const).map((size) => level(1, size, [16, 32])),
  ...([1, 2, 4, 6] as const).map((samples) => level(samples, [3, 2, 3], [8, 16])),
  level(0, [5, 4, 5], [4, 8]),
  level(0, [5, 4, 5], [1, 4]),
  level(2, [11, 13, 9], [1, 4]),
  level(2, [9, 10, 47], [4, 8]),
  level(1, [4, 5, 91], [1, 4]),
  level(1, [4, 5, 92], [1, 4]),
  level(3, [6, 7, 45], [4, 8]),
  plain(1, [1, 1, 1], [1, 1, 1], [1, 1]),
  plain(5, [1, 1, 1], [1, 1, 1], [3, 7]),
  plain(2, [1, 1, 1], [1, 1, 1], [1024, 3]),
  plain(2, [1, 1, 1], [1, 1, 1], [1, 1024]),
  plain(1, [1, 1, 2], [1, 1, 2], [257, 129]),
  plain(0, [3, 3, 3], [3, 3, 3], [2, 5]),
  { ...plain(2, [4, 4, 4], [3, 3, 3], [2, 3]), padding: [3, 3, 3] },
  { ...plain(1, [1, 1, 1], [7, 7, 7], [3, 5]), padding: [3, 3, 3] },
  { ...plain(2, [9, 8, 7], [7, 7, 7], [1, 2]), stride: [3, 3, 3], padding: [0, 1, 2] },
  { ...plain(1, [16, 16, 16], [8, 8, 8], [1, 4]), stride: [8, 8, 8] },
];

/** The first `count` sizes: the edges, then random ones. */
export function convolutionSizes(count: number): ConvolutionSizes[] {
  const random = RandomStream.fromSeed(101).split("convolutions");
  const sizes = EDGES.slice(0, count);
  while (sizes.length < count) {
    const drawn = random.uniform() < 0.4 ? drawLevel(random) : drawGeneral(random);
    if (multiplications(drawn) <= LARGEST) sizes.push(drawn);
  }
  return sizes;
}

/** Output size `[Z', Y', X']`. */
export function outputSize({ size, kernel, stride, padding }: ConvolutionSizes): Triple {
  return size.map((n, a) =>
    Math.floor((n + 2 * padding[a] - kernel[a]) / stride[a]) + 1
  ) as unknown as Triple;
}

/** The sizes as text. */
export function describe(sizes: ConvolutionSizes): string {
  const { samples, size, kernel, stride, padding, channels } = sizes;
  return `N ${samples} size [${size}] kernel [${kernel}] stride [${stride}] ` +
    `padding [${padding}] channels ${channels[0]}→${channels[1]}`;
}

function level(samples: number, size: Triple, channels: readonly [number, number]) {
  return {
    samples,
    size,
    kernel: [4, 4, 4],
    stride: [2, 2, 2],
    padding: [1, 1, 1],
    channels,
  } as const;
}

function plain(
  samples: number,
  size: Triple,
  kernel: Triple,
  channels: readonly [number, number],
): ConvolutionSizes {
  return { samples, size, kernel, stride: [1, 1, 1], padding: [0, 0, 0], channels };
}

/** A level of the model's encoder or decoder: kernel 4, stride 2, padding 1. */
function drawLevel(random: RandomStream): ConvolutionSizes {
  const wide = random.uniform() < 0.3;
  const size: Triple = [
    between(random, 2, 9),
    between(random, 2, 9),
    wide ? between(random, 20, 95) : between(random, 2, 24),
  ];
  const own = [[1, 4], [4, 8], [8, 16], [16, 32]] as const;
  const channels = random.uniform() < 0.6
    ? pick(random, own)
    : [pick(random, CHANNELS), pick(random, CHANNELS)] as const;
  return level(between(random, 1, 4), size, channels);
}

/** Any kernel 1–7, stride 1–3 and padding; one case in four uses one or two axes only. */
function drawGeneral(random: RandomStream): ConvolutionSizes {
  const used = random.uniform() < 0.25
    ? pick(random, [[0, 0, 1], [0, 1, 1], [1, 0, 0], [0, 1, 0]] as const)
    : [1, 1, 1];
  const axes = used.map((use) =>
    use ? drawAxis(random) : { size: 1, kernel: 1, stride: 1, padding: 0 }
  );
  const along = (key: keyof typeof axes[0]) => axes.map((axis) => axis[key]) as unknown as Triple;
  return {
    samples: between(random, 1, 4),
    size: along("size"),
    kernel: along("kernel"),
    stride: along("stride"),
    padding: along("padding"),
    channels: [pick(random, CHANNELS), pick(random, CHANNELS)],
  };
}

function drawAxis(random: RandomStream) {
  const kernel = between(random, 1, 7);
  const stride = between(random, 1, 3);
  const padding = random.uniform() < 0.3 ? 0 : between(random, 0, kernel);
  const outputs = between(random, 1, 6);
  const size = stride * (outputs - 1) + kernel - 2 * padding + random.integer(stride);
  return { kernel, stride, padding, size: Math.max(1, kernel - 2 * padding, size) };
}

function multiplications(sizes: ConvolutionSizes): number {
  const product = (values: readonly number[]) => values.reduce((total, n) => total * n, 1);
  return sizes.samples * product(outputSize(sizes)) * product(sizes.kernel) *
    product(sizes.channels);
}
