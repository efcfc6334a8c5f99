/**
 * Exact time-parallel training: loss and gradients of a whole rollout with the activations of one chunk
 * of frames in memory (spec 12).
 *
 * 1. encode all frames; 2. roll the states; 3. decode every frame, forward and backward; 4. back through
 * the recurrence; 5. encode again with its vector-Jacobian product. Nothing is truncated or approximated:
 * in training mode batch norm couples only the subjects of one frame, and those stay together.
 */
import type { FloatArray, NdArray } from "../../base/arrays.ts";
import type { FrameBatch } from "../../base/frames.ts";
import { toTensor } from "../../backends/tensors.ts";
import { tf } from "../../deps/tfjs.ts";
import { offsetPenaltyGradient } from "../../losses/penalties.ts";
import { reconstructionFactor } from "../../losses/reconstruction.ts";
import type { LossTerms } from "../../losses/terms.ts";
import { readBack } from "../../ops/read_back.ts";
import { TensorScope, tidied } from "../../ops/tensor_scope.ts";
import {
  decoderBackward,
  decoderForward,
  type DecoderGradients,
  reconstructionError,
} from "./decoder.ts";
import { type EncoderActivations, encoderBackward, encoderForward } from "./encoder.ts";
import {
  checkBatch,
  type Chunk,
  chunksOf,
  encodeFrames,
  headsOf,
  type ModelParts,
  readVolumes,
  selectRows,
  swapLeadingAxes,
} from "./frame_passes.ts";
import { GradientSum } from "./gradient_sum.ts";
import {
  latentBackward,
  latentForward,
  type LatentInput,
  type LatentStates,
} from "./latent_chain.ts";
import { lossTerms, temporalGradient } from "./objective.ts";
import { batchStatistics, type Gradients, type Network } from "./norm.ts";
import type { StepStatistics } from "./state.ts";
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
 * @throws {ShapeError} when the batch does not fit. @throws {ConfigError} for impossible options.
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
    const encoded = await step.encode();
    const { latent, states } = step.roll(encoded.features);
    const decoded = await step.decode(states);
    const towardsFeatures = step.backThroughTime(latent, states, decoded.towardsStates);
    await step.encodeBackward(encoded.kept, towardsFeatures);
    step.offsetGradient(decoded.towardsOffsets);
    return await step.finish(states, decoded.squaredErrors);
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

/** The passes of one step; methods are called in the order above. */
class Step {
  readonly #model: ModelParts;
  readonly #batch: FrameBatch;
  readonly #input: StepInput & StepTools;
  readonly #chunks: readonly Chunk[];
  readonly #network: Network;
  readonly #statistics: StatisticsLog | undefined;
  readonly #selection: tf.Tensor2D;

  constructor(model: ModelParts, batch: FrameBatch, input: StepInput & StepTools) {
    const { config, state } = model;
    this.#model = model;
    this.#batch = batch;
    this.#input = input;
    this.#chunks = chunksOf(config.tolTime, input.framesPerChunk);
    this.#network = { state, normalization: config.normalization, training: true };
    if (config.normalization === "batch") this.#statistics = new StatisticsLog(input.scope);
    this.#selection = input.scope.hold(
      selectRows(batch.subjects, state.tensor("z_vectors").shape[0]),
    );
  }

  encode() {
    const { scope, memoryBudget } = this.#input;
    return encodeFrames(this.#network, this.#batch, {
      architecture: this.#model.architecture,
      chunks: this.#chunks,
      scope,
      memoryBudget,
      statistics: this.#statistics,
    });
  }

  roll(features: tf.Tensor): { latent: LatentInput; states: LatentStates } {
    const { config, state } = this.#model;
    const { scope, noise, initialState } = this.#input;
    const [subjects, dim] = [this.#batch.subjects.length, config.latentDim];
    const latent: LatentInput = {
      features,
      noise: scope.hold(toTensor(noise, [config.tolTime, subjects, dim])),
      initialState: scope.hold(toTensor(initialState, [subjects, dim])),
      heads: headsOf(state),
      transition: state.tensor("F_mat"),
    };
    const states = latentForward(latent);
    for (const tensor of Object.values(states) as tf.Tensor[]) scope.hold(tensor);
    return { latent, states };
  }

  /** Pass 3. Adds the decoder's gradients; gives ∂loss1/∂h `[T, B, D]`, its sum over time, and Σ(x − r)² `[T]`. */
  async decode(states: LatentStates) {
    const { scope } = this.#input;
    const subjects = this.#batch.subjects.length;
    const offsets = scope.hold(
      tf.matMul(this.#selection, this.#model.state.tensor("z_vectors") as tf.Tensor2D),
    );
    const weight = this.#voxelWeight();
    const sums: tf.Tensor[] = [];
    const towards: tf.Tensor[] = [];
    for (const chunk of this.#chunks) {
      const target = scope.hold(await readVolumes(this.#batch, chunk));
      const h = tf.slice(states.h, [chunk.start, 0, 0], [
        chunk.count,
        subjects,
        states.h.shape[2]!,
      ]);
      const result = tidied(() => this.#decodeChunk(chunk, { h, offsets, target, weight }));
      h.dispose();
      scope.free(target);
      this.#statistics?.record(result.statistics);
      this.#input.gradients.add(result.parameters);
      sums.push(scope.hold(result.sums));
      towards.push(scope.hold(result.input));
    }
    const towardsStates = scope.hold(
      tf.tidy(() => tf.reshape(tf.concat(towards, 0), states.h.shape)),
    );
    return {
      towardsStates,
      towardsOffsets: scope.hold(tf.sum(towardsStates, 0)),
      squaredErrors: scope.hold(tf.concat(sums, 0)),
    };
  }

  /** Pass 4. Adds the heads' gradients; gives ∂loss/∂f `[T, B, E]`. */
  backThroughTime(latent: LatentInput, states: LatentStates, decoder: tf.Tensor): tf.Tensor {
    const { config } = this.#model;
    const { scope, gradients, klWeight } = this.#input;
    const { features, heads } = tidied(() =>
      latentBackward(latent, states, {
        decoder,
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

  /** Pass 5. Adds the encoder's gradients; statistics are not noted a second time. */
  async encodeBackward(
    kept: ReadonlyMap<number, EncoderActivations>,
    towardsFeatures: tf.Tensor,
  ): Promise<void> {
    const { scope, gradients } = this.#input;
    const { architecture } = this.#model;
    const subjects = this.#batch.subjects.length;
    const width = towardsFeatures.shape[2] as number;
    for (const chunk of this.#chunks) {
      const before = kept.get(chunk.start);
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

  /** dz: each batch row's share goes to its table row, λ_z·sign(z) to all (spec 4). */
  offsetGradient(towardsOffsets: tf.Tensor): void {
    const { config, state } = this.#model;
    const gradient = tf.tidy(() =>
      tf.add(
        tf.matMul(this.#selection, towardsOffsets as tf.Tensor2D, true, false),
        offsetPenaltyGradient(state.tensor("z_vectors"), config.lambdaZ),
      )
    );
    this.#input.gradients.add({ z_vectors: gradient });
  }

  /** Reads everything the host needs in one transfer and adds it up in float64. */
  async finish(states: LatentStates, squaredErrors: tf.Tensor): Promise<StepResult> {
    const { config, state } = this.#model;
    const subjects = this.#batch.subjects.length;
    const own = [squaredErrors, states.h, states.gh, states.mu, states.logVar];
    const table = state.tensor("z_vectors");
    const log = this.#statistics;
    const values = await readBack([...own, table, ...(log?.tensors() ?? [])]);
    const [errors, h, gh, mu, logVar, offsets] = values;
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
      statistics: log?.resolve(values.slice(6)) ?? [],
    };
  }

  #decodeChunk(
    chunk: Chunk,
    given: { h: tf.Tensor; offsets: tf.Tensor; target: tf.Tensor; weight: tf.Tensor | null },
  ) {
    const { config, architecture } = this.#model;
    const subjects = this.#batch.subjects.length;
    const input = tf.reshape(tf.add(given.h, given.offsets), [
      chunk.count * subjects,
      config.latentDim,
    ]);
    const forward = decoderForward(this.#network, architecture, { x: input, frames: chunk.count });
    const statistics = this.#statistics ? batchStatistics(forward.blocks, chunk.count) : [];
    const { sums, derivative } = reconstructionError(forward.output, given.target, {
      activation: config.outputActivation,
      frames: chunk.count,
      weight: given.weight,
      scale: reconstructionFactor({
        sigma: config.sigX,
        batch: subjects,
        frames: config.tolTime,
      }),
    });
    const back: DecoderGradients = decoderBackward(this.#network, forward, {
      derivative,
      parameters: true,
    });
    return {
      sums,
      statistics,
      input: back.input,
      parameters: Object.fromEntries(back.parameters),
    };
  }

  #voxelWeight(): tf.Tensor | null {
    const { voxelWeight, scope } = this.#input;
    if (!voxelWeight) return null;
    const [x, y, z] = this.#batch.spatialShape;
    return scope.hold(toTensor(voxelWeight, [z, y, x]));
  }
}
