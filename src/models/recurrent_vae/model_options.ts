/**
 * What the model's methods may be told.
 */
import type { NdArray } from "../../base/arrays.ts";
import type { FrameBatch } from "../../base/frames.ts";
import type { RandomStream } from "../../base/random.ts";
import type { tf } from "../../deps/tfjs.ts";
import type { Values } from "./arrays_or_tensors.ts";

/** Bytes of encoder activations kept between the passes of a step unless the caller says otherwise. */
export const DEFAULT_MEMORY_BUDGET = 128 * 2 ** 20;

/** What a forward pass may be told. */
export interface ForwardOptions {
  /** State before the first frame, `[D]`, `[1, D]` or `[B, D]`. Default: the configuration's. */
  readonly initialState?: NdArray;
  /** Rows of the offset table, one per run of the batch. Default: the batch's, or 0 … B − 1. */
  readonly subjects?: readonly number[];
  /** z for each run, `[B, D]`, instead of rows of the table (subjects that were not trained on). */
  readonly offsets?: NdArray;
  /** ε `[T, B, D]`, or a stream to draw it from. Default: a stream of the configured seed. */
  readonly noise?: NdArray | RandomStream;
  /** Frames per kernel call. Default: the engine's choice. */
  readonly framesPerChunk?: number;
}

/** What a gradient computation may be told. */
export interface GradientOptions extends Omit<ForwardOptions, "subjects" | "offsets"> {
  /** Bytes of activations that may be kept instead of recomputed. Default {@link DEFAULT_MEMORY_BUDGET}. */
  readonly memoryBudget?: number;
  /** Weight per voxel of the reconstruction error, `[Z, Y, X]`. */
  readonly voxelWeight?: NdArray;
  /** Factor on the KL divergence in this step (annealing). Default: the configuration's. */
  readonly klWeight?: number;
}

/** Tensors for tensors, arrays for arrays and for batches of frames. */
export type ResultKind<Input extends Values | FrameBatch> = Input extends tf.Tensor ? tf.Tensor
  : NdArray;
