/** A training problem small enough for tests of the loop: 9×8×8 voxels, two levels, four subjects. */
import type { BatchLoader } from "../../src/base/batches.ts";
import type { FrameBatch } from "../../src/base/frames.ts";
import { RandomStream } from "../../src/base/random.ts";
import type { RecurrentVaeOptions } from "../../src/models/recurrent_vae/config.ts";
import { frameBatchOf } from "../../src/models/recurrent_vae/inputs.ts";
import { RecurrentVae } from "../../src/models/recurrent_vae/model.ts";
import { randomRuns } from "./random_model.ts";

/** Volume size. */
export const TINY_SHAPE = [9, 8, 8] as const;
/** Subjects N. */
export const TINY_SUBJECTS = 4;

/** A fresh model, always with the same weights. */
export function tinyModel(options: RecurrentVaeOptions = {}): RecurrentVae {
  return new RecurrentVae({
    spatialShape: TINY_SHAPE,
    channels: [4, 8],
    encOutDim: 12,
    latentDim: 3,
    tolTime: 5,
    learningRate: 1e-3,
    lambdaZ: 0.1,
    ...options,
  }, { subjects: TINY_SUBJECTS });
}

/** Batches of two subjects in an order that changes with the epoch. */
export function tinyLoader({ frames = 5 }: { frames?: number } = {}): BatchLoader<FrameBatch> {
  const runs = Array.from(
    { length: TINY_SUBJECTS },
    (_, row) => randomRuns(TINY_SHAPE, { batch: 1, frames, seed: 100 + row }),
  );
  return {
    subjects: TINY_SUBJECTS,
    *batches(epoch) {
      const order = RandomStream.fromSeed(9).split(epoch).permutation(TINY_SUBJECTS);
      for (let start = 0; start < TINY_SUBJECTS; start += 2) {
        const rows = [...order.subarray(start, start + 2)];
        const size = runs[0].data.length;
        const data = new Float32Array(rows.length * size);
        rows.forEach((row, b) => data.set(runs[row].data, b * size));
        yield frameBatchOf({ data, shape: [rows.length, ...runs[0].shape.slice(1)] }, rows);
      }
    },
  };
}
