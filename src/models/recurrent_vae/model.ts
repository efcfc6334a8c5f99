/**
 * The recurrent VAE [recurrent-vae §3]: a volume becomes a feature vector, a latent state is carried through time by
 * two linear heads, every volume is decoded from the state plus a per-subject offset, and a linear
 * transition matrix F is solved for once per epoch.
 *
 * Methods take and return arrays with shapes (`NdArray`) or tensors; volumes are in NIfTI memory order,
 * `[B, Z, Y, X]` (x fastest). The model never reads files and never prints.
 */
import { type FloatArray, MOST_VALUES, type NdArray } from "../../base/arrays.ts";
import type { FrameBatch } from "../../base/frames.ts";
import { BackendError, ConfigError } from "../../base/errors.ts";
import { array, checkOptions, integer, number, object, other, record } from "../../base/fields.ts";
import { RandomStream } from "../../base/random.ts";
import type { TorchGenerator } from "../../base/torch_random.ts";
import { currentEngine } from "../../backends/current_engine.ts";
import { toHost } from "../../backends/tensors.ts";
import type { tf } from "../../deps/tfjs.ts";
import { type Architecture, describeArchitecture, torchDrawOrder } from "./architecture.ts";
import { sizeOf } from "../../parameters/entry.ts";
import { inKind, type Like, onHost, type Values } from "./arrays_or_tensors.ts";
import {
  initialStateOf,
  type RecurrentVaeConfig,
  type RecurrentVaeOptions,
  resolveConfig,
} from "./config.ts";
import type { ModelParts } from "./model_parts.ts";
import {
  broadcastState,
  emptyLike,
  frameBatchOf,
  placeFrames,
  resolveNoise,
  rowsOf,
} from "./inputs.ts";
import {
  DEFAULT_MEMORY_BUDGET,
  FORWARD_OPTIONS,
  type ForwardOptions,
  GRADIENT_OPTIONS,
  type GradientOptions,
  type ResultKind,
  ROLLOUT_OPTIONS,
  type RolloutOptions,
} from "./model_options.ts";
import type { Network } from "./norm.ts";
import { ForwardResult } from "./rollout_result.ts";
import { type RolloutSummary, runForward } from "./rollout.ts";
import { decodeLatents, encodeVolumes, priorMean } from "./single_pass.ts";
import { ParameterStore } from "../../parameters/parameter_store.ts";
import { foldStatistics } from "../../parameters/running_statistics.ts";
import { type StepResult, timeParallelStep } from "./time_parallel.ts";
import { solveTransition } from "./transition.ts";
import { drawStartingValues } from "../../parameters/starting_values.ts";
import { type StateDict } from "../../parameters/state_dict.ts";

/** What a model needs beside its configuration. */
export interface ModelSetup {
  /** Rows N of the offset table. */
  readonly subjects: number;
  /**
   * Where starting weights come from: a stream, or a generator of PyTorch for its bits. Default: the stream of the
   * configured seed.
   */
  readonly random?: RandomStream | TorchGenerator;
  /** Starting weights instead of drawn ones. */
  readonly weights?: StateDict;
}

const SETUP = record<ModelSetup>({
  subjects: {
    ...integer({ least: 1 }),
    needs: "the number of training subjects, for example { subjects: loader.subjects }",
  },
  random: object("a RandomStream or TorchGenerator"),
  weights: other("a Map of arrays by name", (value) => value instanceof Map),
}, ["subjects"]);

/** What the update of F may be told. */
export interface TransitionOptions {
  /** h0, `[D]` or `[1, D]`. Default: the configuration's. */
  readonly initialState?: NdArray;
  /** Ridge weight, at least 0. Default: the configuration's. */
  readonly rho?: number;
}

/** What one time step may be told. */
export type StepOptions = Omit<ForwardOptions, "initialState">;

const TRANSITION_OPTIONS = record<TransitionOptions>({
  initialState: array("[D] or [1, D]"),
  rho: number({ least: 0 }),
});

const { initialState: _, ...stepFields } = FORWARD_OPTIONS.fields;
const STEP_OPTIONS = record<StepOptions>(stepFields);

const DOING = "Cannot run the model";

/** The model. Holds tensors: call `dispose` when it is no longer needed. */
export class RecurrentVae implements ModelParts {
  /** The complete configuration. */
  readonly config: RecurrentVaeConfig;
  /** Sizes and parameter table that follow from it. */
  readonly architecture: Architecture;
  /** Rows N of the offset table. */
  readonly subjects: number;
  /** Variables and buffers; the training machinery's way in. */
  readonly state: ParameterStore;
  /** Whether norm layers use the statistics of the batch; see {@link train} and {@link eval}. */
  training = true;

  /**
   * Builds a model on the current engine.
   *
   * @param options Configuration; missing fields take the reference's defaults.
   * @param setup See {@link ModelSetup}.
   * @throws {ConfigError} for a configuration that cannot be used.
   * @throws {BackendError} before an engine was
   *   selected.
   * @example
   * ```ts ignore
   * await selectBackend();
   * const model = new RecurrentVae({ spatialShape: [33, 35, 40], tolTime: 24 }, { subjects: 12 });
   * ```
   */
  constructor(
    options: RecurrentVaeOptions,
    setup: ModelSetup,
  ) {
    checkOptions(setup ?? {}, SETUP, { doing: "Cannot build a model" });
    requireEngine();
    this.config = resolveConfig(options);
    this.subjects = setup.subjects;
    this.architecture = describeArchitecture(this.config, setup.subjects);
    const { entries } = this.architecture;
    if (!setup.weights) requireModestSize(this.architecture);
    const random = setup.random ?? RandomStream.fromSeed(this.config.seed).split("weights");
    const weights = setup.weights ??
      drawStartingValues(entries, { random, drawOrder: torchDrawOrder(entries) });
    this.state = new ParameterStore(entries, weights);
  }

  /** Trained variables by PyTorch's names, in its order. */
  get variables(): ReadonlyMap<string, tf.Variable> {
    return this.state.parameters;
  }

  /** F, `[D, D]`. */
  get transitionMatrix(): NdArray {
    const { latentDim } = this.config;
    return {
      data: this.state.buffer("F_mat").slice() as FloatArray,
      shape: [latentDim, latentDim],
    };
  }

  /** Norm layers use the statistics of the batch and update the running ones. */
  train(): this {
    this.training = true;
    return this;
  }

  /** Norm layers use the running statistics. */
  eval(): this {
    this.training = false;
    return this;
  }

  /**
   * Encodes single volumes, in the current mode; running statistics are not touched.
   *
   * @param volumes `[B, Z, Y, X]`.
   * @returns Features `[B, E]`.
   * @throws {ShapeError} for volumes of another size.
   */
  encode<V extends Values>(volumes: V): Promise<Like<V>> {
    return encodeVolumes(this, this.#network(), volumes);
  }

  /**
   * Decodes latent vectors, in the current mode; running statistics are not touched.
   *
   * @param latents h + z, `[B, D]`.
   * @returns Volumes `[B, Z, Y, X]`.
   * @throws {ShapeError} for another width; the message contains "latent_dim".
   */
  decode<V extends Values>(latents: V): Promise<Like<V>> {
    return decodeLatents(this, this.#network(), latents);
  }

  /**
   * Prior mean of the next state, g(h) = h·Fᵀ.
   *
   * @param h `[B, D]`.
   * @returns `[B, D]`.
   */
  g<V extends Values>(h: V): Promise<Like<V>> {
    return priorMean(this, h);
  }

  /**
   * The whole rollout over `tolTime` frames [recurrent-vae §3.5]; in training mode the running statistics advance
   * once per frame.
   *
   * @param volumes `[B, T, Z, Y, X]` (a channel axis of 1 may follow), or a batch that reads frames;
   *   surplus frames are ignored.
   * @throws {ShapeError} with fewer than `tolTime` frames; the message contains "timepoints".
   */
  async forward<V extends Values | FrameBatch>(
    volumes: V,
    options: ForwardOptions = {},
  ): Promise<ForwardResult<ResultKind<V>>> {
    checkOptions(options, FORWARD_OPTIONS, { doing: DOING });
    const isValues = "shape" in volumes;
    const batch = isValues
      ? frameBatchOf(await onHost(volumes as Values), options.subjects)
      : volumes as FrameBatch;
    const { tolTime } = this.config;
    const shape = [batch.subjects.length, tolTime, ...[...this.config.spatialShape].reverse()];
    const seen = new Float32Array(sizeOf(shape));
    let mu: FloatArray | undefined;
    const summary = await this.rollout(batch, {
      ...options,
      onFrames: async ({ start, count, reconstruction }) => {
        mu ??= emptyLike(reconstruction, seen.length);
        placeFrames(mu, { start, count, values: reconstruction, shape });
        placeFrames(seen, { start, count, values: await batch.read(start, count), shape });
      },
    });
    const x = { data: seen, shape };
    const kind = (isValues ? volumes : x) as ResultKind<V>;
    return new ForwardResult({ ...summary, x, mu: { data: mu!, shape } }, kind);
  }

  /**
   * A rollout that streams: states and losses as a whole, reconstructions chunk by chunk.
   *
   * @param batch Reads frames.
   * @param options See {@link RolloutOptions}.
   */
  async rollout(
    batch: FrameBatch,
    options: RolloutOptions = {},
  ): Promise<RolloutSummary> {
    checkOptions(options, ROLLOUT_OPTIONS, { doing: DOING });
    const frames = options.frames ?? this.config.tolTime;
    const subjects = options.subjects ?? batch.subjects;
    const table = await this.subjectOffsets();
    const summary = await runForward(this, batch, {
      ...this.#latentInputs({ ...options, subjects, frames }),
      offsets: options.offsets
        ? broadcastState(options.offsets, subjects.length, this.config.latentDim)
        : rowsOf(table, subjects),
      table: table.data,
      training: this.training,
      framesPerChunk: this.framesPerChunk(batch, options.framesPerChunk),
      frames,
      onFrames: options.onFrames,
    });
    this.#fold(summary.statistics, summary.losses.loss);
    return summary;
  }

  /**
   * One time step: (x_t, h_{t−1}) → (reconstruction, h_t).
   *
   * @param volumes x_t `[B, Z, Y, X]`.
   * @param previous h_{t−1} `[B, D]`.
   * @param options As for {@link forward}; noise `[1, B, D]`.
   */
  async step<V extends Values>(
    volumes: V,
    previous: NdArray,
    options: StepOptions = {},
  ): Promise<{ reconstruction: Like<V>; h: Like<V> }> {
    checkOptions(options, STEP_OPTIONS, { doing: DOING });
    const { data, shape } = await onHost(volumes);
    const batch = frameBatchOf({ data, shape: [shape[0], 1, ...shape.slice(1)] }, options.subjects);
    let reconstruction: NdArray = { data, shape };
    const { h } = await this.rollout(batch, {
      ...options,
      initialState: previous,
      frames: 1,
      onFrames: (frames) => {
        reconstruction = { data: frames.reconstruction, shape };
      },
    });
    return {
      reconstruction: inKind(volumes, reconstruction),
      h: inKind(volumes, { data: h.data, shape: [shape[0], this.config.latentDim] }),
    };
  }

  /**
   * Loss and exact gradients of one batch in training mode, and its running statistics folded in (not when
   * the loss is not finite). No weight changes; the caller disposes the gradients.
   *
   * @param batch At least `tolTime` frames.
   * @param options Noise, chunking, memory, mask.
   * @throws {ShapeError} when the batch does not fit; fewer frames than `tolTime` say "timepoints".
   */
  async computeGradients(batch: FrameBatch, options: GradientOptions = {}): Promise<StepResult> {
    checkOptions(options, GRADIENT_OPTIONS, { doing: "Cannot compute gradients" });
    const { subjects } = batch;
    const result = await timeParallelStep(this, batch, {
      ...this.#latentInputs({ ...options, subjects, frames: this.config.tolTime }),
      framesPerChunk: this.framesPerChunk(batch, options.framesPerChunk),
      memoryBudget: options.memoryBudget ?? DEFAULT_MEMORY_BUDGET,
      voxelWeight: options.voxelWeight?.data,
      klWeight: options.klWeight,
    });
    this.#fold(result.statistics, result.losses.loss);
    return result;
  }

  /**
   * Solves for F by ridge regression and replaces it [recurrent-vae §5].
   *
   * @param states Trajectory buffer H `[N, T, D]`; rows of subjects not visited are zeros and count.
   * @param options See {@link TransitionOptions}.
   * @throws {ShapeError} for another width; the message contains "latent_dim".
   * @throws {SingularMatrixError} when the system has no unique solution.
   */
  updateTransitionMatrix(
    states: NdArray,
    options: TransitionOptions = {},
  ): void {
    checkOptions(options, TRANSITION_OPTIONS, { doing: "Cannot update F" });
    const initialState = options.initialState?.data ?? initialStateOf(this.config);
    const solved = solveTransition(this.config, { states, initialState, rho: options.rho });
    const Precision = this.state.buffer("F_mat").constructor as Float32ArrayConstructor;
    this.state.setBuffer("F_mat", Precision.from(solved));
  }

  /** The offset table z, `[N, D]`. */
  async subjectOffsets(): Promise<NdArray> {
    const table = this.state.tensor("z_vectors");
    return { data: await toHost(table), shape: table.shape };
  }

  /** All weights by PyTorch's names, in its order and layouts. */
  stateDict(): Promise<StateDict> {
    return this.state.export();
  }

  /**
   * Takes over weights, strictly.
   *
   * @throws {CheckpointError} listing missing, unexpected and mis-shaped keys; nothing changes then.
   */
  loadStateDict(state: StateDict): void {
    this.state.load(state);
  }

  /**
   * Frames per kernel call: as asked, or the current engine's choice for this model and batch.
   *
   * @param batch Its number of subjects counts.
   * @param asked Wins when given.
   */
  framesPerChunk(batch: FrameBatch, asked?: number): number {
    if (asked !== undefined) return asked;
    const size = sizeOf(this.config.spatialShape);
    const request = {
      voxels: size,
      batch: batch.subjects.length,
      frames: this.config.tolTime,
      valuesPerVolume: this.architecture.decoderValues + 3 * size,
    };
    return currentEngine()?.framesPerChunk(request) ?? 1;
  }

  /** Frees every tensor of the model. */
  dispose(): void {
    this.state.dispose();
  }

  #network(): Network {
    const { normalization } = this.config;
    return { state: this.state, normalization, training: this.training };
  }

  #latentInputs(
    options: ForwardOptions & { readonly subjects: readonly number[]; readonly frames: number },
  ): { noise: FloatArray; initialState: FloatArray } {
    const { latentDim: dim, seed } = this.config;
    const { subjects, frames } = options;
    const start = options.initialState ?? { data: initialStateOf(this.config), shape: [dim] };
    const noise = options.noise ?? RandomStream.fromSeed(seed).split("forward");
    return {
      noise: resolveNoise(noise, { subjects, frames, dim }),
      initialState: broadcastState(start, subjects.length, dim),
    };
  }

  #fold(statistics: RolloutSummary["statistics"], loss: number): void {
    if (!Number.isFinite(loss)) return;
    for (const layer of statistics) foldStatistics(this.state, layer);
  }
}

/** Refuses a network that no memory holds before numbers are drawn for it. */
function requireModestSize({ entries }: Architecture): void {
  const sizes = entries.map(({ shape }) => sizeOf(shape));
  const total = sizes.reduce((sum, size) => sum + size, 0);
  if (total <= MOST_VALUES / 8) return;
  const { shape } = entries[sizes.indexOf(Math.max(...sizes))];
  throw new ConfigError(
    "encOutDim",
    `Cannot build a model: it would have ${total} weights (its largest array alone is [${shape}]), needs at most ` +
      `${MOST_VALUES / 8}; lower encOutDim, latentDim or the channels`,
  );
}

function requireEngine(): void {
  if (currentEngine() === undefined) {
    throw new BackendError(
      "none",
      "Cannot build a model: no engine is running, needs one to hold the weights; await selectBackend() first",
    );
  }
}
