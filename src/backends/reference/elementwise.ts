/** Elementwise kernels in float64: one or two inputs with broadcasting, comparisons, selection, casts. */
import { erf } from "../../base/erf.ts";
import { tf } from "../../deps/tfjs.ts";
import type { Float64Backend, Values } from "./float64_backend.ts";
import type { Call, Kernel, KernelTable } from "./kernel_table.ts";
import { broadcastView, emptyLike, readView, sizeOf } from "./views.ts";

/** The stock elementwise kernels, and a few that fill or copy. */
export const ELEMENTWISE: KernelTable = {
  Abs: unary(Math.abs),
  Ceil: unary(Math.ceil),
  Cos: unary(Math.cos),
  Erf: unary(erf),
  Exp: unary(Math.exp),
  Expm1: unary(Math.expm1),
  Floor: unary(Math.floor),
  Log: unary(Math.log),
  Log1p: unary(Math.log1p),
  Neg: unary((v) => -v),
  Reciprocal: unary((v) => 1 / v),
  Relu: unary((v) => v < 0 ? 0 : v),
  Rsqrt: unary((v) => 1 / Math.sqrt(v)),
  Sigmoid: unary((v) => 1 / (1 + Math.exp(-v))),
  Sign: unary((v) => v < 0 ? -1 : v > 0 ? 1 : 0),
  Sin: unary(Math.sin),
  Softplus: unary((v) => Math.max(v, 0) + Math.log1p(Math.exp(-Math.abs(v)))),
  Sqrt: unary(Math.sqrt),
  Square: unary((v) => v * v),
  Tanh: unary(Math.tanh),
  LeakyRelu: unary((v, { alpha }) => v < 0 ? alpha * v : v),
  Step: unary((v, { alpha }) => v > 0 ? 1 : v < 0 ? alpha ?? 0 : Number.isNaN(v) ? v : 0),
  ClipByValue: unary((v, { clipValueMin, clipValueMax }) =>
    Math.max(clipValueMin, Math.min(clipValueMax, v))
  ),
  IsFinite: unary((v) => Number(Number.isFinite(v)), "bool"),
  IsInf: unary((v) => Number(Math.abs(v) === Infinity), "bool"),
  IsNan: unary((v) => Number(Number.isNaN(v)), "bool"),
  LogicalNot: unary((v) => Number(!v), "bool"),

  Add: binary((a, b) => a + b),
  Sub: binary((a, b) => a - b),
  Multiply: binary((a, b) => a * b),
  RealDiv: binary((a, b) => a / b, "float32"),
  FloorDiv: binary((a, b) => Math.floor(a / b), "int32"),
  Mod: binary((a, b) => a - b * Math.floor(a / b)),
  Pow: binary((a, b) => a ** b),
  Maximum: binary(Math.max),
  Minimum: binary(Math.min),
  SquaredDifference: binary((a, b) => (a - b) * (a - b)),
  Equal: binary((a, b) => Number(a === b), "bool"),
  NotEqual: binary((a, b) => Number(a !== b), "bool"),
  Greater: binary((a, b) => Number(a > b), "bool"),
  GreaterEqual: binary((a, b) => Number(a >= b), "bool"),
  Less: binary((a, b) => Number(a < b), "bool"),
  LessEqual: binary((a, b) => Number(a <= b), "bool"),
  LogicalAnd: binary((a, b) => Number(a && b ? 1 : 0), "bool"),
  LogicalOr: binary((a, b) => Number(a || b ? 1 : 0), "bool"),

  AddN: addAll,
  Select: select,
  Cast: cast,
  Fill: ({ attrs, backend }) => {
    const dtype = attrs.dtype ?? "float32";
    return backend.output(
      new Float64Array(sizeOf(attrs.shape)).fill(attrs.value),
      attrs.shape,
      dtype,
    );
  },
  OnesLike: ({ inputs: { x }, backend }) =>
    backend.output(new Float64Array(sizeOf(x.shape)).fill(1), x.shape, x.dtype),
  ZerosLike: ({ inputs: { x }, backend }) =>
    backend.output(new Float64Array(sizeOf(x.shape)), x.shape, x.dtype),
  Range: ({ attrs, backend }) => {
    const { start, stop, step, dtype } = attrs;
    const length = Math.max(0, Math.ceil((stop - start) / step));
    return backend.output(
      Float64Array.from({ length }, (_, i) => start + i * step),
      [length],
      dtype,
    );
  },
};

function unary(of: (value: number, attrs: Call["attrs"]) => number, dtype?: "bool"): Kernel {
  return ({ inputs: { x, a }, attrs, backend }) => {
    const input = x ?? a;
    const values = backend.values(input);
    const result = new Float64Array(values.length);
    for (let i = 0; i < values.length; i++) result[i] = of(values[i], attrs);
    return backend.output(result, input.shape, dtype ?? input.dtype);
  };
}

function binary(of: (a: number, b: number) => number, dtype?: string): Kernel {
  return ({ inputs: { a, b }, backend }) => combine(backend, { a, b, of, dtype: dtype ?? a.dtype });
}

interface Combination {
  readonly a: tf.TensorInfo;
  readonly b: tf.TensorInfo;
  readonly of: (a: number, b: number) => number;
  readonly dtype: string;
}

function combine(backend: Float64Backend, { a, b, of, dtype }: Combination): tf.TensorInfo {
  const shape = tf.broadcast_util.assertAndGetBroadcastShape(a.shape, b.shape);
  const left = repeated(backend, a, shape);
  const right = repeated(backend, b, shape);
  const result = new Float64Array(left.length);
  for (let i = 0; i < result.length; i++) result[i] = of(left[i], right[i]);
  return backend.output(result, shape, dtype);
}

/** Values broadcast to `shape`. */
function repeated(
  backend: Float64Backend,
  tensor: tf.TensorInfo,
  shape: readonly number[],
): Values {
  const values = backend.values(tensor);
  if (values.length === sizeOf(shape)) return values;
  if (values.length === 1) return emptyLike(values, sizeOf(shape)).fill(values[0]);
  return readView(values, broadcastView(tensor.shape, shape));
}

function addAll({ inputs, backend }: Call): tf.TensorInfo {
  const tensors = Object.values(inputs);
  const result = Float64Array.from(backend.values(tensors[0]));
  for (const tensor of tensors.slice(1)) {
    const values = backend.values(tensor);
    for (let i = 0; i < result.length; i++) result[i] += values[i];
  }
  return backend.output(result, tensors[0].shape, tensors[0].dtype);
}

/** TensorFlow.js has broadcast the three inputs to one shape. */
function select({ inputs: { condition, t, e }, backend }: Call): tf.TensorInfo {
  const [test, yes, no] = [backend.values(condition), backend.values(t), backend.values(e)];
  const result = Float64Array.from({ length: yes.length }, (_, i) => test[i] ? yes[i] : no[i]);
  return backend.output(result, t.shape, t.dtype);
}

function cast({ inputs: { x }, attrs, backend }: Call): tf.TensorInfo {
  if (attrs.dtype === x.dtype) return backend.alias(x, x.shape);
  return backend.output(backend.values(x), x.shape, attrs.dtype);
}
