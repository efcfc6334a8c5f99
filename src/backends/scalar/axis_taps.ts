/**
 * Which filter taps connect which coordinates along one axis of a convolution. Forward convolution and
 * its transpose differ in nothing but this table, so one loop (gather_convolution.ts) computes both.
 */

/** For every output coordinate `o`: the entries `first[o] … first[o+1]−1` of `tap` and `source`. */
export interface AxisTaps {
  /** Number of output coordinates. */
  readonly length: number;
  /** Length `length + 1`: where the entries of each output coordinate begin. */
  readonly first: Int32Array;
  /** Filter index k of each entry, ascending within one output coordinate. */
  readonly tap: Int32Array;
  /** Source coordinate of each entry. */
  readonly source: Int32Array;
}

/** One axis of a convolution: input length, filter length, stride, zero padding, output length. */
export interface AxisGeometry {
  readonly input: number;
  readonly kernel: number;
  readonly stride: number;
  readonly padding: number;
  readonly output: number;
}

/** Output length of a convolution along one axis: floor((n + 2·padding − kernel)/stride) + 1. */
export function outputLength(axis: Omit<AxisGeometry, "output">): number {
  return Math.floor((axis.input + 2 * axis.padding - axis.kernel) / axis.stride) + 1;
}

/**
 * Forward table: output o reads input i = stride·o − padding + k through tap k.
 *
 * @param axis Lengths of the axis.
 * @returns A table over the `axis.output` output coordinates.
 */
export function forwardTaps(axis: AxisGeometry): AxisTaps {
  return collect(axis.output, axis.kernel, (o, k) => {
    const i = axis.stride * o - axis.padding + k;
    return i >= 0 && i < axis.input ? i : -1;
  });
}

/**
 * Transposed table: input i is fed by output o through tap k where stride·o = i + padding − k.
 *
 * @param axis Lengths of the axis.
 * @returns A table over the `axis.input` input coordinates.
 */
export function transposedTaps(axis: AxisGeometry): AxisTaps {
  return collect(axis.input, axis.kernel, (i, k) => {
    const scaled = i + axis.padding - k;
    const o = scaled / axis.stride;
    return scaled >= 0 && scaled % axis.stride === 0 && o < axis.output ? o : -1;
  });
}

function collect(
  length: number,
  kernel: number,
  sourceOf: (coordinate: number, tap: number) => number,
): AxisTaps {
  const first = new Int32Array(length + 1);
  const tap: number[] = [];
  const source: number[] = [];
  for (let coordinate = 0; coordinate < length; coordinate++) {
    for (let k = 0; k < kernel; k++) {
      const s = sourceOf(coordinate, k);
      if (s >= 0) {
        tap.push(k);
        source.push(s);
      }
    }
    first[coordinate + 1] = tap.length;
  }
  return { length, first, tap: Int32Array.from(tap), source: Int32Array.from(source) };
}
