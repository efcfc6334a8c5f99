/** Models and data with random numbers everywhere, norm layers included, in float64. */
import type { NdArray, SpatialShape } from "../../src/base/arrays.ts";
import { RandomStream } from "../../src/base/random.ts";
import type { RecurrentVaeOptions } from "../../src/models/recurrent_vae/config.ts";
import { RecurrentVae } from "../../src/models/recurrent_vae/model.ts";
import type { StateDict } from "../../src/parameters/state_dict.ts";

/**
 * A model whose norm layers have random weights and running statistics.
 *
 * @param options Configuration.
 * @param setup.subjects N.
 * @param setup.seed Seed.
 */
export async function randomModel(
  options: RecurrentVaeOptions,
  { subjects, seed }: { subjects: number; seed: number },
): Promise<RecurrentVae> {
  const stream = RandomStream.fromSeed(seed);
  const model = new RecurrentVae(options, { subjects, random: stream.split("weights") });
  const state = await model.stateDict();
  const varied: StateDict = new Map();
  for (const [key, { data, shape }] of state) {
    if (data instanceof BigInt64Array) {
      varied.set(key, { data, shape });
      continue;
    }
    const draws = stream.split(key).uniforms64(data.length);
    const isNorm = /\.1\.(weight|bias|running)|decoder1\.2\./.test(key) && shape.length === 1 &&
      !key.startsWith(`encoder${model.architecture.levels.length + 1}.`);
    const values = Float64Array.from(
      data as Float32Array,
      (value, i) => isNorm ? value + 0.4 * (draws[i] - 0.3) : value,
    );
    varied.set(key, { data: values, shape });
  }
  model.loadStateDict(varied);
  return model;
}

/** Runs `[B, T, Z, Y, X]` with smooth structure and noise, float64. */
export function randomRuns(
  shape: SpatialShape,
  { batch, frames, seed }: { batch: number; frames: number; seed: number },
): NdArray<Float64Array> {
  const [x, y, z] = shape;
  const length = batch * frames * x * y * z;
  const data = RandomStream.fromSeed(seed).split("runs").uniforms64(length);
  for (let i = 0; i < length; i++) {
    const voxel = i % (x * y * z);
    data[i] = 0.5 * (data[i] - 0.5) + 0.4 * Math.sin(voxel / 7 + Math.floor(i / (x * y * z)));
  }
  return { data, shape: [batch, frames, z, y, x] };
}
