/**
 * Splitting work so that no kernel argument covers more of a buffer than the device can bind. Tensors are
 * cut along their first axis (samples) or along any run of equal items; the pieces are processed by
 * separate runs of the same shader.
 */
import { BackendError } from "../../base/errors.ts";
import type { tf } from "../../deps/tfjs.ts";
import type { TensorPart } from "./device_backend.ts";

/** What a device can bind. */
export interface BindingLimits {
  /** Largest binding in bytes. */
  readonly maxStorageBufferBindingSize: number;
  /** Bindings begin at multiples of this many bytes. */
  readonly minStorageBufferOffsetAlignment: number;
}

/** A bound range of items and where the first of them begins in it. */
export interface BoundItems extends TensorPart {
  /** Float32 values between the beginning of the binding and the first item. */
  readonly base: number;
}

/**
 * Cuts `count` items into ranges that fit one binding in every tensor.
 *
 * @param count Number of items; 0 gives no ranges.
 * @param valuesPerItem Float32 values per item, one entry per tensor that is cut.
 * @param limits Of the device.
 * @returns Ranges in order, `[first, end)`.
 * @throws {BackendError} when a single item does not fit.
 */
export function splitItems(
  count: number,
  valuesPerItem: readonly number[],
  limits: BindingLimits,
): [first: number, end: number][] {
  const largest = 4 * Math.max(...valuesPerItem);
  // The binding may begin up to one alignment before the first item.
  const room = limits.maxStorageBufferBindingSize - limits.minStorageBufferOffsetAlignment;
  const fitting = largest === 0 ? count : Math.floor(room / largest);
  if (count > 0 && fitting < 1) {
    throw new BackendError(
      "webgpu",
      `Cannot process a volume of ${largest} bytes: this GPU binds at most ${room} bytes at a time; ` +
        "choose --backend wasm or a smaller volume",
    );
  }
  const pieces = Math.ceil(count / Math.max(1, fitting));
  return Array.from({ length: pieces }, (_, i) => [
    Math.floor(i * count / pieces),
    Math.floor((i + 1) * count / pieces),
  ]);
}

/**
 * Binds values `first … end − 1` of a tensor.
 *
 * @param tensor float32.
 * @param range First value and end, in values.
 * @param limits Of the device.
 */
export function bindValues(
  tensor: tf.TensorInfo,
  range: readonly [first: number, end: number],
  limits: BindingLimits,
): BoundItems {
  const alignment = limits.minStorageBufferOffsetAlignment;
  const byteOffset = Math.floor(4 * range[0] / alignment) * alignment;
  return {
    tensor,
    byteOffset,
    byteLength: 4 * range[1] - byteOffset,
    base: range[0] - byteOffset / 4,
  };
}
