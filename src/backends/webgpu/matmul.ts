/**
 * Matrix products on the GPU, in place of the stock kernel: that has a dozen variants, one of which sums wrongly
 * (a long inner axis with columns in fours), and picks between them by the device.
 */
import { tf } from "../../deps/tfjs.ts";
import type { DeviceBackend } from "./device_backend.ts";
import { DEPTH, matrixProduct, TILE } from "./matmul_shader.ts";
import { sumOverRows } from "./row_sums.ts";

/** Workgroups that keep a GPU busy; below, the inner axis is cut. */
const BUSY = 512;

/** Least inner extent worth a workgroup of its own. */
const SHORTEST_RANGE = 16 * DEPTH;

/** Memory that the ranges of one product may take. */
const PARTIAL_BYTES = 32 * 2 ** 20;

/** What the kernel "BatchMatMul" is called with. */
interface MatMulCall {
  readonly inputs: { readonly a: tf.TensorInfo; readonly b: tf.TensorInfo };
  readonly backend: DeviceBackend;
  readonly attrs: { readonly transposeA: boolean; readonly transposeB: boolean };
}

/**
 * The kernel: products of two matrices are ours, batches of matrices go to the stock one.
 *
 * @param call As TensorFlow.js makes it.
 */
export function matMul(call: MatMulCall): tf.TensorInfo {
  const { inputs: { a, b }, backend, attrs } = call;
  if (
    a.shape.length !== 2 || b.shape.length !== 2 || a.dtype !== "float32" || b.dtype !== "float32"
  ) {
    const stock = tf.getKernel(tf.BatchMatMul, "webgpu");
    return stock.kernelFunc(call as never) as tf.TensorInfo;
  }
  const [rows, inner] = attrs.transposeA ? [a.shape[1], a.shape[0]] : a.shape;
  const columns = attrs.transposeB ? b.shape[0] : b.shape[1];
  if (rows * columns * inner === 0) {
    const zero = backend.allocate([rows, columns]);
    backend.clear(zero);
    return zero;
  }
  const tiles = Math.ceil(rows / TILE) * Math.ceil(columns / TILE);
  const innerPerRange = rangeLength(inner, tiles, rows * columns);
  const ranges = Math.ceil(inner / innerPerRange);
  const partial = backend.allocate([ranges, rows * columns]);
  backend.dispatch({
    shader: matrixProduct(),
    buffers: [{ tensor: a }, { tensor: b }, { tensor: partial }],
    uniforms: {
      rows,
      columns,
      inner,
      innerPerRange,
      ranges,
      aRow: attrs.transposeA ? 1 : inner,
      aInner: attrs.transposeA ? rows : 1,
      bInner: attrs.transposeB ? 1 : columns,
      bColumn: attrs.transposeB ? inner : 1,
    },
    workgroups: tiles * ranges,
  });
  return sumOverRows(backend, partial, [ranges, rows * columns], [rows, columns]);
}

/** Inner extent of a range, a whole number of slabs, so that there are enough workgroups and not too many results. */
function rangeLength(inner: number, tiles: number, results: number): number {
  const wanted = Math.min(Math.ceil(BUSY / tiles), Math.floor(inner / SHORTEST_RANGE));
  const affordable = Math.floor(PARTIAL_BYTES / (4 * results));
  const ranges = Math.max(1, Math.min(wanted, affordable));
  return Math.ceil(inner / ranges / DEPTH) * DEPTH;
}
