/** State dictionaries: named arrays in the layouts files have, and their way into memory order and back. */
import type { FloatArray, NdArray, NumericArray } from "../base/arrays.ts";
import { CheckpointError } from "../base/errors.ts";
import { gatherStrided, rowMajorStrides } from "../base/strided.ts";
import { type ParameterEntry, sizeOf } from "./entry.ts";

/** Weights by name, in the order and layouts of files (PyTorch's); counters and indices are int64. */
export type StateDict = Map<string, NdArray<NumericArray>>;

/**
 * Refuses a state dictionary that does not fit exactly.
 *
 * @param entries Table of the network.
 * @param state What was read.
 * @throws {CheckpointError} listing missing, unexpected and mis-shaped keys, and counters and indices that are no whole numbers.
 */
export function checkStateDict(entries: readonly ParameterEntry[], state: StateDict): void {
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
    if (kind !== "counter" && kind !== "index") return false;
    return Array.from(state.get(key)?.data ?? [], Number).some((n) => !Number.isSafeInteger(n));
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
      "entries of this configuration (check sizes, channels, normalization and the number of subjects)",
  );
}

/** Brings a file-order array into memory order: axes reversed inside each of {@link ParameterEntry.axisGroups}. */
export function toMemoryOrder(entry: ParameterEntry, values: FloatArray): FloatArray {
  return reverseWithinGroups(values, entry.axisGroups);
}

/** Brings a memory-order array into file order. */
export function toFileOrder(entry: ParameterEntry, values: FloatArray): FloatArray {
  return reverseWithinGroups(values, entry.axisGroups.map((group) => group.toReversed()));
}

/** The values of an entry as real numbers: float types stay, others become float32. */
export function asFloats(values: NumericArray): FloatArray {
  if (values instanceof Float32Array || values instanceof Float64Array) return values;
  return Float32Array.from(values as ArrayLike<number | bigint>, Number);
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
    found.data.length === sizeOf(shape);
}

function listing(what: string, keys: readonly string[]): string[] {
  if (keys.length === 0) return [];
  const shown = keys.slice(0, 12).join(", ");
  return [`${keys.length} ${what} (${shown}${keys.length > 12 ? ", …" : ""})`];
}
