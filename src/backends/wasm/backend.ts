/**
 * The TensorFlow.js backend: tensors in the shared memory, kernels of ours where they exist, the CPU
 * kernels of TensorFlow.js on views of the same memory everywhere else.
 *
 * The CPU kernels reach into `data`, `makeTensorInfo`, `incRef`, `disposeIntermediateTensorInfo`,
 * `bufferSync`, … of the backend they are called with; this class offers them all.
 */
import { BackendError } from "../../base/errors.ts";
import { tf } from "../../deps/tfjs.ts";
import type { SharedMemory } from "./memory.ts";
import type { FieldValues, ParameterLayout } from "./parameters.ts";
import type { KernelRuntime } from "./runtime.ts";
import { type HostValues, TensorStorage, type WordArray } from "./storage.ts";

/** A tensor's values, freshly made by a kernel of ours. */
export interface Output {
  readonly info: tf.TensorInfo;
  /** Where the kernel has to write them. */
  readonly address: number;
}

/** See the head of this module. */
export class WasmBackend extends tf.KernelBackend {
  /** Block length that the CPU matrix product reads from its backend. */
  readonly blockSize = 48;
  /** {@link write} copies, so callers need not (see tensors.ts). */
  readonly copiesOnWrite = true;
  /** {@link read} copies, so callers need not. */
  readonly copiesOnRead = true;
  readonly data: tf.DataStorage<TensorStorage>;
  readonly #runtime: KernelRuntime;
  #temporaries: number[] = [];
  #outputs: tf.TensorInfo[] = [];
  #stopped = false;

  /** @param runtime Memory and kernels; the backend uses them until it is disposed. */
  constructor(runtime: KernelRuntime) {
    super();
    this.#runtime = runtime;
    this.data = new tf.DataStorage(this, tf.engine());
  }

  /** Kernels and memory. */
  get runtime(): KernelRuntime {
    return this.#runtime;
  }

  // --- kernels of ours -------------------------------------------------------------------------

  /**
   * Address of a tensor's float32 values (or int32, for an int32 tensor); moves them to the shared
   * memory first if a CPU kernel left them in a plain array.
   *
   * @throws {BackendError} out of memory.
   */
  addressOf(info: tf.TensorInfo): number {
    const storage = this.#storage(info.dataId);
    const wanted = info.dtype === "int32" ? "int32" : "float32";
    if (storage.dtype === wanted && storage.isWords) return storage.addressOf(info.shape);
    // The CPU kernels relabel integers and booleans as float32 without touching them.
    const values = storage.values as ArrayLike<number>;
    const address = this.#memory.allocate(values.length * 4, `a tensor of shape [${info.shape}]`);
    this.#temporaries.push(address);
    this.#words(address, values.length, wanted).set(values);
    return address;
  }

  /**
   * Makes an uninitialised tensor for a kernel to fill.
   *
   * @throws {BackendError} out of memory.
   */
  output(shape: readonly number[], dtype: "float32" | "int32" = "float32"): Output {
    this.#requireRunning();
    const storage = TensorStorage.inMemory(this.#memory, { shape, dtype });
    const dataId = {};
    this.data.set(dataId, storage);
    const info = { dataId, shape: [...shape], dtype };
    this.#outputs.push(info);
    return { info, address: storage.addressOf(shape) };
  }

  /** Runs one operation of the kernel module; see {@link KernelRuntime.launch}. */
  launch<Name extends string>(
    name: string,
    layout: ParameterLayout<Name>,
    values: FieldValues<Name>,
  ): void {
    this.#requireRunning();
    this.#runtime.launch(name, layout, values);
  }

  /** A scratch block that lives until the present kernel ends. */
  temporary(bytes: number, what: string): number {
    const address = this.#memory.allocate(bytes, what);
    this.#temporaries.push(address);
    return address;
  }

  /**
   * Runs a kernel and frees what it reserved with {@link temporary}; when it fails, also the
   * {@link output}s it had made.
   */
  scoped<Result>(kernel: () => Result): Result {
    this.#outputs = [];
    try {
      return kernel();
    } catch (error) {
      for (const output of this.#outputs) this.disposeData(output.dataId);
      throw error;
    } finally {
      this.#outputs = [];
      for (const address of this.#temporaries) this.#memory.free(address);
      this.#temporaries = [];
    }
  }

  /** Another tensor on the same values. */
  alias(x: tf.TensorInfo, shape: number[] = x.shape): tf.TensorInfo {
    this.incRef(x.dataId);
    return { dataId: x.dataId, shape, dtype: x.dtype };
  }

  // --- what TensorFlow.js calls ----------------------------------------------------------------

  /** Copies host values to the shared memory (numbers of four bytes) or keeps them (others). */
  override write(values: HostValues, shape: number[], dtype: tf.DataType): object {
    const dataId = {};
    this.move(dataId, values, shape, dtype, 1);
    return dataId;
  }

  override move(
    dataId: object,
    values: HostValues,
    shape: number[],
    dtype: tf.DataType,
    refCount: number,
  ): void {
    this.#requireRunning();
    if ((dtype === "float32" || dtype === "int32") && values != null) {
      const storage = TensorStorage.inMemory(this.#memory, { shape, dtype });
      storage.refCount = refCount;
      (storage.values as WordArray).set(values as ArrayLike<number>);
      this.data.set(dataId, storage);
    } else {
      this.data.set(dataId, TensorStorage.onHost(this.#memory, { values, dtype, refCount }));
    }
  }

  /** Called by the CPU kernels for their results: the array is taken over, not copied. */
  makeTensorInfo(
    shape: number[],
    dtype: tf.DataType,
    values?: HostValues | string[],
  ): tf.TensorInfo {
    const isText = dtype === "string" && values != null && typeof values[0] === "string";
    const kept = isText
      ? (values as string[]).map((text) => tf.util.encodeString(text))
      : values as HostValues;
    const dataId = {};
    this.data.set(
      dataId,
      TensorStorage.onHost(this.#memory, { values: kept ?? null, dtype, refCount: 1 }),
    );
    return { dataId, shape, dtype };
  }

  override read(dataId: object): Promise<HostValues> {
    return Promise.resolve(this.readSync(dataId));
  }

  override readSync(dataId: object): HostValues {
    const storage = this.#storage(dataId);
    const parts = storage.complexTensorInfos;
    if (storage.dtype === "complex64" && parts !== undefined) {
      return tf.backend_util.mergeRealAndImagArrays(
        this.readSync(parts.real.dataId) as Float32Array,
        this.readSync(parts.imag.dataId) as Float32Array,
      );
    }
    return tf.util.convertBackendValuesAndArrayBuffer(
      storage.copy() as Float32Array,
      storage.dtype,
    ) as HostValues;
  }

  /** A tensor's values as a `TensorBuffer`. */
  bufferSync(info: tf.TensorInfo): tf.TensorBuffer<tf.Rank, tf.DataType> {
    const values = this.readSync(info.dataId);
    const decoded = info.dtype === "string"
      ? (values as Uint8Array[]).map((bytes) => tf.util.decodeString(bytes))
      : values;
    return tf.buffer(info.shape as [number], info.dtype, decoded as Float32Array);
  }

  /** A tensor of the given values. */
  makeOutput(values: HostValues, shape: number[], dtype: tf.DataType): tf.Tensor {
    return tf.engine().makeTensorFromTensorInfo(this.makeTensorInfo(shape, dtype, values), this);
  }

  override refCount(dataId: object): number {
    return this.data.has(dataId) ? this.data.get(dataId).refCount : 0;
  }

  override incRef(dataId: object): void {
    this.data.get(dataId).refCount++;
  }

  /** Counterpart of {@link incRef}. */
  decRef(dataId: object): void {
    if (this.data.has(dataId)) this.data.get(dataId).refCount--;
  }

  override numDataIds(): number {
    return this.data.numDataIds();
  }

  override disposeData(dataId: object, force = false): boolean {
    if (!this.data.has(dataId)) return true;
    const storage = this.data.get(dataId);
    storage.refCount--;
    if (!force && storage.refCount > 0) return false;
    if (storage.complexTensorInfos !== undefined) {
      this.disposeData(storage.complexTensorInfos.real.dataId, true);
      this.disposeData(storage.complexTensorInfos.imag.dataId, true);
    }
    if (!this.#stopped) storage.release();
    this.data.delete(dataId);
    return true;
  }

  /** Called by kernels for intermediate results. */
  disposeIntermediateTensorInfo(info: tf.TensorInfo): void {
    this.disposeData(info.dataId);
  }

  /** Positions of the true values of `condition`, `[count, rank]`. */
  where(condition: tf.Tensor): tf.Tensor2D {
    const values = this.readSync(condition.dataId) as Uint8Array;
    return tf.kernel_impls.whereImpl(condition.shape, values);
  }

  override async time(query: () => void): Promise<tf.BackendTimingInfo> {
    const start = performance.now();
    await query();
    return { kernelMs: performance.now() - start } as tf.BackendTimingInfo;
  }

  /** Bytes of the shared memory beside TensorFlow.js' own count. */
  override memory(): { unreliable: boolean; used: number; peak: number; reserved: number } {
    const { used, peak, reserved } = this.#memory.statistics();
    return { unreliable: false, used, peak, reserved };
  }

  override floatPrecision(): 16 | 32 {
    return 32;
  }

  /** Ends the workers. Tensors that still exist can be disposed afterwards, but not used. */
  override dispose(): void {
    this.#stopped = true;
    void this.#runtime.stop();
  }

  get #memory(): SharedMemory {
    return this.#runtime.memory;
  }

  #storage(dataId: object): TensorStorage {
    this.#requireRunning();
    return this.data.get(dataId);
  }

  #words(address: number, length: number, dtype: "float32" | "int32"): WordArray {
    return dtype === "int32"
      ? this.#memory.integerView(address, length)
      : this.#memory.floatView(address, length);
  }

  #requireRunning(): void {
    if (!this.#stopped) return;
    throw new BackendError(
      "wasm",
      "Cannot use a tensor of the wasm engine: the engine was stopped, its memory is gone; copy " +
        "values out before stop, or start the engine again and make new tensors",
    );
  }
}
