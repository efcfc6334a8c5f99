/** Dropout by a counter-based stream: the same mask on every engine and any number of threads. */
import { runDropout } from "../backends/activation_contract.ts";
import { ConfigError } from "../base/errors.ts";
import type { RandomStream } from "../base/random.ts";
import type { tf } from "../deps/tfjs.ts";
import { runDifferentiable } from "./differentiable.ts";

/** Options of {@link dropout}. */
export interface DropoutOptions {
  /** Probability of a value to become 0, from 0 to below 1. */
  readonly rate: number;
  /**
   * Decides which values: the mask is a function of this stream (not of how far it has advanced) and of a value's
   * position. Every call needs a stream of its own, such as `stream.split("attention 2").split(step)`.
   */
  readonly stream: RandomStream;
  /** False returns x as it is. Default true. */
  readonly training?: boolean;
}

/**
 * Sets values to 0 with probability `rate` and divides the others by 1 − rate. Differentiable in x: the gradient
 * has the same mask, which is made again instead of being stored.
 *
 * @param x float32, any shape.
 * @param options Rate, stream, mode.
 * @returns As x.
 * @throws {ConfigError} when the rate is not in [0, 1).
 *
 * @example
 * ```ts ignore
 * const y = dropout(x, { rate: 0.1, stream: draw.split("block 3"), training });
 * ```
 */
export function dropout(x: tf.Tensor, options: DropoutOptions): tf.Tensor {
  const { rate, stream, training = true } = options;
  if (!(rate >= 0 && rate < 1)) {
    throw new ConfigError("rate", `Dropout: rate is ${rate}, needs a number from 0 to below 1`);
  }
  if (!training || rate === 0) {
    return runDifferentiable([x], {
      forward: ([input]) => input.clone(),
      gradient: (dy) => [dy.clone()],
    });
  }
  const attributes = {
    identity: [...stream.split("dropout").identity],
    threshold: Math.min(Math.round(rate * 2 ** 32), 2 ** 32 - 1),
    scale: 1 / (1 - rate),
  };
  return runDifferentiable([x], {
    forward: ([input]) => runDropout(input, attributes),
    gradient: (dy) => [runDropout(dy, attributes)],
  });
}
