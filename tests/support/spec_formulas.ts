/**
 * The formulas of [recurrent-vae §3, §4] as plain loops over plain arrays, one per formula, slow and obvious.
 * They share no code with the library: they are what its reference engine is checked against.
 */
import type { NdArray } from "../../src/base/arrays.ts";

type Array64 = NdArray<Float64Array>;
type Sizes = readonly number[];

/** Row-major position of an index. */
function at(shape: Sizes, ...index: number[]): number {
  return index.reduce((position, i, axis) => position * shape[axis] + i, 0);
}

function zeros(...shape: number[]): Array64 {
  return { data: new Float64Array(shape.reduce((size, n) => size * n, 1)), shape };
}

/** Visits every index of a shape. */
function* indices(...shape: number[]): Generator<number[]> {
  const total = shape.reduce((size, n) => size * n, 1);
  for (let count = 0; count < total; count++) {
    const index: number[] = [];
    for (let axis = shape.length - 1, rest = count; axis >= 0; axis--) {
      index.unshift(rest % shape[axis]);
      rest = Math.floor(rest / shape[axis]);
    }
    yield index;
  }
}

/** [recurrent-vae §3.2], convolution: y[o] = b + Σ_{c,k} w[k,c,out]·x[stride·o − padding + k, c], x = 0 outside. */
export function convolution(
  x: Array64,
  w: Array64,
  { bias, stride, padding }: { bias: Array64 | null; stride: Sizes; padding: Sizes },
): Array64 {
  const [n, Z, Y, X, ci] = x.shape;
  const [kz, ky, kx, , co] = w.shape;
  const length = (size: number, k: number, a: number) =>
    Math.floor((size + 2 * padding[a] - k) / stride[a]) + 1;
  const y = zeros(n, length(Z, kz, 0), length(Y, ky, 1), length(X, kx, 2), co);
  for (const [b, oz, oy, ox, out] of indices(...y.shape)) {
    let sum = bias ? bias.data[out] : 0;
    for (const [tz, ty, tx, c] of indices(kz, ky, kx, ci)) {
      const iz = stride[0] * oz - padding[0] + tz;
      const iy = stride[1] * oy - padding[1] + ty;
      const ix = stride[2] * ox - padding[2] + tx;
      if (iz < 0 || iz >= Z || iy < 0 || iy >= Y || ix < 0 || ix >= X) continue;
      sum += w.data[at(w.shape, tz, ty, tx, c, out)] * x.data[at(x.shape, b, iz, iy, ix, c)];
    }
    y.data[at(y.shape, b, oz, oy, ox, out)] = sum;
  }
  return y;
}

/**
 * [recurrent-vae §3.2], transposed: y[stride·i − padding + k, out] += Σ_c w[k,out,c]·x[i, c], kept inside the output.
 */
export function transposedConvolution(
  x: Array64,
  w: Array64,
  { outputSize, stride, padding }: { outputSize: Sizes; stride: Sizes; padding: Sizes },
): Array64 {
  const [n, Z, Y, X, ci] = x.shape;
  const [kz, ky, kx, co] = w.shape;
  const y = zeros(n, ...outputSize, co);
  for (const [b, iz, iy, ix, c] of indices(n, Z, Y, X, ci)) {
    for (const [tz, ty, tx, out] of indices(kz, ky, kx, co)) {
      const oz = stride[0] * iz - padding[0] + tz;
      const oy = stride[1] * iy - padding[1] + ty;
      const ox = stride[2] * ix - padding[2] + tx;
      const inside = oz >= 0 && oz < outputSize[0] && oy >= 0 && oy < outputSize[1] && ox >= 0 &&
        ox < outputSize[2];
      if (!inside) continue;
      y.data[at(y.shape, b, oz, oy, ox, out)] += w.data[at(w.shape, tz, ty, tx, out, c)] *
        x.data[at(x.shape, b, iz, iy, ix, c)];
    }
  }
  return y;
}

/** dL/dw of the convolution for L = Σ dy·y, by the product rule term by term. */
export function filterGradient(
  x: Array64,
  dy: Array64,
  { kernel, stride, padding }: { kernel: Sizes; stride: Sizes; padding: Sizes },
): Array64 {
  const [, Z, Y, X, ci] = x.shape;
  const co = dy.shape[4];
  const dw = zeros(...kernel, ci, co);
  for (const [tz, ty, tx, c, out] of indices(...dw.shape)) {
    let sum = 0;
    for (const [b, oz, oy, ox] of indices(...dy.shape.slice(0, 4))) {
      const iz = stride[0] * oz - padding[0] + tz;
      const iy = stride[1] * oy - padding[1] + ty;
      const ix = stride[2] * ox - padding[2] + tx;
      if (iz < 0 || iz >= Z || iy < 0 || iy >= Y || ix < 0 || ix >= X) continue;
      sum += x.data[at(x.shape, b, iz, iy, ix, c)] * dy.data[at(dy.shape, b, oz, oy, ox, out)];
    }
    dw.data[at(dw.shape, tz, ty, tx, c, out)] = sum;
  }
  return dw;
}

/** What {@link normalisation} and {@link normalisationGradient} need beside x. */
export interface NormFormula {
  readonly gamma: Float64Array;
  readonly beta: Float64Array;
  /** Runs of samples and of channels with statistics of their own. */
  readonly groups: readonly [samples: number, channels: number];
  readonly epsilon: number;
  readonly slope: number;
}

/** Positions in `x.data` of one block, and the channel of each. */
function block(x: Array64, groups: readonly [number, number], s: number, k: number) {
  const channels = x.shape[x.shape.length - 1];
  const perSample = x.data.length / x.shape[0];
  const [samples, width] = [x.shape[0] / groups[0], channels / groups[1]];
  const members: { position: number; channel: number }[] = [];
  x.data.forEach((_, position) => {
    const channel = position % channels;
    const sample = Math.floor(position / perSample);
    if (Math.floor(sample / samples) === s && Math.floor(channel / width) === k) {
      members.push({ position, channel });
    }
  });
  return members;
}

/** [recurrent-vae §3.3] with LeakyReLU of [recurrent-vae §3.2] behind it. */
export function normalisation(
  x: Array64,
  formula: NormFormula,
): { y: Float64Array; mean: number[]; variance: number[] } {
  const y = new Float64Array(x.data.length);
  const mean: number[] = [];
  const variance: number[] = [];
  for (const [s, k] of indices(...formula.groups)) {
    const members = block(x, formula.groups, s, k);
    const n = members.length;
    const m = members.reduce((sum, { position }) => sum + x.data[position], 0) / n;
    const v = members.reduce((sum, { position }) => sum + (x.data[position] - m) ** 2, 0) / n;
    for (const { position, channel } of members) {
      const value = formula.gamma[channel] * (x.data[position] - m) /
          Math.sqrt(v + formula.epsilon) + formula.beta[channel];
      y[position] = value > 0 ? value : formula.slope * value;
    }
    mean.push(m);
    variance.push(v);
  }
  return { y, mean, variance };
}

/** [recurrent-vae §3.2, §4] without its factor: Σ weight·(target − tanh a)² per group of samples. */
export function tanhError(
  a: Array64,
  target: Array64,
  { weight, groups }: { weight: Float64Array | null; groups: number },
): number[] {
  const perSample = a.data.length / a.shape[0];
  const sums = new Array<number>(groups).fill(0);
  a.data.forEach((value, i) => {
    const sample = Math.floor(i / perSample);
    const w = weight ? weight[i % perSample] : 1;
    sums[Math.floor(sample / (a.shape[0] / groups))] += w *
      (target.data[i] - Math.tanh(value)) ** 2;
  });
  return sums;
}
