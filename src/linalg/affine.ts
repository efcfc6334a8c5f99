/** Affine maps of space as 4 × 4 numbers, row by row, of which the last row is 0, 0, 0, 1. */

/** A place: x, y, z. */
export type Point = readonly [number, number, number];

/**
 * The map that applies `inner` first, then `outer`.
 *
 * @param outer 4 × 4.
 * @param inner 4 × 4.
 */
export function composeAffines(outer: readonly number[], inner: readonly number[]): number[] {
  const product = new Array<number>(16).fill(0);
  for (let row = 0; row < 4; row++) {
    for (let column = 0; column < 4; column++) {
      for (let k = 0; k < 4; k++) {
        product[4 * row + column] += outer[4 * row + k] * inner[4 * k + column];
      }
    }
  }
  return product;
}

/**
 * The opposite map.
 *
 * @param affine 4 × 4, not singular.
 */
export function invertAffine(affine: readonly number[]): number[] {
  const [a, b, c, x, d, e, f, y, g, h, i, z] = affine;
  const determinant = a * (e * i - f * h) - b * (d * i - f * g) + c * (d * h - e * g);
  // deno-fmt-ignore
  const inverse = [
    e * i - f * h, c * h - b * i, b * f - c * e,
    f * g - d * i, a * i - c * g, c * d - a * f,
    d * h - e * g, b * g - a * h, a * e - b * d,
  ].map((minor) => minor / determinant);
  const shift = [0, 1, 2].map((row) =>
    -(inverse[3 * row] * x + inverse[3 * row + 1] * y + inverse[3 * row + 2] * z)
  );
  return [
    ...[0, 1, 2].flatMap((row) => [...inverse.slice(3 * row, 3 * row + 3), shift[row]]),
    ...[0, 0, 0, 1],
  ];
}

/**
 * Where a point goes.
 *
 * @param affine 4 × 4.
 * @param point x, y, z.
 */
export function applyAffine(affine: readonly number[], [x, y, z]: Point): [number, number, number] {
  const row = (r: number) =>
    affine[4 * r] * x + affine[4 * r + 1] * y + affine[4 * r + 2] * z + affine[4 * r + 3];
  return [row(0), row(1), row(2)];
}

/**
 * Lengths of the first three columns: the sizes of voxels.
 *
 * @param affine 4 × 4.
 */
export function columnLengths(affine: readonly number[]): [number, number, number] {
  const length = (c: number) => Math.hypot(affine[c], affine[4 + c], affine[8 + c]);
  return [length(0), length(1), length(2)];
}
