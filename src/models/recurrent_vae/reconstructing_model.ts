/** What encoding, reconstruction and scores need of a model of this family, whichever its network. */
import type { FloatArray, NdArray, SpatialShape } from "../../base/arrays.ts";
import type { FrameBatch } from "../../base/frames.ts";

/** A model that turns runs into states and back. */
export interface ReconstructingModel {
  /** Widths and frames. */
  readonly config: {
    readonly latentDim: number;
    readonly tolTime: number;
    readonly spatialShape: SpatialShape;
  };
  /** Statistics of batches (true) or of training; models without any ignore it. */
  training: boolean;
  /** Evaluation mode. */
  eval(): this;
  /**
   * Encodes a batch, rolls the states and reconstructs.
   *
   * @param batch Its frames, normalised.
   * @param options Offsets `[B, D]`, noise `[T, B, D]`, frames to use; `onFrames` receives `[count, B, Z, Y, X]`.
   */
  rollout(batch: FrameBatch, options: ReconstructionOptions): Promise<ReconstructedStates>;
  /** Volumes `[n, Z, Y, X]` of states `[n, D]`, 0 where a model has a mask and a voxel is outside. */
  decode(latents: NdArray): Promise<NdArray>;
  /** F `[D, D]`. */
  readonly transitionMatrix: NdArray;
  /** Offsets of the training runs, `[N, D]`. */
  subjectOffsets(): Promise<NdArray>;
}

/** See {@link ReconstructingModel.rollout}. */
export interface ReconstructionOptions {
  /** Rows of the offset table; default the batch's. */
  readonly subjects?: readonly number[];
  /** Frames T to use; default the model's. */
  readonly frames?: number;
  /** z, `[B, D]`. */
  readonly offsets?: NdArray;
  /** ε, `[T, B, D]`. */
  readonly noise?: NdArray;
  /** Receives `[count, B, Z, Y, X]` in time order. */
  readonly onFrames?: (frames: {
    readonly start: number;
    readonly count: number;
    readonly reconstruction: FloatArray;
  }) => void | Promise<void>;
}

/** States of a batch, `[B, T, D]` each. */
export interface ReconstructedStates {
  /** Sampled states. */
  readonly h: NdArray;
  /** Log-variances of the posterior. */
  readonly posteriorLogVar: NdArray;
}
