/** Up-sampling by whole factors along one to three spatial axes, with gradients. */
import type { Tap } from "../backends/tap_contract.ts";
import type { tf } from "../deps/tfjs.ts";
import {
  applyTaps,
  type PerAxis,
  perAxis,
  rememberedMap,
  spatialLengths,
  spatialMap,
} from "./tap_maps.ts";

/**
 * Repeats every place `factor` times along each spatial axis: place p of the result is place ⌊p/factor⌋ of x.
 * Differentiable.
 *
 * @param x `[B, L, C]`, `[B, Y, X, C]` or `[B, Z, Y, X, C]` float32.
 * @param factor At least 1, one for all axes or one each.
 * @returns Each spatial axis `factor` times as long.
 * @throws {ConfigError} for a bad factor.
 * @throws {ShapeError} when x has other axes.
 */
export function upsampleNearest(x: tf.Tensor, factor: PerAxis): tf.Tensor {
  const doing = "Up-sampling";
  const lengths = spatialLengths(doing, x);
  const factors = perAxis(doing, "factor", factorOf(factor, lengths));
  const map = rememberedMap(["nearest", x.shape, factors], () => {
    const places = (length: number, axis: number) =>
      Array.from({ length: length * factors[axis] }, (_, p) => [Math.floor(p / factors[axis])]);
    return spatialMap(x.shape, lengths.map(places));
  });
  return applyTaps(x, map);
}

/** Options of {@link upsampleLinear}. */
export interface UpsampleLinearOptions {
  /**
   * Whether the first and last places of x and of the result coincide: place p reads x at p·(n − 1)/(m − 1), n and m the
   * two lengths. Otherwise (the default, as in PyTorch) the places are centres of cells: p reads x at
   * (p + ½)/factor − ½, and beyond the outermost centres the edge.
   */
  readonly alignCorners?: boolean;
}

/**
 * Linear interpolation between neighbouring places along each spatial axis (bilinear and trilinear in two and three).
 * Differentiable.
 *
 * @param x `[B, L, C]`, `[B, Y, X, C]` or `[B, Z, Y, X, C]` float32.
 * @param factor At least 1, one for all axes or one each.
 * @param options Where the places of the result lie.
 * @returns Each spatial axis `factor` times as long.
 * @throws {ConfigError} for a bad factor.
 * @throws {ShapeError} when x has other axes.
 */
export function upsampleLinear(
  x: tf.Tensor,
  factor: PerAxis,
  options: UpsampleLinearOptions = {},
): tf.Tensor {
  const doing = "Up-sampling";
  const lengths = spatialLengths(doing, x);
  const factors = perAxis(doing, "factor", factorOf(factor, lengths));
  const { alignCorners = false } = options;
  const map = rememberedMap(["linear", x.shape, factors, alignCorners], () => {
    const places = (length: number, axis: number) =>
      Array.from({ length: length * factors[axis] }, (_, p) => {
        const at = alignCorners
          ? p * (length - 1) / Math.max(1, length * factors[axis] - 1)
          : (p + 0.5) / factors[axis] - 0.5;
        return neighbours(at, length);
      });
    return spatialMap(x.shape, lengths.map(places));
  });
  return applyTaps(x, map);
}

function factorOf(given: PerAxis, lengths: readonly number[]) {
  return { given, otherwise: 1, axes: lengths.length, least: 1 };
}

/** The one or two places around a position, weighted; the edge beyond the ends. */
function neighbours(at: number, length: number): Tap[] {
  const inside = Math.min(Math.max(at, 0), length - 1);
  const below = Math.floor(inside);
  const share = inside - below;
  return share === 0 ? [below] : [[below, 1 - share], [below + 1, share]];
}
