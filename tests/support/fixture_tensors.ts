/** Reads the parity fixtures (tests/golden/fixtures): tensors by name, and the manifest's facts about them. */
import type { FloatArray, NdArray, NumericArray } from "../../src/base/arrays.ts";
import { readSafetensors } from "../../src/formats/safetensors.ts";

const FOLDER = new URL("../golden/fixtures/", import.meta.url);

/** A fixture file's tensors. */
export interface FixtureTensors {
  /** The tensor of that name; fails when there is none. */
  get(name: string): NdArray<NumericArray>;
  /** All names. */
  readonly names: readonly string[];
  /** The same, for real numbers. */
  floats(name: string): NdArray<FloatArray>;
  /** The same, for 64-bit integers, as numbers. */
  integers(name: string): number[];
}

/** Reads `<name>.safetensors` of a folder of fixtures. */
export function readFixture(name: string, folder = "recvae"): FixtureTensors {
  const bytes = Deno.readFileSync(new URL(`${folder}/${name}.safetensors`, FOLDER));
  const { tensors } = readSafetensors(bytes, `${name}.safetensors`);
  const get = (key: string): NdArray<NumericArray> => {
    const tensor = tensors.get(key);
    if (!tensor) throw new Error(`${name}.safetensors holds no ${key}`);
    return tensor;
  };
  return {
    get,
    names: [...tensors.keys()],
    floats: (key) => get(key) as NdArray<FloatArray>,
    integers: (key) => Array.from(get(key).data, Number),
  };
}

/** The manifest's entry of `<name>.safetensors`: config, scalars, and facts per tensor. */
// deno-lint-ignore no-explicit-any
export function readManifest(name: string): any {
  const text = Deno.readTextFileSync(new URL("recvae/manifest.json", FOLDER));
  return JSON.parse(text).files[`${name}.safetensors`];
}

/** ‖a − b‖₂ / ‖b‖₂, or ‖a‖₂ where b is zero. */
export function relativeError(a: ArrayLike<number>, b: ArrayLike<number>): number {
  let difference = 0;
  let norm = 0;
  for (let i = 0; i < b.length; i++) {
    difference += (a[i] - b[i]) ** 2;
    norm += b[i] ** 2;
  }
  return a.length === b.length ? Math.sqrt(difference / (norm || 1)) : Infinity;
}
