/** All tensors of a model in one call, on `wasm/training/update.cpp` and `norms.cpp`. */
import type { tf } from "../../../deps/tfjs.ts";
import { UPDATE_KERNEL, type UpdateAttributes, type UpdateRule } from "../../update_contract.ts";
import type { WasmBackend } from "../backend.ts";
import { ParameterLayout } from "../parameters.ts";
import { type Kernel, type KernelCall, type KernelTable, sizeOf } from "./kernel.ts";

/** Mirror of UpdateParams. */
const UPDATE = new ParameterLayout({
  table: "int",
  tensors: "int",
  total: "int",
  rule: "int",
  decays: "int",
  shrinks: "int",
  rate: "float",
  decay: "float",
  shrink: "float",
  keep1: "float",
  take1: "float",
  keep2: "float",
  take2: "float",
  correction: "float",
  floor: "float",
});

/** Mirror of NormsParams. */
const NORMS = new ParameterLayout({
  table: "int",
  sums: "int",
  workspace: "int",
  tensors: "int",
  blocks: "int",
});

/** In the order of the rules of update.cpp. */
const RULES: readonly UpdateRule["name"][] = ["scale", "sgd", "momentum", "nesterov", "adam"];

/** Values of a block of squared norms (norms.cpp). */
const NORM_BLOCK = 32768;

const update: Kernel = ({ attrs, backend }: KernelCall<UpdateAttributes>) => {
  const { targets, rule } = attrs;
  const shared = sharedStorages(targets.map(({ value }) => value));
  const rows: number[] = [];
  let total = 0;
  const results = targets.map(({ value, gradient, first, second }) => {
    const { dataId, shape, dtype } = value;
    const info = { dataId, shape, dtype };
    const from = backend.addressOf(info);
    const inPlace = !shared.has(dataId) && isAlone(backend, info);
    const to = inPlace ? { info, address: from } : backend.output(shape);
    const other = [gradient, first, second].map((one) => one ? backend.addressOf(one) : 0);
    rows.push(from, to.address, ...other, total);
    total += sizeOf(shape);
    return to.info;
  });
  backend.launch("f32_update", UPDATE, {
    table: putTable(backend, rows),
    tensors: targets.length,
    total,
    rule: RULES.indexOf(rule.name),
    decays: rule.decay ? 1 : 0,
    shrinks: rule.shrink === undefined ? 0 : 1,
    rate: rule.rate,
    decay: rule.decay,
    shrink: rule.shrink,
    keep1: rule.keep1,
    take1: rule.take1,
    keep2: rule.keep2,
    take2: rule.take2,
    correction: rule.correction,
    floor: rule.floor,
  });
  return results;
};

/** Storages that occur more than once. */
function sharedStorages(tensors: readonly tf.TensorInfo[]): Set<object> {
  const [seen, shared] = [new Set<object>(), new Set<object>()];
  for (const { dataId } of tensors) (seen.has(dataId) ? shared : seen).add(dataId);
  return shared;
}

/** Whether no other tensor shares a tensor's values, and they lie in the shared memory for good. */
function isAlone(backend: WasmBackend, info: tf.TensorInfo): boolean {
  const storage = backend.data.get(info.dataId);
  return storage.refCount === 1 && storage.dtype === "float32" && storage.isInMemory;
}

/** A table of words that lives as long as the kernel. */
function putTable(backend: WasmBackend, rows: readonly number[]): number {
  const table = backend.temporary(4 * rows.length, "the table of a model's tensors");
  backend.runtime.memory.integers.set(rows, table >>> 2);
  return table;
}

const squaredNorms: Kernel = (
  { attrs: { tensors }, backend }: KernelCall<{ tensors: readonly tf.TensorInfo[] }>,
) => {
  const sums = backend.output([tensors.length]);
  const rows: number[] = [];
  let blocks = 0;
  for (const tensor of tensors) {
    const count = sizeOf(tensor.shape);
    rows.push(backend.addressOf(tensor), count, blocks);
    blocks += Math.ceil(count / NORM_BLOCK);
  }
  backend.launch("f32_squared_norms", NORMS, {
    table: putTable(backend, rows),
    sums: sums.address,
    tensors: tensors.length,
    blocks,
  });
  return [sums.info];
};

/** Kernels of this file by contract name. */
export const UPDATE_KERNELS: KernelTable = {
  [UPDATE_KERNEL.update]: update,
  [UPDATE_KERNEL.squaredNorms]: squaredNorms,
};
