/** Padding by reflection and by repeating the edge, in one to three spatial axes. */
import { ConfigError } from "../base/errors.ts";
import type { tf } from "../deps/tfjs.ts";
import {
  applyTaps,
  type PerAxis,
  perAxis,
  rememberedMap,
  spatialLengths,
  spatialMap,
} from "./tap_maps.ts";

/** What stands outside a tensor: zeros, its mirror image without the edge, or its edge repeated. */
export type PaddingMode = "zero" | "reflect" | "replicate";

/** Values added before and after each spatial axis. */
export interface PadOptions {
  /** Before each axis, at least 0; after it too, unless `after` is given. */
  readonly before: PerAxis;
  /** After each axis, at least 0. */
  readonly after?: PerAxis;
}

/**
 * Pads with the mirror image of x, the edge not repeated: 1 2 3 → 3 2 | 1 2 3 | 2 1. Differentiable.
 *
 * @param x `[B, L, C]`, `[B, Y, X, C]` or `[B, Z, Y, X, C]` float32.
 * @param padding Values before and after each axis, below its length.
 * @returns Each spatial axis longer by before + after.
 * @throws {ConfigError} when a padding is no whole number in range.
 * @throws {ShapeError} when x has other axes.
 */
export function reflectPad(x: tf.Tensor, padding: number | PadOptions): tf.Tensor {
  return pad(x, padding, "reflect");
}

/**
 * Pads by repeating the first and last place of each axis: 1 2 3 → 1 1 | 1 2 3 | 3 3. Differentiable.
 *
 * @param x `[B, L, C]`, `[B, Y, X, C]` or `[B, Z, Y, X, C]` float32.
 * @param padding Values before and after each axis.
 * @returns Each spatial axis longer by before + after.
 * @throws {ConfigError} when a padding is no whole number of at least 0.
 * @throws {ShapeError} when x has other axes.
 */
export function replicatePad(x: tf.Tensor, padding: number | PadOptions): tf.Tensor {
  return pad(x, padding, "replicate");
}

function pad(x: tf.Tensor, padding: number | PadOptions, mode: PaddingMode): tf.Tensor {
  const doing = mode === "reflect" ? "Padding by reflection" : "Padding by repeating the edge";
  const lengths = spatialLengths(doing, x);
  const sides = typeof padding === "number" ? { before: padding } : padding;
  const shared = { otherwise: 0, axes: lengths.length, least: 0 };
  const before = perAxis(doing, "before", { given: sides.before, ...shared });
  const after = perAxis(doing, "after", { given: sides.after ?? sides.before, ...shared });
  requireRoom(doing, mode, { lengths, padding: before.map((n, a) => Math.max(n, after[a])) });
  const map = rememberedMap([mode, x.shape, before, after], () => {
    const places = (length: number, axis: number) =>
      Array.from(
        { length: before[axis] + length + after[axis] },
        (_, p) => [placeInside(p - before[axis], length, mode)],
      );
    return spatialMap(x.shape, lengths.map(places));
  });
  return applyTaps(x, map);
}

/**
 * Where the value of a place outside comes from.
 *
 * @param place Position on the axis, negative or past its end outside.
 * @param length Of the axis.
 * @param mode What stands outside.
 * @returns 0 … length − 1, or −1 for a zero.
 */
export function placeInside(place: number, length: number, mode: PaddingMode): number {
  if (place >= 0 && place < length) return place;
  if (mode === "zero") return -1;
  if (mode === "replicate") return place < 0 ? 0 : length - 1;
  return place < 0 ? -place : 2 * (length - 1) - place;
}

/**
 * Throws unless every axis is longer than what is mirrored of it.
 *
 * @param doing What is being done, for the message.
 * @param mode Only "reflect" has a limit.
 * @param sizes Lengths and the larger padding of each axis.
 * @throws {ConfigError} naming both.
 */
export function requireRoom(
  doing: string,
  mode: PaddingMode,
  sizes: { readonly lengths: readonly number[]; readonly padding: readonly number[] },
): void {
  const { lengths, padding } = sizes;
  if (mode !== "reflect" || padding.every((n, axis) => n < lengths[axis])) return;
  throw new ConfigError(
    "padding",
    `${doing}: padding is [${padding.join(", ")}] and x has spatial lengths [${
      lengths.join(", ")
    }], needs ` +
      "a padding below each length; pad less, or by repeating the edge",
  );
}
