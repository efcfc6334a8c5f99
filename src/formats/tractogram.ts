/** Streamlines as the three tractography formats of this room share them. */
import type { NumericArray } from "../base/arrays.ts";
import { ConfigError } from "../base/errors.ts";

/** The image a tractogram belongs to. */
export interface TractogramSpace {
  /** Voxels along each axis. */
  readonly dimensions: readonly [number, number, number];
  /** Millimetres along each axis. */
  readonly voxelSizes: readonly [number, number, number];
  /** Voxel index (centre of a voxel) to RAS mm, 4×4 row-major. */
  readonly affine: readonly number[];
  /** Letter of each axis in which a `.trk` file stores points: `"LAS"`. */
  readonly voxelOrder: string;
}

/** Values beside points, streamlines or groups: `columns` of them for each. */
export interface Columns {
  /** Row-major, `[rows, columns]`. */
  readonly data: NumericArray;
  /** Values of a row. */
  readonly columns: number;
}

/** Named values. */
export type NamedColumns = ReadonlyMap<string, Columns>;

/** Streamlines. */
export interface Tractogram {
  /** `[N, 3]`, RAS mm, one streamline behind the other. */
  readonly points: Float32Array;
  /** Streamline s has the points `offsets[s]` … `offsets[s + 1] − 1`; one more entry than streamlines. */
  readonly offsets: Uint32Array;
  /** Values of every point, such as FA. */
  readonly perPoint?: NamedColumns;
  /** Values of every streamline. */
  readonly perStreamline?: NamedColumns;
  /** Streamlines of named groups. */
  readonly groups?: ReadonlyMap<string, Uint32Array>;
  /** Values of groups. */
  readonly perGroup?: ReadonlyMap<string, NamedColumns>;
  /** The image; undefined where a file says nothing of it. */
  readonly space?: TractogramSpace;
  /** What is odd about the file and does not stop the reader, as sentences. */
  readonly remarks?: readonly string[];
}

/** Number of streamlines. */
export function streamlineCount({ offsets }: Pick<Tractogram, "offsets">): number {
  return offsets.length - 1;
}

/**
 * The space of an image in its own order of axes.
 *
 * @param dimensions Voxels along each axis.
 * @param affine Voxel index to RAS mm, 16 numbers row-major.
 * @throws {ConfigError} when the affine maps all voxels into a plane.
 */
export function spaceOfImage(
  dimensions: readonly [number, number, number],
  affine: readonly number[],
): TractogramSpace {
  const voxelSizes = [0, 1, 2].map((c) =>
    Math.hypot(affine[c], affine[4 + c], affine[8 + c])
  ) as unknown as [number, number, number];
  return { dimensions, voxelSizes, affine, voxelOrder: axisCodes(affine) };
}

/**
 * Letters of the directions into which the voxel axes run: `"RAS"` for the identity. Each axis has the direction in which
 * it runs most, so that the three together run as little askew as they can.
 *
 * @param affine 16 numbers row-major.
 * @throws {ConfigError} when it has no inverse.
 */
export function axisCodes(affine: readonly number[]): string {
  if (!(Math.abs(determinant(affine)) > 0) || !affine.every(Number.isFinite)) {
    throw new ConfigError(
      "affine",
      `Cannot tell the axes of affine ${
        affine.join(" ")
      }: needs three independent axes of finite numbers`,
    );
  }
  const cosine = (row: number, column: number) =>
    affine[4 * row + column] /
    Math.hypot(affine[column], affine[4 + column], affine[8 + column]);
  const straightness = (order: readonly number[]) =>
    order.reduce((sum, row, column) => sum + Math.abs(cosine(row, column)), 0);
  const best = ORDERS.reduce((a, b) => (straightness(b) > straightness(a) + 1e-12 ? b : a));
  return best.map((row, column) => LETTERS[row][cosine(row, column) > 0 ? 1 : 0]).join("");
}

const ORDERS = [[0, 1, 2], [0, 2, 1], [1, 0, 2], [1, 2, 0], [2, 0, 1], [2, 1, 0]] as const;
/** Negative and positive direction of the axes x, y, z. */
const LETTERS = ["LR", "PA", "IS"] as const;

/**
 * Whether three letters name three axes.
 *
 * @param order E.g. `"LPS"`.
 */
export function isVoxelOrder(order: string): boolean {
  return order.length === 3 && new Set([...order].map(axisOfLetter)).size === 3 &&
    [...order].every((letter) => axisOfLetter(letter) >= 0);
}

function axisOfLetter(letter: string): number {
  return LETTERS.findIndex((pair) => pair.includes(letter));
}

/**
 * The map from a voxel index in one order of axes to RAS mm, where the affine is for the order its own axes have: axes
 * change places, and one that runs the other way is counted from its other end.
 *
 * @param space Dimensions in the order of `voxelOrder`.
 * @returns 16 numbers row-major.
 */
export function indexToRas({ affine, voxelOrder, dimensions }: TractogramSpace): Float64Array {
  const own = axisCodes(affine);
  const map = new Float64Array(16);
  map[15] = 1;
  for (let row = 0; row < 3; row++) map[4 * row + 3] = affine[4 * row + 3];
  [...voxelOrder].forEach((letter, stored) => {
    const column = [...own].findIndex((code) => axisOfLetter(code) === axisOfLetter(letter));
    const flipped = own[column] !== letter;
    for (let row = 0; row < 3; row++) {
      const value = affine[4 * row + column];
      map[4 * row + stored] = flipped ? -value : value;
      if (flipped) map[4 * row + 3] += value * (dimensions[stored] - 1);
    }
  });
  return map;
}

/**
 * a·b of two 4×4 matrices.
 *
 * @param a Row-major.
 * @param b Row-major.
 */
export function multiplyAffines(a: ArrayLike<number>, b: ArrayLike<number>): Float64Array {
  const result = new Float64Array(16);
  for (let row = 0; row < 4; row++) {
    for (let column = 0; column < 4; column++) {
      let sum = 0;
      for (let k = 0; k < 4; k++) sum += a[4 * row + k] * b[4 * k + column];
      result[4 * row + column] = sum;
    }
  }
  return result;
}

/**
 * The inverse of an affine map.
 *
 * @param a Row-major, last row 0 0 0 1, independent axes.
 */
export function invertAffine(a: ArrayLike<number>): Float64Array {
  const scale = 1 / determinant(a);
  const minor = (i: number, j: number) => {
    const [r, s] = [(j + 1) % 3, (j + 2) % 3];
    const [c, d] = [(i + 1) % 3, (i + 2) % 3];
    return (a[4 * r + c] * a[4 * s + d] - a[4 * r + d] * a[4 * s + c]) * scale;
  };
  const result = new Float64Array(16);
  result[15] = 1;
  for (let i = 0; i < 3; i++) {
    for (let j = 0; j < 3; j++) {
      result[4 * i + j] = minor(i, j);
      result[4 * i + 3] -= minor(i, j) * a[4 * j + 3];
    }
  }
  return result;
}

function determinant(a: ArrayLike<number>): number {
  return a[0] * (a[5] * a[10] - a[6] * a[9]) - a[1] * (a[4] * a[10] - a[6] * a[8]) +
    a[2] * (a[4] * a[9] - a[5] * a[8]);
}

/** Bytes that arrive in chunks of any size, taken in pieces of any size. */
export class ChunkQueue {
  #bytes: Uint8Array = new Uint8Array(0);
  /** Bytes taken so far: the place in the file of the first that is left. */
  taken = 0;

  /** The bytes not yet taken. */
  get left(): Uint8Array {
    return this.#bytes;
  }

  /** Adds a chunk. */
  push(chunk: Uint8Array): void {
    if (this.#bytes.length === 0) {
      this.#bytes = chunk;
      return;
    }
    const joined = new Uint8Array(this.#bytes.length + chunk.length);
    joined.set(this.#bytes);
    joined.set(chunk, this.#bytes.length);
    this.#bytes = joined;
  }

  /** Takes bytes from the front. */
  take(count: number): Uint8Array {
    const front = this.#bytes.subarray(0, count);
    this.#bytes = this.#bytes.subarray(count);
    this.taken += count;
    return front;
  }
}

/** A reader that is given a file in chunks and gives back whole streamlines. */
export interface StreamlineReader {
  /** Takes a chunk; the streamlines that are complete now, or null when there is none. */
  push(chunk: Uint8Array): Tractogram | null;
  /**
   * Ends the file.
   *
   * @throws {FormatError} when it is cut off, or holds something else than it says.
   */
  finish(): void;
}

/**
 * One tractogram out of consecutive parts of a file.
 *
 * @param parts At least one.
 */
export function joinTractograms(parts: readonly Tractogram[]): Tractogram {
  if (parts.length === 1) return parts[0];
  const points = joinFloats(parts.map((part) => part.points));
  const offsets = new Uint32Array(1 + parts.reduce((sum, part) => sum + streamlineCount(part), 0));
  let at = 0;
  for (const part of parts) {
    const begin = offsets[at];
    for (let s = 1; s < part.offsets.length; s++) offsets[++at] = begin + part.offsets[s];
  }
  const joined = (pick: (part: Tractogram) => NamedColumns | undefined) =>
    new Map(
      [...(pick(parts[0]) ?? [])].map(([name, { columns }]) => {
        const values = parts.map((part) => {
          const own = pick(part)?.get(name)?.data ?? [];
          return Float32Array.from(own as ArrayLike<number>);
        });
        return [name, { columns, data: joinFloats(values) }];
      }),
    );
  return {
    ...parts[0],
    points,
    offsets,
    perPoint: joined((part) => part.perPoint),
    perStreamline: joined((part) => part.perStreamline),
  };
}

function joinFloats(arrays: readonly Float32Array[]): Float32Array {
  const joined = new Float32Array(arrays.reduce((sum, { length }) => sum + length, 0));
  let at = 0;
  for (const array of arrays) {
    joined.set(array, at);
    at += array.length;
  }
  return joined;
}
