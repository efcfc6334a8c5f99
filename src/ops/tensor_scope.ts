/**
 * Ownership of tensors across asynchronous steps, where TensorFlow.js' `tidy` cannot reach.
 */
import { tf } from "../deps/tfjs.ts";

/** Tensors to free together, whatever happens. */
export class TensorScope {
  readonly #held = new Set<tf.Tensor>();

  /** Takes over tensors; gives them back for use. */
  hold<T extends tf.Tensor>(tensor: T): T {
    this.#held.add(tensor);
    return tensor;
  }

  /** Frees one tensor now. */
  free(tensor: tf.Tensor): void {
    this.#held.delete(tensor);
    tensor.dispose();
  }

  /** Lets go of a tensor: its new owner frees it. */
  release<T extends tf.Tensor>(tensor: T): T {
    this.#held.delete(tensor);
    return tensor;
  }

  /** Frees everything still held. */
  dispose(): void {
    for (const tensor of this.#held) tensor.dispose();
    this.#held.clear();
  }
}

/**
 * `tf.tidy` for results of any type: tensors made inside are freed, also when the body throws, except those
 * that the result's own properties and arrays reach (not the contents of maps).
 *
 * @param body Synchronous.
 */
export function tidied<Result>(body: () => Result): Result {
  return tf.tidy(body as unknown as () => tf.TensorContainer) as unknown as Result;
}
