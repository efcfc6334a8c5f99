/** Figure: one axial slice of several maps on a common grey scale about zero. */
import type { FloatArray, SpatialShape } from "../base/arrays.ts";
import { ShapeError } from "../base/errors.ts";
import { greyBitmap } from "./bitmap.ts";
import { svgElement, text } from "./svg.ts";

/** Maps of one grid. */
export interface MapMontage {
  /** `[count, Z, Y, X]`, x fastest. */
  readonly maps: FloatArray;
  /** `[X, Y, Z]`. */
  readonly spatialShape: SpatialShape;
  /** Written above each. */
  readonly names: readonly string[];
  readonly title: string;
}

/** Width of a drawn slice in pixels, and how many stand in a row. */
const WIDTH = 110;
const COLUMNS = 5;

/**
 * Draws, of every map, the axial slice in which the maps are strongest together; mid grey is zero, white and black are the
 * largest magnitude.
 *
 * @param montage The maps.
 * @returns An SVG element.
 * @throws {ShapeError} when there are not X·Y·Z values for every name.
 */
export function mapMontage({ maps, spatialShape, names, title }: MapMontage): string {
  const [X, Y, Z] = spatialShape;
  if (maps.length !== names.length * X * Y * Z) {
    throw new ShapeError(
      `Cannot draw maps: found ${maps.length} values for ${names.length} maps, needs ${X}·${Y}·${Z} of each`,
      [maps.length],
      `${names.length}·${X}·${Y}·${Z} values`,
    );
  }
  const z = strongestSlice(maps, spatialShape);
  let reach = 0;
  for (const value of maps) reach = Math.max(reach, Math.abs(value));
  reach ||= 1;
  const height = Math.round(WIDTH * Y / X);
  const pictures = names.flatMap((name, n) => {
    const start = (n * Z + z) * X * Y;
    const slice = maps.subarray(start, start + X * Y);
    const left = 20 + (n % COLUMNS) * (WIDTH + 14);
    const top = 56 + Math.floor(n / COLUMNS) * (height + 30);
    return [
      text(left, top - 6, name),
      `<image x="${left}" y="${top}" width="${WIDTH}" height="${height}" preserveAspectRatio="none" ` +
      `image-rendering="pixelated" href="${greyBitmap(slice, X, [-reach, reach])}"/>`,
    ];
  });
  const rows = Math.ceil(names.length / COLUMNS);
  const note = `slice z = ${z} of ${Z}; black to white is -${round(reach)} to ${round(reach)}`;
  const bottom = 56 + rows * (height + 30);
  return svgElement(40 + COLUMNS * (WIDTH + 14), bottom + 20, [
    `<g font-weight="bold">${text(20, 20, title)}</g>`,
    ...pictures,
    text(20, bottom, note),
  ]);
}

/** The slice with the largest sum of squares over all maps. */
function strongestSlice(maps: FloatArray, [X, Y, Z]: SpatialShape): number {
  const strength = new Float64Array(Z);
  for (let i = 0; i < maps.length; i++) strength[Math.floor(i / (X * Y)) % Z] += maps[i] ** 2;
  return strength.indexOf(Math.max(...strength));
}

function round(value: number): string {
  return String(Number(value.toPrecision(3)));
}
