/** How many frames one kernel call should take, for engines whose only limit is memory. */
import type { ChunkRequest } from "./engine.ts";

/**
 * The largest number of frames whose activations stay within a budget, between 1 and `request.frames`.
 *
 * @param request Sizes of the problem.
 * @param budgetBytes Memory that the activations of one chunk may take.
 * @param bytesPerValue Size of one stored value; default 4 (float32).
 */
export function framesWithinBudget(
  request: ChunkRequest,
  budgetBytes: number,
  bytesPerValue = 4,
): number {
  const frameBytes = request.batch * request.valuesPerVolume * bytesPerValue;
  const fitting = Math.floor(budgetBytes / Math.max(1, frameBytes));
  return Math.max(1, Math.min(request.frames, fitting));
}
