/** Encoding the frames of a batch, with activations kept for the way back as far as a budget goes. */
import type { FrameBatch } from "../../base/frames.ts";
import { tf } from "../../deps/tfjs.ts";
import { type TensorScope, tidied } from "../../ops/tensor_scope.ts";
import type { Architecture } from "./architecture.ts";
import { type Chunk, joinFrames, readVolumes } from "./chunks.ts";
import { disposeEncoder, type EncoderActivations, encoderForward } from "./encoder.ts";
import { batchStatistics, type Network } from "./norm.ts";
import type { StatisticsLog } from "./statistics_log.ts";

/**
 * Encodes all frames of a batch.
 *
 * @param network Weights and mode.
 * @param batch The frames.
 * @param options.statistics Receives the batch statistics, if given.
 * @returns Features `[T, B, E]`, held by the scope.
 */
export async function encodeFrames(
  network: Network,
  batch: FrameBatch,
  options: EncodingOptions & { readonly chunks: readonly Chunk[] },
): Promise<tf.Tensor> {
  const { chunks, scope } = options;
  const encoder = new FrameEncoder(network, { ...options, memoryBudget: 0 });
  const features: tf.Tensor[] = [];
  for (const chunk of chunks) {
    const x = scope.hold(await readVolumes(batch, chunk));
    features.push(encoder.encode(chunk, x));
    scope.free(x);
  }
  return joinFrames(scope, features);
}

/** What encoding needs beside the network. */
export interface EncodingOptions {
  readonly architecture: Architecture;
  readonly scope: TensorScope;
  /** Receives the batch statistics, if given. */
  readonly statistics?: StatisticsLog;
}

/** Encodes chunk after chunk, and keeps activations for the way back as far as a budget goes. */
export class FrameEncoder {
  readonly #network: Network;
  readonly #options: EncodingOptions;
  readonly #kept = new Map<number, EncoderActivations>();
  #budget: number;

  /**
   * @param network Weights and mode.
   * @param options See {@link EncodingOptions}; bytes to keep.
   */
  constructor(
    network: Network,
    options: EncodingOptions & { readonly memoryBudget: number },
  ) {
    this.#network = network;
    this.#options = options;
    this.#budget = options.memoryBudget;
  }

  /**
   * Encodes a chunk.
   *
   * @param chunk Which frames.
   * @param x `[count·B, Z, Y, X, 1]`, to be left alone if it is {@link kept} now.
   * @returns Features `[count, B, E]`, held by the scope.
   */
  encode(chunk: Chunk, x: tf.Tensor): tf.Tensor {
    const { architecture, scope, statistics } = this.#options;
    const activations = tidied(() =>
      encoderForward(this.#network, architecture, { x, frames: chunk.count })
    );
    statistics?.record(batchStatistics(activations.blocks, chunk.count));
    const [rows, width] = activations.features.shape as [number, number];
    const shape = [chunk.count, rows / chunk.count, width];
    const features = scope.hold(tf.reshape(activations.features, shape));
    const bytes = 4 * (rows * architecture.encoderValues + x.size);
    if (bytes <= this.#budget) {
      this.#budget -= bytes;
      holdEncoder(scope, activations);
      this.#kept.set(chunk.start, activations);
    } else disposeEncoder(activations);
    return features;
  }

  /** Activations of a chunk and its volumes, if they were kept. */
  kept(chunk: Chunk): EncoderActivations | undefined {
    return this.#kept.get(chunk.start);
  }
}

function holdEncoder(scope: TensorScope, { blocks, features }: EncoderActivations): void {
  scope.hold(features);
  for (const { x, y, statistics } of blocks) {
    scope.hold(x);
    scope.hold(y);
    if (statistics) {
      scope.hold(statistics.mean);
      scope.hold(statistics.variance);
    }
  }
}
