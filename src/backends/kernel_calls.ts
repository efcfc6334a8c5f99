/** Calls of our own kernels by name; an engine may lack some, which an operation then composes of stock ones. */
import { tf } from "../deps/tfjs.ts";

/** Tensors of a call by name; null ones are left out. */
type KernelInputs = Readonly<Record<string, tf.Tensor | null>>;

/**
 * Runs a kernel of the current engine.
 *
 * @param name Name it is registered under.
 * @param inputs By name; null ones are left out.
 * @param attributes Its attributes, plain values.
 * @returns Its results.
 */
export function runKernel(
  name: string,
  inputs: KernelInputs,
  attributes: object = {},
): tf.Tensor[] {
  const given = Object.fromEntries(Object.entries(inputs).filter(([, tensor]) => tensor !== null));
  const result = tf.engine().runKernel(
    name,
    given as unknown as tf.NamedTensorMap,
    attributes as tf.NamedAttrMap,
  ) as tf.Tensor | tf.Tensor[];
  return Array.isArray(result) ? result : [result];
}

/**
 * The same, where the engine may lack the kernel.
 *
 * @param name Name it is registered under.
 * @param inputs By name; null ones are left out.
 * @param attributes Its attributes, plain values.
 * @returns Its results, or null when the engine has no such kernel.
 */
export function runIfPresent(
  name: string,
  inputs: KernelInputs,
  attributes: object = {},
): tf.Tensor[] | null {
  return tf.getKernel(name, tf.getBackend()) == null ? null : runKernel(name, inputs, attributes);
}
