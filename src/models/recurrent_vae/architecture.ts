/**
 * Sizes and parameters of the network for a given configuration: a pure description, no tensors.
 *
 * Spatial chain, output paddings and the table of state entries in PyTorch's order and shapes.
 * Source: [recurrent-vae §3.1, §3.2, §3.4, §3.6, §8].
 */
import type { Triple } from "../../backends/kernel_contract.ts";
import type { SpatialShape } from "../../base/arrays.ts";
import { type ParameterEntry, plainEntry, sizeOf } from "../../parameters/entry.ts";
import {
  convolutionEntries,
  filterEntry,
  linearEntries,
  normEntries,
} from "../../parameters/layers.ts";
import type { RecurrentVaeConfig } from "./config.ts";

/** Kernel size of every (transposed) convolution, each spatial axis. */
export const KERNEL_SIZE = 4;
/** The kernel along z, y and x. */
export const KERNEL: Triple = [KERNEL_SIZE, KERNEL_SIZE, KERNEL_SIZE];
/** Stride and padding of every level: each halves every axis, rounding down. */
export const GEOMETRY = { stride: 2, padding: 1 } as const;

/** One resolution step: a volume of `fine` voxels above, `coarse` below. */
export interface LevelSize {
  /** `[X, Y, Z]` before the encoder's convolution and after the decoder's. */
  readonly fine: SpatialShape;
  /** `[X, Y, Z]` after the encoder's convolution: floor(n/2) per axis. */
  readonly coarse: SpatialShape;
  /** 1 per axis where `fine` is odd, else 0: fine − 2·coarse. */
  readonly outputPadding: SpatialShape;
}

/** The network's description. */
export interface Architecture {
  /** Number of levels L. */
  readonly levels: readonly LevelSize[];
  /** `[X, Y, Z]` at the bottom. */
  readonly bottom: SpatialShape;
  /** Voxels at the bottom, P. */
  readonly bottomVoxels: number;
  /** Channels entering encoder block l (1 for the first) and leaving it. */
  readonly encoder: readonly { readonly inChannels: number; readonly outChannels: number }[];
  /** Channels entering decoder block l (coarse to fine) and leaving it (1 for the last). */
  readonly decoder: readonly { readonly inChannels: number; readonly outChannels: number }[];
  /** State entries in PyTorch's order (62 for four levels with batch norm). */
  readonly entries: readonly ParameterEntry[];
  /** Float32 values kept per volume between an encoder's forward and backward pass (without the input). */
  readonly encoderValues: number;
  /** The same for the decoder (without target and output). */
  readonly decoderValues: number;
}

/**
 * Derives the network from a configuration.
 *
 * @param config Validated.
 * @param subjects Rows N of the offset table.
 */
export function describeArchitecture(config: RecurrentVaeConfig, subjects: number): Architecture {
  const levels = chain(config.spatialShape, config.channels.length);
  const bottom = levels[levels.length - 1].coarse;
  const bottomVoxels = sizeOf(bottom);
  const encoder = config.channels.map((outChannels, l) => ({
    inChannels: l === 0 ? 1 : config.channels[l - 1],
    outChannels,
  }));
  const decoder = config.decoderChannels.map((inChannels, l) => ({
    inChannels,
    outChannels: config.decoderChannels[l + 1] ?? 1,
  }));
  const encoderValues = levels.reduce(
    (sum, level, l) => sum + 2 * sizeOf(level.coarse) * encoder[l].outChannels,
    0,
  );
  const decoderValues = levels.reduce(
    (sum, level, l) => sum + 2 * sizeOf(level.coarse) * decoder[levels.length - 1 - l].inChannels,
    0,
  );
  const size = { bottom, encoder, decoder };
  const entries = [
    ...latentEntries(config, subjects),
    ...encoderEntries(config, size),
    ...headEntries(config),
    ...decoderEntries(config, size),
  ];
  return { levels, bottomVoxels, encoderValues, decoderValues, entries, ...size };
}

/** Names of the blocks, PyTorch's: encoder1 … encoderL convolutions, encoder{L+1} linear; likewise the decoder. */
export const blockName = {
  /** Convolution of level l (0-based). */
  encoder: (l: number) => `encoder${l + 1}`,
  /** The linear layer behind the last level. */
  encoderLinear: (levels: number) => `encoder${levels + 1}.1`,
  /** The linear layer at the bottom. */
  decoderLinear: "decoder1",
  /** Transposed convolution l (0-based, coarse to fine). */
  decoder: (l: number) => `decoder${l + 2}`,
} as const;

interface Sizes {
  readonly bottom: SpatialShape;
  readonly encoder: Architecture["encoder"];
  readonly decoder: Architecture["decoder"];
}

function chain(shape: SpatialShape, count: number): LevelSize[] {
  const levels: LevelSize[] = [];
  let fine = shape;
  for (let l = 0; l < count; l++) {
    const coarse = fine.map((n) => Math.floor(n / 2)) as unknown as SpatialShape;
    const outputPadding = fine.map((n, axis) => n - 2 * coarse[axis]) as unknown as SpatialShape;
    levels.push({ fine, coarse, outputPadding });
    fine = coarse;
  }
  return levels;
}

function latentEntries(config: RecurrentVaeConfig, subjects: number): ParameterEntry[] {
  const { latentDim, sigZ } = config;
  return [
    plainEntry("z_vectors", {
      shape: [subjects, latentDim],
      start: { kind: "normal", deviation: sigZ },
    }),
    plainEntry("F_mat", {
      shape: [latentDim, latentDim],
      kind: "buffer",
      start: { kind: "uniform", from: 0, to: 1 },
    }),
  ];
}

/**
 * The order in which the original draws from PyTorch's generator: layers first, weight before bias, then z_vectors, then
 * F_mat [recurrent-vae §3.4].
 *
 * @param entries Of {@link Architecture}.
 */
export function torchDrawOrder(entries: readonly ParameterEntry[]): ParameterEntry[] {
  const isLatent = ({ key }: ParameterEntry) => key === "z_vectors" || key === "F_mat";
  return [...entries.filter((entry) => !isLatent(entry)), ...entries.filter(isLatent)];
}

function encoderEntries(config: RecurrentVaeConfig, size: Sizes): ParameterEntry[] {
  const levels = config.channels.length;
  return [
    ...size.encoder.flatMap(({ inChannels, outChannels }, l) => {
      const name = blockName.encoder(l);
      return [
        ...convolutionEntries(`${name}.0`, { axes: [outChannels, inChannels, ...KERNEL] }),
        ...normEntries(`${name}.1`, { channels: outChannels, running: keepsStatistics(config) }),
      ];
    }),
    ...linearEntries(blockName.encoderLinear(levels), {
      inputs: [config.channels[levels - 1], ...size.bottom],
      outputs: [config.encOutDim],
    }),
  ];
}

function headEntries({ encOutDim, latentDim }: RecurrentVaeConfig): ParameterEntry[] {
  return ["hidden2mu", "hidden2log_var"].flatMap((name) =>
    linearEntries(name, { inputs: [encOutDim + latentDim], outputs: [latentDim] })
  );
}

function decoderEntries(config: RecurrentVaeConfig, size: Sizes): ParameterEntry[] {
  const [first] = config.decoderChannels;
  const running = keepsStatistics(config);
  const last = size.decoder.length - 1;
  return [
    ...linearEntries(`${blockName.decoderLinear}.0`, {
      inputs: [config.latentDim],
      outputs: [first, ...size.bottom],
    }),
    ...normEntries(`${blockName.decoderLinear}.2`, { channels: first, running }),
    ...size.decoder.flatMap(({ inChannels, outChannels }, l) => {
      const name = blockName.decoder(l);
      return [
        filterEntry(`${name}.0.weight`, { axes: [inChannels, outChannels, ...KERNEL] }),
        ...(l < last ? normEntries(`${name}.1`, { channels: outChannels, running }) : []),
      ];
    }),
  ];
}

function keepsStatistics({ normalization }: RecurrentVaeConfig): boolean {
  return normalization === "batch";
}
