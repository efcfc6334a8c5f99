/**
 * Model methods take arrays with shapes or tensors and answer in kind; this is the one place that knows.
 */
import type { NdArray } from "../../base/arrays.ts";
import { ShapeError } from "../../base/errors.ts";
import { toHost, toTensor } from "../../backends/tensors.ts";
import { tf } from "../../deps/tfjs.ts";

/** A host array with a shape, or a tensor of the current engine. */
export type Values = NdArray | tf.Tensor;

/** The same kind of thing as the input. */
export type Like<Input extends Values> = Input extends tf.Tensor ? tf.Tensor : NdArray;

/**
 * Copies values to the host.
 *
 * @param values Array or tensor; an array is given back as it is.
 */
export async function onHost(values: Values): Promise<NdArray> {
  if (!(values instanceof tf.Tensor)) return values;
  return { data: await toHost(values), shape: values.shape };
}

/**
 * Gives a host result the form of the input.
 *
 * @param input Whose kind decides.
 * @param result To be converted.
 */
export function inKind<Input extends Values>(input: Input, result: NdArray): Like<Input> {
  const converted = input instanceof tf.Tensor ? toTensor(result.data, result.shape) : result;
  return converted as Like<Input>;
}

/**
 * Checks that an array has as many values as its shape says.
 *
 * @param name Name of the argument, for the message.
 * @param values What was given.
 * @throws {ShapeError} when it has not.
 */
export function requireWhole(name: string, values: Values): void {
  const size = values.shape.reduce((product, n) => product * n, 1);
  if (values instanceof tf.Tensor || values.data.length === size) return;
  throw new ShapeError(
    `Cannot use ${name}: found ${values.data.length} values, needs ${size} for the shape [${values.shape}]`,
    [values.data.length],
    `${size} values`,
  );
}

/**
 * Checks shape and length; −1 fits any length of an axis.
 *
 * @param name Name of the argument, for the message.
 * @param values What was given.
 * @param needed Pattern, and the same in words, e.g. `"[B, D]"`.
 * @throws {ShapeError} when it does not fit.
 */
export function requireValues(
  name: string,
  values: Values,
  needed: { readonly pattern: readonly number[]; readonly words: string },
): void {
  const { pattern, words } = needed;
  const fits = values.shape.length === pattern.length &&
    pattern.every((n, axis) => n === -1 || n === values.shape[axis]);
  if (fits) return requireWhole(name, values);
  const sizes = pattern.map((n) => (n === -1 ? "any" : n)).join(", ");
  throw new ShapeError(
    `Cannot use ${name}: found shape [${values.shape}], needs ${words} = [${sizes}]`,
    values.shape,
    words,
  );
}
