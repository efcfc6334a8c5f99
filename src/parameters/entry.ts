/**
 * What a parameter is before there are numbers: its name and shape in files, its place in memory, how it starts. A list
 * of entries describes a network completely; {@link ParameterStore} holds the numbers.
 */

/** How the values of an entry start. */
export type StartingValues =
  /** Evenly on [from, to). */
  | { readonly kind: "uniform"; readonly from: number; readonly to: number }
  /** Normal with mean 0. */
  | { readonly kind: "normal"; readonly deviation: number }
  | { readonly kind: "constant"; readonly value: number };

/** One entry of a state dictionary. */
export interface ParameterEntry {
  /** Name in files, PyTorch's where there is one, e.g. `"encoder1.0.weight"`. */
  readonly key: string;
  /** Shape in files. */
  readonly shape: readonly number[];
  /** Shape in memory. */
  readonly memoryShape: readonly number[];
  /** Trained; kept beside (running statistics, tables); an int64 counter; or a list of int64 indices. */
  readonly kind: "parameter" | "buffer" | "counter" | "index";
  /**
   * The file's axes with flattened volumes spelled out, in groups, e.g. `[[E], [C, X, Y, Z]]` for a linear layer over a
   * flattened volume. In memory the axes stand in reverse order inside each group: a filter (out, in, kx, ky, kz) becomes
   * `[kz, ky, kx, in, out]`, and what files flatten as (C, X, Y, Z) is flattened as (Z, Y, X, C).
   */
  readonly axisGroups: readonly (readonly number[])[];
  /** How it starts. */
  readonly start: StartingValues;
}

/**
 * The draw of PyTorch's layers: uniform on ±1/√fanIn.
 *
 * @param fanIn Values that each output is a sum over.
 */
export function uniformByFanIn(fanIn: number): StartingValues {
  const bound = 1 / Math.sqrt(fanIn);
  return { kind: "uniform", from: -bound, to: bound };
}

/**
 * An entry whose memory order is the file's.
 *
 * @param key Name in files.
 * @param options Shape, kind (default trained) and start (default zero).
 */
export function plainEntry(
  key: string,
  { shape, kind = "parameter", start = { kind: "constant", value: 0 } }: {
    readonly shape: readonly number[];
    readonly kind?: ParameterEntry["kind"];
    readonly start?: StartingValues;
  },
): ParameterEntry {
  return { key, shape, memoryShape: shape, kind, axisGroups: [[sizeOf(shape)]], start };
}

/** Number of values of a shape. */
export function sizeOf(shape: readonly number[]): number {
  return shape.reduce((product, n) => product * n, 1);
}
