/**
 * What the model's methods may be told.
 */
import type { FloatArray, NdArray } from "../../base/arrays.ts";
import type { FrameBatch } from "../../base/frames.ts";
import { array, callback, integer, list, number, other, record } from "../../base/fields.ts";
import { RandomStream } from "../../base/random.ts";
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

/** Options there are. */
export const FORWARD_OPTIONS = record<ForwardOptions>({
  initialState: array("[D], [1, D] or [B, D]"),
  subjects: list(integer({ least: 0 })),
  offsets: array("[B, D]"),
  noise: other(
    "an array { data, shape } of shape [T, B, D] or a RandomStream",
    (value) => value instanceof RandomStream || array("").accepts(value),
  ),
  framesPerChunk: integer({ least: 1 }),
});

/** Options there are. */
export const GRADIENT_OPTIONS = record<GradientOptions>({
  initialState: FORWARD_OPTIONS.fields.initialState,
  noise: FORWARD_OPTIONS.fields.noise,
  framesPerChunk: FORWARD_OPTIONS.fields.framesPerChunk,
  memoryBudget: number({ least: 0, most: Infinity }),
  voxelWeight: array("[Z, Y, X]"),
  klWeight: number({ least: 0 }),
});

/** What a streaming rollout may be told. */
export interface RolloutOptions extends ForwardOptions {
  /** Frames to go through. Default: the configuration's `tolTime`. */
  readonly frames?: number;
  /** Receives reconstructions `[count, B, Z, Y, X]` in time order. */
  readonly onFrames?: (
    frames: { start: number; count: number; reconstruction: FloatArray },
  ) => void | Promise<void>;
}

/** Options there are. */
export const ROLLOUT_OPTIONS = record<RolloutOptions>({
  ...FORWARD_OPTIONS.fields,
  frames: integer({ least: 1 }),
  onFrames: callback(),
});

/** Tensors for tensors, arrays for arrays and for batches of frames. */
export type ResultKind<Input extends Values | FrameBatch> = Input extends tf.Tensor ? tf.Tensor
  : NdArray;
