/**
 * The mask that the data of a run are restricted to, and the order of its voxels: ascending linear index
 * x + X·(y + Y·z), the order of a NIfTI file with everything outside left out.
 */
import { bytesFromBase64, bytesToBase64 } from "../base/base64.ts";
import { ShapeError } from "../base/errors.ts";

/** Share of the 98th percentile of the mean image above which a voxel counts as brain. */
const BRAIN_SHARE = 0.2;

/** A mask, and where it comes from. */
export interface DataMask {
  /** 1 inside and 0 outside, `[Z, Y, X]`. */
  readonly inside: Uint8Array;
  /** A file or the caller, the mean image's rule, or, where that has nothing to say, every voxel that varies. */
  readonly from: MaskOrigin;
}

/** See {@link DataMask}. */
export type MaskOrigin = "given" | "mean image" | "varying voxels";

const ORIGINS: readonly unknown[] = [
  "given",
  "mean image",
  "varying voxels",
] satisfies MaskOrigin[];

/**
 * A mask from an image.
 *
 * @param image Not 0 inside, `[Z, Y, X]`.
 * @param size Voxels of the data.
 * @throws {ShapeError} when the image has another size.
 */
export function maskOf(image: ArrayLike<number>, size: number): DataMask {
  if (image.length !== size) {
    throw new ShapeError(
      `Cannot use the mask: found ${image.length} voxels, needs ${size} as the data has; resample the mask to ` +
        "the data's grid",
      [image.length],
      `${size} voxels`,
    );
  }
  return { inside: Uint8Array.from(image, (value) => value === 0 ? 0 : 1), from: "given" };
}

/**
 * Linear indices of the voxels of a mask.
 *
 * @param mask `[Z, Y, X]`, not 0 inside.
 * @returns x + X·(y + Y·z) of each, ascending, `[V]`.
 */
export function voxelIndex(mask: ArrayLike<number>): Int32Array {
  const indices: number[] = [];
  for (let i = 0; i < mask.length; i++) if (mask[i] !== 0) indices.push(i);
  return Int32Array.from(indices);
}

/** Finds a mask for data that come without: fed frame by frame, it looks at the mean image. */
export class MaskFinder {
  readonly #sum: Float64Array;
  readonly #first: Float32Array;
  readonly #varies: Uint8Array;
  #frames = 0;

  /** @param size Voxels of a frame. */
  constructor(size: number) {
    this.#sum = new Float64Array(size);
    this.#first = new Float32Array(size);
    this.#varies = new Uint8Array(size);
  }

  /** Adds a frame `[Z, Y, X]`, not normalised. Whether a voxel varies is judged within `run`. */
  add(frame: Float32Array, { firstOfRun }: { readonly firstOfRun: boolean }): void {
    if (firstOfRun) this.#first.set(frame);
    for (let i = 0; i < frame.length; i++) {
      this.#sum[i] += frame[i];
      if (frame[i] !== this.#first[i]) this.#varies[i] = 1;
    }
    this.#frames++;
  }

  /**
   * The voxels whose mean exceeds 0.2 × the 98th percentile of the mean image; where that percentile is not positive
   * (data already centred), those that are not constant in every run.
   */
  finish(): DataMask {
    const mean = this.#sum.map((sum) => sum / this.#frames);
    const level = percentile(mean, 0.98);
    if (level > 0) {
      const inside = Uint8Array.from(mean, (value) => value > BRAIN_SHARE * level ? 1 : 0);
      return { inside, from: "mean image" };
    }
    return { inside: this.#varies, from: "varying voxels" };
  }
}

/** Between the two nearest values in order, linearly. */
function percentile(values: Float64Array, share: number): number {
  const sorted = values.toSorted();
  const place = share * (sorted.length - 1);
  const below = Math.floor(place);
  const above = Math.min(below + 1, sorted.length - 1);
  return sorted[below] + (place - below) * (sorted[above] - sorted[below]);
}

/** How a mask was found, for people: `"129 voxels inside the mask"`. */
export function describeMask({ inside, from }: DataMask): string {
  const count = inside.reduce((sum, value) => sum + value, 0);
  let check = 0;
  for (let i = 0; i < inside.length; i++) check = (31 * check + inside[i]) % 65521;
  const where = from === "given"
    ? "inside the mask"
    : from === "mean image"
    ? "by the mean image, no mask given"
    : "that vary, no mask given";
  return `${count} of ${inside.length} voxels ${where} (check sum ${check})`;
}

/** A mask as plain JSON: one bit a voxel, in base64. */
export function maskToJson({ inside, from }: DataMask): Record<string, string | number> {
  const bits = new Uint8Array(Math.ceil(inside.length / 8));
  inside.forEach((value, i) => bits[i >> 3] |= value << (i & 7));
  return { mask: bytesToBase64(bits), voxels: inside.length, maskFrom: from };
}

/**
 * Reads what {@link maskToJson} wrote, or a mask as it is in memory.
 *
 * @param stored The record it stands in.
 * @returns Null when it is damaged.
 */
export function maskFromJson(
  { mask, voxels, maskFrom }: Readonly<Record<string, unknown>>,
): DataMask | null {
  if (typeof mask === "object" && mask !== null && "inside" in mask) return mask as DataMask;
  const bits = typeof mask === "string" ? bytesFromBase64(mask) : null;
  const size = Number(voxels);
  if (!bits || !(size > 0) || bits.length !== Math.ceil(size / 8)) return null;
  if (!ORIGINS.includes(maskFrom)) return null;
  const inside = Uint8Array.from({ length: size }, (_, i) => (bits[i >> 3] >> (i & 7)) & 1);
  return inside.includes(1) ? { inside, from: maskFrom as MaskOrigin } : null;
}
