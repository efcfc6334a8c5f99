/** Elementwise kernels of TensorFlow.js and of the contract, on `unary`, `binary`, `activation_gradient` and `dropout` of `wasm/elementwise`. */
import { tf } from "../../../deps/tfjs.ts";
import {
  ACTIVATION_KERNEL,
  type ActivationAttributes,
  type ActivationName,
  ACTIVATIONS,
  type DropoutAttributes,
} from "../../activation_contract.ts";
import type { WasmBackend } from "../backend.ts";
import { ParameterLayout } from "../parameters.ts";
import { broadcastRows } from "./broadcast.ts";
import { type Kernel, type KernelCall, type KernelTable, sizeOf } from "./kernel.ts";

/** Mirror of UnaryParams. */
const UNARY = new ParameterLayout({
  x: "int",
  y: "int",
  count: "int",
  op: "int",
  alpha: "float",
  beta: "float",
});

/** Mirror of BinaryParams. */
const BINARY = new ParameterLayout({
  a: "int",
  b: "int",
  y: "int",
  outer: "int",
  inner: "int",
  aOuter: "int",
  aInner: "int",
  bOuter: "int",
  bInner: "int",
  op: "int",
});

/** Names of TensorFlow.js in the order of the operation numbers in unary.cpp. */
const UNARY_OPERATIONS = [
  "Neg",
  "Abs",
  "Square",
  "Sqrt",
  "Rsqrt",
  "Reciprocal",
  "Exp",
  "Log",
  "Tanh",
  "Sigmoid",
  "Relu",
  "LeakyRelu",
  "Sign",
  "Step",
] as const;
const CLIP = 14;
const COPY = 15;
const FROM_INTEGER = 16;
const FILL = 17;

const ERF = 18;

/** Operation numbers of activations. */
const ACTIVATION_OPERATIONS: Readonly<Record<ActivationName, number>> = {
  relu: 10,
  "leaky-relu": 11,
  elu: 20,
  tanh: 8,
  sigmoid: 9,
  silu: 21,
  softplus: 19,
  gelu: 22,
  "gelu-tanh": 23,
};

/** Mirror of ActivationGradientParams. */
const ACTIVATION_GRADIENT = new ParameterLayout({
  dy: "int",
  x: "int",
  dx: "int",
  count: "int",
  op: "int",
  alpha: "float",
});

/** Mirror of DropoutParams. */
const DROPOUT = new ParameterLayout({
  x: "int",
  y: "int",
  count: "int",
  key0: "int",
  key1: "int",
  upper0: "int",
  upper1: "int",
  threshold: "int",
  scale: "float",
});

/** Names of TensorFlow.js in the order of the operation numbers in binary.cpp. */
const BINARY_OPERATIONS = [
  "Add",
  "Sub",
  "Multiply",
  "RealDiv",
  "Maximum",
  "Minimum",
  "SquaredDifference",
] as const;
const ADD = 0;

function unary(op: number): Kernel {
  return ({ inputs, attrs, backend }: KernelCall<{ alpha?: number } | undefined>) => {
    const { x } = inputs;
    if (x.dtype !== "float32") return null;
    return runUnary(backend, x, { op, alpha: attrs?.alpha ?? 0 });
  };
}

/** tf.elu has the factor 1 and no attribute for it. */
const elu: Kernel = ({ inputs: { x }, backend }) =>
  x.dtype === "float32" ? runUnary(backend, x, { op: ACTIVATION_OPERATIONS.elu, alpha: 1 }) : null;

const activation: Kernel = (
  { inputs: { x }, attrs, backend }: KernelCall<ActivationAttributes>,
) => runUnary(backend, x, { op: ACTIVATION_OPERATIONS[attrs.activation], alpha: attrs.alpha });

const activationGradient: Kernel = (
  { inputs: { dy, x }, attrs, backend }: KernelCall<ActivationAttributes>,
) => {
  const dx = backend.output(x.shape);
  backend.launch("f32_activation_gradient", ACTIVATION_GRADIENT, {
    dy: backend.addressOf(dy),
    x: backend.addressOf(x),
    dx: dx.address,
    count: sizeOf(x.shape),
    op: ACTIVATIONS.indexOf(attrs.activation),
    alpha: attrs.alpha,
  });
  return dx.info;
};

const dropout: Kernel = ({ inputs: { x }, attrs, backend }: KernelCall<DropoutAttributes>) => {
  const y = backend.output(x.shape);
  const [key0, key1, upper0, upper1] = attrs.identity;
  backend.launch("f32_dropout", DROPOUT, {
    x: backend.addressOf(x),
    y: y.address,
    count: sizeOf(x.shape),
    key0,
    key1,
    upper0,
    upper1,
    threshold: attrs.threshold,
    scale: attrs.scale,
  });
  return y.info;
};

function runUnary(
  backend: WasmBackend,
  x: tf.TensorInfo,
  options: { op: number; alpha?: number; beta?: number },
): tf.TensorInfo {
  const y = backend.output(x.shape);
  backend.launch("f32_unary", UNARY, {
    x: backend.addressOf(x),
    y: y.address,
    count: sizeOf(x.shape),
    ...options,
  });
  return y.info;
}

const clip: Kernel = (
  { inputs: { x }, attrs, backend }: KernelCall<{ clipValueMin: number; clipValueMax: number }>,
) => {
  if (x.dtype !== "float32") return null;
  return runUnary(backend, x, { op: CLIP, alpha: attrs.clipValueMin, beta: attrs.clipValueMax });
};

function binary(op: number): Kernel {
  return ({ inputs: { a, b }, backend }) => {
    if (a.dtype !== "float32" || b.dtype !== "float32") return null;
    const rows = broadcastRows(a.shape, b.shape);
    if (rows === null) return null;
    const y = backend.output(rows.shape);
    backend.launch("f32_binary", BINARY, {
      ...rows.strides,
      a: backend.addressOf(a),
      b: backend.addressOf(b),
      y: y.address,
      op,
    });
    return y.info;
  };
}

/** Adds from left to right: ((x0 + x1) + x2) + … */
const addN: Kernel = ({ inputs, backend }) => {
  const terms = Object.values(inputs);
  if (terms.some((term) => term.dtype !== "float32")) return null;
  if (terms.length === 1) return backend.alias(terms[0]);
  const count = sizeOf(terms[0].shape);
  const y = backend.output(terms[0].shape);
  const flat = { outer: 1, inner: count, aInner: 1, bInner: 1, y: y.address, op: ADD };
  let sum = backend.addressOf(terms[0]);
  for (const term of terms.slice(1)) {
    backend.launch("f32_binary", BINARY, { ...flat, a: sum, b: backend.addressOf(term) });
    sum = y.address;
  }
  return y.info;
};

/** Adds `count` values at `from` to those at `to`. */
export function addTo(backend: WasmBackend, to: number, from: number, count: number): void {
  backend.launch("f32_binary", BINARY, {
    a: to,
    b: from,
    y: to,
    outer: 1,
    inner: count,
    aInner: 1,
    bInner: 1,
    op: ADD,
  });
}

/** Conversions that need no work share their values; integers become floats here, the rest on the CPU. */
const cast: Kernel = ({ inputs: { x }, attrs, backend }: KernelCall<{ dtype: tf.DataType }>) => {
  if (attrs.dtype === x.dtype) return backend.alias(x);
  if (attrs.dtype !== "float32" || x.dtype !== "int32") return fromBoolean(backend, x, attrs.dtype);
  return runUnary(backend, x, { op: FROM_INTEGER });
};

function fromBoolean(backend: WasmBackend, x: tf.TensorInfo, dtype: tf.DataType) {
  if (x.dtype !== "bool" || (dtype !== "float32" && dtype !== "int32")) return null;
  const values = backend.readSync(x.dataId) as Uint8Array;
  return backend.makeTensorInfo(
    x.shape,
    dtype,
    dtype === "float32" ? Float32Array.from(values) : Int32Array.from(values),
  );
}

function filled(backend: WasmBackend, shape: readonly number[], value: number): tf.TensorInfo {
  const y = backend.output(shape);
  backend.launch("f32_unary", UNARY, {
    y: y.address,
    count: sizeOf(shape),
    op: FILL,
    alpha: value,
  });
  return y.info;
}

const fill: Kernel = (
  { attrs, backend }: KernelCall<
    { shape: number[]; value: number | string; dtype?: tf.DataType }
  >,
) => {
  const { shape, value, dtype } = attrs;
  if (typeof value !== "number" || (dtype ?? "float32") !== "float32") return null;
  return filled(backend, shape, value);
};

function constant(value: number): Kernel {
  return ({ inputs: { x }, backend }) =>
    x.dtype === "float32" ? filled(backend, x.shape, value) : null;
}

/** Copies float32 values to a new tensor. */
export function copyTensor(backend: WasmBackend, x: tf.TensorInfo): tf.TensorInfo {
  return runUnary(backend, x, { op: COPY });
}

/** Kernels of this file by the name of TensorFlow.js. */
export const ELEMENTWISE_KERNELS: KernelTable = {
  ...Object.fromEntries(UNARY_OPERATIONS.map((name, op) => [name, unary(op)])),
  ...Object.fromEntries(BINARY_OPERATIONS.map((name, op) => [name, binary(op)])),
  [tf.Erf]: unary(ERF),
  [tf.Softplus]: unary(ACTIVATION_OPERATIONS.softplus),
  [tf.Elu]: elu,
  [ACTIVATION_KERNEL.activation]: activation,
  [ACTIVATION_KERNEL.activationGradient]: activationGradient,
  [ACTIVATION_KERNEL.dropout]: dropout,
  [tf.AddN]: addN,
  [tf.ClipByValue]: clip,
  [tf.Cast]: cast,
  [tf.Fill]: fill,
  [tf.ZerosLike]: constant(0),
  [tf.OnesLike]: constant(1),
};
