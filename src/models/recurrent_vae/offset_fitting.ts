/**
 * Reconstruction error of given runs as a function of their offsets z alone, with its gradient: what held-out
 * fitting minimises [recurrent-vae §6.4]. The weights stay as they are.
 *
 * z enters at the decoder only, so the encoder runs once; each evaluation draws states anew, decodes every
 * frame and, if asked, goes back through the decoder to its input.
 */
import type { FloatArray, NdArray } from "../../base/arrays.ts";
import type { FrameBatch } from "../../base/frames.ts";
import { toTensor } from "../../backends/tensors.ts";
import { tf } from "../../deps/tfjs.ts";
import { readBack } from "../../ops/read_back.ts";
import { TensorScope, tidied } from "../../ops/tensor_scope.ts";
import { sizeOf } from "../../parameters/entry.ts";
import { decoderBackward, decoderForward, reconstructionError } from "./decoder.ts";
import { checkBatch } from "./inputs.ts";
import { type Chunk, chunksOf, readVolumes } from "./chunks.ts";
import { encodeFrames } from "./frame_encoder.ts";
import { headsOf } from "./latent_chain.ts";
import { type ModelParts } from "./model_parts.ts";
import { swapLeadingAxes } from "../../base/strided.ts";
import { disposeStates, latentForward } from "./latent_chain.ts";
import type { Network } from "./norm.ts";

/** Options of {@link OffsetFitting.start}. */
export interface OffsetFittingOptions {
  /** State before the first frame, `[B, D]`. */
  readonly initialState: FloatArray;
  readonly framesPerChunk: number;
  /** Bytes of volumes that may stay on the engine between evaluations. */
  readonly memoryBudget: number;
}

/** One evaluation. */
export interface OffsetEvaluation {
  /** Σ(x − r)² over subjects, frames and voxels. */
  readonly squaredError: number;
  /** Σ(x − r)² of each frame over the subjects, `[T]`. */
  readonly perFrame: FloatArray;
  /** scale · ∂Σ(x − r)²/∂z, `[B, D]`, the caller's; null unless asked for. */
  readonly gradient: tf.Tensor | null;
  /** Sampled states `[B, T, D]`. */
  readonly states: NdArray;
}

/** What stays on the engine between evaluations. */
interface Prepared {
  readonly model: ModelParts;
  readonly batch: FrameBatch;
  readonly scope: TensorScope;
  readonly network: Network;
  readonly chunks: readonly Chunk[];
  /** `[T, B, E]`. */
  readonly features: tf.Tensor;
  /** `[B, D]`. */
  readonly initialState: tf.Tensor;
  /** Volumes by first frame of the chunk; empty when they exceed the budget. */
  readonly volumes: ReadonlyMap<number, tf.Tensor>;
}

/** The error of some runs as a function of z, in evaluation mode. */
export class OffsetFitting {
  readonly #prepared: Prepared;

  private constructor(prepared: Prepared) {
    this.#prepared = prepared;
  }

  /**
   * Encodes the runs.
   *
   * @param model Only read.
   * @param batch At least `tolTime` frames; its subject rows are not used.
   * @throws {ShapeError} when the batch does not fit the model.
   */
  static async start(
    model: ModelParts,
    batch: FrameBatch,
    options: OffsetFittingOptions,
  ): Promise<OffsetFitting> {
    const { config, architecture, state } = model;
    checkBatch(model, batch, { training: false });
    const scope = new TensorScope();
    try {
      const network: Network = { state, normalization: config.normalization, training: false };
      const chunks = chunksOf(config.tolTime, options.framesPerChunk);
      const features = await encodeFrames(network, batch, { architecture, chunks, scope });
      const shape = [batch.subjects.length, config.latentDim];
      const initialState = scope.hold(toTensor(options.initialState, shape));
      const bytes = 4 * config.tolTime * batch.subjects.length * sizeOf(batch.spatialShape);
      const volumes = new Map<number, tf.Tensor>();
      for (const chunk of bytes <= options.memoryBudget ? chunks : []) {
        volumes.set(chunk.start, scope.hold(await readVolumes(batch, chunk)));
      }
      return new OffsetFitting({
        model,
        batch,
        scope,
        network,
        chunks,
        features,
        initialState,
        volumes,
      });
    } catch (error) {
      scope.dispose();
      throw error;
    }
  }

  /**
   * Error and gradient at z.
   *
   * @param offsets `[B, D]`.
   * @param options.noise ε `[T, B, D]`.
   * @param options.gradientScale Factor on the gradient; absent: no gradient is computed.
   */
  async evaluate(
    offsets: tf.Tensor,
    options: { readonly noise: FloatArray; readonly gradientScale?: number },
  ): Promise<OffsetEvaluation> {
    const { model, batch, chunks, features, initialState, volumes } = this.#prepared;
    const { tolTime, latentDim } = model.config;
    const subjects = batch.subjects.length;
    const noise = toTensor(options.noise, [tolTime, subjects, latentDim]);
    const states = latentForward({
      features,
      noise,
      initialState,
      heads: headsOf(model.state),
      transition: model.state.tensor("F_mat"),
    });
    noise.dispose();
    const sums: tf.Tensor[] = [];
    let gradient: tf.Tensor | null = null;
    try {
      for (const chunk of chunks) {
        const kept = volumes.get(chunk.start);
        const target = kept ?? await readVolumes(batch, chunk);
        const part = tidied(() =>
          this.#decodeChunk(chunk, { h: states.h, offsets, target, scale: options.gradientScale })
        );
        if (!kept) target.dispose();
        sums.push(part.sums);
        if (part.gradient) gradient = accumulate(gradient, part.gradient);
      }
      const { h, perChunk } = await readBack({ h: states.h, perChunk: sums });
      const perFrame = joined(perChunk);
      return {
        squaredError: perFrame.reduce((total: number, value: number) => total + value, 0),
        perFrame,
        gradient,
        states: {
          data: swapLeadingAxes(h, tolTime, subjects),
          shape: [subjects, tolTime, latentDim],
        },
      };
    } catch (error) {
      gradient?.dispose();
      throw error;
    } finally {
      disposeStates(states);
      tf.dispose(sums);
    }
  }

  /** Frees features and volumes. */
  dispose(): void {
    this.#prepared.scope.dispose();
  }

  #decodeChunk(
    { start, count }: Chunk,
    given: { h: tf.Tensor; offsets: tf.Tensor; target: tf.Tensor; scale: number | undefined },
  ): { sums: tf.Tensor; gradient: tf.Tensor | null } {
    const { batch, network } = this.#prepared;
    const { config, architecture } = this.#prepared.model;
    const [subjects, dim] = [batch.subjects.length, config.latentDim];
    const h = tf.slice(given.h, [start, 0, 0], [count, subjects, dim]);
    const x = tf.reshape(tf.add(h, given.offsets), [count * subjects, dim]);
    const forward = decoderForward(network, architecture, { x, frames: count });
    const { sums, derivative } = reconstructionError(forward.output, given.target, {
      activation: config.outputActivation,
      frames: count,
      weight: null,
      scale: given.scale ?? 1,
    });
    if (given.scale === undefined) return { sums, gradient: null };
    const { input } = decoderBackward(network, forward, { derivative, parameters: false });
    return { sums, gradient: tf.sum(tf.reshape(input, [count, subjects, dim]), 0) };
  }
}

function accumulate(sum: tf.Tensor | null, term: tf.Tensor): tf.Tensor {
  if (!sum) return term;
  const next = tf.add(sum, term);
  tf.dispose([sum, term]);
  return next;
}

function joined(parts: readonly FloatArray[]): Float64Array {
  return Float64Array.from(parts.flatMap((part) => Array.from(part)));
}
