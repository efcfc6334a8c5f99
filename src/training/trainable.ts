/**
 * What the training loop needs of a model. Nothing here knows fMRI, time or latents: what only one model
 * does at the end of a step or an epoch it does behind these methods.
 */
import type { StepPosition } from "../base/batches.ts";
import type { NdArray, NumericArray } from "../base/arrays.ts";
import type { tf } from "../deps/tfjs.ts";
import type { NamedArrays } from "./weight_holder.ts";

/** A batch as the loop sees it. */
export interface SubjectBatch {
  /** Rows of the subjects in it. */
  readonly subjects: readonly number[];
}

/** Result of one batch. */
export interface StepOutcome {
  /** Terms by name, `loss` among them. */
  readonly losses: { readonly loss: number };
  /** By variable name; the loop disposes them. */
  readonly gradients: Map<string, tf.Tensor>;
}

/** A model in training. */
export interface Trainable<Batch extends SubjectBatch> {
  /** Variables to update, by name. */
  readonly variables: ReadonlyMap<string, tf.Variable>;
  /** Called before the first batch of an epoch (and of the rest of a resumed one). */
  beginEpoch?(epoch: number): void | Promise<void>;
  /** Losses and gradients of one batch. Must not change variables. */
  computeGradients(batch: Batch, position: StepPosition): Promise<StepOutcome>;
  /** Called after the last batch of an epoch, also when there was none. */
  endEpoch?(epoch: number): void | Promise<void>;
  /** What a resumed run needs beside variables and optimiser. */
  exportState?(): ReadonlyMap<string, NdArray<NumericArray>>;
  /** Takes such a state over. */
  importState?(state: ReadonlyMap<string, NdArray<NumericArray>>): void;
  /** Copies all weights and buffers to the host; without it a run cannot go back to an earlier epoch. */
  exportWeights?(): Promise<NamedArrays>;
  /** Takes such weights over. */
  importWeights?(weights: NamedArrays): void;
}
