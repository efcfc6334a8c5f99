/**
 * Convolution geometries, their parameter block in memory (mirrors conv3d.h) and a float64 reference,
 * for checking and timing the kernels.
 */
import type { Harness } from "./harness.ts";

type Triple = readonly [number, number, number];

/** A convolution: sizes per axis in the order z, y, x. */
export interface Geometry {
  readonly name: string;
  readonly samples: number;
  readonly input: Triple;
  readonly inChannels: number;
  readonly outChannels: number;
  readonly kernel: Triple;
  readonly stride: Triple;
  readonly padding: Triple;
}

/** The three operations. */
export const OPERATIONS = ["forward", "input_gradient", "filter_gradient"] as const;
/** One of the three operations. */
export type Operation = typeof OPERATIONS[number];

/** The four convolutions of the full-size model; the decoder runs their input gradients. */
export function modelGeometries(samples: number): Geometry[] {
  const level = (name: string, input: Triple, inChannels: number, outChannels: number) => ({
    name,
    samples,
    input,
    inChannels,
    outChannels,
    kernel: [4, 4, 4] as const,
    stride: [2, 2, 2] as const,
    padding: [1, 1, 1] as const,
  });
  return [
    level("91x109x91 1-4", [91, 109, 91], 1, 4),
    level("45x54x45 4-8", [45, 54, 45], 4, 8),
    level("22x27x22 8-16", [22, 27, 22], 8, 16),
    level("11x13x11 16-32", [11, 13, 11], 16, 32),
  ];
}

/** Output length per axis. */
export function outputSize(g: Geometry): Triple {
  const size = (axis: number) =>
    Math.floor((g.input[axis] + 2 * g.padding[axis] - g.kernel[axis]) / g.stride[axis]) + 1;
  return [size(0), size(1), size(2)];
}

const product = (values: readonly number[]) => values.reduce((a, b) => a * b, 1);

/** Element counts of the three arrays. */
export function arrayLengths(g: Geometry) {
  return {
    input: g.samples * product(g.input) * g.inChannels,
    filter: product(g.kernel) * g.inChannels * g.outChannels,
    output: g.samples * product(outputSize(g)) * g.outChannels,
  };
}

/** Multiply–adds as [recurrent-vae §11] counts them: padding taps included. */
export function multiplyAdds(g: Geometry): number {
  return g.samples * product(outputSize(g)) * product(g.kernel) * g.inChannels * g.outChannels;
}

/** Addresses of the arrays of one case. */
export interface Placed {
  readonly params: number;
  readonly input: number;
  readonly filter: number;
  readonly output: number;
  readonly bias: number;
}

/**
 * Reserves the arrays and the parameter block of a case, with the workspace of its hungriest
 * operation, at least `workspaceBytes`.
 */
export function place(
  harness: Harness,
  g: Geometry,
  { bias = true, variant = 0, workspaceBytes = 0 } = {},
): Placed {
  const lengths = arrayLengths(g);
  const params = harness.allocate(96);
  const placed = {
    params,
    input: harness.allocate(4 * lengths.input),
    filter: harness.allocate(4 * lengths.filter),
    output: harness.allocate(4 * lengths.output),
    bias: bias ? harness.allocate(4 * g.outChannels) : 0,
  };
  const words = new Int32Array(harness.memory.buffer, params, 24);
  words.fill(0);
  words.set([placed.input, placed.filter, placed.output, placed.bias, 0, g.samples]);
  words.set([...g.input, g.inChannels, ...outputSize(g), g.outChannels], 6);
  words.set([...g.kernel, ...g.stride, ...g.padding, variant], 14);
  const workspaces = OPERATIONS.map((op) =>
    (harness.exports[`f32_conv3d_${op}__workspace`]?.(params) ?? 0) >>> 0
  );
  words[4] = harness.allocate(Math.max(workspaceBytes, ...workspaces));
  return placed;
}

/** Fills an array with reproducible values in [-1, 1) from a small counter-based hash. */
export function fill(values: Float32Array, seed: number): void {
  for (let i = 0; i < values.length; ++i) {
    let h = Math.imul(i ^ (seed * 0x9e3779b9), 0x85ebca6b);
    h = Math.imul(h ^ (h >>> 13), 0xc2b2ae35);
    values[i] = ((h ^ (h >>> 16)) >>> 8) / (1 << 23) - 1;
  }
}

/** Calls `visit(outputVoxel, inputVoxel, tap)` for every pair a tap connects; voxel indices include the sample. */
function eachPair(g: Geometry, visit: (o: number, i: number, tap: number) => void): void {
  const [oz, oy, ox] = outputSize(g);
  const [iz, iy, ix] = g.input;
  const [kz, ky, kx] = g.kernel;
  for (let n = 0, o = 0; n < g.samples; ++n) {
    for (let z = 0; z < oz; ++z) {
      for (let y = 0; y < oy; ++y) {
        for (let x = 0; x < ox; ++x, ++o) {
          for (let a = 0; a < kz; ++a) {
            const sz = z * g.stride[0] - g.padding[0] + a;
            if (sz < 0 || sz >= iz) continue;
            for (let b = 0; b < ky; ++b) {
              const sy = y * g.stride[1] - g.padding[1] + b;
              if (sy < 0 || sy >= iy) continue;
              for (let c = 0; c < kx; ++c) {
                const sx = x * g.stride[2] - g.padding[2] + c;
                if (sx < 0 || sx >= ix) continue;
                visit(o, ((n * iz + sz) * iy + sy) * ix + sx, (a * ky + b) * kx + c);
              }
            }
          }
        }
      }
    }
  }
}

/** The operation in float64, straight from its definition. */
export function reference(
  g: Geometry,
  operation: Operation,
  { input, filter, output, bias }: Record<string, Float32Array | Float64Array>,
): Float64Array {
  const ci = g.inChannels, co = g.outChannels, lengths = arrayLengths(g);
  if (operation === "forward") {
    const y = new Float64Array(lengths.output);
    if (bias) { for (let i = 0; i < y.length; ++i) y[i] = bias[i % co]; }
    eachPair(g, (o, i, tap) => {
      for (let a = 0; a < ci; ++a) {
        const v = input[i * ci + a], w = (tap * ci + a) * co;
        for (let b = 0; b < co; ++b) y[o * co + b] += v * filter[w + b];
      }
    });
    return y;
  }
  if (operation === "input_gradient") {
    const dx = new Float64Array(lengths.input);
    eachPair(g, (o, i, tap) => {
      for (let a = 0; a < ci; ++a) {
        const w = (tap * ci + a) * co;
        let sum = 0;
        for (let b = 0; b < co; ++b) sum += output[o * co + b] * filter[w + b];
        dx[i * ci + a] += sum;
      }
    });
    return dx;
  }
  const dw = new Float64Array(lengths.filter);
  eachPair(g, (o, i, tap) => {
    for (let a = 0; a < ci; ++a) {
      const v = input[i * ci + a], w = (tap * ci + a) * co;
      for (let b = 0; b < co; ++b) dw[w + b] += v * output[o * co + b];
    }
  });
  return dw;
}

/** Root of Σ(found − expected)² / Σ expected², and the largest difference over the root mean square. */
export function compare(found: Float32Array, expected: Float32Array | Float64Array) {
  let difference = 0, size = 0, worst = 0;
  for (let i = 0; i < expected.length; ++i) {
    const d = Math.abs(found[i] - expected[i]);
    difference += d * d;
    size += expected[i] * expected[i];
    if (!(d <= worst)) worst = d;
  }
  const rms = Math.sqrt(size / expected.length);
  return { relative: Math.sqrt(difference / size), worst: worst / rms };
}
