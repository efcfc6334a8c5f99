/**
 * Exact time-parallel training: loss and gradients of a whole rollout with the activations of one chunk
 * of frames in memory [recurrent-vae §12].
 *
 * Forwards in time, chunk by chunk: encode, roll the states, decode forward and backward (steps 1 to 3 of
 * [recurrent-vae §12]; one reading of the frames serves all three). Then back through the recurrence, and
 * encode again with its vector-Jacobian product. Nothing is truncated or approximated: in training mode
 * batch norm couples only the subjects of one frame, and those stay together.
 */
import type { FloatArray, NdArray } from "../../base/arrays.ts";
import type { FrameBatch } from "../../base/frames.ts";
import { toTensor } from "../../backends/tensors.ts";
import { tf } from "../../deps/tfjs.ts";
import { offsetPenaltyGradient } from "./losses/penalties.ts";
import type { LossTerms } from "./losses/terms.ts";
import { readBack } from "../../ops/read_back.ts";
import { TensorScope, tidied } from "../../ops/tensor_scope.ts";
import { decodeChunk } from "./chunk_decoding.ts";
import { encoderBackward, encoderForward } from "./encoder.ts";
import { checkBatch } from "./inputs.ts";
import { type Chunk, chunksOf, joinFrames, readVolumes } from "./chunks.ts";
import { FrameEncoder } from "./frame_encoder.ts";
import { headsOf } from "./latent_chain.ts";
import { type ModelParts } from "./model_parts.ts";
import { selectRows } from "./offsets.ts";
import { swapLeadingAxes } from "../../base/strided.ts";
import { GradientSum } from "./gradient_sum.ts";
import {
  completeStates,
  latentBackward,
  type LatentInput,
  type LatentStates,
  rollStates,
} from "./latent_chain.ts";
import { lossTerms, temporalGradient } from "./objective.ts";
import type { Gradients, Network } from "./norm.ts";
import type { StepStatistics } from "../../parameters/running_statistics.ts";
import { StatisticsLog } from "./statistics_log.ts";

/** What one step is computed from, besides the model. */
export interface StepInput {
  /** Standard-normal draws ε, `[T, B, D]` row-major. */
  readonly noise: FloatArray;
  /** State before the first frame, `[B, D]`. */
  readonly initialState: FloatArray;
  /** Frames per kernel call; changes rounding and memory, nothing else. */
  readonly framesPerChunk: number;
  /** Bytes of encoder activations that may be kept between passes instead of being recomputed. */
  readonly memoryBudget: number;
  /** Weight per voxel of the reconstruction error, `[Z, Y, X]` (a mask). Default: 1 everywhere. */
  readonly voxelWeight?: FloatArray;
  /** Factor on the KL divergence in this step (annealing). Default: the configuration's. */
  readonly klWeight?: number;
}

/** Result of one step; no weight has been changed. */
export interface StepResult {
  /** The loss and its parts. */
  readonly losses: LossTerms;
  /** By parameter name, every parameter, memory layout; the caller disposes them. */
  readonly gradients: Gradients;
  /** Sampled states h, `[B, T, D]`. */
  readonly states: NdArray;
  /** Batch statistics for the running buffers; empty with group norm. */
  readonly statistics: readonly StepStatistics[];
}

/**
 * Loss and gradients of one batch, in training mode.
 *
 * @param model Configuration, sizes and numbers; only read.
 * @param batch At least `tolTime` frames of B subjects.
 * @param input Noise, initial state and chunking.
 * @throws {ShapeError} when the batch does not fit.
 * @throws {ConfigError} for impossible options.
 */
export async function timeParallelStep(
  model: ModelParts,
  batch: FrameBatch,
  input: StepInput,
): Promise<StepResult> {
  checkBatch(model, batch, { training: true });
  const scope = new TensorScope();
  const gradients = new GradientSum();
  try {
    const step = new Step(model, batch, { ...input, scope, gradients });
    const forward = await step.forwards();
    const towardsFeatures = step.backThroughTime(forward);
    await step.encodeBackward(towardsFeatures);
    step.offsetGradient(forward.towardsStates);
    return await step.finish(forward);
  } catch (error) {
    gradients.dispose();
    throw error;
  } finally {
    scope.dispose();
  }
}

interface StepTools {
  readonly scope: TensorScope;
  readonly gradients: GradientSum;
}

/** What the way forwards leaves for the way back; the scope holds the tensors. */
interface Forward {
  readonly latent: LatentInput;
  readonly states: LatentStates;
  /** ∂loss1/∂h `[T, B, D]`. */
  readonly towardsStates: tf.Tensor;
  /** Σ(x − r)² `[T]`. */
  readonly squaredErrors: tf.Tensor;
}

/** What each chunk of the way forwards leaves, in time order. */
class FrameParts {
  readonly features: tf.Tensor[] = [];
  readonly h: tf.Tensor[] = [];
  readonly heads: tf.Tensor[] = [];
  readonly towardsStates: tf.Tensor[] = [];
  readonly squaredErrors: tf.Tensor[] = [];

  /** Each as one tensor over all frames, held by the scope. */
  joined(
    scope: TensorScope,
  ): Record<"features" | "h" | "heads" | "towardsStates" | "squaredErrors", tf.Tensor> {
    return {
      features: joinFrames(scope, this.features),
      h: joinFrames(scope, this.h),
      heads: joinFrames(scope, this.heads),
      towardsStates: joinFrames(scope, this.towardsStates),
      squaredErrors: joinFrames(scope, this.squaredErrors),
    };
  }
}

/** The passes of one step; methods are called in the order above. */
class Step {
  readonly #model: ModelParts;
  readonly #batch: FrameBatch;
  readonly #input: StepInput & StepTools;
  readonly #chunks: readonly Chunk[];
  readonly #network: Network;
  readonly #statistics: StatisticsLog | undefined;
  readonly #encoder: FrameEncoder;
  readonly #selection: tf.Tensor2D;

  constructor(model: ModelParts, batch: FrameBatch, input: StepInput & StepTools) {
    const { config, state, architecture } = model;
    const { scope, memoryBudget } = input;
    this.#model = model;
    this.#batch = batch;
    this.#input = input;
    this.#chunks = chunksOf(config.tolTime, input.framesPerChunk);
    this.#network = { state, normalization: config.normalization, training: true };
    if (config.normalization === "batch") this.#statistics = new StatisticsLog(scope);
    const statistics = this.#statistics;
    this.#encoder = new FrameEncoder(this.#network, {
      architecture,
      scope,
      memoryBudget,
      statistics,
    });
    this.#selection = scope.hold(selectRows(batch.subjects, state.tensor("z_vectors").shape[0]));
  }

  /** Steps 1 to 3: encodes, rolls and decodes every chunk; adds the decoder's gradients. */
  async forwards(): Promise<Forward> {
    const { scope } = this.#input;
    const given = this.#latentConstants();
    const offsets = scope.hold(
      tf.matMul(this.#selection, this.#model.state.tensor("z_vectors") as tf.Tensor2D),
    );
    const weight = this.#voxelWeight();
    const parts = new FrameParts();
    let before: tf.Tensor = given.initialState;
    for (const chunk of this.#chunks) {
      const target = scope.hold(await readVolumes(this.#batch, chunk));
      const features = this.#encoder.encode(chunk, target);
      const { h, heads, last } = tidied(() =>
        this.#rollChunk(chunk, { ...given, features }, before)
      );
      scope.hold(h);
      scope.hold(heads);
      before = scope.hold(last);
      const decoded = tidied(() =>
        decodeChunk(this.#model, this.#network, { h, offsets, target, weight })
      );
      if (this.#encoder.kept(chunk) === undefined) scope.free(target);
      this.#statistics?.record(decoded.statistics);
      this.#input.gradients.add(decoded.parameters);
      parts.features.push(features);
      parts.h.push(h);
      parts.heads.push(heads);
      parts.towardsStates.push(scope.hold(decoded.towardsStates));
      parts.squaredErrors.push(scope.hold(decoded.sums));
    }
    const { features, h, heads, towardsStates, squaredErrors } = parts.joined(scope);
    const states = completeStates(given, { h, heads });
    for (const tensor of Object.values(states) as tf.Tensor[]) scope.hold(tensor);
    return { latent: { ...given, features }, states, towardsStates, squaredErrors };
  }

  /** Noise, initial state and weights of the recurrence. */
  #latentConstants(): Omit<LatentInput, "features"> {
    const { config, state } = this.#model;
    const { scope, noise, initialState } = this.#input;
    const [subjects, dim] = [this.#batch.subjects.length, config.latentDim];
    return {
      noise: scope.hold(toTensor(noise, [config.tolTime, subjects, dim])),
      initialState: scope.hold(toTensor(initialState, [subjects, dim])),
      heads: headsOf(state),
      transition: state.tensor("F_mat"),
    };
  }

  /** Rolls on from the state before the chunk. */
  #rollChunk({ start, count }: Chunk, given: LatentInput, before: tf.Tensor) {
    const [subjects, dim] = before.shape as [number, number];
    const noise = tf.slice(given.noise, [start, 0, 0], [count, subjects, dim]);
    const { h, heads } = rollStates({ ...given, noise, initialState: before });
    const last = tf.reshape(tf.slice(h, [count - 1, 0, 0], [1, subjects, dim]), [subjects, dim]);
    return { h, heads, last };
  }

  /** Step 4. Adds the heads' gradients; gives ∂loss/∂f `[T, B, E]`. */
  backThroughTime({ latent, states, towardsStates }: Forward): tf.Tensor {
    const { config } = this.#model;
    const { scope, gradients, klWeight } = this.#input;
    const { features, heads } = tidied(() =>
      latentBackward(latent, states, {
        decoder: towardsStates,
        temporal: temporalGradient(config, states, { klWeight }),
      })
    );
    gradients.add({
      "hidden2mu.weight": heads.muWeight,
      "hidden2mu.bias": heads.muBias,
      "hidden2log_var.weight": heads.logVarWeight,
      "hidden2log_var.bias": heads.logVarBias,
    });
    return scope.hold(features);
  }

  /** Step 5. Adds the encoder's gradients; statistics are not noted a second time. */
  async encodeBackward(towardsFeatures: tf.Tensor): Promise<void> {
    const { scope, gradients } = this.#input;
    const { architecture } = this.#model;
    const subjects = this.#batch.subjects.length;
    const width = towardsFeatures.shape[2] as number;
    for (const chunk of this.#chunks) {
      const before = this.#encoder.kept(chunk);
      const x = before?.input ?? scope.hold(await readVolumes(this.#batch, chunk));
      gradients.add(tidied(() => {
        const activations = before ??
          encoderForward(this.#network, architecture, { x, frames: chunk.count });
        const rows = tf.slice(towardsFeatures, [chunk.start, 0, 0], [chunk.count, subjects, width]);
        const dFeatures = tf.reshape(rows, [chunk.count * subjects, width]);
        return Object.fromEntries(encoderBackward(this.#network, activations, dFeatures));
      }));
      scope.free(x);
    }
  }

  /** dz: each batch row's share goes to its table row, λ_z·sign(z) to all [recurrent-vae §4]. */
  offsetGradient(towardsStates: tf.Tensor): void {
    const { config, state } = this.#model;
    const gradient = tf.tidy(() =>
      tf.add(
        tf.matMul(this.#selection, tf.sum<tf.Tensor2D>(towardsStates, 0), true, false),
        offsetPenaltyGradient(state.tensor("z_vectors"), config.lambdaZ),
      )
    );
    this.#input.gradients.add({ z_vectors: gradient });
  }

  /** Reads everything the host needs in one transfer and adds it up in float64. */
  async finish({ states, squaredErrors }: Forward): Promise<StepResult> {
    const { config, state } = this.#model;
    const subjects = this.#batch.subjects.length;
    const log = this.#statistics;
    const values = await readBack({
      errors: squaredErrors,
      h: states.h,
      gh: states.gh,
      mu: states.mu,
      logVar: states.logVar,
      offsets: state.tensor("z_vectors"),
      statistics: log?.tensors() ?? [],
    });
    const { errors, h, gh, mu, logVar, offsets } = values;
    return {
      losses: lossTerms(config, {
        squaredErrors: errors,
        states: { h, gh, mu, logVar },
        offsets,
        transition: state.buffer("F_mat"),
        subjects,
        klWeight: this.#input.klWeight,
      }),
      gradients: this.#input.gradients.take([...state.parameters.keys()]),
      states: {
        data: swapLeadingAxes(h, config.tolTime, subjects),
        shape: [subjects, config.tolTime, config.latentDim],
      },
      statistics: log?.resolve(values.statistics) ?? [],
    };
  }

  #voxelWeight(): tf.Tensor | null {
    const { voxelWeight, scope } = this.#input;
    if (!voxelWeight) return null;
    const [x, y, z] = this.#batch.spatialShape;
    return scope.hold(toTensor(voxelWeight, [z, y, x]));
  }
}
