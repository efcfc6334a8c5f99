/** Running statistics of batch norm layers, advanced as PyTorch does. */
import type { FloatArray } from "../base/arrays.ts";
import type { ParameterStore } from "./parameter_store.ts";

/** Momentum of the running statistics (PyTorch's default). */
const MOMENTUM = 0.1;

/** Statistics of one norm layer over consecutive steps (frames, or batches). */
export interface StepStatistics {
  /** Layer, e.g. `"encoder1.1"`. */
  readonly layer: string;
  /** `[steps, C]` means. */
  readonly mean: FloatArray;
  /** `[steps, C]` biased variances. */
  readonly variance: FloatArray;
  /** Values behind each mean. */
  readonly count: number;
}

/**
 * Folds per-step statistics into the running ones in order: s ← 0.9·s + 0.1·value, the variance unbiased (n/(n − 1)),
 * one rounding per step; the counter advances by the number of steps.
 *
 * @param store Holds `running_mean`, `running_var` and `num_batches_tracked` of the layer.
 * @param statistics Of one layer.
 */
export function foldStatistics(store: ParameterStore, statistics: StepStatistics): void {
  const { layer, mean, variance, count } = statistics;
  const channels = store.buffer(`${layer}.running_mean`).length;
  fold(store, `${layer}.running_mean`, { perStep: mean, factor: 1 });
  fold(store, `${layer}.running_var`, { perStep: variance, factor: count / (count - 1) });
  store.advance(`${layer}.num_batches_tracked`, mean.length / channels);
}

function fold(
  store: ParameterStore,
  key: string,
  { perStep, factor }: { readonly perStep: FloatArray; readonly factor: number },
): void {
  const before = store.buffer(key);
  const channels = before.length;
  const running = perStep instanceof Float64Array
    ? Float64Array.from(before)
    : Float32Array.from(before);
  for (let i = 0; i < perStep.length; i++) {
    const c = i % channels;
    running[c] = (1 - MOMENTUM) * running[c] + MOMENTUM * factor * perStep[i];
  }
  store.setBuffer(key, running);
}
