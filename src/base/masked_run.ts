/** Frames of one run inside a mask: what the linear methods and scores read. */
import type { FloatArray } from "./arrays.ts";

/** T frames of V voxels each, normalised. */
export interface MaskedRun {
  /** Number of frames T. */
  readonly frames: number;
  /** For each frame whether it was observed (not 0); absent: all were. A missing frame's values are never used. */
  readonly observed?: ArrayLike<number>;
  /**
   * Reads frames `start … start + count − 1`.
   *
   * @returns `[count, V]`; valid until the next call.
   */
  read(start: number, count: number): FloatArray | Promise<FloatArray>;
}

/** Whether frame t of a run was observed; false before its first frame. */
export function isObserved({ observed }: Pick<MaskedRun, "observed">, t: number): boolean {
  return t >= 0 && (observed === undefined || observed[t] !== 0);
}

/** Whether frame t is observed and so is the one before it. */
export function isPair(run: Pick<MaskedRun, "observed">, t: number): boolean {
  return isObserved(run, t) && isObserved(run, t - 1);
}

/** Whether frame t is a row of the transition's regression: observed, and the first or after an observed one. */
export function isRow(run: Pick<MaskedRun, "observed">, t: number): boolean {
  return isObserved(run, t) && (t === 0 || isObserved(run, t - 1));
}

/** Number of observed frames of some runs. */
export function observedFrames(runs: readonly Pick<MaskedRun, "frames" | "observed">[]): number {
  let count = 0;
  for (const run of runs) for (let t = 0; t < run.frames; t++) if (isObserved(run, t)) count++;
  return count;
}
