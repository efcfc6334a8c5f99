/**
 * Frames for benchmarks: a small ring of noise frames that repeats over time, so that memory does not grow
 * with the number of frames and making data costs next to nothing.
 */
import type { SpatialShape } from "../src/base/arrays.ts";
import type { FrameBatch } from "../src/base/frames.ts";

/** Sizes of a {@link ringFrames} batch. */
export interface RingOptions {
  readonly batch: number;
  readonly frames: number;
  readonly spatialShape: SpatialShape;
  /** Frames held in memory; frame t is ring frame t mod `ring`. */
  readonly ring: number;
}

/**
 * Makes a batch of values uniform on ±0.3, as normalised scans mostly are.
 *
 * @param options Sizes.
 */
export function ringFrames(options: RingOptions): FrameBatch {
  const { batch, frames, spatialShape } = options;
  const ring = Math.min(options.ring, frames);
  const size = batch * spatialShape.reduce((product, n) => product * n, 1);
  const values = new Float32Array(ring * size);
  let state = 2022;
  for (let i = 0; i < values.length; i++) {
    state = (Math.imul(state, 1664525) + 1013904223) | 0; // a linear congruential generator
    values[i] = (state >> 8) * (0.3 / 2 ** 23);
  }
  let scratch = new Float32Array(0);
  return {
    source: values,
    subjects: Array.from({ length: batch }, (_, b) => b),
    frames,
    spatialShape,
    read(start, count) {
      const first = start % ring;
      if (first + count <= ring) return values.subarray(first * size, (first + count) * size);
      if (scratch.length < count * size) scratch = new Float32Array(count * size);
      for (let t = 0; t < count; t++) {
        const from = (start + t) % ring * size;
        scratch.set(values.subarray(from, from + size), t * size);
      }
      return scratch.subarray(0, count * size);
    },
  };
}
