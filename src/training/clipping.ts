/** Gradient clipping by global norm, PyTorch's rule (`clip_grad_norm_`). */
import { ConfigError } from "../base/errors.ts";
import { toScalar } from "../backends/tensors.ts";
import { runUpdate } from "../backends/update_contract.ts";
import { tf } from "../deps/tfjs.ts";

/** Keeps the factor finite for gradients of zero, as PyTorch does. */
const NORM_FLOOR = 1e-6;

/**
 * Scales all gradients by maxNorm/(norm + 1e-6) where their joint norm exceeds `maxNorm`.
 *
 * @param gradients By name. Scaled in place, or by tensors that replace entries of the map; the replaced ones are
 *   disposed.
 * @param options `maxNorm` above 0; `squaredNorms`: Σ g² of each gradient (from the watchdog), which saves a
 *   second pass.
 * @returns The joint norm before clipping.
 * @throws {ConfigError} when maxNorm is not above 0.
 */
export function clipGradients(
  gradients: Map<string, tf.Tensor>,
  options: { readonly maxNorm: number; readonly squaredNorms: ArrayLike<number> },
): number {
  const { maxNorm } = options;
  if (!(maxNorm > 0)) {
    throw new ConfigError(
      "maxNorm",
      `Cannot clip gradients: maxNorm is ${maxNorm}, needs a number above 0`,
    );
  }
  const norm = Math.sqrt(Array.from(options.squaredNorms).reduce((sum, value) => sum + value, 0));
  const factor = maxNorm / (norm + NORM_FLOOR);
  if (factor >= 1) return norm;
  const targets = [...gradients.values()].map((value) => ({ value }));
  const fresh = runUpdate({ targets, rule: { name: "scale", rate: factor } }) ??
    scaled([...gradients.values()], factor);
  [...gradients].forEach(([name, gradient], i) => {
    const replacement = fresh[i];
    if (replacement === null) return;
    gradients.set(name, replacement);
    gradient.dispose();
  });
  return norm;
}

function scaled(gradients: readonly tf.Tensor[], factor: number): tf.Tensor[] {
  const scale = toScalar(factor);
  const results = gradients.map((gradient) => tf.mul(gradient, scale));
  scale.dispose();
  return results;
}
