/**
 * One transfer to the host for many small tensors, so that a step waits for its device once.
 */
import type { FloatArray } from "../base/arrays.ts";
import { toHost } from "../backends/tensors.ts";
import { tf } from "../deps/tfjs.ts";

/** Tensors by name, or lists of them. */
export type NamedTensors = Readonly<Record<string, tf.Tensor | readonly tf.Tensor[]>>;

/** Their values under the same names. */
export type HostValues<T extends NamedTensors> = {
  [K in keyof T]: T[K] extends readonly tf.Tensor[] ? FloatArray[] : FloatArray;
};

/**
 * Copies tensors to the host together.
 *
 * @param tensors Of any shapes, by name; not disposed.
 * @returns Their values, row-major, under the same names; arrays of their own.
 */
export async function readBack<T extends NamedTensors>(tensors: T): Promise<HostValues<T>> {
  const all = Object.values(tensors).flat() as tf.Tensor[];
  const values = await transfer(all);
  const next = () => values.shift()!;
  return Object.fromEntries(
    Object.entries(tensors).map(([name, one]) => [
      name,
      isList(one) ? one.map(() => next()) : next(),
    ]),
  ) as HostValues<T>;
}

async function transfer(tensors: readonly tf.Tensor[]): Promise<FloatArray[]> {
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

function isList(one: tf.Tensor | readonly tf.Tensor[]): one is readonly tf.Tensor[] {
  return Array.isArray(one);
}
