/**
 * The numbers of one model: trained variables on the engine, buffers on the host with a copy on the engine.
 *
 * Buffers (running statistics, F) are tiny and change once per step, so the host copy is the truth and
 * exporting them reads nothing back. Source: spec sections 3.3, 3.6.
 */
import type { FloatArray, NdArray, NumericArray } from "../../base/arrays.ts";
import { RecvaeError } from "../../base/errors.ts";
import { toHost, toTensor } from "../../backends/tensors.ts";
import { tf } from "../../deps/tfjs.ts";
import type { StateEntry } from "./architecture.ts";
import { asFloats, checkStateDict, type StateDict, toFileOrder, toMemoryOrder } from "./weights.ts";

/** Momentum of the running statistics (PyTorch's default). */
const MOMENTUM = 0.1;

/** Statistics of one norm layer over consecutive time steps. */
export interface StepStatistics {
  /** Layer, e.g. `"encoder1.1"`. */
  readonly layer: string;
  /** `[frames, C]` means. */
  readonly mean: FloatArray;
  /** `[frames, C]` biased variances. */
  readonly variance: FloatArray;
  /** Values behind each mean, n = B·voxels. */
  readonly count: number;
}

/** Variables and buffers by PyTorch's names. */
export class ModelState {
  /** Trained variables in PyTorch's order, memory layout. */
  readonly parameters: ReadonlyMap<string, tf.Variable>;
  readonly #entries: readonly StateEntry[];
  readonly #buffers = new Map<string, { host: FloatArray; tensor: tf.Tensor }>();
  readonly #counters = new Map<string, bigint>();
  #disposed = false;

  /**
   * Puts a state dictionary on the current engine.
   *
   * @param entries Table of the network. @param initial A state dictionary that fits it.
   * @throws {CheckpointError} when it does not.
   */
  constructor(entries: readonly StateEntry[], initial: StateDict) {
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

  /** Replaces a buffer's values. */
  setBuffer(key: string, values: FloatArray): void {
    const entry = this.#entries.find((candidate) => candidate.key === key)!;
    this.#buffers.get(key)?.tensor.dispose();
    this.#buffers.set(key, { host: values, tensor: tf.keep(toTensor(values, entry.memoryShape)) });
  }

  /**
   * Folds per-step statistics into the running ones in time order, as PyTorch does: s ← 0.9·s + 0.1·value,
   * the variance unbiased (n/(n − 1)), one rounding per step; the counter advances by the number of steps.
   */
  foldStatistics({ layer, mean, variance, count }: StepStatistics): void {
    const channels = this.buffer(`${layer}.running_mean`).length;
    this.#fold(`${layer}.running_mean`, mean, 1);
    this.#fold(`${layer}.running_var`, variance, count / (count - 1));
    const counter = `${layer}.num_batches_tracked`;
    this.#counters.set(counter, this.#counters.get(counter)! + BigInt(mean.length / channels));
  }

  /** Copies everything to the host in PyTorch's order, names and layouts. */
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
    }
  }

  async #exportEntry(entry: StateEntry): Promise<NumericArray> {
    if (entry.kind === "counter") return BigInt64Array.of(this.#counters.get(entry.key)!);
    if (entry.kind === "buffer") return this.buffer(entry.key).slice() as FloatArray;
    return toFileOrder(entry, await toHost(this.parameters.get(entry.key)!));
  }

  #fold(key: string, perStep: FloatArray, factor: number): void {
    const before = this.buffer(key);
    const channels = before.length;
    const running = perStep instanceof Float64Array
      ? Float64Array.from(before)
      : Float32Array.from(before);
    for (let i = 0; i < perStep.length; i++) {
      const c = i % channels;
      running[c] = (1 - MOMENTUM) * running[c] + MOMENTUM * factor * perStep[i];
    }
    this.setBuffer(key, running);
  }
}

function memoryValues(entry: StateEntry, state: ReadonlyMap<string, NdArray<NumericArray>>) {
  return toMemoryOrder(entry, asFloats(state.get(entry.key)!.data));
}
