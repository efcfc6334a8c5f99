/** Maps of a few taps along the spatial axes of channels-last tensors, and their place on the tape. */
import { ConfigError, ShapeError } from "../base/errors.ts";
import {
  type AxisTaps,
  identityAxis,
  listedAxis,
  multiples,
  runTapSum,
  type Tap,
  type TapMap,
  transposedMap,
} from "../backends/tap_contract.ts";
import type { tf } from "../deps/tfjs.ts";
import { runDifferentiable } from "./differentiable.ts";

/** The taps of every place of one axis, in order. */
export type TapLists = readonly (readonly Tap[])[];

/** A number for every spatial axis, or one number each in tensor order (`[Z, Y, X]`, `[Y, X]`, `[L]`). */
export type PerAxis = number | readonly number[];

/**
 * The spatial lengths of a tensor `[B, L, C]`, `[B, Y, X, C]` or `[B, Z, Y, X, C]`.
 *
 * @param doing What is being done, for the message.
 * @param x Channels last.
 * @throws {ShapeError} for other numbers of axes, and where a spatial axis or C is 0.
 */
export function spatialLengths(doing: string, x: tf.Tensor): number[] {
  const lengths = x.shape.slice(1, -1);
  const words = "[B, L, C], [B, Y, X, C] or [B, Z, Y, X, C]";
  if (lengths.length < 1 || lengths.length > 3 || x.shape.slice(1).includes(0)) {
    throw new ShapeError(
      `${doing}: x has shape [${x.shape.join(", ")}], needs ${words} with no length of 0 but B`,
      x.shape,
      words,
    );
  }
  return lengths;
}

/**
 * Spells out one whole number per axis.
 *
 * @param doing What is being done, for the message.
 * @param field Name of the option.
 * @param value `given`, `otherwise` where it is absent, the number of `axes`, the `least` that is legal.
 * @throws {ConfigError} when a number is no integer of at least `least`, or there are too many or too few.
 */
export function perAxis(
  doing: string,
  field: string,
  value: {
    readonly given: PerAxis | undefined;
    readonly otherwise: number;
    readonly axes: number;
    readonly least: number;
  },
): number[] {
  const { given = value.otherwise, axes, least } = value;
  const numbers = typeof given === "number" ? new Array<number>(axes).fill(given) : [...given];
  if (
    numbers.length === axes && numbers.every((n) => Number.isInteger(n) && n >= least)
  ) {
    return numbers;
  }
  throw new ConfigError(
    field,
    `${doing}: ${field} is ${typeof given === "number" ? given : `[${given.join(", ")}]`}, needs ` +
      `${
        axes === 1 ? "a whole number" : `a whole number, or ${axes} of them,`
      } of at least ${least}`,
  );
}

/** Maps that were made last, by what decides them: a training step asks for the same ones every time. */
const remembered = new Map<string, TapMap>();

/** Maps kept; an axis of a thousand places takes some 50 KiB. */
const MOST_REMEMBERED = 64;

/**
 * The map that `make` gives, or the same one made before.
 *
 * @param key Everything that decides the map.
 * @param make Called for a new key.
 */
export function rememberedMap(key: readonly unknown[], make: () => TapMap): TapMap {
  const text = JSON.stringify(key);
  const known = remembered.get(text);
  if (known !== undefined) return known;
  const map = make();
  const oldest = remembered.keys().next();
  if (remembered.size >= MOST_REMEMBERED && !oldest.done) remembered.delete(oldest.value);
  remembered.set(text, map);
  return map;
}

/**
 * The map of a channels-last tensor whose spatial axes have these taps.
 *
 * @param shape Of the source, `[B, …, C]`.
 * @param lists One per spatial axis.
 */
export function spatialMap(shape: readonly number[], lists: readonly TapLists[]): TapMap {
  const channels = shape[shape.length - 1];
  const outputs = lists.map((places) => places.length);
  const axes = lists.map((places, axis) => {
    const after = (lengths: readonly number[]) =>
      lengths.slice(axis + 1).reduce((product, n) => product * n, channels);
    const to = multiples(places.length, after(outputs));
    return listedAxis(places, { length: shape[axis + 1], step: after(shape.slice(1, -1)), to });
  });
  return {
    axes: threeAxes(axes),
    samples: shape[0],
    inner: channels,
    inputShape: shape,
    outputShape: [shape[0], ...outputs, channels],
  };
}

/** One to three axes, with axes of one place in front. */
export function threeAxes(axes: readonly AxisTaps[]): TapMap["axes"] {
  const missing = Array.from({ length: 3 - axes.length }, identityAxis);
  return [...missing, ...axes] as unknown as TapMap["axes"];
}

/**
 * A map on the tape: its gradient is the transposed map.
 *
 * @param x Shape `map.inputShape`.
 * @param map The taps.
 */
export function applyTaps(x: tf.Tensor, map: TapMap): tf.Tensor {
  return runDifferentiable([x], {
    forward: ([source]) => runTapSum(source, map),
    gradient: (dy) => [runTapSum(dy, transposedMap(map))],
  });
}
