/**
 * What the training loop needs of a model. Nothing here knows fMRI, time or latents: what only one model
 * does at the end of a step or an epoch it does behind these methods.
 */
import type { Batch, StepPosition } from "../base/batches.ts";
import type { NdArray, NumericArray } from "../base/arrays.ts";
import type { tf } from "../deps/tfjs.ts";
import type { NamedArrays } from "./weight_holder.ts";

/** Result of one batch. */
export interface StepOutcome {
  /** Terms by name, `loss` among them. */
  readonly losses: { readonly loss: number };
  /** By variable name; the loop disposes them. Those of other variables than the phase's are ignored. */
  readonly gradients: Map<string, tf.Tensor>;
}

/** Where an update stands in a run. */
export interface UpdatePosition extends StepPosition {
  /** 0-based repeat within the batch, in a phase that has `repeats`. */
  readonly repeat?: number;
}

/** What is updated together: variables, and the gradients of their loss. */
export interface Phase<B extends Batch> {
  /** Variables to update, by name. What is left out is frozen: its gradient neither counts for clipping nor is used. */
  readonly variables: ReadonlyMap<string, tf.Variable>;
  /** Losses and gradients of one batch. Must not change variables. */
  computeGradients(batch: B, position: UpdatePosition): Promise<StepOutcome>;
}

/** One of several phases of a batch, e.g. the critic's of an adversarial model. */
export interface TrainingPhase<B extends Batch> extends Phase<B> {
  /** Unlike the other phases' names; no `"/"`. Its terms stand in the metrics as `"<name>.<term>"`. */
  readonly name: string;
  /** Updates per batch, at least 1; default 1. Metrics have the mean over them. */
  readonly repeats?: number;
  /** Factor on the schedule's learning rate, above 0; default 1. */
  readonly rateFactor?: number;
  /** Largest joint gradient norm of this phase; default: the run's. */
  readonly clipNorm?: number;
}

/** What a model in training can do beside gradients. */
export interface TrainableHooks {
  /** Called before the first batch of an epoch (and of the rest of a resumed one). */
  beginEpoch?(epoch: number): void | Promise<void>;
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

/** A model in training whose variables are all updated together. */
export interface Trainable<B extends Batch> extends Phase<B>, TrainableHooks {}

/** A model in training with several phases per batch, one after the other, each with an optimiser of its own. */
export interface PhasedTrainable<B extends Batch> extends TrainableHooks {
  /** At least one, in the order of the updates; each sees the variables as the one before has left them. */
  readonly phases: readonly TrainingPhase<B>[];
}
