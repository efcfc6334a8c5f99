/**
 * One transfer to the host for many small tensors, so that a step waits for its device once.
 */
import type { FloatArray } from "../base/arrays.ts";
import { toHost } from "../backends/tensors.ts";
import { tf } from "../deps/tfjs.ts";

/**
 * Copies tensors to the host together.
 *
 * @param tensors Of any shapes; not disposed.
 * @returns Their values, row-major, in the same order; arrays of their own.
 */
export async function readBack(tensors: readonly tf.Tensor[]): Promise<FloatArray[]> {
  if (tensors.length === 0) return [];
  if (tensors.length === 1) return [await toHost(tensors[0])];
  const packed = tf.tidy(() =>
    tf.concat(tensors.map((tensor) => tf.reshape(tensor, [tensor.size]) as tf.Tensor1D), 0)
  );
  try {
    const values = await toHost(packed);
    let start = 0;
    return tensors.map(({ size }) => values.slice(start, start += size) as FloatArray);
  } finally {
    packed.dispose();
  }
}
