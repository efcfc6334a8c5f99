/**
 * The numbers of one network: trained variables on the engine, buffers on the host with a copy on the engine.
 *
 * Buffers (running statistics, transition matrices) are small and change at most once per step, so the host copy is the
 * truth and exporting them reads nothing back.
 */
import type { FloatArray, NdArray, NumericArray } from "../base/arrays.ts";
import { RecvaeError } from "../base/errors.ts";
import { toHost, toTensor } from "../backends/tensors.ts";
import { tf } from "../deps/tfjs.ts";
import type { ParameterEntry } from "./entry.ts";
import {
  asFloats,
  checkStateDict,
  type StateDict,
  toFileOrder,
  toMemoryOrder,
} from "./state_dict.ts";

/** Variables, buffers, counters and indices by the names of {@link ParameterEntry}. */
export class ParameterStore {
  /** Trained variables in the order of the entries, memory layout. */
  readonly parameters: ReadonlyMap<string, tf.Variable>;
  readonly #entries: readonly ParameterEntry[];
  readonly #buffers = new Map<string, { host: FloatArray; tensor: tf.Tensor }>();
  readonly #counters = new Map<string, bigint>();
  readonly #indices = new Map<string, BigInt64Array>();
  #disposed = false;

  /**
   * Puts a state dictionary on the current engine.
   *
   * @param entries Table of the network.
   * @param initial A state dictionary that fits it.
   * @throws {CheckpointError} when it does not.
   */
  constructor(entries: readonly ParameterEntry[], initial: StateDict) {
    checkStateDict(entries, initial);
    this.#entries = entries;
    const parameters = new Map<string, tf.Variable>();
    for (const entry of entries) {
      if (entry.kind !== "parameter") continue;
      const tensor = toTensor(memoryValues(entry, initial), entry.memoryShape);
      parameters.set(entry.key, tf.variable(tensor));
      tensor.dispose();
    }
    this.parameters = parameters;
    this.#loadBuffers(initial);
  }

  /** The tensor of a parameter or buffer; owned by this object. */
  tensor(key: string): tf.Tensor {
    const tensor = this.parameters.get(key) ?? this.#buffers.get(key)?.tensor;
    if (tensor && !tensor.isDisposed) return tensor;
    if (this.#disposed) {
      throw new RecvaeError("Cannot use the model: it was disposed; make a new one");
    }
    throw new RangeError(`no parameter or buffer is called ${key}`);
  }

  /** Host copy of a buffer; not to be changed. */
  buffer(key: string): FloatArray {
    const buffer = this.#buffers.get(key);
    if (!buffer) throw new RangeError(`no buffer is called ${key}`);
    return buffer.host;
  }

  /** A list of indices; not to be changed. Loading replaces it by another array. */
  index(key: string): BigInt64Array {
    const index = this.#indices.get(key);
    if (!index) throw new RangeError(`no index is called ${key}`);
    return index;
  }

  /** Replaces a buffer's values. */
  setBuffer(key: string, values: FloatArray): void {
    const entry = this.#entries.find((candidate) => candidate.key === key)!;
    this.#buffers.get(key)?.tensor.dispose();
    this.#buffers.set(key, { host: values, tensor: tf.keep(toTensor(values, entry.memoryShape)) });
  }

  /** Advances a counter. */
  advance(key: string, steps: number): void {
    const count = this.#counters.get(key);
    if (count === undefined) throw new RangeError(`no counter is called ${key}`);
    this.#counters.set(key, count + BigInt(steps));
  }

  /** Copies everything to the host in the order, names and layouts of files. */
  async export(): Promise<StateDict> {
    // All transfers at once: a device may take milliseconds to answer each.
    const data = await Promise.all(this.#entries.map((entry) => this.#exportEntry(entry)));
    return new Map(
      this.#entries.map(({ key, shape }, i) => [key, { data: data[i], shape: [...shape] }]),
    );
  }

  /**
   * Takes over a state dictionary.
   *
   * @throws {CheckpointError} when its keys or shapes do not fit; nothing is changed then.
   */
  load(state: StateDict): void {
    checkStateDict(this.#entries, state);
    for (const entry of this.#entries) {
      const variable = this.parameters.get(entry.key);
      if (!variable) continue;
      const tensor = toTensor(memoryValues(entry, state), entry.memoryShape);
      variable.assign(tensor);
      tensor.dispose();
    }
    this.#loadBuffers(state);
  }

  /** Frees every tensor. */
  dispose(): void {
    this.#disposed = true;
    tf.dispose([...this.parameters.values()]);
    tf.dispose([...this.#buffers.values()].map(({ tensor }) => tensor));
    this.#buffers.clear();
  }

  #loadBuffers(state: StateDict): void {
    for (const entry of this.#entries) {
      if (entry.kind === "buffer") this.setBuffer(entry.key, memoryValues(entry, state));
      if (entry.kind === "counter") {
        this.#counters.set(entry.key, BigInt(state.get(entry.key)!.data[0]));
      }
      if (entry.kind === "index") {
        const { data } = state.get(entry.key)!;
        this.#indices.set(entry.key, BigInt64Array.from(data as BigInt64Array, BigInt));
      }
    }
  }

  async #exportEntry(entry: ParameterEntry): Promise<NumericArray> {
    if (entry.kind === "counter") return BigInt64Array.of(this.#counters.get(entry.key)!);
    if (entry.kind === "index") return this.index(entry.key).slice();
    if (entry.kind === "buffer") return toFileOrder(entry, this.buffer(entry.key));
    return toFileOrder(entry, await toHost(this.parameters.get(entry.key)!));
  }
}

function memoryValues(entry: ParameterEntry, state: ReadonlyMap<string, NdArray<NumericArray>>) {
  return toMemoryOrder(entry, asFloats(state.get(entry.key)!.data));
}
