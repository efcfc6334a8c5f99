/** Elementwise kernels in float64 that the project's own models do not need, and running sums and products. */
import { binary, unary } from "./elementwise.ts";
import type { Kernel, KernelTable } from "./kernel_table.ts";
import { denseStrides, emptyLike } from "./views.ts";

const SELU_ALPHA = 1.6732632423543772;
const SELU_SCALE = 1.0507009873554805;

/** Stock kernels for users' models. */
export const FURTHER: KernelTable = {
  Acos: unary(Math.acos),
  Acosh: unary(Math.acosh),
  Asin: unary(Math.asin),
  Asinh: unary(Math.asinh),
  Atan: unary(Math.atan),
  Atanh: unary(Math.atanh),
  Cosh: unary(Math.cosh),
  Sinh: unary(Math.sinh),
  Tan: unary(Math.tan),
  Relu6: unary((v) => Math.min(Math.max(v, 0), 6)),
  Selu: unary((v) => SELU_SCALE * (v >= 0 ? v : SELU_ALPHA * Math.expm1(v))),
  Round: unary(roundedToEven),
  Atan2: binary(Math.atan2),
  Prelu: ({ inputs: { x, alpha }, backend, attrs }) =>
    binary((a, b) => a < 0 ? a * b : a)({ inputs: { a: x, b: alpha }, backend, attrs }),
  EluGrad: ({ inputs: { dy, y }, backend, attrs }) =>
    binary((a, b) => b >= 0 ? a : a * (b + 1))({ inputs: { a: dy, b: y }, backend, attrs }),
  Cumsum: running(0, (a, b) => a + b),
  Cumprod: running(1, (a, b) => a * b),
};

/** Halves to the even neighbour. */
function roundedToEven(v: number): number {
  const below = Math.floor(v);
  if (v - below !== 0.5) return Math.round(v);
  return below % 2 === 0 ? below : below + 1;
}

/** Accumulates along an axis. */
function running(start: number, of: (sum: number, value: number) => number): Kernel {
  return ({ inputs: { x }, attrs: { axis, exclusive, reverse }, backend }) => {
    const values = backend.values(x);
    const result = emptyLike(values, values.length);
    const length = x.shape[axis];
    const step = denseStrides(x.shape)[axis];
    for (let first = 0; first < values.length; first++) {
      if (Math.floor(first / step) % length !== 0) continue;
      let sum = start;
      for (let i = 0; i < length; i++) {
        const at = first + step * (reverse ? length - 1 - i : i);
        result[at] = exclusive ? sum : of(sum, values[at]);
        sum = of(sum, values[at]);
      }
    }
    return backend.output(result, x.shape, x.dtype);
  };
}
