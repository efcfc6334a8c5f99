/** One way to put an operation with its own gradient on the tape of TensorFlow.js. */
import { tf } from "../deps/tfjs.ts";

/** An operation as the tape sees it. */
export interface Differentiable {
  /**
   * Computes the result. `save` keeps what the gradient reads, at most once per call; nothing is kept while no
   * tape is running.
   */
  forward(inputs: readonly tf.Tensor[], save: (tensors: tf.Tensor[]) => void): tf.Tensor;
  /** Gradients of a scalar in every input, in order, from its gradient dy in the result. */
  gradient(dy: tf.Tensor, saved: readonly tf.Tensor[]): tf.Tensor[];
}

/**
 * Runs an operation so that a surrounding tape can differentiate through it.
 *
 * @param inputs Tensors with respect to which `gradient` answers. @param operation The operation.
 */
export function runDifferentiable(inputs: tf.Tensor[], operation: Differentiable): tf.Tensor {
  const run = tf.customGrad((...args) => {
    const save = args.pop() as unknown as (tensors: tf.Tensor[]) => void;
    return {
      value: operation.forward(args as tf.Tensor[], save),
      gradFunc: (dy: tf.Tensor, saved: tf.Tensor[]) => operation.gradient(dy, saved),
    };
  });
  return run(...inputs);
}
