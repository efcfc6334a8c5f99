/**
 * Squared error behind a tanh with its derivative, scalar, float64 sums:
 * sums[s] = Σ weight·(target − tanh a)², derivative = scale·(−2)·weight·(target − r)·(1 − r²), r = tanh a.
 */
import type { FloatArray } from "../../base/arrays.ts";

/** What {@link tanhSquaredError} reads. */
export interface TanhErrorTask {
  /** Values before the tanh, all samples. */
  readonly a: FloatArray;
  /** Same length as `a`. */
  readonly target: FloatArray;
  /** One sample's length (a mask), or null for 1 everywhere. */
  readonly weight: FloatArray | null;
  readonly samples: number;
  readonly sampleGroups: number;
  readonly derivativeScale: number;
}

/**
 * Writes the derivative and returns the sums.
 *
 * @param derivative Overwritten, same length as `task.a`.
 * @param task Inputs.
 * @returns One sum per sample group.
 */
export function tanhSquaredError(derivative: FloatArray, task: TanhErrorTask): Float64Array {
  const { a, target, weight, samples, sampleGroups } = task;
  const sums = new Float64Array(sampleGroups);
  const length = samples === 0 ? 0 : a.length / samples;
  const scale = -2 * task.derivativeScale;
  for (let n = 0; n < samples; n++) {
    let sum = 0;
    for (let v = 0, i = n * length; v < length; v++, i++) {
      const r = Math.tanh(a[i]);
      const w = weight === null ? 1 : weight[v];
      const weighted = w * (target[i] - r);
      sum += weighted * (target[i] - r);
      derivative[i] = scale * weighted * (1 - r * r);
    }
    sums[Math.floor(n * sampleGroups / samples)] += sum;
  }
  return sums;
}
