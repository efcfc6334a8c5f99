/**
 * What training the lagged model needs beside losses and gradients [recurrent-vae §16.7]: posterior means and variances of
 * every run's latest visit, from which F and q follow at the end of an epoch, and noise keyed by position.
 */
import type { NdArray, NumericArray } from "../../../base/arrays.ts";
import type { StepPosition } from "../../../base/batches.ts";
import { CheckpointError } from "../../../base/errors.ts";
import type { FrameBatch } from "../../../base/frames.ts";
import { RandomStream } from "../../../base/random.ts";
import type { tf } from "../../../deps/tfjs.ts";
import type { StateRun } from "../../../linalg/run_transition.ts";
import type { OptimiserOptions } from "../../../training/optimisers.ts";
import type { StateDict } from "../../../parameters/state_dict.ts";
import type { Trainable } from "../../../training/trainable.ts";
import { FAST } from "./lagged_entries.ts";
import type { LaggedConfig } from "./lagged_config.ts";
import type { LaggedVae } from "./lagged_vae.ts";

/** Options of a training session. */
export interface LaggedTrainingOptions {
  /** Noise `[T, B, D]` of a step instead of drawn numbers (parity with another program). */
  readonly noise?: (position: StepPosition, subjects: readonly number[]) => NdArray;
  /** β by epoch; default the configuration's. */
  readonly klWeight?: (epoch: number) => number;
  readonly framesPerChunk?: number;
}

/** Voxels up to which the linear encoder has the full rate: its rows move by the rate times their number. */
const FULL_RATE_VOXELS = 128;

/** Decay and rates of the groups of variables: linear paths and noise fast and without decay, the linear encoder slower. */
export function laggedOptimiser(
  { fastRate, learningRate, weightDecay }: LaggedConfig,
  voxels: number,
): OptimiserOptions {
  const fast = fastRate / learningRate;
  const encoder = fast * Math.min(1, FULL_RATE_VOXELS / voxels);
  return {
    weightDecay,
    groups: [
      { match: /^linear_encoder\.weight$/, weightDecay: 0, rateFactor: encoder },
      { match: FAST, weightDecay: 0, rateFactor: fast },
    ],
  };
}

/** One training run of a {@link LaggedVae}, as the training loop sees it. */
export class LaggedTraining implements Trainable<FrameBatch> {
  readonly variables: ReadonlyMap<string, tf.Variable>;
  readonly #model: LaggedVae;
  readonly #options: LaggedTrainingOptions;
  readonly #random: RandomStream;
  readonly #shape: readonly [number, number, number];
  /** μ and e^ℓ of each run `[N, T, D]`; which frames were observed `[N, T]`, none of a run that was not visited. */
  #means: Float64Array;
  #variances: Float64Array;
  #observed: Uint8Array;

  /**
   * @param model Trained in place.
   * @param options See {@link LaggedTrainingOptions}.
   */
  constructor(model: LaggedVae, options: LaggedTrainingOptions = {}) {
    const { tolTime, latentDim, seed } = model.config;
    this.variables = model.variables;
    this.#model = model;
    this.#options = options;
    this.#random = RandomStream.fromSeed(seed).split("noise");
    this.#shape = [model.subjects, tolTime, latentDim];
    const size = model.subjects * tolTime * latentDim;
    this.#means = new Float64Array(size);
    this.#variances = new Float64Array(size);
    this.#observed = new Uint8Array(model.subjects * tolTime);
  }

  /** Posterior means of each run's latest visit, `[N, T, D]`. */
  get states(): NdArray {
    return { data: this.#means, shape: this.#shape };
  }

  /** Losses and gradients of a batch; its posterior goes into the buffers. */
  async computeGradients(batch: FrameBatch, position: StepPosition) {
    const { noise, klWeight, framesPerChunk } = this.#options;
    const { losses, gradients, walk } = await this.#model.computeGradients(batch, {
      noise: noise?.(position, batch.subjects) ??
        this.#random.split(position.epoch).split(position.batch),
      frames: this.#shape[1],
      klWeight: klWeight?.(position.epoch),
      framesPerChunk,
    });
    const [, T, D] = this.#shape;
    const B = batch.subjects.length;
    batch.subjects.forEach((row, b) => {
      for (let t = 0; t < T; t++) {
        const missing = batch.observed?.[b * batch.frames + t] === 0;
        this.#observed[row * T + t] = missing ? 0 : 1;
        for (let d = 0; d < D; d++) {
          const from = (t * B + b) * D + d;
          const to = (row * T + t) * D + d;
          this.#means[to] = walk.mu[from];
          this.#variances[to] = Math.exp(walk.logVar[from]);
        }
      }
    });
    return { losses, gradients };
  }

  /** F and q from the runs that were visited. */
  endEpoch(): void {
    const [N, T, D] = this.#shape;
    if (!this.#observed.includes(1)) return;
    const runs = (values: Float64Array): StateRun[] =>
      Array.from({ length: N }, (_, row) => ({
        states: values.subarray(row * T * D, (row + 1) * T * D),
        observed: this.#observed.subarray(row * T, (row + 1) * T),
      }));
    this.#model.updateDynamics(runs(this.#means), runs(this.#variances));
  }

  /** What a resumed run needs beside the weights. */
  exportState(): Map<string, NdArray<NumericArray>> {
    const shape = [...this.#shape];
    return new Map<string, NdArray<NumericArray>>([
      ["means", { data: this.#means.slice(), shape }],
      ["variances", { data: this.#variances.slice(), shape }],
      ["observed", { data: this.#observed.slice(), shape: shape.slice(0, 2) }],
    ]);
  }

  /**
   * Goes on from an exported state.
   *
   * @throws {CheckpointError} when it is of another run.
   */
  importState(state: ReadonlyMap<string, NdArray<NumericArray>>): void {
    const size = this.#means.length;
    const [means, variances, observed] = ["means", "variances", "observed"].map((name) =>
      state.get(name)?.data
    );
    if (
      means?.length !== size || variances?.length !== size ||
      observed?.length !== this.#observed.length
    ) {
      throw new CheckpointError(
        "training state",
        `Cannot resume: found no posterior of ${this.#shape[0]} runs of ${
          this.#shape[1]
        } frames; resume with the ` +
          "run's own data and configuration",
      );
    }
    this.#means = Float64Array.from(means as Float64Array);
    this.#variances = Float64Array.from(variances as Float64Array);
    this.#observed = Uint8Array.from(observed as Uint8Array);
  }

  /** Copies all weights and buffers to the host. */
  exportWeights(): Promise<StateDict> {
    return this.#model.stateDict();
  }

  /** Takes such weights over. */
  importWeights(weights: StateDict): void {
    this.#model.loadStateDict(weights);
  }
}
