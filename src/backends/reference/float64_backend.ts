/**
 * A TensorFlow.js backend whose "float32" tensors are stored as float64. int32 and bool are stored as
 * usual; complex64 and string do not occur.
 */
import type { FloatArray } from "../../base/arrays.ts";
import { BackendError } from "../../base/errors.ts";
import { tf } from "../../deps/tfjs.ts";
import type { StorageTraits } from "../tensors.ts";

/** Dtypes that this backend stores. */
export type StoredType = "float32" | "int32" | "bool";

/** Values of one tensor: Float64Array for "float32", Int32Array for "int32", Uint8Array for "bool". */
export type Values = Float64Array | Int32Array | Uint8Array;

interface Bucket {
  readonly values: Values;
  readonly dtype: StoredType;
  references: number;
}

/** Converts to the array type that stores `dtype`; values that have it already are taken as they are. */
export function asStored(values: ArrayLike<number>, dtype: string): Values {
  switch (dtype) {
    case "float32":
      return values instanceof Float64Array ? values : Float64Array.from(values);
    case "int32":
      return values instanceof Int32Array ? values : Int32Array.from(values);
    case "bool":
      return values instanceof Uint8Array ? values : Uint8Array.from(values, (v) => v ? 1 : 0);
    default:
      throw new BackendError(
        "reference",
        `Storing a tensor: dtype is ${dtype}, needs float32, int32 or bool`,
      );
  }
}

/** The storage; kernels are registered for its name by mod.ts. */
export class Float64Backend extends tf.KernelBackend implements StorageTraits {
  readonly storesFloat64 = true;
  /** Asks the engine of TensorFlow.js for values that live on another backend. */
  readonly #data = new tf.DataStorage<Bucket>(this, tf.engine());
  #bytes = 0;

  /** Values of a tensor, as stored; not to be changed. */
  values(tensor: tf.TensorInfo): Values {
    return this.#bucket(tensor.dataId).values;
  }

  /** Values of a "float32" tensor, as stored; not to be changed. */
  floats(tensor: tf.TensorInfo): FloatArray {
    return this.values(tensor) as FloatArray;
  }

  /** A new tensor that takes over `values`. */
  output(values: ArrayLike<number>, shape: readonly number[], dtype: string): tf.TensorInfo {
    const dataId = this.write(asStored(values, dtype), [...shape], dtype as StoredType);
    return { dataId, shape: [...shape], dtype: dtype as StoredType };
  }

  /** Another name and shape for the same values. */
  alias(tensor: tf.TensorInfo, shape: readonly number[]): tf.TensorInfo {
    this.incRef(tensor.dataId);
    return { dataId: tensor.dataId, shape: [...shape], dtype: tensor.dtype };
  }

  override write(
    values: tf.BackendValues | ArrayLike<number>,
    shape: number[],
    dtype: tf.DataType,
  ): tf.DataId {
    const dataId = {} as tf.DataId;
    this.move(dataId, values, shape, dtype, 1);
    return dataId;
  }

  override move(
    dataId: tf.DataId,
    values: tf.BackendValues | ArrayLike<number>,
    shape: number[],
    dtype: tf.DataType,
    references: number,
  ): void {
    const size = shape.reduce((product, n) => product * n, 1);
    const given = (values ?? new Float64Array(size)) as ArrayLike<number>;
    const stored = asStored(given, dtype);
    this.#data.set(dataId, { values: stored, dtype: dtype as StoredType, references });
    this.#bytes += stored.byteLength;
  }

  override readSync(dataId: tf.DataId): tf.BackendValues {
    return this.#bucket(dataId).values as unknown as tf.BackendValues;
  }

  override read(dataId: tf.DataId): Promise<tf.BackendValues> {
    return Promise.resolve(this.readSync(dataId));
  }

  override refCount(dataId: tf.DataId): number {
    return this.#data.has(dataId) ? this.#data.get(dataId).references : 0;
  }

  override incRef(dataId: tf.DataId): void {
    this.#bucket(dataId).references++;
  }

  override disposeData(dataId: tf.DataId, force = false): boolean {
    if (!this.#data.has(dataId)) return true;
    const bucket = this.#data.get(dataId);
    bucket.references--;
    if (!force && bucket.references > 0) return false;
    this.#data.delete(dataId);
    this.#bytes -= bucket.values.byteLength;
    return true;
  }

  override numDataIds(): number {
    return this.#data.numDataIds();
  }

  override memory(): { unreliable: boolean } {
    return { unreliable: false };
  }

  /** Bytes held by tensors. */
  bytes(): number {
    return this.#bytes;
  }

  override floatPrecision(): 16 | 32 {
    return 32;
  }

  override timerAvailable(): boolean {
    return false;
  }

  override dispose(): void {}

  #bucket(dataId: tf.DataId): Bucket {
    try {
      return this.#data.get(dataId);
    } catch (error) {
      throw new BackendError(
        "reference",
        `Reading a tensor: it holds no values any more (${error})`,
      );
    }
  }
}
