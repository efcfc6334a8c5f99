/** Figure: what becomes of an image when one latent moves, a row a latent. */
import type { FloatArray } from "../base/arrays.ts";
import { greyBitmap } from "./bitmap.ts";
import { svgElement, text } from "./svg.ts";

/** One row of the figure. */
export interface TraversalRow {
  /** What moves: `"latent 3"`. */
  readonly name: string;
  /** A slice for each value, `[Y, X]`, x fastest. */
  readonly slices: readonly FloatArray[];
}

/** Pixels of a picture, and between them. */
const [CELL, GAP, LEFT, TOP] = [70, 6, 80, 40];

/**
 * Draws the pictures, each row on a grey scale of its own.
 *
 * @param rows One a latent.
 * @param options `width` X of a slice in voxels, `values` the latents take, `title`.
 * @returns An SVG element.
 */
export function traversalFigure(
  rows: readonly TraversalRow[],
  { width, values, title }: {
    readonly width: number;
    readonly values: readonly number[];
    readonly title: string;
  },
): string {
  const pixels = rows[0]?.slices[0]?.length ?? width * width;
  const height = Math.round(CELL * pixels / width / width);
  const left = (i: number) => LEFT + i * (CELL + GAP);
  const parts = [
    text(8, 18, title),
    ...values.map((value, i) => text(left(i), TOP - 6, String(value))),
    ...rows.flatMap(({ name, slices }, r) => {
      const top = TOP + r * (height + GAP);
      const all = slices.flatMap((slice) => [...slice]);
      const range = [Math.min(...all), Math.max(...all)] as const;
      return [
        text(8, top + height / 2, name),
        ...slices.map((slice, i) =>
          `<image x="${
            left(i)
          }" y="${top}" width="${CELL}" height="${height}" preserveAspectRatio="none" ` +
          `image-rendering="pixelated" href="${greyBitmap(slice, width, range)}"/>`
        ),
      ];
    }),
  ];
  return svgElement(left(values.length) + GAP, TOP + rows.length * (height + GAP) + GAP, parts);
}
