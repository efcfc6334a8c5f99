/** Frames of a batch, chunk by chunk: cutting, reading, joining. */
import { currentEngine } from "../../backends/current_engine.ts";
import { toTensor } from "../../backends/tensors.ts";
import { ConfigError } from "../../base/errors.ts";
import type { FrameBatch } from "../../base/frames.ts";
import { tf } from "../../deps/tfjs.ts";
import type { TensorScope } from "../../ops/tensor_scope.ts";

/** Consecutive frames processed in one call. */
export interface Chunk {
  readonly start: number;
  readonly count: number;
}

/** Cuts T frames into chunks of `size`; the last may be shorter. */
export function chunksOf(frames: number, size: number): Chunk[] {
  if (!(Number.isInteger(size) && size > 0)) {
    throw new ConfigError(
      "framesPerChunk",
      `Cannot cut ${frames} frames into chunks: framesPerChunk is ${size}, needs a whole number above 0`,
    );
  }
  return Array.from({ length: Math.ceil(frames / size) }, (_, i) => ({
    start: i * size,
    count: Math.min(size, frames - i * size),
  }));
}

/** Reads one chunk as a volume tensor `[count·B, Z, Y, X, 1]`, from the engine's own memory if it is there. */
export async function readVolumes(batch: FrameBatch, chunk: Chunk): Promise<tf.Tensor> {
  const cache = currentEngine()?.frameCache;
  const kept = cache?.find(batch, chunk);
  if (kept) return kept;
  const [x, y, z] = batch.spatialShape;
  const values = await batch.read(chunk.start, chunk.count);
  const volumes = toTensor(values, [chunk.count * batch.subjects.length, z, y, x, 1]);
  cache?.keep(batch, chunk, volumes);
  return volumes;
}

/**
 * Joins tensors of consecutive frames.
 *
 * @param scope Holds them, frees them, and holds the result.
 * @param parts `[count, …]` each, in time order.
 */
export function joinFrames(scope: TensorScope, parts: readonly tf.Tensor[]): tf.Tensor {
  const all = scope.hold(tf.concat([...parts], 0));
  parts.forEach((part) => scope.free(part));
  return all;
}
