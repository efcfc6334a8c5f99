/**
 * Times the convolutions of the model through an engine: every layer forward, gradient in the input and gradient in
 * the filter, allocation of the result and dispatch included.
 */
import type { Operation, PreparedLayer } from "./layer_operations.ts";
import type { Layer } from "./layers.ts";
import { type Spread, spreadOf } from "./measurements.ts";

/** Warm-up: the engine's compiler replaces its first, slow code of a kernel while this passes. */
const WARM_UP = { calls: 5, milliseconds: 150 } as const;

/** One timed operation. */
export interface ConvolutionTimes {
  readonly layer: string;
  readonly operation: Operation;
  /** Milliseconds. */
  readonly time: Spread;
  /** Of the least and the median time; multiply–adds of the direct sum count twice (spec 11). */
  readonly gflops: { readonly best: number; readonly median: number };
  /** GFLOP/s of the register-only kernel beside this measurement. */
  readonly peak: number;
}

/**
 * Times one operation of a layer on a synchronous engine.
 *
 * @param layer Which layer. @param operation Which of its operations.
 * @param options.prepared The layer's arrays.
 * @param options.batch Volumes, as prepared. @param options.repeats Timed calls.
 * @param options.measurePeak Gives the multiply–add peak at this moment; called before and after.
 */
export function timeOperation(
  layer: Layer,
  operation: Operation,
  options: {
    readonly prepared: PreparedLayer;
    readonly batch: number;
    readonly repeats: number;
    readonly measurePeak: () => number;
  },
): ConvolutionTimes {
  const run = options.prepared.operations[operation];
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
  const before = options.measurePeak();
  const time = spreadOf(Array.from({ length: options.repeats }, once));
  const peak = Math.max(before, options.measurePeak());
  const work = 2 * layer.multiplyAdds * options.batch / 1e6;
  const gflops = { best: work / time.least, median: work / time.median };
  return { layer: layer.name, operation, time, gflops, peak };
}
