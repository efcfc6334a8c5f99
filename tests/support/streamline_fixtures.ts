/** Reads the parity fixtures of the streamline models (tests/golden/fixtures/streamlines) and the tractograms of tests/data/tracts. */
import type { NumericArray } from "../../src/base/arrays.ts";
import { readSafetensors } from "../../src/formats/safetensors.ts";

const FOLDER = new URL("../golden/fixtures/streamlines/", import.meta.url);

/** Bytes of a fixture file. */
export function fixtureBytes(name: string): Uint8Array<ArrayBuffer> {
  return Deno.readFileSync(new URL(name, FOLDER));
}

/** Bytes of a file of tests/data/tracts. */
export function tractBytes(name: string): Uint8Array<ArrayBuffer> {
  return Deno.readFileSync(new URL(`../data/tracts/${name}`, import.meta.url));
}

/** The path of a file of tests/data/tracts. */
export function tractPath(name: string): string {
  return new URL(`../data/tracts/${name}`, import.meta.url).pathname;
}

/** A fixture's tensors. */
export interface StreamlineFixture {
  readonly names: readonly string[];
  readonly metadata: Readonly<Record<string, string>>;
  shape(name: string): readonly number[];
  numbers(name: string): number[];
}

/** Reads `<name>.safetensors`. */
export function readStreamlineFixture(name: string): StreamlineFixture {
  const { tensors, metadata } = readSafetensors(fixtureBytes(`${name}.safetensors`));
  const get = (key: string) => {
    const found = tensors.get(key);
    if (!found) throw new Error(`${name}.safetensors holds no ${key}`);
    return found;
  };
  return {
    names: [...tensors.keys()],
    metadata,
    shape: (key) => get(key).shape,
    numbers: (key) => Array.from(get(key).data as NumericArray & Iterable<number>, Number),
  };
}

/** Parameter fill of the manifest: name → stream, shape, bound, centre. */
export interface FilledTensor {
  readonly stream: number;
  readonly shape: readonly number[];
  readonly bound: number;
  readonly center: number;
  readonly first4: readonly number[];
  readonly last1: readonly number[];
  readonly sum_f64: number;
}

/** The manifest's list of filled tensors. */
export function filledTensors(): Readonly<Record<string, FilledTensor>> {
  const text = new TextDecoder().decode(fixtureBytes("manifest.json"));
  return JSON.parse(text).parameter_fill.tensors;
}

/** u(stream, i) of the manifest, on [0, 1). */
export function unitHash(stream: number, i: number): number {
  let h = (Math.imul(i, 0x9e3779b1) + Math.imul(stream, 0x85ebca77) + 0x165667b1) >>> 0;
  h = Math.imul((h ^ (h >>> 16)) >>> 0, 0x7feb352d) >>> 0;
  h = Math.imul((h ^ (h >>> 15)) >>> 0, 0x846ca68b) >>> 0;
  return ((h ^ (h >>> 16)) >>> 0) / 2 ** 32;
}

/** Values of a filled tensor. */
export function filledValues({ stream, shape, bound, center }: FilledTensor): Float32Array {
  const size = shape.reduce((product, n) => product * n, 1);
  const values = new Float32Array(size);
  for (let i = 0; i < size; i++) values[i] = center + (2 * unitHash(stream, i) - 1) * bound;
  return values;
}
