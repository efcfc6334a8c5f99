/**
 * Losses and exact gradients of one batch of the lagged model [recurrent-vae §14.5]: encode all frames, roll the states on the
 * host, read out and go back chunk by chunk, go back through the states, encode again and go back through the encoder.
 */
import type { FloatArray } from "../../../base/arrays.ts";
import type { FrameBatch } from "../../../base/frames.ts";
import { toTensor } from "../../../backends/tensors.ts";
import { tf } from "../../../deps/tfjs.ts";
import { readBack } from "../../../ops/read_back.ts";
import { TensorScope, tidied } from "../../../ops/tensor_scope.ts";
import type { ParameterStore } from "../../../parameters/parameter_store.ts";
import { type Chunk, chunksOf, readVolumes } from "../chunks.ts";
import { encoderBackward, encoderForward } from "../encoder.ts";
import { GradientSum } from "../gradient_sum.ts";
import type { Gradients } from "../norm.ts";
import type { LaggedConfig } from "./lagged_config.ts";
import {
  divergence,
  isSeen,
  type Walk,
  walkBack,
  type WalkInput,
  walkStates,
} from "./latent_walk.ts";
import { factorOf, readoutGradients, type ReadoutParts, type ReadoutRows } from "./readout.ts";

/** Loss terms; `loss` is minimised, and often negative. */
export interface LaggedLosses {
  /** loss1 + loss2 + lossZ + lossLag + lossPrediction. */
  readonly loss: number;
  /** Negative log-likelihood of the frames, without its constant. */
  readonly loss1: number;
  /** β·kl. */
  readonly loss2: number;
  /** KL divergence of the posterior from the transition, per frame and run. */
  readonly kl: number;
  /** λ_z·Σ|z|. */
  readonly lossZ: number;
  /** Penalty on the lag path. */
  readonly lossLag: number;
  /** Error of predictions one step ahead, weighted. */
  readonly lossPrediction: number;
  /** ρ·ΣF², never differentiated. */
  readonly lossF: number;
}

/** The model as the step sees it. */
export interface LaggedParts extends ReadoutParts {
  readonly config: LaggedConfig;
  readonly state: ParameterStore;
}

/** What a step is told. */
export interface LaggedStepInput {
  /** ε `[T, B, D]`. */
  readonly noise: FloatArray;
  /** h_0 `[B, D]`. */
  readonly initialState: FloatArray;
  readonly frames: number;
  readonly framesPerChunk: number;
  /** `[T, B]`: 0 where a frame is missing; null: none is. */
  readonly observed: ArrayLike<number> | null;
  /** β. */
  readonly klWeight: number;
}

/** Result of a step. */
export interface LaggedStepResult {
  readonly losses: LaggedLosses;
  readonly gradients: Gradients;
  readonly walk: Walk;
}

/** Features and states of a batch. */
export interface EncodedBatch {
  /** f `[T·B, E]`; null without convolutions. */
  readonly features: tf.Tensor | null;
  readonly input: WalkInput;
  readonly walk: Walk;
}

/**
 * Encodes every frame and rolls the states.
 *
 * @param parts The model.
 * @param batch Its frames.
 * @param options Step input and the scope that holds the features.
 */
export async function encodeBatch(
  parts: LaggedParts,
  batch: FrameBatch,
  { scope, ...given }: LaggedStepInput & { readonly scope: TensorScope },
): Promise<EncodedBatch> {
  const { config, state, voxels, network, convolutions } = parts;
  const { latentDim: dim } = config;
  const drives: tf.Tensor[] = [];
  const features: tf.Tensor[] = [];
  const heads = scope.hold(tidied(() => headColumns(parts)));
  for (const chunk of chunksOf(given.frames, given.framesPerChunk)) {
    const x = scope.hold(await readVolumes(batch, chunk));
    const made = tidied(() => {
      const inside = voxels.take(x);
      const direct = tf.matMul(
        inside as tf.Tensor2D,
        state.tensor("linear_encoder.weight") as tf.Tensor2D,
        false,
        true,
      );
      const padded = tf.concat([direct, tf.zerosLike(direct)], 1);
      const biases = tf.concat([
        state.tensor("hidden2mu.bias"),
        state.tensor("hidden2log_var.bias"),
      ], 0);
      const linearPart = tf.add(padded, biases);
      if (!convolutions) return { drive: linearPart, features: null };
      const encoded = encoderForward(network, convolutions, {
        x: voxels.put(inside),
        frames: chunk.count,
      });
      const fromFeatures = tf.matMul(
        encoded.features as tf.Tensor2D,
        heads as tf.Tensor2D,
        false,
        true,
      );
      return { drive: tf.add(linearPart, fromFeatures), features: encoded.features };
    });
    scope.free(x);
    drives.push(scope.hold(made.drive));
    if (made.features) features.push(scope.hold(made.features));
  }
  const values = await readBack({
    drives,
    mu: state.tensor("hidden2mu.weight"),
    logVar: state.tensor("hidden2log_var.weight"),
  });
  const width = values.mu.length / dim;
  const input: WalkInput = {
    frames: given.frames,
    batch: batch.subjects.length,
    dim,
    drive: joined(values.drives),
    muFromState: lastColumns(values.mu, width, dim),
    logVarFromState: lastColumns(values.logVar, width, dim),
    transition: state.buffer("F_mat"),
    transitionNoise: state.buffer("q"),
    noise: given.noise,
    initialState: given.initialState,
    observed: given.observed,
  };
  const joinedFeatures = features.length > 0 ? scope.hold(tf.concat(features, 0)) : null;
  return { features: joinedFeatures, input, walk: walkStates(input) };
}

/** Columns of both heads that read features, `[2D, E]`; `[2D, 0]` never is asked for. */
function headColumns({ state, config: { latentDim: dim } }: LaggedParts): tf.Tensor {
  const heads = [state.tensor("hidden2mu.weight"), state.tensor("hidden2log_var.weight")];
  const width = heads[0].shape[1]! - dim;
  return tf.concat(heads.map((head) => tf.slice(head, [0, 0], [dim, Math.max(width, 1)])), 0);
}

/**
 * Losses and gradients of a batch.
 *
 * @param parts The model; not changed.
 * @param batch Its frames.
 * @param input See {@link LaggedStepInput}.
 */
export async function laggedStep(
  parts: LaggedParts,
  batch: FrameBatch,
  input: LaggedStepInput,
): Promise<LaggedStepResult> {
  const scope = new TensorScope();
  const gradients = new GradientSum();
  try {
    const step = new Step(parts, batch, { ...input, scope, gradients });
    return await step.run();
  } finally {
    gradients.dispose();
    scope.dispose();
  }
}

type StepInput = LaggedStepInput & {
  readonly scope: TensorScope;
  readonly gradients: GradientSum;
};

/** Sums of a readout over all chunks. */
interface Errors {
  /** Σ scale·(x − r)² over rows and voxels. */
  readonly scaled: number;
  /** Σ (x − r)² of each voxel. */
  readonly byVoxel: Float64Array;
  /** Gradients in h + z and in h of the frame before, `[T·B, 2D]`. */
  readonly towards: FloatArray;
}

class Step {
  readonly #parts: LaggedParts;
  readonly #batch: FrameBatch;
  readonly #input: StepInput;
  readonly #chunks: readonly Chunk[];

  constructor(parts: LaggedParts, batch: FrameBatch, input: StepInput) {
    this.#parts = parts;
    this.#batch = batch;
    this.#input = input;
    this.#chunks = chunksOf(input.frames, input.framesPerChunk);
  }

  async run(): Promise<LaggedStepResult> {
    const { config, state } = this.#parts;
    const { observed, klWeight } = this.#input;
    const encoded = await encodeBatch(this.#parts, this.#batch, this.#input);
    const { walk, input } = encoded;
    const rows = input.frames * input.batch;
    const seen = observed ? Array.from(observed).filter((value) => value !== 0).length : rows;
    const share = 1 / seen;
    const { noise, offsets } = await readBack({
      noise: state.tensor("log_sig_x"),
      offsets: state.tensor("z_vectors"),
    });
    const precision = Float64Array.from(noise, (value) => Math.exp(-2 * value));
    const z = this.#offsetRows(offsets);
    const reconstruction = await this.#readOut(walk.h, walk, {
      z,
      scale: precision.map((value) => share * value),
      counts: (row) => isSeen(observed, row),
    });
    const towards = new Float64Array(walk.h.length);
    const towardsOffsets = new Float64Array(z.length);
    this.#spread(reconstruction.towards, { towards, towardsOffsets });
    const prediction = config.predictive > 0
      ? await this.#readOut(walk.gh, walk, {
        z,
        scale: precision.map((value) => config.predictive * share * value),
        counts: (row) => row >= input.batch && isSeen(observed, row),
      })
      : null;
    if (prediction) {
      this.#spreadPrediction(prediction.towards, {
        towards,
        towardsOffsets,
        transition: input.transition,
      });
    }
    const delta = walkBack(input, walk, { towardsStates: towards, klScale: klWeight * share });
    await this.#encodeBackward(encoded, delta);
    const lag = await this.#lagPenalty(precision);
    this.#noiseGradient(reconstruction, { precision, share });
    if (config.offsets) this.#offsetGradient(offsets, towardsOffsets);
    const kl = share * divergence(input, walk);
    const V = this.#parts.voxels.count;
    const logNoise = noise.length === 1 ? V * noise[0] : sum(noise);
    const terms = {
      loss1: reconstruction.scaled / 2 + logNoise,
      loss2: klWeight * kl,
      lossZ: config.offsets ? config.lambdaZ * sum(offsets.map(Math.abs)) : 0,
      lossLag: lag,
      lossPrediction: (prediction?.scaled ?? 0) / 2,
    };
    const loss = Object.values(terms).reduce((total, term) => total + term, 0);
    const lossF = config.rho * sum(Float64Array.from(input.transition, (value) => value * value));
    return {
      losses: { loss, ...terms, kl, lossF },
      gradients: this.#taken(),
      walk,
    };
  }

  /** Reads states out chunk by chunk, and goes back at once. */
  async #readOut(
    states: Float64Array,
    { previous }: Walk,
    { z, scale, counts }: {
      readonly z: Float64Array;
      readonly scale: Float64Array;
      readonly counts: (row: number) => boolean;
    },
  ): Promise<Errors> {
    const { scope, gradients } = this.#input;
    const { latentDim: D } = this.#parts.config;
    const B = this.#batch.subjects.length;
    const factor = scope.hold(factorOf(scale));
    const kept: { rowErrors: tf.Tensor; voxelErrors: tf.Tensor; towards: tf.Tensor }[] = [];
    for (const chunk of this.#chunks) {
      const x = scope.hold(await readVolumes(this.#batch, chunk));
      const [from, to] = [chunk.start * B, (chunk.start + chunk.count) * B];
      const result = tidied(() => {
        const rows = to - from;
        const latents = states.slice(from * D, to * D).map((value, i) => value + z[i % (B * D)]);
        const given: ReadoutRows = {
          latents: toTensor(latents, [rows, D]),
          previous: toTensor(previous.slice(from * D, to * D), [rows, D]),
        };
        const weights = Float64Array.from({ length: rows }, (_, i) => counts(from + i) ? 1 : 0);
        return readoutGradients(this.#parts, given, {
          target: this.#parts.voxels.take(x),
          counts: toTensor(weights, [rows, 1]),
          scale: factor,
        });
      });
      scope.free(x);
      const { parameters, ...rest } = result;
      gradients.add(parameters);
      for (const tensor of Object.values(rest)) scope.hold(tensor);
      kept.push(rest);
    }
    const values = await readBack({
      rowErrors: kept.map(({ rowErrors }) => rowErrors),
      voxelErrors: kept.map(({ voxelErrors }) => voxelErrors),
      towards: kept.map(({ towards }) => towards),
    });
    const byVoxel = new Float64Array(this.#parts.voxels.count);
    for (const part of values.voxelErrors) part.forEach((value, v) => byVoxel[v] += value);
    return { scaled: sum(joined(values.rowErrors)), byVoxel, towards: joined(values.towards) };
  }

  /** D_t = S_t + δ_{t+1}·U: the gradient in h of the frame before belongs to that frame. */
  #spread(
    found: FloatArray,
    { towards, towardsOffsets }: { towards: Float64Array; towardsOffsets: Float64Array },
  ): void {
    const { latentDim: D } = this.#parts.config;
    const width = this.#batch.subjects.length * D;
    for (let i = 0; i < towards.length; i++) {
      const [row, d] = [Math.floor(i / D), i % D];
      const own = found[row * 2 * D + d];
      towards[i] += own;
      towardsOffsets[i % width] += own;
      if (i >= width) towards[i - width] += found[row * 2 * D + D + d];
    }
  }

  /** Ŝ_t·F + δ̂_t·U, to the frame before. */
  #spreadPrediction(
    found: FloatArray,
    { towards, towardsOffsets, transition }: {
      towards: Float64Array;
      towardsOffsets: Float64Array;
      transition: FloatArray;
    },
  ): void {
    const { latentDim: D } = this.#parts.config;
    const width = this.#batch.subjects.length * D;
    for (let i = width; i < towards.length; i++) {
      const [row, d] = [Math.floor(i / D), i % D];
      const own = found[row * 2 * D + d];
      towardsOffsets[i % width] += own;
      towards[i - width] += found[row * 2 * D + D + d];
      for (let k = 0; k < D; k++) {
        towards[row * D - width + k] += own * transition[d * D + k];
      }
    }
  }

  /** Gradients of the heads, of the linear encoder and of the convolutional one. */
  async #encodeBackward({ features, walk }: EncodedBatch, delta: Float64Array): Promise<void> {
    const { scope, gradients } = this.#input;
    const { config, convolutions, network, voxels } = this.#parts;
    const { latentDim: D } = config;
    const B = this.#batch.subjects.length;
    const rows = delta.length / (2 * D);
    const deltas = scope.hold(toTensor(delta, [rows, 2 * D]));
    gradients.add(tidied(() => this.#headGradients(deltas, { features, walk })));
    const columns = convolutions ? scope.hold(tidied(() => headColumns(this.#parts))) : null;
    for (const chunk of this.#chunks) {
      const x = scope.hold(await readVolumes(this.#batch, chunk));
      const found = tidied(() => {
        const inside = voxels.take(x);
        const [from, count] = [chunk.start * B, chunk.count * B];
        const towardsMu = tf.slice(deltas, [from, 0], [count, D]);
        const linear = {
          "linear_encoder.weight": tf.matMul(
            towardsMu as tf.Tensor2D,
            inside as tf.Tensor2D,
            true,
          ) as tf.Tensor,
        };
        if (!convolutions || !columns) return linear;
        const towards = tf.matMul(
          tf.slice(deltas, [from, 0], [count, 2 * D]) as tf.Tensor2D,
          columns as tf.Tensor2D,
        );
        const activations = encoderForward(network, convolutions, {
          x: voxels.put(inside),
          frames: chunk.count,
        });
        const back = encoderBackward(network, activations, towards);
        return { ...linear, ...Object.fromEntries(back) };
      });
      scope.free(x);
      gradients.add(this.#withoutAbsorbed(found));
    }
  }

  /** A convolution's bias before a norm of one channel a group changes nothing: its gradient is 0, not rounding noise. */
  #withoutAbsorbed(found: Record<string, tf.Tensor>): Record<string, tf.Tensor> {
    this.#parts.config.channels.forEach((channels, l) => {
      const name = `encoder${l + 1}.0.bias`;
      if (channels > 8) return;
      found[name].dispose();
      found[name] = tf.zeros([channels]);
    });
    return found;
  }

  #headGradients(
    deltas: tf.Tensor,
    { features, walk }: Pick<EncodedBatch, "features" | "walk">,
  ): Record<string, tf.Tensor> {
    const { latentDim: D } = this.#parts.config;
    const previous = toTensor(walk.previous, [deltas.shape[0], D]);
    const inputs = features ? tf.concat([features, previous], 1) : previous;
    const weight = tf.matMul(deltas as tf.Tensor2D, inputs as tf.Tensor2D, true);
    const bias = tf.sum(deltas, 0);
    const width = inputs.shape[1]!;
    return {
      "hidden2mu.weight": tf.slice(weight, [0, 0], [D, width]),
      "hidden2mu.bias": tf.slice(bias, [0], [D]),
      "hidden2log_var.weight": tf.slice(weight, [D, 0], [D, width]),
      "hidden2log_var.bias": tf.slice(bias, [D], [D]),
    };
  }

  /** λ_U/2·‖U‖²/σ̄², σ̄ a constant; adds its gradient. */
  async #lagPenalty(precision: Float64Array): Promise<number> {
    const { config: { lag, lagPenalty }, state } = this.#parts;
    if (lag === 0 || lagPenalty === 0) return 0;
    const variance = sum(precision.map((value) => 1 / value)) / precision.length;
    const weight = state.tensor("lag_decoder.weight");
    const factor = lagPenalty / variance;
    this.#input.gradients.add({
      "lag_decoder.weight": tidied(() => tf.mul(weight, factorOf([factor]))),
    });
    const squares = this.#input.scope.hold(tidied(() => tf.sum(tf.square(weight), 1)));
    return factor / 2 * sum((await readBack({ squares })).squares);
  }

  /** d ln σ_x = V − a·Σ(x − r)²/σ_x², or 1 − a·Σ(x − r)_v²/σ_v² of each voxel. */
  #noiseGradient(
    { byVoxel }: Errors,
    { precision, share }: { precision: Float64Array; share: number },
  ): void {
    const whole = precision.length === 1;
    const gradient = whole
      ? Float64Array.of(byVoxel.length - share * precision[0] * sum(byVoxel))
      : byVoxel.map((error, v) => 1 - share * precision[v] * error);
    this.#input.gradients.add({ log_sig_x: toTensor(gradient, whole ? [] : [byVoxel.length]) });
  }

  /** z of each run of the batch, `[B, D]`; zeros without offsets. */
  #offsetRows(table: FloatArray): Float64Array {
    const { latentDim: D } = this.#parts.config;
    const rows = new Float64Array(this.#batch.subjects.length * D);
    this.#batch.subjects.forEach((row, b) => {
      for (let d = 0; d < D; d++) rows[b * D + d] = table[row * D + d];
    });
    return rows;
  }

  #offsetGradient(table: FloatArray, found: Float64Array): void {
    const { latentDim: D, lambdaZ } = this.#parts.config;
    const gradient = Float64Array.from(table, (value) => lambdaZ * Math.sign(value));
    this.#batch.subjects.forEach((row, b) => {
      for (let d = 0; d < D; d++) gradient[row * D + d] += found[b * D + d];
    });
    this.#input.gradients.add({ z_vectors: toTensor(gradient, [table.length / D, D]) });
  }

  /** In the order of the parameters; offsets that are off are left out. */
  #taken(): Gradients {
    const names = [...this.#parts.state.parameters.keys()];
    const { offsets } = this.#parts.config;
    return this.#input.gradients.take(names.filter((name) => offsets || name !== "z_vectors"));
  }
}

function sum(values: ArrayLike<number>): number {
  let total = 0;
  for (let i = 0; i < values.length; i++) total += values[i];
  return total;
}

function joined(parts: readonly FloatArray[]): FloatArray {
  const all = new Float64Array(parts.reduce((total, { length }) => total + length, 0));
  let at = 0;
  for (const part of parts) {
    all.set(part, at);
    at += part.length;
  }
  return all;
}

/** The last `count` columns of a matrix `[count, width]`. */
function lastColumns(values: FloatArray, width: number, count: number): Float64Array {
  const result = new Float64Array(count * count);
  for (let i = 0; i < count; i++) {
    for (let k = 0; k < count; k++) result[i * count + k] = values[i * width + width - count + k];
  }
  return result;
}
