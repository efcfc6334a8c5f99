/** Figure: one axial slice, input beside reconstruction on a common grey scale [recurrent-vae §8, figures]. */
import type { FloatArray, SpatialShape } from "../base/arrays.ts";
import { ShapeError } from "../base/errors.ts";
import { greyBitmap } from "./bitmap.ts";
import { svgElement, text } from "./svg.ts";

/** Two volumes of one frame and what to write beside them. */
export interface SliceComparison {
  /** `[Z, Y, X]`, x fastest. */
  readonly input: FloatArray;
  /** Same size. */
  readonly reconstruction: FloatArray;
  /** `[X, Y, Z]`. */
  readonly spatialShape: SpatialShape;
  /** Which axial slice; default the middle one, floor(Z/2). */
  readonly slice?: number;
  readonly title: string;
}

/** Width of a drawn slice in pixels. */
const WIDTH = 260;

/**
 * Draws the slice of both volumes, front of the head up (y grows upwards), with the Pearson correlation
 * over all voxels of the volume and the ratio of standard deviations.
 *
 * @param comparison The volumes.
 * @returns An SVG element.
 * @throws {ShapeError} when a volume does not have X·Y·Z values.
 */
export function sliceComparison(comparison: SliceComparison): string {
  const { input, reconstruction, spatialShape: [X, Y, Z] } = comparison;
  for (const volume of [input, reconstruction]) {
    if (volume.length !== X * Y * Z) {
      throw new ShapeError(
        `Cannot draw a slice: found ${volume.length} voxels, needs ${X}·${Y}·${Z}`,
        [volume.length],
        `${X}·${Y}·${Z} voxels`,
      );
    }
  }
  const z = comparison.slice ?? Math.floor(Z / 2);
  const cut = (volume: FloatArray) => volume.subarray(z * X * Y, (z + 1) * X * Y);
  const [low, high] = greyRange(cut(input));
  const height = Math.round(WIDTH * Y / X);
  const picture = (volume: FloatArray, left: number) =>
    `<image x="${left}" y="52" width="${WIDTH}" height="${height}" preserveAspectRatio="none" ` +
    `image-rendering="pixelated" href="${greyBitmap(cut(volume), X, [low, high])}"/>`;
  const { correlation, deviationRatio } = agreement(input, reconstruction);
  return svgElement(2 * WIDTH + 60, height + 92, [
    `<g font-weight="bold">${text(20, 20, comparison.title)}</g>`,
    text(20, 44, "input"),
    text(WIDTH + 40, 44, "reconstruction"),
    picture(input, 20),
    picture(reconstruction, WIDTH + 40),
    text(
      20,
      height + 74,
      `slice z = ${z} of ${Z}; grey from ${round(low)} to ${round(high)}; ` +
        `Pearson r ${round(correlation)}, std ratio ${round(deviationRatio)} over the volume`,
    ),
  ]);
}

/** Grey scale of a slice: the central 98 % of its values. */
function greyRange(values: FloatArray): readonly [number, number] {
  const sorted = Float64Array.from(values).sort();
  const at = (fraction: number) => sorted[Math.round(fraction * (sorted.length - 1))];
  const [low, high] = [at(0.01), at(0.99)];
  return high > low ? [low, high] : [low - 1, low + 1];
}

/**
 * Pearson correlation of two volumes over their voxels, and std(b)/std(a) [recurrent-vae §8, wide decoder].
 *
 * @param a Input.
 * @param b Reconstruction, as long.
 * @returns NaN for the correlation where a volume is constant.
 */
export function agreement(
  a: FloatArray,
  b: FloatArray,
): { readonly correlation: number; readonly deviationRatio: number } {
  const mean = (values: FloatArray) => {
    let sum = 0;
    for (const value of values) sum += value;
    return sum / values.length;
  };
  const [meanA, meanB] = [mean(a), mean(b)];
  let [saa, sbb, sab] = [0, 0, 0];
  for (let i = 0; i < a.length; i++) {
    saa += (a[i] - meanA) ** 2;
    sbb += (b[i] - meanB) ** 2;
    sab += (a[i] - meanA) * (b[i] - meanB);
  }
  return { correlation: sab / Math.sqrt(saa * sbb), deviationRatio: Math.sqrt(sbb / saa) };
}

function round(value: number): string {
  return String(Number(value.toPrecision(3)));
}
