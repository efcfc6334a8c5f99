/**
 * Kernels an engine may provide that work on all tensors of a model in one call: an optimiser's update, scaling, and
 * squared norms. They write into the tensors they are given where nobody else holds the values. Outside
 * the registry's usual calls, so that thousands of tensors need no bookkeeping each.
 */
import { tf } from "../deps/tfjs.ts";

/** Names under which engines register the kernels. */
export const UPDATE_KERNEL = {
  update: "RecvaeUpdate",
  squaredNorms: "RecvaeSquaredNorms",
} as const;

/** One rule for all tensors; numbers are rounded to float32, as scalar tensors are. */
export interface UpdateRule {
  /** p ← p·rate (`scale`), or p ← p − rate·d with d as src/training says. */
  readonly name: "scale" | "sgd" | "momentum" | "nesterov" | "adam";
  readonly rate: number;
  /** Added times p to the gradient; 0: nothing is added. */
  readonly decay?: number;
  /** p is multiplied by it first; absent: it is not. */
  readonly shrink?: number;
  /** Momentum, or β₁. */
  readonly keep1?: number;
  readonly take1?: number;
  readonly keep2?: number;
  readonly take2?: number;
  /** √(1 − β₂ᵏ). */
  readonly correction?: number;
  readonly floor?: number;
}

/** One tensor to update, its gradient and the optimiser's slots, as far as the rule has them. */
export interface UpdateTensors {
  readonly value: tf.Tensor;
  readonly gradient?: tf.Tensor;
  readonly first?: tf.Tensor;
  readonly second?: tf.Tensor;
}

/** What the kernel is called with. */
export interface UpdateAttributes {
  readonly targets: readonly UpdateTensors[];
  readonly rule: UpdateRule;
}

/**
 * Updates all tensors in one call.
 *
 * @returns For each target null where its values were changed in place, else a new tensor with the new values (where
 *   another tensor shares the old ones); null when the current engine has no such kernel.
 */
export function runUpdate(attributes: UpdateAttributes): (tf.Tensor | null)[] | null {
  const results = callKernel(UPDATE_KERNEL.update, attributes);
  return results?.map((info, i) =>
    info.dataId === attributes.targets[i].value.dataId
      ? null
      : tf.engine().makeTensorFromTensorInfo(info)
  ) ?? null;
}

/**
 * Σ x² of every tensor.
 *
 * @returns `[tensors.length]`, or null when the current engine has no such kernel.
 */
export function runSquaredNorms(tensors: readonly tf.Tensor[]): tf.Tensor | null {
  const results = callKernel(UPDATE_KERNEL.squaredNorms, { tensors });
  return results && tf.engine().makeTensorFromTensorInfo(results[0]);
}

function callKernel(name: string, attributes: object): tf.TensorInfo[] | null {
  const kernel = tf.getKernel(name, tf.getBackend());
  if (kernel == null) return null;
  return kernel.kernelFunc({
    inputs: {},
    attrs: attributes as unknown as tf.NamedAttrMap,
    backend: tf.backend(),
  }) as tf.TensorInfo[];
}
