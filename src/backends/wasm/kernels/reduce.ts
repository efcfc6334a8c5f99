/** Sums, means, extrema and softmax of TensorFlow.js, on `reduce` and `softmax` of `wasm/elementwise`, with its gradient. */
import { tf } from "../../../deps/tfjs.ts";
import { ACTIVATION_KERNEL, type SoftmaxAttributes } from "../../activation_contract.ts";
import type { WasmBackend } from "../backend.ts";
import { ParameterLayout } from "../parameters.ts";
import { type Kernel, type KernelCall, type KernelTable, sizeOf } from "./kernel.ts";

/** Mirror of ReduceParams. */
const LAYOUT = new ParameterLayout({
  x: "int",
  y: "int",
  workspace: "int",
  outer: "int",
  length: "int",
  inner: "int",
  op: "int",
});

/** Mirror of SoftmaxParams and LogSoftmaxParams. */
const SOFTMAX = new ParameterLayout({ x: "int", y: "int", rows: "int", columns: "int" });

/** Mirror of SoftmaxGradientParams. */
const SOFTMAX_GRADIENT = new ParameterLayout({
  dy: "int",
  y: "int",
  dx: "int",
  rows: "int",
  columns: "int",
  logarithmic: "int",
});

interface Attributes {
  readonly axis?: number | number[];
  readonly reductionIndices?: number | number[];
  readonly keepDims: boolean;
}

/** Reduces neighbouring axes in one go; others are left to the CPU kernel. */
function reduction(op: number): Kernel {
  return ({ inputs: { x }, attrs, backend }: KernelCall<Attributes>) => {
    if (x.dtype !== "float32") return null;
    const all = tf.util.parseAxisParam(attrs.reductionIndices ?? attrs.axis!, x.shape);
    const axes = all.filter((axis) => x.shape[axis] !== 1).sort((p, q) => p - q);
    const [first, last] = axes.length === 0 ? [0, -1] : [axes[0], axes[axes.length - 1]];
    const between = x.shape.slice(first, last + 1).filter((n) => n !== 1).length;
    if (between !== axes.length) return null;
    const shape = attrs.keepDims
      ? x.shape.map((n, axis) => all.includes(axis) ? 1 : n)
      : x.shape.filter((_, axis) => !all.includes(axis));
    const length = sizeOf(x.shape.slice(first, last + 1));
    if (length === 0) return null;
    const y = backend.output(shape);
    backend.launch("f32_reduce", LAYOUT, {
      x: backend.addressOf(x),
      y: y.address,
      outer: sizeOf(x.shape.slice(0, first)),
      length,
      inner: sizeOf(x.shape.slice(last + 1)),
      op,
    });
    return y.info;
  };
}

/** Over the last axis, the only one TensorFlow.js asks for. */
const softmax: Kernel = ({ inputs: { logits }, attrs, backend }: KernelCall<{ dim: number }>) => {
  if (logits.dtype !== "float32" || attrs.dim !== logits.shape.length - 1) return null;
  return softmaxRows(backend, logits, "f32_softmax");
};

function softmaxRows(backend: WasmBackend, x: tf.TensorInfo, kernel: string): tf.TensorInfo {
  const y = backend.output(x.shape);
  const parameters = { x: backend.addressOf(x), y: y.address, ...rowsOf(x) };
  backend.launch(kernel, SOFTMAX, parameters);
  return y.info;
}

/** Rows of the last axis. */
function rowsOf({ shape }: tf.TensorInfo): { rows: number; columns: number } {
  const columns = shape[shape.length - 1] ?? 1;
  return { rows: sizeOf(shape) / Math.max(1, columns), columns };
}

const softmaxOrLog: Kernel = (
  { inputs: { x }, attrs, backend }: KernelCall<SoftmaxAttributes>,
) => softmaxRows(backend, x, attrs.logarithmic ? "f32_log_softmax" : "f32_softmax");

const softmaxGradient: Kernel = (
  { inputs: { dy, y }, attrs, backend }: KernelCall<SoftmaxAttributes>,
) => {
  const dx = backend.output(y.shape);
  backend.launch("f32_softmax_gradient", SOFTMAX_GRADIENT, {
    dy: backend.addressOf(dy),
    y: backend.addressOf(y),
    dx: dx.address,
    ...rowsOf(y),
    logarithmic: attrs.logarithmic ? 1 : 0,
  });
  return dx.info;
};

/** Kernels of this file by the name of TensorFlow.js. */
export const REDUCE_KERNELS: KernelTable = {
  [tf.Sum]: reduction(0),
  [tf.Mean]: reduction(1),
  [tf.Max]: reduction(2),
  [tf.Min]: reduction(3),
  [tf.Softmax]: softmax,
  [ACTIVATION_KERNEL.softmax]: softmaxOrLog,
  [ACTIVATION_KERNEL.softmaxGradient]: softmaxGradient,
};
