/** Smoothing of volumes by a Gaussian of a given width, axis by axis: the numbers of nilearn's `smooth_img`. */
import type { FloatArray, SpatialShape } from "../../base/arrays.ts";

/** Standard deviations in a full width at half maximum. */
const WIDTH = Math.sqrt(8 * Math.log(2));

/**
 * Smooths a volume in place. Borders are mirrored (d c b a | a b c d); what is not finite counts as 0.
 *
 * @param values `[Z, Y, X]`.
 * @param options Size in voxels, size of a voxel in millimetres, and full width at half maximum in millimetres, one or one an
 *   axis (0: none).
 */
export function smoothVolume<A extends FloatArray>(
  values: A,
  { spatialShape, voxelSizes, fwhm }: {
    readonly spatialShape: SpatialShape;
    readonly voxelSizes: readonly [number, number, number];
    readonly fwhm: number | readonly [number, number, number];
  },
): A {
  for (let i = 0; i < values.length; i++) if (!Number.isFinite(values[i])) values[i] = 0;
  const strides = [1, spatialShape[0], spatialShape[0] * spatialShape[1]];
  for (let axis = 0; axis < 3; axis++) {
    const width = typeof fwhm === "number" ? fwhm : fwhm[axis];
    if (!(width > 0)) continue;
    const kernel = gaussian(width / (WIDTH * voxelSizes[axis]));
    const size = spatialShape[axis];
    const line = new Float64Array(size);
    for (let start = 0; start < values.length; start++) {
      if (Math.floor(start / strides[axis]) % size !== 0) continue;
      for (let n = 0; n < size; n++) line[n] = values[start + n * strides[axis]];
      for (let n = 0; n < size; n++) values[start + n * strides[axis]] = weighted(line, n, kernel);
    }
  }
  return values;
}

/** Weights at 0, 1, … voxels, up to four standard deviations. */
function gaussian(sigma: number): Float64Array {
  const radius = Math.floor(4 * sigma + 0.5);
  const weights = Float64Array.from(
    { length: radius + 1 },
    (_, n) => Math.exp(-0.5 * (n / sigma) ** 2),
  );
  const sum = weights.reduce((total, weight, n) => total + (n === 0 ? weight : 2 * weight), 0);
  return weights.map((weight) => weight / sum);
}

function weighted(line: Float64Array, at: number, kernel: Float64Array): number {
  let sum = line[at] * kernel[0];
  for (let n = 1; n < kernel.length; n++) {
    sum += (line[reflected(at - n, line.length)] + line[reflected(at + n, line.length)]) *
      kernel[n];
  }
  return sum;
}

/** d c b a | a b c d | d c b a */
function reflected(index: number, size: number): number {
  const place = ((index % (2 * size)) + 2 * size) % (2 * size);
  return place < size ? place : 2 * size - 1 - place;
}
