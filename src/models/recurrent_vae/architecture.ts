/**
 * Sizes and parameters of the network for a given configuration: a pure description, no tensors.
 *
 * Spatial chain, output paddings and the table of state entries in PyTorch's order and shapes.
 * Source: spec sections 3.1, 3.2, 3.4, 3.6, 8.
 */
import type { Triple } from "../../backends/kernel_contract.ts";
import type { SpatialShape } from "../../base/arrays.ts";
import type { RecurrentVaeConfig } from "./config.ts";

/** Kernel size of every (transposed) convolution, each spatial axis. */
export const KERNEL_SIZE = 4;
/** The kernel along z, y and x. */
export const KERNEL: Triple = [KERNEL_SIZE, KERNEL_SIZE, KERNEL_SIZE];
/** Stride and padding of every level: each halves every axis, rounding down. */
export const GEOMETRY = { stride: 2, padding: 1 } as const;

/** One entry of the state dictionary. */
export interface StateEntry {
  /** PyTorch's name, e.g. `"encoder1.0.weight"`. */
  readonly key: string;
  /** Shape in files (PyTorch's). */
  readonly shape: readonly number[];
  /** Shape in memory. */
  readonly memoryShape: readonly number[];
  /** Trained, kept beside (running statistics, F), or an int64 counter. */
  readonly kind: "parameter" | "buffer" | "counter";
  /**
   * The file's axes with flattened volumes spelled out, in groups, e.g. `[[E], [C, X, Y, Z]]` for encoder5's
   * weight. In memory the axes stand in reverse order inside each group: (out, in, kx, ky, kz) becomes
   * `[kz, ky, kx, in, out]`, and what files flatten as (C, X, Y, Z) is flattened as (Z, Y, X, C).
   */
  readonly axisGroups: readonly (readonly number[])[];
  /** How it starts (spec 3.4); `fanIn` gives the bound 1/√fanIn of the uniform draw. */
  readonly start:
    | { readonly kind: "uniform"; readonly fanIn: number }
    | { readonly kind: "constant"; readonly value: number }
    | { readonly kind: "offsets" }
    | { readonly kind: "transition" };
}

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
  readonly entries: readonly StateEntry[];
  /** Float32 values kept per volume between an encoder's forward and backward pass (without the input). */
  readonly encoderValues: number;
  /** The same for the decoder (without target and output). */
  readonly decoderValues: number;
}

/**
 * Derives the network from a configuration.
 *
 * @param config Validated. @param subjects Rows N of the offset table.
 */
export function describeArchitecture(config: RecurrentVaeConfig, subjects: number): Architecture {
  const levels = chain(config.spatialShape, config.channels.length);
  const bottom = levels[levels.length - 1].coarse;
  const bottomVoxels = voxels(bottom);
  const encoder = config.channels.map((outChannels, l) => ({
    inChannels: l === 0 ? 1 : config.channels[l - 1],
    outChannels,
  }));
  const decoder = config.decoderChannels.map((inChannels, l) => ({
    inChannels,
    outChannels: config.decoderChannels[l + 1] ?? 1,
  }));
  const encoderValues = levels.reduce(
    (sum, level, l) => sum + 2 * voxels(level.coarse) * encoder[l].outChannels,
    0,
  );
  const decoderValues = levels.reduce(
    (sum, level, l) => sum + 2 * voxels(level.coarse) * decoder[levels.length - 1 - l].inChannels,
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

/** Voxels of a shape. */
export function voxels(shape: readonly number[]): number {
  return shape.reduce((product, n) => product * n, 1);
}

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

function latentEntries(config: RecurrentVaeConfig, subjects: number): StateEntry[] {
  const d = config.latentDim;
  return [
    inFileOrder("z_vectors", [subjects, d], "parameter", { kind: "offsets" }),
    inFileOrder("F_mat", [d, d], "buffer", { kind: "transition" }),
  ];
}

function encoderEntries(config: RecurrentVaeConfig, size: Sizes): StateEntry[] {
  const entries: StateEntry[] = [];
  size.encoder.forEach(({ inChannels, outChannels }, l) => {
    const name = blockName.encoder(l);
    const fanIn = inChannels * KERNEL_SIZE ** 3;
    const start = { kind: "uniform", fanIn } as const;
    entries.push(
      filterEntry(`${name}.0.weight`, [outChannels, inChannels, ...KERNEL], start),
      inFileOrder(`${name}.0.bias`, [outChannels], "parameter", start),
    );
    entries.push(...normEntries(`${name}.1`, outChannels, config));
  });
  const levels = config.channels.length;
  entries.push(
    ...linearEntries(
      blockName.encoderLinear(levels),
      [config.channels[levels - 1], ...size.bottom],
      [config.encOutDim],
    ),
  );
  return entries;
}

function headEntries(config: RecurrentVaeConfig): StateEntry[] {
  return ["hidden2mu", "hidden2log_var"].flatMap((name) =>
    linearEntries(name, [config.encOutDim + config.latentDim], [config.latentDim])
  );
}

function decoderEntries(config: RecurrentVaeConfig, size: Sizes): StateEntry[] {
  const first = config.decoderChannels[0];
  const entries = linearEntries(
    `${blockName.decoderLinear}.0`,
    [config.latentDim],
    [first, ...size.bottom],
  );
  entries.push(...normEntries(`${blockName.decoderLinear}.2`, first, config));
  size.decoder.forEach(({ inChannels, outChannels }, l) => {
    const name = blockName.decoder(l);
    // PyTorch takes axis 1, the output channels, for the fan-in of a transposed convolution.
    const start = { kind: "uniform", fanIn: outChannels * KERNEL_SIZE ** 3 } as const;
    entries.push(filterEntry(`${name}.0.weight`, [inChannels, outChannels, ...KERNEL], start));
    if (l < size.decoder.length - 1) entries.push(...normEntries(`${name}.1`, outChannels, config));
  });
  return entries;
}

/** A linear layer (out, in); `inputs` and `outputs` are axes, `[C, X, Y, Z]` where a volume is flattened. */
function linearEntries(
  name: string,
  inputs: readonly number[],
  outputs: readonly number[],
): StateEntry[] {
  const shape = [voxels(outputs), voxels(inputs)];
  const common = {
    kind: "parameter",
    start: { kind: "uniform", fanIn: voxels(inputs) },
  } as const;
  return [
    {
      ...common,
      key: `${name}.weight`,
      shape,
      memoryShape: shape,
      axisGroups: [outputs, inputs],
    },
    {
      ...common,
      key: `${name}.bias`,
      shape: [shape[0]],
      memoryShape: [shape[0]],
      axisGroups: [outputs],
    },
  ];
}

/** Batch norm: weight, bias, running_mean, running_var, num_batches_tracked; group norm: the first two. */
function normEntries(name: string, channels: number, config: RecurrentVaeConfig): StateEntry[] {
  const constant = (value: number) => ({ kind: "constant", value }) as const;
  const affine = [
    inFileOrder(`${name}.weight`, [channels], "parameter", constant(1)),
    inFileOrder(`${name}.bias`, [channels], "parameter", constant(0)),
  ];
  if (config.normalization === "group") return affine;
  return [
    ...affine,
    inFileOrder(`${name}.running_mean`, [channels], "buffer", constant(0)),
    inFileOrder(`${name}.running_var`, [channels], "buffer", constant(1)),
    inFileOrder(`${name}.num_batches_tracked`, [], "counter", constant(0)),
  ];
}

/** An entry whose memory order is the file's. */
function inFileOrder(
  key: string,
  shape: readonly number[],
  kind: StateEntry["kind"],
  start: StateEntry["start"],
): StateEntry {
  return { key, shape, memoryShape: shape, kind, axisGroups: [[voxels(shape)]], start };
}

/** A filter: all axes reversed in memory. */
function filterEntry(key: string, axes: readonly number[], start: StateEntry["start"]): StateEntry {
  const memoryShape = [...axes].reverse();
  return { key, shape: axes, memoryShape, kind: "parameter", axisGroups: [axes], start };
}
