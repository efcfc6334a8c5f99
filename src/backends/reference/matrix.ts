/** Matrix products in float64: batched, with transposes, with bias and activation. */
import { BackendError } from "../../base/errors.ts";
import { tf } from "../../deps/tfjs.ts";
import type { Call, KernelTable } from "./kernel_table.ts";
import { broadcastView, denseStrides, readView, sizeOf } from "./views.ts";

/** The stock matrix products. */
export const MATRIX: KernelTable = {
  BatchMatMul: (call) => product(call),
  _FusedMatMul: fusedProduct,
};

/** a `[..., M, K]` times b `[..., K, N]`, each possibly stored transposed; leading axes broadcast. */
function product({ inputs: { a, b }, attrs, backend }: Call): tf.TensorInfo {
  const [left, right] = [a.shape.length - 2, b.shape.length - 2];
  const [rows, inner] = attrs.transposeA
    ? [a.shape[left + 1], a.shape[left]]
    : [a.shape[left], a.shape[left + 1]];
  const columns = attrs.transposeB ? b.shape[right] : b.shape[right + 1];
  const batch = tf.broadcast_util.assertAndGetBroadcastShape(
    a.shape.slice(0, left),
    b.shape.slice(0, right),
  );
  const x = matrices(backend.floats(a), a.shape, { batch, transposed: attrs.transposeA });
  const y = matrices(backend.floats(b), b.shape, { batch, transposed: !attrs.transposeB });
  const out = new Float64Array(sizeOf(batch) * rows * columns);
  let position = 0;
  for (let n = 0; n < sizeOf(batch); n++) {
    for (let row = 0; row < rows; row++) {
      for (let column = 0; column < columns; column++) {
        let i = (n * rows + row) * inner;
        let j = (n * columns + column) * inner;
        let sum = 0;
        for (const end = i + inner; i < end; i++, j++) sum += x[i] * y[j];
        out[position++] = sum;
      }
    }
  }
  return backend.output(out, [...batch, rows, columns], a.dtype);
}

/** Dense copies of the matrices, transposed if asked for, repeated to the batch shape. */
function matrices(
  values: ArrayLike<number>,
  shape: readonly number[],
  { batch, transposed }: { batch: readonly number[]; transposed: boolean },
): Float64Array {
  const target = [...batch, ...shape.slice(-2)];
  const { strides } = shape.length === target.length && sizeOf(shape) === sizeOf(target)
    ? { strides: denseStrides(shape) }
    : broadcastView(shape, target);
  const last = target.length - 1;
  const order = target.map((_, axis) => axis);
  if (transposed) [order[last - 1], order[last]] = [last, last - 1];
  return readView(values as Float64Array, {
    shape: order.map((axis) => target[axis]),
    offset: 0,
    strides: order.map((axis) => strides[axis]),
  }) as Float64Array;
}

/** The activations TensorFlow.js can fuse, as functions of the value and LeakyReLU's alpha. */
const ACTIVATIONS: Readonly<Record<string, (value: number, alpha: number) => number>> = {
  linear: (v) => v,
  relu: (v) => v < 0 ? 0 : v,
  leakyrelu: (v, alpha) => v < 0 ? alpha * v : v,
  sigmoid: (v) => 1 / (1 + Math.exp(-v)),
};

function fusedProduct(call: Call): tf.TensorInfo {
  const { inputs: { bias }, attrs, backend } = call;
  const activation = ACTIVATIONS[attrs.activation ?? "linear"];
  if (activation === undefined) {
    throw new BackendError(
      "reference",
      `Multiplying matrices: activation is "${attrs.activation}", needs ` +
        Object.keys(ACTIVATIONS).join(", "),
    );
  }
  const result = product(call);
  const values = backend.floats(result);
  const offset = bias
    ? readView(backend.values(bias), broadcastView(bias.shape, result.shape))
    : null;
  for (let i = 0; i < values.length; i++) {
    values[i] = activation(values[i] + (offset?.[i] ?? 0), attrs.leakyreluAlpha ?? 0.2);
  }
  return result;
}
