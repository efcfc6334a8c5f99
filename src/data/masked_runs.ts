/** Batches of whole frames as runs of masked voxels. */
import type { FrameBatch } from "../base/frames.ts";
import type { MaskedRun } from "../base/masked_run.ts";

/**
 * The runs of some batches, restricted to a mask; frames are read when they are asked for. Batches of one subject cost
 * least: of others every frame is read once for each of their subjects.
 *
 * @param batches Normalised.
 * @param voxels Linear indices of the V voxels that count.
 * @returns A run for each subject of each batch, in their order.
 */
export function maskedRuns(batches: readonly FrameBatch[], voxels: Int32Array): MaskedRun[] {
  return batches.flatMap((batch) => batch.subjects.map((_, b) => maskedRun(batch, b, voxels)));
}

function maskedRun(batch: FrameBatch, b: number, voxels: Int32Array): MaskedRun {
  const [X, Y, Z] = batch.spatialShape;
  const size = X * Y * Z;
  const subjects = batch.subjects.length;
  let buffer = new Float32Array(0);
  return {
    frames: batch.frames,
    async read(start, count) {
      const values = await batch.read(start, count);
      const needed = count * voxels.length;
      if (buffer.length < needed) buffer = new Float32Array(needed);
      for (let g = 0; g < count; g++) {
        const from = (g * subjects + b) * size;
        const to = g * voxels.length;
        for (let k = 0; k < voxels.length; k++) buffer[to + k] = values[from + voxels[k]];
      }
      return buffer.subarray(0, needed);
    },
  };
}
