/** Picking streamlines of a tractogram, and what is odd about them. */
import type { NumericArray } from "../../base/arrays.ts";
import type { NamedColumns, Tractogram, TractogramSpace } from "../../formats/tractogram.ts";
import { invertAffine } from "../../formats/tractogram.ts";
import { streamlineLengths } from "./geometry.ts";

/**
 * Some streamlines of a tractogram with everything that belongs to them; groups keep those of their members that stay.
 *
 * @param tractogram The streamlines.
 * @param rows Which, in this order, each at most once.
 */
export function pickFromTractogram(tractogram: Tractogram, rows: readonly number[]): Tractogram {
  const { points, offsets, groups } = tractogram;
  const newOffsets = new Uint32Array(rows.length + 1);
  const pointRows: number[] = [];
  rows.forEach((row, i) => {
    for (let k = offsets[row]; k < offsets[row + 1]; k++) pointRows.push(k);
    newOffsets[i + 1] = pointRows.length;
  });
  const places = new Map(rows.map((row, i) => [row, i]));
  const columns = (named: NamedColumns | undefined, which: readonly number[]) =>
    named && new Map(
      [...named].map(([name, { data, columns }]) => [name, {
        columns,
        data: takeRows(data, which, columns),
      }]),
    );
  return {
    ...tractogram,
    points: takeRows(points, pointRows, 3),
    offsets: newOffsets,
    perPoint: columns(tractogram.perPoint, pointRows),
    perStreamline: columns(tractogram.perStreamline, rows),
    groups: groups && new Map(
      [...groups].map(([name, members]) => [
        name,
        Uint32Array.from([...members].flatMap((row) => places.get(row) ?? [])),
      ]),
    ),
  };
}

function takeRows<A extends NumericArray>(data: A, rows: readonly number[], width: number): A {
  const taken = new (data.constructor as new (length: number) => A)(rows.length * width);
  rows.forEach((row, i) => {
    taken.set(data.subarray(row * width, (row + 1) * width) as never, i * width);
  });
  return taken;
}

/** Streamlines that nothing can be learnt from, by reason. */
export interface InvalidStreamlines {
  /** Fewer than two points. */
  readonly short: readonly number[];
  /** All points in one place. */
  readonly still: readonly number[];
  /** Coordinates that are no numbers. */
  readonly unreal: readonly number[];
}

/**
 * Looks for streamlines of fewer than two points, of no length, and with NaN or infinite coordinates.
 *
 * @param tractogram The streamlines.
 */
export function findInvalid(
  tractogram: Pick<Tractogram, "points" | "offsets">,
): InvalidStreamlines {
  const { points, offsets } = tractogram;
  const lengths = streamlineLengths(tractogram);
  const [short, still, unreal]: [number[], number[], number[]] = [[], [], []];
  lengths.forEach((length, s) => {
    if (!points.subarray(3 * offsets[s], 3 * offsets[s + 1]).every(Number.isFinite)) unreal.push(s);
    else if (offsets[s + 1] - offsets[s] < 2) short.push(s);
    else if (length === 0) still.push(s);
  });
  return { short, still, unreal };
}

/**
 * Streamlines with a point outside an image.
 *
 * @param tractogram The streamlines.
 * @param space The image.
 */
export function findOutside(
  { points, offsets }: Pick<Tractogram, "points" | "offsets">,
  { affine, dimensions }: TractogramSpace,
): number[] {
  const toVoxel = invertAffine(affine);
  const outside: number[] = [];
  for (let s = 0; s < offsets.length - 1; s++) {
    for (let k = offsets[s]; k < offsets[s + 1]; k++) {
      const inside = dimensions.every((count, row) => {
        let index = toVoxel[4 * row + 3];
        for (let c = 0; c < 3; c++) index += toVoxel[4 * row + c] * points[3 * k + c];
        return index >= -0.5 && index <= count - 0.5;
      });
      if (!inside) {
        outside.push(s);
        break;
      }
    }
  }
  return outside;
}
