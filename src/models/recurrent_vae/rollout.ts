/**
 * The forward pass over a run [recurrent-vae §3.5], frame chunk by frame chunk: states, reconstructions, losses. No
 * gradients; the training step is time_parallel.ts.
 */
import type { FloatArray, NdArray } from "../../base/arrays.ts";
import type { FrameBatch } from "../../base/frames.ts";
import { toTensor } from "../../backends/tensors.ts";
import { tf } from "../../deps/tfjs.ts";
import type { LossTerms } from "./losses/terms.ts";
import { readBack } from "../../ops/read_back.ts";
import { TensorScope, tidied } from "../../ops/tensor_scope.ts";
import { activate, decoderForward, reconstructionError } from "./decoder.ts";
import { checkBatch } from "./inputs.ts";
import { type Chunk, chunksOf, readVolumes } from "./chunks.ts";
import { encodeFrames } from "./frame_encoder.ts";
import { headsOf } from "./latent_chain.ts";
import { type ModelParts } from "./model_parts.ts";
import { swapLeadingAxes } from "../../base/strided.ts";
import { latentForward, type LatentStates } from "./latent_chain.ts";
import { batchStatistics, type Network } from "./norm.ts";
import { lossTerms } from "./objective.ts";
import type { StepStatistics } from "../../parameters/running_statistics.ts";
import { StatisticsLog } from "./statistics_log.ts";

/** A chunk of reconstructions as it becomes known. */
export interface ReconstructedFrames {
  /** First frame and number of frames. */
  readonly start: number;
  readonly count: number;
  /** `[count, B, Z, Y, X]`; the receiver may keep it. */
  readonly reconstruction: FloatArray;
}

/** Input of a rollout, besides the model. */
export interface RolloutInput {
  /** ε `[T, B, D]`; sampled in evaluation mode too. */
  readonly noise: FloatArray;
  /** State before the first frame, `[B, D]`. */
  readonly initialState: FloatArray;
  /** z of the batch's subjects, `[B, D]`; it enters at the decoder only. */
  readonly offsets: FloatArray;
  /** Batch statistics (true) or the running ones. */
  readonly training: boolean;
  readonly framesPerChunk: number;
  /** Frames T to use, at most the batch's. */
  readonly frames: number;
  /** Receives the reconstructions in time order; without it none is copied to the host. */
  readonly onFrames?: (frames: ReconstructedFrames) => void | Promise<void>;
}

/** What a rollout leaves on the host; latent arrays `[B, T, D]`. */
export interface RolloutSummary {
  /** Sampled states. */
  readonly h: NdArray;
  /** Prior means F·h of the step before. */
  readonly gh: NdArray;
  /** Posterior mean μ. */
  readonly posteriorMean: NdArray;
  /** Posterior log-variance ℓ. */
  readonly posteriorLogVar: NdArray;
  /** Encoder outputs `[B, T, E]`. */
  readonly features: NdArray;
  /** Loss terms of this batch; lossZ from the whole table is added by the model. */
  readonly losses: LossTerms;
  /** Σ(x − r)² of each frame over the batch, `[T]`. */
  readonly squaredErrors: FloatArray;
  /** Batch statistics for the running buffers; empty unless training with batch norm. */
  readonly statistics: readonly StepStatistics[];
}

/**
 * Runs the model forward.
 *
 * @param model Only read.
 * @param batch At least `input.frames` frames.
 * @param input See {@link RolloutInput}.
 * @param input.table Host copy of the offset table, for the L1 term.
 * @throws {ShapeError} when the batch does not fit the model.
 */
export async function runForward(
  model: ModelParts,
  batch: FrameBatch,
  input: RolloutInput & { readonly table: FloatArray },
): Promise<RolloutSummary> {
  const { config, state, architecture } = model;
  const { training, frames } = input;
  checkBatch(model, batch, { training, frames });
  const scope = new TensorScope();
  try {
    const network: Network = { state, normalization: config.normalization, training };
    const log = training && config.normalization === "batch" ? new StatisticsLog(scope) : undefined;
    const chunks = chunksOf(frames, input.framesPerChunk);
    const features = await encodeFrames(network, batch, {
      architecture,
      chunks,
      scope,
      statistics: log,
    });
    const shape = [frames, batch.subjects.length, config.latentDim];
    const states = latentForward({
      features,
      noise: scope.hold(toTensor(input.noise, shape)),
      initialState: scope.hold(toTensor(input.initialState, shape.slice(1))),
      heads: headsOf(state),
      transition: state.tensor("F_mat"),
    });
    for (const tensor of Object.values(states) as tf.Tensor[]) scope.hold(tensor);
    const decode: DecodePass = { model, network, batch, chunks, scope, log };
    const squaredErrors = await decodeFrames(decode, states, input);
    return await summarise(model, batch, {
      features,
      states,
      squaredErrors,
      log,
      table: input.table,
    });
  } finally {
    scope.dispose();
  }
}

interface DecodePass {
  readonly model: ModelParts;
  readonly network: Network;
  readonly batch: FrameBatch;
  readonly chunks: readonly Chunk[];
  readonly scope: TensorScope;
  readonly log: StatisticsLog | undefined;
}

/** Decodes every frame and compares it with the input; Σ(x − r)² per frame `[T]`. */
async function decodeFrames(
  { model, network, batch, chunks, scope, log }: DecodePass,
  states: LatentStates,
  input: RolloutInput,
): Promise<tf.Tensor> {
  const { config, architecture } = model;
  const [subjects, dim] = [batch.subjects.length, config.latentDim];
  const offsets = scope.hold(toTensor(input.offsets, [subjects, dim]));
  const sums: tf.Tensor[] = [];
  for (const { start, count } of chunks) {
    const target = scope.hold(await readVolumes(batch, { start, count }));
    const result = tidied(() => {
      const h = tf.slice(states.h, [start, 0, 0], [count, subjects, dim]);
      const latent = tf.reshape(tf.add(h, offsets), [count * subjects, dim]);
      const forward = decoderForward(network, architecture, { x: latent, frames: count });
      const { sums, derivative } = reconstructionError(forward.output, target, {
        activation: config.outputActivation,
        frames: count,
        weight: null,
        scale: 1,
      });
      derivative.dispose();
      return {
        sums,
        statistics: log ? batchStatistics(forward.blocks, count) : [],
        volumes: input.onFrames ? activate(forward.output, config.outputActivation) : null,
      };
    });
    log?.record(result.statistics);
    sums.push(scope.hold(result.sums));
    scope.free(target);
    if (result.volumes && input.onFrames) {
      const volumes = scope.hold(result.volumes);
      const { reconstruction } = await readBack({ reconstruction: volumes });
      scope.free(result.volumes);
      await input.onFrames({ start, count, reconstruction });
    }
  }
  return scope.hold(tf.concat(sums, 0));
}

async function summarise(
  model: ModelParts,
  batch: FrameBatch,
  found: {
    readonly features: tf.Tensor;
    readonly states: LatentStates;
    readonly squaredErrors: tf.Tensor;
    readonly log: StatisticsLog | undefined;
    readonly table: FloatArray;
  },
): Promise<RolloutSummary> {
  const { states, log } = found;
  const values = await readBack({
    features: found.features,
    h: states.h,
    gh: states.gh,
    mu: states.mu,
    logVar: states.logVar,
    squaredErrors: found.squaredErrors,
    statistics: log?.tensors() ?? [],
  });
  const { features, h, gh, mu, logVar, squaredErrors } = values;
  const [frames, subjects] = [states.h.shape[0], batch.subjects.length];
  const byBatch = (data: FloatArray): NdArray => ({
    data: swapLeadingAxes(data, frames, subjects),
    shape: [subjects, frames, data.length / (subjects * frames)],
  });
  return {
    h: byBatch(h),
    gh: byBatch(gh),
    posteriorMean: byBatch(mu),
    posteriorLogVar: byBatch(logVar),
    features: byBatch(features),
    squaredErrors,
    losses: lossTerms(model.config, {
      squaredErrors,
      states: { h, gh, mu, logVar },
      offsets: found.table,
      transition: model.state.buffer("F_mat"),
      subjects,
      frames,
    }),
    statistics: log?.resolve(values.statistics) ?? [],
  };
}
