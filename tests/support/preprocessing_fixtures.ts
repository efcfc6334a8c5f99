/** The values of tests/golden/fixtures/preprocessing: what nilearn makes of small images and signals. */
import type { NdArray, NumericArray } from "../../src/base/arrays.ts";
import { readSafetensors } from "../../src/formats/safetensors.ts";

const FOLDER = new URL("../golden/fixtures/preprocessing/", import.meta.url);

/** A case of the manifest. */
export interface PreprocessingCase {
  readonly name: string;
  readonly kind?: string;
  readonly source?: string;
  // deno-lint-ignore no-explicit-any
  readonly parameters: any;
  readonly inputs?: Readonly<Record<string, string>>;
  readonly confounds?: string;
  readonly sample_mask?: string;
  readonly outputs: readonly { readonly file: string; readonly key: string }[];
  readonly tolerance: string;
}

/** The manifest. */
// deno-lint-ignore no-explicit-any
export const MANIFEST: any = JSON.parse(Deno.readTextFileSync(new URL("manifest.json", FOLDER)));

const files = new Map<string, ReadonlyMap<string, NdArray<NumericArray>>>();

/** An array of a file, row-major as stored. */
export function preprocessingArray(file: string, key: string): NdArray<NumericArray> {
  const known = files.get(file) ??
    readSafetensors(Deno.readFileSync(new URL(file, FOLDER)), file).tensors as ReadonlyMap<
      string,
      NdArray<NumericArray>
    >;
  files.set(file, known);
  const array = known.get(key);
  if (!array) throw new Error(`${file} holds no ${key}`);
  return array;
}

/** Path of a file of the fixtures. */
export function preprocessingPath(name: string): string {
  return new URL(name, FOLDER).pathname;
}

/** `[x, y, z]` as stored in the fixtures → x fastest as in NIfTI files. */
export function xFastest({ data, shape }: NdArray<NumericArray>): Float64Array {
  const [X, Y, Z] = shape;
  const result = new Float64Array(X * Y * Z);
  let at = 0;
  for (let x = 0; x < X; x++) {
    for (let y = 0; y < Y; y++) {
      for (let z = 0; z < Z; z++) result[x + X * (y + Y * z)] = Number(data[at++]);
    }
  }
  return result;
}

/** Largest difference, in parts of the largest expected value. */
export function scaledDifference(found: ArrayLike<number>, expected: ArrayLike<number>): number {
  if (found.length !== expected.length) return Infinity;
  let [difference, scale] = [0, 0];
  for (let i = 0; i < expected.length; i++) {
    difference = Math.max(difference, Math.abs(found[i] - Number(expected[i])));
    scale = Math.max(scale, Math.abs(Number(expected[i])));
  }
  return difference / (scale || 1);
}
