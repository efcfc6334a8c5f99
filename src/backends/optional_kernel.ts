/** Kernels that an engine may have or lack; an operation composes what is missing from stock operations. */
import { tf } from "../deps/tfjs.ts";

/** Attributes of a kernel of ours. */
export type KernelAttributes = Readonly<
  Record<string, number | string | boolean | null | readonly number[]>
>;

/**
 * Runs a kernel of the current engine.
 *
 * @param name Name it is registered under.
 * @param inputs By name; null ones are left out.
 * @param attributes Its attributes.
 * @returns Its results, or null when the engine has no such kernel.
 */
export function runIfPresent(
  name: string,
  inputs: Readonly<Record<string, tf.Tensor | null>>,
  attributes: KernelAttributes = {},
): tf.Tensor[] | null {
  if (tf.getKernel(name, tf.getBackend()) == null) return null;
  const given = Object.fromEntries(Object.entries(inputs).filter(([, tensor]) => tensor !== null));
  const result = tf.engine().runKernel(
    name,
    given as unknown as tf.NamedTensorMap,
    attributes as unknown as tf.NamedAttrMap,
  ) as tf.Tensor | tf.Tensor[];
  return Array.isArray(result) ? result : [result];
}
