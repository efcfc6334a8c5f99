/**
 * The recurrent VAE with linear and lag paths beside the convolutions [recurrent-vae §16]: frames inside a mask, a latent
 * state carried through time, every frame read off its state and the one before. It starts as principal components with a
 * lag path and is trained from there.
 */
import type { FloatArray, NdArray } from "../../../base/arrays.ts";
import { CheckpointError } from "../../../base/errors.ts";
import type { FrameBatch } from "../../../base/frames.ts";
import { RandomStream } from "../../../base/random.ts";
import { swapLeadingAxes } from "../../../base/strided.ts";
import { currentEngine } from "../../../backends/current_engine.ts";
import { toHost, toTensor } from "../../../backends/tensors.ts";
import { tf } from "../../../deps/tfjs.ts";
import type { LinearStart } from "../../../linalg/linear_start.ts";
import {
  residualVariance,
  ridgeTransition,
  type StateRun,
} from "../../../linalg/run_transition.ts";
import { TensorScope, tidied } from "../../../ops/tensor_scope.ts";
import { sizeOf } from "../../../parameters/entry.ts";
import { ParameterStore } from "../../../parameters/parameter_store.ts";
import { drawStartingValues } from "../../../parameters/starting_values.ts";
import type { StateDict } from "../../../parameters/state_dict.ts";
import { requireFrames, resolveNoise } from "../inputs.ts";
import { DEFAULT_MEMORY_BUDGET } from "../model_options.ts";
import type { ReconstructingModel, ReconstructionOptions } from "../reconstructing_model.ts";
import { describeLagged, type LaggedArchitecture, trainedNames } from "./lagged_entries.ts";
import { type LaggedConfig, type LaggedOptions, resolveLaggedConfig } from "./lagged_config.ts";
import { laggedNetwork, type LaggedParts, LaggedPasses, readoutPaths } from "./passes.ts";
import { readOut } from "./readout.ts";
import { laggedStep, type LaggedStepResult } from "./training_step.ts";
import { voxelIndexOf } from "./voxel_index.ts";
import { VoxelMap } from "./voxels.ts";

/** What a model needs beside its configuration. */
export interface LaggedSetup {
  /** Rows N of the offset table. */
  readonly subjects: number;
  /** Linear indices x + X(y + Yz) of the V voxels inside the mask, ascending. Default: those of the weights, or all. */
  readonly voxels?: Int32Array;
  /** Starting weights instead of drawn ones; they bring their own voxels. */
  readonly weights?: StateDict;
}

/** How a batch is run. */
export interface LaggedRunOptions {
  /** ε `[T, B, D]`, or the stream it is drawn from; default: zeros. */
  readonly noise?: NdArray | RandomStream;
  /** h_0 `[B, D]`; default: zeros. */
  readonly initialState?: FloatArray;
  /** Frames to use; default the batch's. */
  readonly frames?: number;
  readonly framesPerChunk?: number;
  /** `[T, B]`: 0 where a frame is missing. Default: as the batch says. */
  readonly observed?: ArrayLike<number> | null;
  /** Bytes of encoder activations kept for the way back. */
  readonly memoryBudget?: number;
}

/** A chunk of frames as they become known. */
export interface LaggedFrames {
  readonly start: number;
  readonly count: number;
  /** `[count, B, V]`: reconstructions. */
  readonly reconstruction: FloatArray;
  /** `[count, B, V]`: what the frames before predict, with `predict` alone. */
  readonly predicted?: FloatArray;
}

/** States of a batch, `[B, T, D]` each. */
export interface LaggedStates {
  readonly h: NdArray;
  readonly gh: NdArray;
  readonly posteriorMean: NdArray;
  readonly posteriorLogVar: NdArray;
  /** f, `[B, T, E]`; E is 0 without convolutions. */
  readonly features: NdArray;
}

/** Smallest ln σ_x. */
const LEAST_LOG_NOISE = -6.9;

/** Smallest q. */
const LEAST_TRANSITION_NOISE = 1e-6;

/** The model. Free it with `dispose`. */
export class LaggedVae implements LaggedParts, ReconstructingModel {
  readonly config: LaggedConfig;
  readonly architecture: LaggedArchitecture;
  readonly subjects: number;
  readonly state: ParameterStore;
  readonly voxels: VoxelMap;
  /** The indices that {@link voxels} is made of. */
  readonly voxelIndex: Int32Array;

  /**
   * A new model, to be given a start.
   *
   * @param options Configuration.
   * @param setup See {@link LaggedSetup}.
   * @throws {ConfigError} naming the field.
   */
  constructor(options: LaggedOptions, setup: LaggedSetup) {
    const { subjects, weights } = setup;
    this.config = resolveLaggedConfig(options);
    const voxels = voxelIndexOf(this.config, setup);
    this.subjects = subjects;
    this.voxelIndex = voxels;
    this.voxels = new VoxelMap(voxels, this.config.spatialShape);
    this.architecture = describeLagged(this.config, { subjects, voxels: voxels.length });
    const { entries } = this.architecture;
    const random = RandomStream.fromSeed(this.config.seed).split("weights");
    this.state = new ParameterStore(
      entries,
      weights ?? drawStartingValues(entries, { random }).set("voxel_index", {
        data: BigInt64Array.from(voxels, BigInt),
        shape: [voxels.length],
      }),
    );
  }

  get convolutions() {
    return this.architecture.convolutions;
  }

  /** Variables that are trained, by name. */
  get variables(): ReadonlyMap<string, tf.Variable> {
    const { parameters } = this.state;
    const names = trainedNames(this.config, [...parameters.keys()]);
    return new Map(names.map((name) => [name, parameters.get(name)!]));
  }

  /** F `[D, D]`. */
  get transitionMatrix(): NdArray {
    const { latentDim } = this.config;
    return {
      data: this.state.buffer("F_mat").slice() as FloatArray,
      shape: [latentDim, latentDim],
    };
  }

  /**
   * Takes over principal components with a lag path [recurrent-vae §16.6]; the convolutions stay as they are drawn.
   *
   * @param start Fitted to the training frames.
   */
  begin(start: LinearStart): void {
    const assign = (name: string, values: ArrayLike<number>) => {
      const variable = this.state.parameters.get(name)!;
      const tensor = toTensor(Float64Array.from(values), variable.shape);
      variable.assign(tensor);
      tensor.dispose();
    };
    const V = this.voxels.count;
    assign("voxel_mean", start.mean);
    assign("log_sig_x", new Array(this.config.noise === "voxel" ? V : 1).fill(start.logNoise));
    assign("linear_encoder.weight", start.encoder);
    assign("linear_decoder.weight", start.decoder);
    if (this.config.lag === 1) assign("lag_decoder.weight", start.lag);
    assign("hidden2mu.bias", start.bias);
    assign("hidden2log_var.bias", start.logVariance);
    this.#setBuffer("F_mat", start.transition);
    this.#setBuffer("q", start.transitionNoise);
  }

  /**
   * Losses and gradients of a batch.
   *
   * @param batch Its frames, normalised.
   * @param options Noise and the like; `klWeight` in place of β.
   */
  async computeGradients(
    batch: FrameBatch,
    options: LaggedRunOptions & { readonly klWeight?: number } = {},
  ): Promise<LaggedStepResult> {
    this.#keepNoiseAbove();
    return await laggedStep(this, batch, {
      ...this.#inputs(batch, options),
      klWeight: options.klWeight ?? this.config.klWeight,
    });
  }

  /**
   * Encodes a batch and reads its frames out.
   *
   * @param batch Its frames, normalised.
   * @param options `onFrames` receives reconstructions of masked voxels; `predict` adds what the frames before predict.
   */
  async rollFrames(
    batch: FrameBatch,
    options: LaggedRunOptions & {
      readonly offsets?: FloatArray;
      readonly predict?: boolean;
      readonly onFrames?: (frames: LaggedFrames) => void | Promise<void>;
    } = {},
  ): Promise<LaggedStates> {
    const scope = new TensorScope();
    try {
      const input = this.#inputs(batch, options);
      const B = batch.subjects.length;
      const offsets = options.offsets ?? new Float64Array(B * this.config.latentDim);
      const passes = new LaggedPasses(this, batch, { ...input, memoryBudget: 0, offsets, scope });
      const latent = await passes.latentPass();
      const parts = passes.readoutParts();
      for (const chunk of passes.chunks) {
        const frames = await passes.read(chunk);
        await passes.encode(latent, chunk, frames);
        scope.free(frames.values);
        if (frames.volumes) scope.free(frames.volumes);
        if (!options.onFrames) continue;
        const read = (from: "h" | "gh") =>
          onHost(() => readOut(parts, passes.readoutStates(latent, chunk, from)));
        const reconstruction = await read("h");
        const predicted = options.predict ? await read("gh") : undefined;
        await options.onFrames({ ...chunk, reconstruction, predicted });
      }
      const byRun = (data: Float64Array): NdArray => ({
        data: swapLeadingAxes(data, input.frames, B),
        shape: [B, input.frames, data.length / (B * input.frames)],
      });
      return {
        h: byRun(latent.h),
        gh: byRun(latent.gh),
        posteriorMean: byRun(latent.mu),
        posteriorLogVar: byRun(latent.logVar),
        features: byRun(latent.features),
      };
    } finally {
      scope.dispose();
    }
  }

  /** {@link rollFrames} with whole volumes, 0 outside the mask; without noise and offsets unless they are given. */
  async rollout(
    batch: FrameBatch,
    { frames, offsets, noise, onFrames }: ReconstructionOptions,
  ): Promise<LaggedStates> {
    return await this.rollFrames(batch, {
      frames,
      noise,
      offsets: offsets?.data as FloatArray | undefined,
      ...(onFrames && {
        onFrames: (found) =>
          onFrames({ ...found, reconstruction: this.#volumes(found.reconstruction) }),
      }),
    });
  }

  /** Offsets of the runs, `[N, D]`. */
  async subjectOffsets(): Promise<NdArray> {
    const table = this.state.tensor("z_vectors");
    return { data: await toHost(table), shape: table.shape };
  }

  /** Nothing differs between training and use. */
  training = false;

  /** The same model. */
  eval(): this {
    return this;
  }

  /**
   * Reads frames off states, without what the states before add.
   *
   * @param latents h + z, `[n, D]`.
   * @returns Volumes `[n, Z, Y, X]`, 0 outside the mask.
   */
  async decode(latents: NdArray): Promise<NdArray> {
    const [count, width] = latents.shape;
    const inside = await onHost(() =>
      readOut({
        network: laggedNetwork(this.state),
        convolutions: this.convolutions,
        voxels: this.voxels,
        paths: readoutPaths(this.state, this.config),
      }, {
        states: toTensor(latents.data, latents.shape) as tf.Tensor2D,
        previous: tf.zeros([count, width]),
        frames: count,
      })
    );
    return {
      data: this.#volumes(inside),
      shape: [count, ...[...this.config.spatialShape].reverse()],
    };
  }

  /**
   * F and q from posterior means and variances [recurrent-vae §16.7].
   *
   * @param means μ of each run that was visited.
   * @param variances e^ℓ of the same.
   */
  updateDynamics(means: readonly StateRun[], variances: readonly StateRun[]): void {
    const { latentDim: D, rho } = this.config;
    const { transition } = ridgeTransition(means, D, { rho });
    const residual = residualVariance(means, transition, { centred: false });
    const [sums, count] = meanOver(variances, D);
    const q = residual.map((value, d) => Math.max(value + sums[d] / count, LEAST_TRANSITION_NOISE));
    this.#setBuffer("F_mat", transition);
    this.#setBuffer("q", q);
  }

  /** Sets φ, what is left of a frame's residual in the next one, `[V]`. */
  setResidualAutocorrelation(phi: FloatArray): void {
    this.#setBuffer("residual_autocorrelation", phi);
  }

  /** Copies all weights and buffers to the host. */
  stateDict(): Promise<StateDict> {
    return this.state.export();
  }

  /** Takes weights over, strictly. */
  loadStateDict(state: StateDict): void {
    const index = voxelIndexOf(this.config, { weights: state });
    if (index.join() !== this.voxelIndex.join()) {
      throw new CheckpointError(
        "state dictionary",
        `Cannot load the state dictionary: its mask has ${index.length} voxels, needs the ${this.voxelIndex.length} the ` +
          "model was built with; build the model with these weights",
      );
    }
    this.state.load(state);
  }

  /** Frames of a batch that fit into one call. */
  framesPerChunk(batch: FrameBatch, asked?: number): number {
    if (asked !== undefined) return asked;
    const size = sizeOf(this.config.spatialShape);
    const request = {
      voxels: size,
      batch: batch.subjects.length,
      frames: batch.frames,
      valuesPerVolume: (this.convolutions?.decoderValues ?? 0) + 3 * size + 6 * this.voxels.count,
    };
    return currentEngine()?.framesPerChunk(request) ?? 1;
  }

  /** Frees everything. */
  dispose(): void {
    this.state.dispose();
  }

  #inputs(batch: FrameBatch, options: LaggedRunOptions) {
    const { latentDim: dim, spatialShape } = this.config;
    const frames = options.frames ?? batch.frames;
    const B = batch.subjects.length;
    requireFrames(batch, { frames, spatialShape });
    const size = { subjects: batch.subjects, frames, dim };
    return {
      frames,
      noise: options.noise ? resolveNoise(options.noise, size) : new Float64Array(frames * B * dim),
      initialState: options.initialState ?? new Float64Array(B * dim),
      framesPerChunk: this.framesPerChunk(batch, options.framesPerChunk),
      memoryBudget: options.memoryBudget ?? DEFAULT_MEMORY_BUDGET,
      observed: Float64Array.from(
        options.observed ?? observedRows(batch, frames) ?? new Float64Array(frames * B).fill(1),
      ),
    };
  }

  /** `[n, V]` → `[n, Z·Y·X]`. */
  #volumes(values: FloatArray): FloatArray {
    const V = this.voxelIndex.length;
    const size = sizeOf(this.config.spatialShape);
    const Precision = values.constructor as Float32ArrayConstructor;
    const volumes = new Precision(values.length / V * size);
    for (let n = 0; n < values.length / V; n++) {
      for (let v = 0; v < V; v++) volumes[n * size + this.voxelIndex[v]] = values[n * V + v];
    }
    return volumes;
  }

  /** σ_x stays above e^−6.9. */
  #keepNoiseAbove(): void {
    const noise = this.state.parameters.get("log_sig_x")!;
    const kept = tf.tidy(() => tf.maximum(noise, toTensor(Float64Array.of(LEAST_LOG_NOISE), [])));
    noise.assign(kept as tf.Tensor);
    kept.dispose();
  }

  #setBuffer(name: string, values: ArrayLike<number>): void {
    const Precision = this.state.buffer(name).constructor as Float32ArrayConstructor;
    this.state.setBuffer(name, Precision.from(values));
  }
}

/** Computes a tensor and copies it to the host. */
async function onHost(compute: () => tf.Tensor): Promise<FloatArray> {
  const tensor = tidied(compute);
  try {
    return await toHost(tensor);
  } finally {
    tensor.dispose();
  }
}

/** What a batch says of its frames, `[T, B]`. */
function observedRows(
  { observed, subjects: { length: B }, frames: all }: FrameBatch,
  frames: number,
): Float64Array | null {
  if (!observed) return null;
  return Float64Array.from(
    { length: frames * B },
    (_, row) => observed[row % B * all + Math.floor(row / B)],
  );
}

/** Sums over observed frames, and their number. */
function meanOver(runs: readonly StateRun[], D: number): [Float64Array, number] {
  const sums = new Float64Array(D);
  let count = 0;
  for (const { states, observed } of runs) {
    for (let t = 0; t * D < states.length; t++) {
      if (observed && observed[t] === 0) continue;
      count++;
      for (let d = 0; d < D; d++) sums[d] += states[t * D + d];
    }
  }
  return [sums, count];
}
