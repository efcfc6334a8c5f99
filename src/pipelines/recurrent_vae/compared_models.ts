/** The two networks of the family as what scores and maps need of a model, whatever its inside. */
import type { FloatArray, NdArray } from "../../base/arrays.ts";
import type { FrameBatch } from "../../base/frames.ts";
import type { LaggedVae } from "../../models/recurrent_vae/lagged/lagged_vae.ts";
import type { RecurrentVae } from "../../models/recurrent_vae/model.ts";
import { evaluateHeldOut } from "./held_out.ts";
import type { DecodedModel } from "./latent_maps.ts";

/** Frames of one run as a model gives them. */
export interface ComparedFrames {
  readonly start: number;
  readonly count: number;
  /** `[count, V]`. */
  readonly reconstruction: FloatArray;
  /** What the frames before predict by the state alone, `[count, V]`; with `ahead` alone. */
  readonly predicted?: FloatArray;
}

/** A model that is compared with others. */
export interface ComparedModel extends DecodedModel {
  /** Rolls one run out with noise 0; frames come in their order. */
  rollOut(
    batch: FrameBatch,
    options: {
      readonly frames: number;
      readonly ahead: boolean;
      /** z `[D]`; default 0. */
      readonly offset?: FloatArray;
      readonly onFrames: (frames: ComparedFrames) => void | Promise<void>;
    },
  ): Promise<void>;
  /** z `[D]` fitted to a run; absent where a model has no offsets. */
  fitOffset?(batch: FrameBatch, steps: number): Promise<FloatArray>;
}

/**
 * The convolutional network.
 *
 * @param model Trained; left in evaluation mode.
 * @param voxels The mask's, `[V]`; default all.
 */
export function comparedConvolutional(model: RecurrentVae, voxels?: Int32Array): ComparedModel {
  const { latentDim: D } = model.config;
  const masked = (values: FloatArray, count: number): FloatArray => {
    if (!voxels) return values;
    const size = values.length / count;
    const V = voxels.length;
    return Float64Array.from(
      { length: count * V },
      (_, i) => values[Math.floor(i / V) * size + voxels[i % V]],
    );
  };
  const decode = async (latents: FloatArray) =>
    (await model.eval().decode({ data: latents, shape: [latents.length / D, D] })).data;
  return {
    latentDim: D,
    decode,
    async rollOut(batch, { frames, ahead, offset, onFrames }) {
      const options = {
        subjects: [0],
        frames,
        offsets: { data: offset ?? new Float32Array(D), shape: [1, D] },
        noise: zeros([frames, 1, D]),
      };
      model.eval();
      const prior = ahead ? (await model.rollout(batch, options)).gh.data : null;
      await model.rollout(batch, {
        ...options,
        onFrames: async ({ start, count, reconstruction }) => {
          const predicted = prior && await decode(prior.slice(start * D, (start + count) * D));
          await onFrames({
            start,
            count,
            reconstruction: masked(reconstruction, count),
            ...(predicted ? { predicted: masked(predicted, count) } : {}),
          });
        },
      });
    },
    async fitOffset(batch, innerSteps) {
      return (await evaluateHeldOut(model, batch, { innerSteps })).zTest.data;
    },
  };
}

/**
 * The network with linear and lag paths.
 *
 * @param model Trained.
 */
export function comparedLagged(model: LaggedVae): ComparedModel {
  return {
    latentDim: model.config.latentDim,
    async decode(state) {
      const inside = await model.decode(state);
      const [X, Y, Z] = model.config.spatialShape;
      const volume = new Float32Array(X * Y * Z);
      model.voxelIndex.forEach((voxel, v) => volume[voxel] = inside[v]);
      return volume;
    },
    async rollOut(batch, { frames, ahead, offset, onFrames }) {
      await model.rollout(batch, {
        frames,
        predict: ahead,
        ...(offset ? { offsets: offset } : {}),
        onFrames,
      });
    },
  };
}

function zeros(shape: readonly number[]): NdArray {
  return { data: new Float32Array(shape.reduce((a, b) => a * b)), shape };
}
