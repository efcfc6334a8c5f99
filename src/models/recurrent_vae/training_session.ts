/**
 * What training this model needs beside losses and gradients [recurrent-vae §5, §6.1]: the trajectory buffer H, the
 * ridge update of F at the end of an epoch, and noise keyed by position so that it does not depend on batch
 * composition or on whether the run was resumed.
 */
import { MOST_VALUES, type NdArray, type NumericArray } from "../../base/arrays.ts";
import type { StepPosition } from "../../base/batches.ts";
import { CheckpointError, ConfigError } from "../../base/errors.ts";
import { callback, checkOptions, number, other, record } from "../../base/fields.ts";
import type { FrameBatch } from "../../base/frames.ts";
import { RandomStream } from "../../base/random.ts";
import type { tf } from "../../deps/tfjs.ts";
import type { LossTerms } from "./losses/terms.ts";
import type { RecurrentVae } from "./model.ts";
import { GRADIENT_OPTIONS, type GradientOptions } from "./model_options.ts";
import type { Gradients } from "./norm.ts";
import type { StateDict } from "../../parameters/state_dict.ts";

/** Options of a training session. */
export interface SessionOptions
  extends
    Pick<GradientOptions, "initialState" | "framesPerChunk" | "memoryBudget" | "voxelWeight"> {
  /** Ridge weight of the F update only; the reported lossF keeps the configuration's. */
  readonly rho?: number;
  /** Stream of the noise. Default: `"noise"` of the configured seed. */
  readonly random?: RandomStream;
  /** Noise `[T, B, D]` of a step instead of drawn numbers (parity with another program). */
  readonly noise?: (position: StepPosition, subjects: readonly number[]) => NdArray;
  /** Factor on the KL divergence by epoch (annealing). */
  readonly klWeight?: (epoch: number) => number;
}

/** Options there are. */
export const SESSION_OPTIONS = record<SessionOptions>({
  initialState: GRADIENT_OPTIONS.fields.initialState,
  framesPerChunk: GRADIENT_OPTIONS.fields.framesPerChunk,
  memoryBudget: GRADIENT_OPTIONS.fields.memoryBudget,
  voxelWeight: GRADIENT_OPTIONS.fields.voxelWeight,
  rho: number({ least: 0 }),
  random: other("a RandomStream", (value) => value instanceof RandomStream),
  noise: callback(),
  klWeight: callback(),
});

/** One training run of a {@link RecurrentVae}, as the training loop sees it. */
export class RecurrentTraining {
  /** Variables to update. */
  readonly variables: ReadonlyMap<string, tf.Variable>;
  readonly #model: RecurrentVae;
  readonly #options: SessionOptions;
  readonly #random: RandomStream;
  #states: NdArray;

  /**
   * Prepares a run; nothing changes yet.
   *
   * @param model Trained in place.
   * @param options See {@link SessionOptions}.
   */
  constructor(model: RecurrentVae, options: SessionOptions = {}) {
    checkOptions(options, SESSION_OPTIONS, { doing: "Cannot train" });
    const { tolTime, latentDim, seed } = model.config;
    this.variables = model.variables;
    this.#model = model;
    this.#options = options;
    this.#random = options.random ?? RandomStream.fromSeed(seed).split("noise");
    const shape = [model.subjects, tolTime, latentDim];
    const count = shape.reduce((product, n) => product * n);
    if (count > MOST_VALUES) {
      throw new ConfigError(
        "tolTime",
        `Cannot train: the latent states of ${model.subjects} subjects at ${tolTime} frames would be ${count} ` +
          `numbers, needs at most ${MOST_VALUES}; lower tolTime`,
      );
    }
    this.#states = { data: new Float32Array(count), shape };
  }

  /** Trajectory buffer H `[N, T, D]`: states of each subject's latest batch, zero before the first. */
  get states(): NdArray {
    return this.#states;
  }

  /** Training mode, as the reference switches it at the start of each epoch. */
  beginEpoch(): void {
    this.#model.train();
  }

  /** Loss and gradients of a batch; its states go into H. */
  async computeGradients(
    batch: FrameBatch,
    position: StepPosition,
  ): Promise<{ losses: LossTerms; gradients: Gradients }> {
    const { initialState, framesPerChunk, memoryBudget, voxelWeight } = this.#options;
    const { epoch } = position;
    const { losses, gradients, states } = await this.#model.computeGradients(batch, {
      initialState,
      framesPerChunk,
      memoryBudget,
      voxelWeight,
      klWeight: this.#options.klWeight?.(epoch),
      noise: this.#options.noise?.(position, batch.subjects) ??
        this.#random.split(epoch).split(position.batch),
    });
    this.#store(batch.subjects, states);
    return { losses, gradients };
  }

  /** Solves for F from H, with subjects not visited yet as zero rows [recurrent-vae §5]. */
  endEpoch(): void {
    const { initialState, rho } = this.#options;
    this.#model.updateTransitionMatrix(this.#states, { initialState, rho });
  }

  /** What a resumed run needs beside the weights. */
  exportState(): Map<string, NdArray> {
    const { data, shape } = this.#states;
    return new Map([["states", { data: data.slice() as typeof data, shape }]]);
  }

  /**
   * Goes on from an exported state.
   *
   * @throws {CheckpointError} when the trajectory buffer is absent or of another size.
   */
  importState(state: ReadonlyMap<string, NdArray<NumericArray>>): void {
    const found = state.get("states");
    const { shape } = this.#states;
    const isFloat = found?.data instanceof Float32Array || found?.data instanceof Float64Array;
    if (!found || !isFloat || found.shape.join() !== shape.join()) {
      throw new CheckpointError(
        "training state",
        `Cannot resume: found trajectory buffer "states" of shape [${found?.shape ?? "none"}], ` +
          `needs [${shape}]; resume with the run's own data and configuration`,
      );
    }
    this.#states = { data: found.data.slice() as Float32Array, shape };
  }

  /** Copies all weights and buffers to the host. */
  exportWeights(): Promise<StateDict> {
    return this.#model.stateDict();
  }

  /** Takes such weights over. */
  importWeights(weights: StateDict): void {
    this.#model.loadStateDict(weights);
  }

  #store(rows: readonly number[], states: NdArray): void {
    if (states.data instanceof Float64Array && !(this.#states.data instanceof Float64Array)) {
      this.#states = { ...this.#states, data: Float64Array.from(this.#states.data) };
    }
    const size = this.#states.shape[1] * this.#states.shape[2];
    rows.forEach((row, b) => {
      this.#states.data.set(states.data.subarray(b * size, (b + 1) * size), row * size);
    });
  }
}
