/**
 * Where the values of one tensor are: in the shared memory, or still in a plain array because one of
 * TensorFlow.js' own CPU kernels made them and no kernel of ours has needed them yet.
 */
import { tf } from "../../deps/tfjs.ts";
import type { SharedMemory } from "./memory.ts";

/** Values of a tensor as the CPU kernels of TensorFlow.js handle them. */
export type HostValues = tf.backend_util.BackendValues;

/** A numeric array whose elements take four bytes; only these move to the shared memory. */
export type WordArray = Float32Array | Int32Array;

/** The values behind one data id. The field names are those that the CPU kernels expect. */
export class TensorStorage {
  readonly dtype: tf.DataType;
  refCount: number;
  /** Parts of a complex tensor, which has no values of its own. */
  complexTensorInfos?: { real: tf.TensorInfo; imag: tf.TensorInfo };
  readonly #memory: SharedMemory;
  #values: HostValues | null = null;
  #address = 0;

  private constructor(memory: SharedMemory, dtype: tf.DataType, refCount: number) {
    this.#memory = memory;
    this.dtype = dtype;
    this.refCount = refCount;
  }

  /** Storage that keeps `values` as they are. */
  static onHost(
    memory: SharedMemory,
    tensor: { values: HostValues | null; dtype: tf.DataType; refCount: number },
  ): TensorStorage {
    const storage = new TensorStorage(memory, tensor.dtype, tensor.refCount);
    storage.#values = tensor.values;
    return storage;
  }

  /**
   * Fresh storage in the shared memory, not initialised.
   *
   * @throws {BackendError} out of memory.
   */
  static inMemory(
    memory: SharedMemory,
    tensor: { shape: readonly number[]; dtype: "float32" | "int32" },
  ): TensorStorage {
    const storage = new TensorStorage(memory, tensor.dtype, 1);
    storage.#place(tensor.shape);
    return storage;
  }

  /** The values, as a view when they are in the shared memory. Writing to them changes the tensor. */
  get values(): HostValues {
    return this.#values!;
  }

  set values(values: HostValues) {
    this.release();
    this.#values = values;
  }

  /** Whether the values are in the shared memory. */
  get isInMemory(): boolean {
    return this.#address > 0;
  }

  /** Whether kernels of ours can read the values as four-byte words of this storage's dtype. */
  get isWords(): boolean {
    return this.#values instanceof (this.dtype === "int32" ? Int32Array : Float32Array);
  }

  /**
   * Address of the values, which move to the shared memory for it if need be.
   *
   * @param shape Shape of the tensor, for the message when memory runs out.
   * @throws {BackendError} out of memory.
   */
  addressOf(shape: readonly number[]): number {
    if (this.#address === 0) {
      const values = this.#values as WordArray;
      this.#place(shape, values.length);
      (this.#values as WordArray).set(values);
    }
    return this.#address;
  }

  /** A copy of the values in ordinary memory. */
  copy(): HostValues {
    if (this.#address === 0) return this.#values!.slice() as HostValues;
    const values = this.#values as WordArray;
    const copy = values instanceof Int32Array
      ? new Int32Array(values.length)
      : new Float32Array(values.length);
    copy.set(values); // `slice` of a shared array is 15 times slower.
    return copy;
  }

  /** Gives the memory back. */
  release(): void {
    if (this.#address > 0) this.#memory.free(this.#address);
    this.#address = 0;
    this.#values = null;
  }

  #place(shape: readonly number[], length = shape.reduce((product, n) => product * n, 1)): void {
    const what = `a tensor of shape [${shape}]`;
    this.#address = this.#memory.allocate(length * 4, what);
    this.#values = this.dtype === "int32"
      ? this.#memory.integerView(this.#address, length)
      : this.#memory.floatView(this.#address, length);
  }
}
