/**
 * Matrix products, their parameter block in memory (mirrors linear/gemm.h) and a float64 reference, for checking and
 * timing the kernel.
 */
import type { Harness } from "./harness.ts";

/** Which factor is transposed: its memory holds the other order. */
export type Transposes = "AB" | "AtB" | "ABt" | "AtBt";

/** Activations in the order of linear/activations.h. */
export const ACTIVATIONS = [
  "linear",
  "relu",
  "leaky-relu",
  "tanh",
  "sigmoid",
  "silu",
  "gelu",
  "gelu-tanh",
  "softplus",
] as const;

/** A product of `batch` × `heads` matrices M×K and K×N. */
export interface Product {
  readonly m: number;
  readonly k: number;
  readonly n: number;
  readonly transposes: Transposes;
  readonly batch?: number;
  readonly heads?: number;
  /** The same b for all matrices. */
  readonly sharedB?: boolean;
  readonly bias?: boolean;
  /** Whether a·b + bias is written too. */
  readonly preactivation?: boolean;
  readonly activation?: (typeof ACTIVATIONS)[number];
}

/** Slope of leaky. */
const SLOPE = 0.2;
/** Floats between heads: not a multiple of anything. */
const GAP = 3;

/** Strides in floats. Heads lie side by side within a row, as an attention has them. */
interface Matrix {
  readonly batch: number;
  readonly head: number;
  readonly row: number;
  readonly column: number;
}

function matrix(rows: number, columns: number, heads: number, transposed: boolean): Matrix {
  const [outer, inner] = transposed ? [columns, rows] : [rows, columns];
  const width = heads === 1 ? inner : heads * (inner + GAP);
  const line = { batch: outer * width, head: heads === 1 ? 0 : inner + GAP };
  return transposed ? { ...line, row: 1, column: width } : { ...line, row: width, column: 1 };
}

/** A product in memory. */
export interface PlacedProduct {
  /** Address of the parameters. */
  readonly params: number;
  /** All of c, gaps between heads included. */
  readonly c: Float32Array;
  readonly preactivation: Float32Array | null;
  /** Largest error of c (and the preactivation) over the sum of magnitudes behind it; NaN counts as infinite. */
  worstError(places?: number): number;
  /** Whether a float outside of the result was written. */
  overran(): boolean;
}

/** Puts a product with reproducible values into memory; c holds NaN, and its surroundings are watched. */
export function placeProduct(harness: Harness, product: Product, seed = 1): PlacedProduct {
  const { m, k, n, transposes, batch = 1, heads = 1 } = product;
  const a = matrix(m, k, heads, transposes.startsWith("At"));
  const b = matrix(k, n, heads, transposes.endsWith("Bt"));
  const c = matrix(m, n, heads, false);
  const random = generator(seed);
  const place = (floats: number, fill: () => number) => {
    const view = harness.floats(harness.allocate((floats + 16) * 4), floats + 16);
    for (let i = 0; i < view.length; ++i) view[i] = fill();
    return view;
  };
  const A = place(a.batch * batch, random), B = place(b.batch * batch, random);
  const C = place(c.batch * batch, () => NaN), bias = place(n, random);
  const before = product.preactivation ? place(c.batch * batch, () => NaN) : null;
  const params = harness.allocate(96);
  const shared = product.sharedB ? { batch: 0, head: 0 } : {};
  const bStrides = { ...b, ...shared };
  const words = new Int32Array(harness.memory.buffer, params, 24);
  const floats = new Float32Array(harness.memory.buffer, params, 24);
  const activation = product.activation ?? "linear";
  words.set([A.byteOffset, B.byteOffset, C.byteOffset, product.bias ? bias.byteOffset : 0]);
  words.set([before?.byteOffset ?? 0, 0, ACTIVATIONS.indexOf(activation)], 4);
  floats[7] = SLOPE;
  words.set([batch, heads, m, n, k, a.batch, a.head, a.row, a.column], 8);
  words.set([bStrides.batch, bStrides.head, bStrides.row, bStrides.column], 17);
  words.set([c.batch, c.head, c.row], 21);
  words[5] = harness.allocate(harness.exports.f32_gemm__workspace(params) + 64);
  const total = batch * heads * m * n;
  const errorAt = (index: number) => {
    const [i, h] = [Math.floor(index / (heads * m * n)), Math.floor(index / (m * n)) % heads];
    const [row, column] = [Math.floor(index / n) % m, index % n];
    const start = i * a.batch + h * a.head + row * a.row;
    const end = i * bStrides.batch + h * bStrides.head + column * bStrides.column;
    let sum = product.bias ? bias[column] : 0, size = Math.abs(sum) + 1e-30;
    for (let j = 0; j < k; ++j) {
      const term = A[start + j * a.column] * B[end + j * bStrides.row];
      sum += term;
      size += Math.abs(term);
    }
    const at = i * c.batch + h * c.head + row * c.row + column;
    const errors = [Math.abs(C[at] - activate(sum, activation)) / Math.max(size, 1e-30)];
    if (before) errors.push(Math.abs(before[at] - sum) / size);
    const worst = Math.max(...errors);
    return Number.isNaN(worst) ? Infinity : worst;
  };
  return {
    params,
    c: C,
    preactivation: before,
    worstError(places = total) {
      const step = total / Math.min(places, total);
      let worst = 0;
      for (let i = 0; i < total; i += step) worst = Math.max(worst, errorAt(Math.floor(i)));
      return total === 0 ? 0 : Math.max(worst, errorAt(total - 1));
    },
    overran: () => [C, before].some((view) => view && view.reduce(written, 0) !== total),
  };
}

function written(count: number, value: number): number {
  return Number.isNaN(value) ? count : count + 1;
}

/** f(x) in float64; the reference of linear/activations.h. */
export function activate(x: number, kind: (typeof ACTIVATIONS)[number]): number {
  switch (kind) {
    case "linear":
      return x;
    case "relu":
      return Math.max(x, 0);
    case "leaky-relu":
      return x < 0 ? SLOPE * x : x;
    case "tanh":
      return Math.tanh(x);
    case "sigmoid":
      return 1 / (1 + Math.exp(-x));
    case "silu":
      return x / (1 + Math.exp(-x));
    case "gelu":
      return x / 2 * (1 + erf(x / Math.SQRT2));
    case "gelu-tanh":
      return x / 2 * (1 + Math.tanh(Math.sqrt(2 / Math.PI) * (x + 0.044715 * x ** 3)));
    case "softplus":
      return Math.max(x, 0) + Math.log1p(Math.exp(-Math.abs(x)));
  }
}

/** erf x to 1e-15: its power series below 3, the continued fraction of erfc above. */
export function erf(x: number): number {
  const size = Math.abs(x);
  if (size < 3) {
    let term = x, sum = x;
    for (let n = 1; Math.abs(term) > 1e-17 * Math.abs(sum); ++n) {
      term *= -x * x / n;
      sum += term / (2 * n + 1);
    }
    return 2 / Math.sqrt(Math.PI) * sum;
  }
  let fraction = 0;
  for (let n = 60; n > 0; --n) fraction = n / 2 / (size + fraction);
  const tail = Math.exp(-size * size) / Math.sqrt(Math.PI) / (size + fraction);
  return Math.sign(x) * (1 - tail);
}

function generator(seed: number): () => number {
  let state = seed >>> 0;
  return () => {
    state = (Math.imul(state, 1664525) + 1013904223) >>> 0;
    return state / 2 ** 32 - 0.5;
  };
}
