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
