/**
 * Starting weights and the way between PyTorch's state dictionaries and memory.
 *
 * Works on host arrays only. Source: spec sections 3.4 (initialisation), 3.6 (names, order), 13 (layouts).
 */
import type { FloatArray, NdArray, NumericArray } from "../../base/arrays.ts";
import { CheckpointError } from "../../base/errors.ts";
import { RandomStream } from "../../base/random.ts";
import { gatherStrided, rowMajorStrides } from "../../base/strided.ts";
import type { TorchGenerator } from "../../base/torch_random.ts";
import { type StateEntry, voxels } from "./architecture.ts";

/** Weights by PyTorch's names, in PyTorch's order and layouts; counters are int64. */
export type StateDict = Map<string, NdArray<NumericArray>>;

/**
 * Draws starting weights (spec 3.4): uniform on ±1/√fanIn for weights and biases, 1 and 0 for norm layers,
 * normal times `sigZ` for the offsets, uniform on [0, 1) for F.
 *
 * @param entries Table of the network, PyTorch's order.
 * @param options.random A stream (each entry draws from its own, named after its key) or a generator of
 *   PyTorch, which is used in PyTorch's order: layers first, weight before bias, then z_vectors, then F_mat.
 * @param options.sigZ Scale of the offsets.
 * @returns Values in file order.
 */
export function drawStartingWeights(
  entries: readonly StateEntry[],
  options: { readonly random: RandomStream | TorchGenerator; readonly sigZ: number },
): StateDict {
  const drawn = new Map<string, NumericArray>();
  const own = entries.filter(({ start }) =>
    start.kind === "offsets" || start.kind === "transition"
  );
  for (const entry of [...entries.filter((e) => !own.includes(e)), ...own]) {
    drawn.set(entry.key, drawEntry(entry, options));
  }
  return new Map(entries.map(({ key, shape }) => [key, { data: drawn.get(key)!, shape }]));
}

/**
 * Refuses a state dictionary that does not fit exactly (spec 3.6: loading is strict).
 *
 * @param entries Table of the network. @param state What was read.
 * @throws {CheckpointError} listing missing, unexpected and mis-shaped keys, and counters that count nothing.
 */
export function checkStateDict(entries: readonly StateEntry[], state: StateDict): void {
  const known = new Set(entries.map(({ key }) => key));
  const missing = entries.filter(({ key }) => !state.has(key)).map(({ key }) => key);
  const extra = [...state.keys()].filter((key) => !known.has(key));
  const misshapen = entries.flatMap(({ key, shape }) => {
    const found = state.get(key);
    return !found || sameShape(found, shape)
      ? []
      : [`${key} [${found.shape}] instead of [${shape}]`];
  });
  const fractional = entries.filter(({ key, kind }) => {
    const [count] = state.get(key)?.data ?? [];
    return kind === "counter" && count !== undefined && !Number.isSafeInteger(Number(count));
  }).map(({ key }) => key);
  const problems = [
    ...listing("missing", missing),
    ...listing("unexpected", extra),
    ...listing("of another shape", misshapen),
    ...listing("no whole number", fractional),
  ];
  if (problems.length === 0) return;
  throw new CheckpointError(
    "state dictionary",
    `Cannot load the state dictionary: ${
      problems.join("; ")
    }; needs exactly the ${entries.length} ` +
      "entries of this configuration (check spatialShape, channels, normalization and the number of subjects)",
  );
}

/** Brings a file-order array into memory order: axes reversed inside each of {@link StateEntry.axisGroups}. */
export function toMemoryOrder(entry: StateEntry, values: FloatArray): FloatArray {
  return reverseWithinGroups(values, entry.axisGroups);
}

/** Brings a memory-order array into file order. */
export function toFileOrder(entry: StateEntry, values: FloatArray): FloatArray {
  return reverseWithinGroups(values, entry.axisGroups.map((group) => [...group].reverse()));
}

/** The values of an entry as real numbers: float types stay, others become float32. */
export function asFloats(values: NumericArray): FloatArray {
  if (values instanceof Float32Array || values instanceof Float64Array) return values;
  return Float32Array.from(values as ArrayLike<number | bigint>, Number);
}

function drawEntry(
  entry: StateEntry,
  { random, sigZ }: { random: RandomStream | TorchGenerator; sigZ: number },
): NumericArray {
  const count = voxels(entry.shape);
  if (entry.kind === "counter") return new BigInt64Array(count);
  if (entry.start.kind === "constant") return new Float32Array(count).fill(entry.start.value);
  const source = random instanceof RandomStream ? random.split(entry.key) : random;
  if (entry.start.kind === "offsets") return source.normals(count).map((value) => value * sigZ);
  const bound = entry.start.kind === "uniform" ? 1 / Math.sqrt(entry.start.fanIn) : 0;
  const [from, to] = entry.start.kind === "uniform" ? [-bound, bound] : [0, 1];
  if (!(source instanceof RandomStream)) return source.uniformFloat32(from, to, count);
  return source.uniforms(count).map((value) => from + (to - from) * value);
}

/** Row-major array with axes `groups.flat()` → row-major with the axes reversed inside each group. */
function reverseWithinGroups(
  values: FloatArray,
  groups: readonly (readonly number[])[],
): FloatArray {
  const strides = rowMajorStrides(groups.flat());
  let axis = 0;
  const reversed = groups.map((group) => {
    const own = strides.slice(axis, axis += group.length);
    return { shape: group.toReversed(), strides: own.toReversed() };
  });
  return gatherStrided(values, {
    offset: 0,
    shape: reversed.flatMap(({ shape }) => shape),
    strides: reversed.flatMap(({ strides }) => strides),
  });
}

function sameShape(found: NdArray<NumericArray>, shape: readonly number[]): boolean {
  return found.shape.length === shape.length && found.shape.every((n, axis) => n === shape[axis]) &&
    found.data.length === voxels(shape);
}

function listing(what: string, keys: readonly string[]): string[] {
  if (keys.length === 0) return [];
  const shown = keys.slice(0, 12).join(", ");
  return [`${keys.length} ${what} (${shown}${keys.length > 12 ? ", …" : ""})`];
}
