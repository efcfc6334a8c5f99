/** One way to put an operation with its own gradient on the tape of TensorFlow.js. */
import { tf } from "../deps/tfjs.ts";

/** A gradient, or how to compute it when it turns out to be needed. */
export type Gradient = tf.Tensor | (() => tf.Tensor);

/** An operation as the tape sees it. */
export interface Differentiable {
  /**
   * Computes the result. `save` keeps what the gradient reads, at most once per call; nothing is kept while no
   * tape is running.
   */
  forward(inputs: readonly tf.Tensor[], save: (tensors: tf.Tensor[]) => void): tf.Tensor;
  /**
   * Gradients of a scalar in every input, in order, from its gradient dy in the result. What lies in between lives until
   * the whole tape is done, unless freed with a tidy.
   */
  gradient(dy: tf.Tensor, saved: readonly tf.Tensor[]): Gradient[];
}

/** An operation of at least two results as the tape sees it. */
export interface DifferentiableMany {
  /** As in {@link Differentiable}. */
  forward(inputs: readonly tf.Tensor[], save: (tensors: tf.Tensor[]) => void): tf.Tensor[];
  /** As in {@link Differentiable}, from the gradients in every result; those nobody used are zeros. */
  gradient(dys: readonly tf.Tensor[], saved: readonly tf.Tensor[]): Gradient[];
}

/**
 * Runs an operation so that a surrounding tape can differentiate through it.
 *
 * @param inputs Tensors with respect to which `gradient` answers.
 * @param operation The operation.
 */
export function runDifferentiable(
  inputs: readonly tf.Tensor[],
  operation: Differentiable,
): tf.Tensor {
  return onTape<tf.Tensor>(inputs, operation);
}

/**
 * {@link runDifferentiable} for an operation of several results.
 *
 * @param inputs Tensors with respect to which `gradient` answers.
 * @param operation The operation.
 */
export function runDifferentiableMany(
  inputs: readonly tf.Tensor[],
  operation: DifferentiableMany,
): tf.Tensor[] {
  return onTape<tf.Tensor[]>(inputs, operation);
}

/** Whether what is computed now may be differentiated, so that it is worth keeping values for the way back. */
export function isTapeRunning(): boolean {
  return tf.engine().state.gradientDepth > 0;
}

/**
 * What `tf.customGrad` is made of, from the engine of TensorFlow.js; unlike that it allows several results, and does not
 * ask for gradients in what is no variable.
 */
interface TapeEngine {
  runKernelFunc<Results>(call: {
    forwardFunc: (backend: unknown, save: (tensors: tf.Tensor[]) => void) => Results;
    backwardsFunc: (dys: Results, saved: tf.Tensor[]) => Record<string, () => tf.Tensor>;
    inputs: Record<string, tf.Tensor>;
  }): Results;
}

function onTape<Results>(
  inputs: readonly tf.Tensor[],
  { forward, gradient }: {
    forward: (inputs: readonly tf.Tensor[], save: (tensors: tf.Tensor[]) => void) => Results;
    gradient: (dys: Results, saved: readonly tf.Tensor[]) => Gradient[];
  },
): Results {
  return (tf.engine() as unknown as TapeEngine).runKernelFunc<Results>({
    forwardFunc: (_, save) => forward(inputs, save),
    backwardsFunc(dys, saved) {
      const own = ownTensors();
      return Object.fromEntries(
        gradient(dys, saved).map((one, i) => [
          i,
          () => own(typeof one === "function" ? one() : one),
        ]),
      );
    },
    inputs: Object.fromEntries(inputs.map((tensor, i) => [i, tensor])),
  });
}

/**
 * Every input gets a tensor of its own: the tape frees an input's gradient when it adds a second one to it, so one tensor
 * for two inputs would be freed twice.
 */
function ownTensors(): (gradient: tf.Tensor) => tf.Tensor {
  const given = new Set<tf.Tensor>();
  return (gradient) => {
    if (given.has(gradient)) return gradient.clone();
    given.add(gradient);
    return gradient;
  };
}
