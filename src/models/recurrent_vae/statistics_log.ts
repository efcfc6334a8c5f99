/**
 * Batch statistics of norm layers over the frames of a step, for the running buffers [recurrent-vae §3.3, §12]: noted
 * chunk by chunk in time order, read back once with the step's other results.
 */
import type { FloatArray } from "../../base/arrays.ts";
import { tf } from "../../deps/tfjs.ts";
import type { TensorScope } from "../../ops/tensor_scope.ts";
import type { BatchStatistics } from "./norm.ts";
import type { StepStatistics } from "../../parameters/running_statistics.ts";

interface LayerLog {
  readonly mean: tf.Tensor[];
  readonly variance: tf.Tensor[];
  readonly count: number;
}

/** Statistics `[G, C]` of every chunk and layer. */
export class StatisticsLog {
  readonly #layers = new Map<string, LayerLog>();
  readonly #scope: TensorScope;

  /** @param scope Owns the noted tensors. */
  constructor(scope: TensorScope) {
    this.#scope = scope;
  }

  /** Notes a chunk and takes its statistics over. */
  record(statistics: readonly BatchStatistics[]): void {
    for (const { layer, mean, variance, count } of statistics) {
      const log = this.#layers.get(layer) ?? { mean: [], variance: [], count };
      log.mean.push(this.#scope.hold(mean));
      log.variance.push(this.#scope.hold(variance));
      this.#layers.set(layer, log);
    }
  }

  /** Mean and variance `[frames, C]` of each layer, to be read back in this order. */
  tensors(): tf.Tensor[] {
    return [...this.#layers.values()].flatMap(({ mean, variance }) =>
      [mean, variance].map((parts) => this.#scope.hold(tf.concat(parts, 0)))
    );
  }

  /** Sorts the values of {@link tensors} by layer. */
  resolve(values: readonly FloatArray[]): StepStatistics[] {
    return [...this.#layers].map(([layer, { count }], i) => ({
      layer,
      count,
      mean: values[2 * i],
      variance: values[2 * i + 1],
    }));
  }
}
