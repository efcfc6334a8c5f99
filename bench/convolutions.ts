/**
 * Times the convolutions of the model through an engine: every layer forward, gradient in the input and gradient in
 * the filter, allocation of the result and dispatch included.
 */
import {
  runConv3d,
  runConv3dFilterGradient,
  runConv3dInputGradient,
  type Triple,
} from "../src/backends/kernel_contract.ts";
import { toTensor } from "../src/backends/tensors.ts";
import { tf } from "../src/deps/tfjs.ts";
import type { Layer } from "./layers.ts";
import { type Spread, spreadOf } from "./measurements.ts";

const GEOMETRY = { stride: [2, 2, 2], padding: [1, 1, 1] } as const;
const KERNEL: Triple = [4, 4, 4];
/** Warm-up: the engine's compiler replaces its first, slow code of a kernel while this passes. */
const WARM_UP = { calls: 5, milliseconds: 150 } as const;

/** What is computed of a layer. */
export const OPERATIONS = ["forward", "input gradient", "filter gradient"] as const;

/** One of {@link OPERATIONS}. */
export type Operation = typeof OPERATIONS[number];

/** A layer with its arrays on the current engine. */
export interface PreparedLayer {
  readonly layer: Layer;
  /** Runs an operation; the caller disposes the result. */
  run(operation: Operation): tf.Tensor;
  dispose(): void;
}

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
  /** `gflops / peak`. */
  readonly share: { readonly best: number; readonly median: number };
}

/**
 * Makes a layer's arrays.
 *
 * @param layer From `convolutionLayers`. @param batch Volumes N.
 */
export function prepareLayer(layer: Layer, batch: number): PreparedLayer {
  const fine = noise([batch, ...layer.fine, layer.fineChannels], 1);
  const coarse = noise([batch, ...layer.coarse, layer.coarseChannels], 2);
  const filter = noise([...KERNEL, layer.fineChannels, layer.coarseChannels], 3);
  const bias = noise([layer.coarseChannels], 4);
  // A transposed convolution is the input gradient of the convolution it inverts, and vice versa.
  const toCoarse = layer.transposed ? "input gradient" : "forward";
  return {
    layer,
    run(operation) {
      if (operation === "filter gradient") {
        return runConv3dFilterGradient(fine, coarse, { ...GEOMETRY, kernel: KERNEL });
      }
      return operation === toCoarse
        ? runConv3d(fine, filter, layer.transposed ? null : bias, GEOMETRY)
        : runConv3dInputGradient(coarse, filter, { ...GEOMETRY, inputSize: layer.fine });
    },
    dispose: () => tf.dispose([fine, coarse, filter, bias]),
  };
}

/**
 * Times one operation of a layer on a synchronous engine.
 *
 * @param prepared The layer. @param operation Which.
 * @param options.batch Volumes, as prepared. @param options.repeats Timed calls.
 * @param options.measurePeak Gives the multiply–add peak at this moment; called before and after.
 */
export function timeOperation(
  prepared: PreparedLayer,
  operation: Operation,
  options: {
    readonly batch: number;
    readonly repeats: number;
    readonly measurePeak: () => number;
  },
): ConvolutionTimes {
  const once = () => {
    const started = performance.now();
    const result = prepared.run(operation);
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
  const work = 2 * prepared.layer.multiplyAdds * options.batch / 1e6;
  const gflops = { best: work / time.least, median: work / time.median };
  return {
    layer: prepared.layer.name,
    operation,
    time,
    gflops,
    peak,
    share: { best: gflops.best / peak, median: gflops.median / peak },
  };
}

/** Values uniform on ±0.5 from a linear congruential generator. */
function noise(shape: readonly number[], seed: number): tf.Tensor {
  const values = new Float32Array(shape.reduce((product, n) => product * n, 1));
  let state = seed;
  for (let i = 0; i < values.length; i++) {
    state = (Math.imul(state, 1664525) + 1013904223) | 0;
    values[i] = state / 2 ** 32;
  }
  return toTensor(values, shape);
}
