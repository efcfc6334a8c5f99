/**
 * What the training step and the rollout of the lagged network share: a batch's frames at the voxels of the mask, encoded
 * chunk by chunk, and its states rolled on the host.
 */
import type { FloatArray } from "../../../base/arrays.ts";
import type { FrameBatch } from "../../../base/frames.ts";
import { toTensor } from "../../../backends/tensors.ts";
import { tf } from "../../../deps/tfjs.ts";
import { readBack } from "../../../ops/read_back.ts";
import type { TensorScope } from "../../../ops/tensor_scope.ts";
import { type Chunk, chunksOf, readVolumes } from "../chunks.ts";
import { FrameEncoder } from "../frame_encoder.ts";
import type { Architecture } from "../architecture.ts";
import type { ParameterStore } from "../../../parameters/parameter_store.ts";
import type { Network } from "../norm.ts";
import { LatentPass } from "./latent_pass.ts";
import type { ReadoutParts, ReadoutStates } from "./readout.ts";
import type { LaggedConfig } from "./lagged_config.ts";
import type { VoxelMap } from "./voxels.ts";

/** The model as its passes see it; only read. */
export interface LaggedParts {
  readonly config: LaggedConfig;
  readonly state: ParameterStore;
  /** Null without convolutions. */
  readonly convolutions: Architecture | null;
  readonly voxels: VoxelMap;
}

/** What a pass is made with. */
export interface PassInput {
  /** ε `[T, B, D]`. */
  readonly noise: FloatArray;
  /** h_0 `[B, D]`. */
  readonly initialState: FloatArray;
  /** z of the batch's subjects, `[B, D]`. */
  readonly offsets: FloatArray;
  readonly frames: number;
  readonly framesPerChunk: number;
  /** 0 where a row t·B + b is missing. */
  readonly observed: Float64Array;
  /** Bytes of encoder activations that may be kept for the way back. */
  readonly memoryBudget: number;
  readonly scope: TensorScope;
}

/** Frames of a chunk on the engine; the scope holds them. */
export interface ChunkFrames {
  /** For the convolutions, 0 outside the mask, `[N, Z, Y, X, 1]`; null without convolutions. */
  readonly volumes: tf.Tensor | null;
  /** x `[N, V]`. */
  readonly values: tf.Tensor2D;
}

/** The passes of one batch over one model. */
export class LaggedPasses {
  readonly network: Network;
  readonly chunks: readonly Chunk[];
  /** Null without convolutions. */
  readonly encoder: FrameEncoder | null;
  readonly #model: LaggedParts;
  readonly #batch: FrameBatch;
  readonly #input: PassInput;

  /**
   * @param model Only read.
   * @param batch The frames.
   * @param input See {@link PassInput}.
   */
  constructor(model: LaggedParts, batch: FrameBatch, input: PassInput) {
    const { state, convolutions } = model;
    this.#model = model;
    this.#batch = input.observed.includes(0) ? withoutMissing(batch, input.observed) : batch;
    this.#input = input;
    this.network = laggedNetwork(state);
    this.chunks = chunksOf(input.frames, input.framesPerChunk);
    const { scope, memoryBudget } = input;
    this.encoder = convolutions &&
      new FrameEncoder(this.network, { architecture: convolutions, scope, memoryBudget });
  }

  /** The states, not rolled yet. */
  async latentPass(): Promise<LatentPass> {
    const { config: { latentDim, encOutDim }, state, convolutions } = this.#model;
    const { frames, noise, initialState, observed } = this.#input;
    const heads = await readBack({
      muWeight: state.tensor("hidden2mu.weight"),
      muBias: state.tensor("hidden2mu.bias"),
      logVarWeight: state.tensor("hidden2log_var.weight"),
      logVarBias: state.tensor("hidden2log_var.bias"),
    });
    const weights = { ...heads, transition: state.buffer("F_mat"), variance: state.buffer("q") };
    const size = {
      frames,
      batch: this.#batch.subjects.length,
      dim: latentDim,
      width: convolutions ? encOutDim : 0,
    };
    return new LatentPass(weights, size, { noise, initialState, observed });
  }

  /** Reads a chunk; `volumesToo`: for the convolutions, where there are any. */
  async read(chunk: Chunk, volumesToo = true): Promise<ChunkFrames> {
    const { scope } = this.#input;
    const { voxels, convolutions } = this.#model;
    const read = await readVolumes(this.#batch, chunk);
    const values = scope.hold(voxels.pick(read));
    if (!convolutions || !volumesToo) {
      read.dispose();
      return { volumes: null, values };
    }
    const volumes = scope.hold(voxels.inside(read, values));
    if (volumes !== read) read.dispose();
    return { volumes, values };
  }

  /** Encodes a chunk and rolls the states on over it. */
  async encode(latent: LatentPass, chunk: Chunk, frames: ChunkFrames): Promise<void> {
    const { scope } = this.#input;
    const { state } = this.#model;
    const encoder = state.tensor("linear_encoder.weight") as tf.Tensor2D;
    const drive = scope.hold(tf.matMul(frames.values, encoder, false, true));
    const features = frames.volumes && this.encoder!.encode(chunk, frames.volumes);
    const found = await readBack({ drive, features: features ? [features] : [] });
    latent.roll(chunk.start, found.features[0] ?? new Float32Array(0), found.drive);
    scope.free(drive);
    if (features && !this.encoder!.kept(chunk)) scope.free(features);
  }

  /** What frames are read out with; the scope holds its tensors. */
  readoutParts(): ReadoutParts {
    const { state, config, convolutions, voxels } = this.#model;
    const { scope } = this.#input;
    const paths = scope.hold(readoutPaths(state, config));
    return { network: this.network, convolutions, voxels, paths };
  }

  /** States of a chunk on the engine: `from` (h or gh) plus z, and h of the frame before. Call inside a tidy. */
  readoutStates(latent: LatentPass, { start, count }: Chunk, from: "h" | "gh"): ReadoutStates {
    const { latentDim } = this.#model.config;
    const { offsets } = this.#input;
    const shape = [count * latent.size.batch, latentDim];
    const shifted = latent.rows(latent[from], start, count)
      .map((value, i) => value + offsets[i % offsets.length]);
    const tensor = (values: FloatArray) => toTensor(values, shape) as tf.Tensor2D;
    const previous = latent.rows(latent.previous, start, count);
    return { states: tensor(shifted), previous: tensor(previous.slice()), frames: count };
  }
}

/** Weights and mode of the convolutions beside the linear paths. */
export function laggedNetwork(state: ParameterStore): Network {
  return { state, normalization: "group", training: false, exactBiases: true };
}

/** `[W U]` `[V, 2D]`, or W with lag 0; for the caller to dispose. */
export function readoutPaths(
  state: ParameterStore,
  { lag }: LaggedConfig,
): tf.Tensor2D {
  const decoder = state.tensor("linear_decoder.weight") as tf.Tensor2D;
  if (lag === 0) return decoder.clone();
  return tf.concat2d([decoder, state.tensor("lag_decoder.weight") as tf.Tensor2D], 1);
}

/** The batch with 0 for the frames that are missing, whatever is stored there. */
function withoutMissing(batch: FrameBatch, observed: Float64Array): FrameBatch {
  const subjects = batch.subjects.length;
  return {
    ...batch,
    source: undefined,
    async read(start, count) {
      const values = (await batch.read(start, count)).slice() as FloatArray;
      const size = values.length / (count * subjects);
      for (let row = 0; row < count * subjects; row++) {
        if (observed[start * subjects + row] !== 0) continue;
        values.fill(0, row * size, (row + 1) * size);
      }
      return values;
    },
  };
}
