/**
 * Decoding a chunk of frames in training: forward, squared error, and at once backward, so that no activation
 * outlives the chunk [recurrent-vae §12 step 3].
 */
import { tf } from "../../deps/tfjs.ts";
import { reconstructionFactor } from "./losses/reconstruction.ts";
import { decoderBackward, decoderForward, reconstructionError } from "./decoder.ts";
import type { ModelParts } from "./model_parts.ts";
import { type BatchStatistics, batchStatistics, type Network } from "./norm.ts";

/** Tensors that a chunk is decoded with; not owned. */
export interface DecodingInput {
  /** h `[G, B, D]`. */
  readonly h: tf.Tensor;
  /** z of each subject, `[B, D]`. */
  readonly offsets: tf.Tensor;
  /** The frames, `[G·B, Z, Y, X, 1]`. */
  readonly target: tf.Tensor;
  /** Weight per voxel, `[Z, Y, X]`, or null. */
  readonly weight: tf.Tensor | null;
}

/** Result of {@link decodeChunk}; the caller disposes the tensors. */
export interface DecodedChunk {
  /** Σ weight·(x − r)² of each frame, `[G]`. */
  readonly sums: tf.Tensor;
  /** ∂loss1/∂(h + z) `[G, B, D]`. */
  readonly towardsStates: tf.Tensor;
  /** Gradients of the decoder's parameters by name. */
  readonly parameters: Readonly<Record<string, tf.Tensor>>;
  /** Batch statistics for the running buffers; empty with group norm. */
  readonly statistics: readonly BatchStatistics[];
}

/**
 * Decodes a chunk and differentiates its reconstruction loss.
 *
 * @param model Configuration and sizes.
 * @param network Weights and mode.
 * @param given See {@link DecodingInput}.
 */
export function decodeChunk(
  { config, architecture }: ModelParts,
  network: Network,
  given: DecodingInput,
): DecodedChunk {
  const [frames, subjects, dim] = given.h.shape as [number, number, number];
  const x = tf.reshape(tf.add(given.h, given.offsets), [frames * subjects, dim]);
  const forward = decoderForward(network, architecture, { x, frames });
  const statistics = config.normalization === "batch"
    ? batchStatistics(forward.blocks, frames)
    : [];
  const { sums, derivative } = reconstructionError(forward.output, given.target, {
    activation: config.outputActivation,
    frames,
    weight: given.weight,
    scale: reconstructionFactor({ sigma: config.sigX, batch: subjects, frames: config.tolTime }),
  });
  const back = decoderBackward(network, forward, { derivative, parameters: true });
  return {
    sums,
    towardsStates: tf.reshape(back.input, given.h.shape),
    parameters: Object.fromEntries(back.parameters),
    statistics,
  };
}
