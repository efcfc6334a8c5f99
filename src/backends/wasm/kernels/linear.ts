/** Matrix products of TensorFlow.js, on `wasm/linear/gemm.cpp`. */
import { tf } from "../../../deps/tfjs.ts";
import type { WasmBackend } from "../backend.ts";
import {
  type ActivationAttributes,
  LINEAR_ACTIVATIONS,
  LINEAR_KERNEL,
} from "../../linear_contract.ts";
import { ParameterLayout } from "../parameters.ts";
import { multiply } from "./gemm.ts";
import { type Kernel, type KernelCall, type KernelTable, sizeOf } from "./kernel.ts";

/** Position of each activation in `wasm/linear/activations.h`, by TensorFlow.js' name. */
const ACTIVATIONS: Readonly<Record<string, number>> = {
  linear: 0,
  relu: 1,
  leakyrelu: 2,
  tanh: 3,
  sigmoid: 4,
};

/** TensorFlow.js' slope of leaky ReLU where none is given. */
const LEAKY_SLOPE = 0.2;

interface Transposes {
  readonly transposeA: boolean;
  readonly transposeB: boolean;
}

/** a·b over the last two axes; one of the leading shapes may be all ones (one matrix for all). */
const batchMatMul: Kernel = ({ inputs, attrs, backend }: KernelCall<Transposes>) =>
  product(backend, inputs as { a: tf.TensorInfo; b: tf.TensorInfo }, { ...attrs, bias: null });

/** The same with a bias per column and an activation; other activations are left to the CPU kernel. */
const fusedMatMul: Kernel = (
  { inputs, attrs, backend }: KernelCall<
    Transposes & { activation?: string | null; leakyreluAlpha?: number }
  >,
) => {
  const { bias } = inputs;
  const activation = ACTIVATIONS[attrs.activation ?? "linear"];
  if (activation === undefined) return null;
  const columns =
    inputs.b.shape[attrs.transposeB ? inputs.b.shape.length - 2 : inputs.b.shape.length - 1];
  if (bias && (bias.dtype !== "float32" || sizeOf(bias.shape) !== columns)) return null;
  return product(backend, inputs as { a: tf.TensorInfo; b: tf.TensorInfo }, {
    ...attrs,
    bias: bias ?? null,
    activation,
    slope: attrs.leakyreluAlpha ?? LEAKY_SLOPE,
  });
};

function product(
  backend: WasmBackend,
  { a, b }: { a: tf.TensorInfo; b: tf.TensorInfo },
  { transposeA, transposeB, bias, activation, slope }: Transposes & {
    readonly bias: tf.TensorInfo | null;
    readonly activation?: number;
    readonly slope?: number;
  },
): tf.TensorInfo | null {
  if (a.dtype !== "float32" || b.dtype !== "float32") return null;
  const rankA = a.shape.length;
  const rankB = b.shape.length;
  const [rowsA, columnsA] = a.shape.slice(-2);
  const [rowsB, columnsB] = b.shape.slice(-2);
  const [m, k] = transposeA ? [columnsA, rowsA] : [rowsA, columnsA];
  const [kb, n] = transposeB ? [columnsB, rowsB] : [rowsB, columnsB];
  const batchA = sizeOf(a.shape.slice(0, rankA - 2));
  const batchB = sizeOf(b.shape.slice(0, rankB - 2));
  const sameBatch = a.shape.slice(0, rankA - 2).join() === b.shape.slice(0, rankB - 2).join();
  if (k !== kb || !(sameBatch || batchA === 1 || batchB === 1)) return null;
  const leading = tf.broadcast_util.assertAndGetBroadcastShape(
    a.shape.slice(0, rankA - 2),
    b.shape.slice(0, rankB - 2),
  );
  const c = backend.output([...leading, m, n]);
  if (m * n === 0) return c.info;
  multiply(backend, {
    a: backend.addressOf(a),
    b: backend.addressOf(b),
    c: c.address,
    bias: bias ? backend.addressOf(bias) : 0,
    activation,
    slope,
    batch: Math.max(batchA, batchB) * (batchA === 0 || batchB === 0 ? 0 : 1),
    heads: 1,
    m,
    n,
    k,
    aBatch: batchA === 1 ? 0 : m * k,
    aRow: transposeA ? 1 : k,
    aColumn: transposeA ? m : 1,
    bBatch: batchB === 1 ? 0 : k * n,
    bRow: transposeB ? 1 : n,
    bColumn: transposeB ? k : 1,
    cBatch: m * n,
    cRow: n,
  });
  return c.info;
}

/** Mirror of ActivationGradientParams. */
const ACTIVATION_GRADIENT = new ParameterLayout({
  dy: "int",
  preactivation: "int",
  dz: "int",
  sums: "int",
  workspace: "int",
  rows: "int",
  columns: "int",
  activation: "int",
  slope: "float",
});

/** The layer of the contract, bias and activation folded into the product. */
const linear: Kernel = (
  { inputs: { x, weight, bias }, attrs, backend }: KernelCall<
    ActivationAttributes & { keeps: boolean }
  >,
) => {
  const [m, k] = x.shape;
  const n = weight.shape[0];
  const y = backend.output([m, n]);
  const before = attrs.keeps ? backend.output([m, n]) : null;
  multiply(backend, {
    a: backend.addressOf(x),
    b: backend.addressOf(weight),
    c: y.address,
    bias: bias ? backend.addressOf(bias) : 0,
    preactivation: before?.address,
    activation: LINEAR_ACTIVATIONS.indexOf(attrs.activation),
    slope: attrs.slope,
    m,
    n,
    k,
    aRow: k,
    aColumn: 1,
    bRow: 1,
    bColumn: k,
    cRow: n,
  });
  return before ? [y.info, before.info] : [y.info];
};

const activationGradient: Kernel = (
  { inputs: { dy, preactivation }, attrs, backend }: KernelCall<ActivationAttributes>,
) => {
  const [rows, columns] = dy.shape;
  const dz = backend.output(dy.shape);
  const sums = backend.output([columns]);
  backend.launch("f32_linear_activation_gradient", ACTIVATION_GRADIENT, {
    dy: backend.addressOf(dy),
    preactivation: backend.addressOf(preactivation),
    dz: dz.address,
    sums: sums.address,
    rows,
    columns,
    activation: LINEAR_ACTIVATIONS.indexOf(attrs.activation),
    slope: attrs.slope,
  });
  return [dz.info, sums.info];
};

/** Sums over the rows of a `[rows, columns]` matrix at `from`. */
export function sumRows(
  backend: WasmBackend,
  matrix: { from: number; rows: number; columns: number },
): tf.TensorInfo {
  const { from, rows, columns } = matrix;
  const sums = backend.output([columns]);
  const values = { dy: from, sums: sums.address, rows, columns };
  backend.launch("f32_linear_activation_gradient", ACTIVATION_GRADIENT, values);
  return sums.info;
}

/** Kernels of this file by the name of TensorFlow.js. */
export const LINEAR_KERNELS: KernelTable = {
  [LINEAR_KERNEL.linear]: linear,
  [LINEAR_KERNEL.activationGradient]: activationGradient,
  [tf.BatchMatMul]: batchMatMul,
  [tf._FusedMatMul]: fusedMatMul,
};
