/**
 * Entries of the layers that networks are made of, with PyTorch's names, shapes and starting values.
 */
import {
  type ParameterEntry,
  plainEntry,
  sizeOf,
  type StartingValues,
  uniformByFanIn,
} from "./entry.ts";

/** Sizes of a linear layer. */
export interface LinearSizes {
  /** Input axes: `[I]`, or `[C, X, Y, Z]` where a volume is flattened. */
  readonly inputs: readonly number[];
  /** Output axes, likewise. */
  readonly outputs: readonly number[];
  /** Whether there is a bias; default true. */
  readonly bias?: boolean;
  /** Draw of weight and bias; default uniform on ±1/√I. */
  readonly start?: StartingValues;
}

/**
 * A linear layer: `NAME.weight` `[O, I]` and `NAME.bias` `[O]`.
 *
 * @param name Before the dot.
 * @param sizes See {@link LinearSizes}.
 */
export function linearEntries(name: string, sizes: LinearSizes): ParameterEntry[] {
  const { inputs, outputs, bias = true } = sizes;
  const shape = [sizeOf(outputs), sizeOf(inputs)];
  const common = {
    kind: "parameter",
    start: sizes.start ?? uniformByFanIn(sizeOf(inputs)),
  } as const;
  const weight = {
    ...common,
    key: `${name}.weight`,
    shape,
    memoryShape: shape,
    axisGroups: [outputs, inputs],
  };
  if (!bias) return [weight];
  const rows = [shape[0]];
  return [
    weight,
    { ...common, key: `${name}.bias`, shape: rows, memoryShape: rows, axisGroups: [outputs] },
  ];
}

/** Sizes of a convolution's filter. */
export interface FilterSizes {
  /** PyTorch's axes: `[out, in, …kernel]`, for a transposed convolution `[in, out, …kernel]`. */
  readonly axes: readonly number[];
  /** Draw; default uniform on ±1/√(axes[1]·kernel), PyTorch's fan-in for both kinds. */
  readonly start?: StartingValues;
}

/**
 * The filter of a (transposed) convolution; in memory all axes are reversed: `[…kernel reversed, in, out]`.
 *
 * @param key Full name.
 * @param sizes See {@link FilterSizes}.
 */
export function filterEntry(key: string, { axes, start }: FilterSizes): ParameterEntry {
  return {
    key,
    shape: axes,
    memoryShape: axes.toReversed(),
    kind: "parameter",
    axisGroups: [axes],
    start: start ?? uniformByFanIn(sizeOf(axes.slice(1))),
  };
}

/**
 * A convolution with bias: `NAME.weight` and `NAME.bias` `[out]`.
 *
 * @param name Before the dot.
 * @param sizes See {@link FilterSizes}; `transposed` says which axis is `out`.
 */
export function convolutionEntries(
  name: string,
  sizes: FilterSizes & { readonly transposed?: boolean },
): ParameterEntry[] {
  const weight = filterEntry(`${name}.weight`, sizes);
  const channels = sizes.axes[sizes.transposed ? 1 : 0];
  return [weight, plainEntry(`${name}.bias`, { shape: [channels], start: weight.start })];
}

/**
 * A norm layer: `NAME.weight` (ones) and `NAME.bias` (zeros); with running statistics (batch norm) also
 * `running_mean`, `running_var` and the int64 counter `num_batches_tracked`.
 *
 * @param name Before the dot.
 * @param options Channels (or the width a layer norm covers), and whether running statistics are kept.
 */
export function normEntries(
  name: string,
  { channels, running = false }: { readonly channels: number; readonly running?: boolean },
): ParameterEntry[] {
  const constant = (value: number) => ({ kind: "constant", value }) as const;
  const shape = [channels];
  const affine = [
    plainEntry(`${name}.weight`, { shape, start: constant(1) }),
    plainEntry(`${name}.bias`, { shape, start: constant(0) }),
  ];
  if (!running) return affine;
  return [
    ...affine,
    plainEntry(`${name}.running_mean`, { shape, kind: "buffer", start: constant(0) }),
    plainEntry(`${name}.running_var`, { shape, kind: "buffer", start: constant(1) }),
    plainEntry(`${name}.num_batches_tracked`, { shape: [], kind: "counter" }),
  ];
}

/**
 * A table of vectors: `NAME.weight` `[rows, width]`, standard normal as PyTorch's `Embedding`.
 *
 * @param name Before the dot.
 * @param options Rows, width and the standard deviation of the start.
 */
export function embeddingEntry(
  name: string,
  { rows, width, deviation = 1 }: {
    readonly rows: number;
    readonly width: number;
    readonly deviation?: number;
  },
): ParameterEntry {
  return plainEntry(`${name}.weight`, {
    shape: [rows, width],
    start: { kind: "normal", deviation },
  });
}

/**
 * The projections of a multi-head attention under PyTorch's names: `in_proj_weight` `[3W, W]` (query, key, value),
 * `in_proj_bias` `[3W]` (zeros), `out_proj.weight` `[W, W]`, `out_proj.bias` `[W]` (zeros).
 *
 * @param name Before the dot.
 * @param options Width W.
 */
export function attentionEntries(
  name: string,
  { width }: { readonly width: number },
): ParameterEntry[] {
  // Xavier's draw over the joint matrix, as PyTorch's MultiheadAttention does.
  const bound = Math.sqrt(6 / (4 * width));
  const weight = { kind: "uniform", from: -bound, to: bound } as const;
  return [
    plainEntry(`${name}.in_proj_weight`, { shape: [3 * width, width], start: weight }),
    plainEntry(`${name}.in_proj_bias`, { shape: [3 * width] }),
    plainEntry(`${name}.out_proj.weight`, { shape: [width, width], start: uniformByFanIn(width) }),
    plainEntry(`${name}.out_proj.bias`, { shape: [width] }),
  ];
}

/** Gates of a recurrent cell: rows of its weights in units of the width. */
const GATES = { lstm: 4, gru: 3 } as const;

/**
 * One layer of an LSTM (gates i, f, g, o) or a GRU (r, z, n) under PyTorch's names: `weight_ih_lK` `[G·H, I]`,
 * `weight_hh_lK` `[G·H, H]`, `bias_ih_lK`, `bias_hh_lK` `[G·H]`, all uniform on ±1/√H.
 *
 * @param name Before the dot.
 * @param options Kind of cell, input width I, state width H, and which layer K this is.
 */
export function recurrentEntries(
  name: string,
  { cell, inputs, width, layer = 0 }: {
    readonly cell: keyof typeof GATES;
    readonly inputs: number;
    readonly width: number;
    readonly layer?: number;
  },
): ParameterEntry[] {
  const rows = GATES[cell] * width;
  const start = uniformByFanIn(width);
  return [
    plainEntry(`${name}.weight_ih_l${layer}`, { shape: [rows, inputs], start }),
    plainEntry(`${name}.weight_hh_l${layer}`, { shape: [rows, width], start }),
    plainEntry(`${name}.bias_ih_l${layer}`, { shape: [rows], start }),
    plainEntry(`${name}.bias_hh_l${layer}`, { shape: [rows], start }),
  ];
}
