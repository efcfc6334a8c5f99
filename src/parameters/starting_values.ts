/** Draws the numbers a network starts with, from one seed or with PyTorch's own bits. */
import type { NumericArray } from "../base/arrays.ts";
import { RandomStream } from "../base/random.ts";
import type { TorchGenerator } from "../base/torch_random.ts";
import { type ParameterEntry, sizeOf } from "./entry.ts";
import type { StateDict } from "./state_dict.ts";

/**
 * Draws starting values as the entries say.
 *
 * @param entries Table of the network.
 * @param options `random`: a stream (each entry draws from its own, named after its key, so that order and neighbours do
 *   not matter) or a generator of PyTorch, which draws entry after entry; `drawOrder`: the order of the latter, default that
 *   of `entries`.
 * @returns Values in file order, in the order of `entries`.
 */
export function drawStartingValues(
  entries: readonly ParameterEntry[],
  { random, drawOrder = entries }: {
    readonly random: RandomStream | TorchGenerator;
    readonly drawOrder?: readonly ParameterEntry[];
  },
): StateDict {
  const drawn = new Map(drawOrder.map((entry) => [entry.key, drawEntry(entry, random)]));
  return new Map(entries.map(({ key, shape }) => [key, { data: drawn.get(key)!, shape }]));
}

function drawEntry(entry: ParameterEntry, random: RandomStream | TorchGenerator): NumericArray {
  const { start, kind, key } = entry;
  const count = sizeOf(entry.shape);
  if (kind === "counter" || kind === "index") return new BigInt64Array(count);
  if (start.kind === "constant") return new Float32Array(count).fill(start.value);
  const source = random instanceof RandomStream ? random.split(key) : random;
  if (start.kind === "normal") return source.normals(count).map((value) => value * start.deviation);
  const { from, to } = start;
  if (!(source instanceof RandomStream)) return source.uniformFloat32(from, to, count);
  return source.uniforms(count).map((value) => from + (to - from) * value);
}
