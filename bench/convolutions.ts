/**
 * Times the convolutions of the model through an engine: every layer forward, gradient in the input and gradient in
 * the filter, allocation of the result and dispatch included.
 */
import { tf } from "../src/deps/tfjs.ts";
import { type Operation, OPERATIONS, prepareLayer } from "./layer_operations.ts";
import type { Layer } from "./layers.ts";
import { type Spread, spreadOf } from "./measurements.ts";

/** Warm-up: the engine's compiler replaces its first, slow code of a kernel while this passes. */
const WARM_UP = { calls: 5, milliseconds: 100 } as const;

/** One timed operation. */
export interface ConvolutionTimes {
  readonly layer: string;
  readonly operation: Operation;
  /** Milliseconds. */
  readonly time: Spread;
  /** Of the least and the median time; multiply–adds of the direct sum count twice [recurrent-vae §11]. */
  readonly gflops: { readonly best: number; readonly median: number };
  /** GFLOP/s of the register-only kernel beside this measurement. */
  readonly peak: number;
}

/** Sizes and helpers of {@link timeConvolutions}. */
export interface ConvolutionPlan {
  /** Volumes of a call. */
  readonly batch: number;
  /** Passes over all layers: what disturbs the machine for a moment meets one of them only. */
  readonly passes: number;
  /** Timed calls of each operation in a pass. */
  readonly calls: number;
  /** Gives the multiply–add peak at this moment; called in every pass. */
  readonly measurePeak: () => number;
}

/**
 * Times all operations of some layers on the current engine, which must be synchronous.
 *
 * @param layers From `convolutionLayers`.
 * @param plan See {@link ConvolutionPlan}.
 */
export function timeConvolutions(
  layers: readonly Layer[],
  plan: ConvolutionPlan,
): ConvolutionTimes[] {
  const times = new Map<string, number[]>();
  const peaks = new Map<string, number>();
  for (let pass = 0; pass < plan.passes; pass++) {
    for (const layer of layers) {
      const { tensors, operations } = prepareLayer(layer, plan.batch);
      for (const operation of OPERATIONS) {
        const key = `${layer.name} ${operation}`;
        const found = timeCalls(operations[operation], plan.calls);
        times.set(key, [...times.get(key) ?? [], ...found]);
        peaks.set(key, Math.max(peaks.get(key) ?? 0, plan.measurePeak()));
      }
      tf.dispose(tensors);
    }
  }
  return layers.flatMap((layer) =>
    OPERATIONS.map((operation) => {
      const key = `${layer.name} ${operation}`;
      const time = spreadOf(times.get(key)!);
      const work = 2 * layer.multiplyAdds * plan.batch / 1e6;
      const gflops = { best: work / time.least, median: work / time.median };
      return { layer: layer.name, operation, time, gflops, peak: peaks.get(key)! };
    })
  );
}

/** Milliseconds of each of `count` calls, after the warm-up. */
function timeCalls(run: () => tf.Tensor, count: number): number[] {
  const once = () => {
    const started = performance.now();
    const result = run();
    const elapsed = performance.now() - started;
    result.dispose();
    return elapsed;
  };
  const started = performance.now();
  for (let i = 0; i < WARM_UP.calls || performance.now() < started + WARM_UP.milliseconds; i++) {
    once();
  }
  return Array.from({ length: count }, once);
}
