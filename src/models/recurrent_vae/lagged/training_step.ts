/**
 * Loss and exact gradients of one batch of the lagged network with the activations of one chunk of frames in memory
 * [recurrent-vae §16.5]. Forwards: read, encode, roll the states, read out and back at once. Then back through the
 * recurrence on the host, and encode again with the vector-Jacobian product.
 */
import type { FloatArray } from "../../../base/arrays.ts";
import type { FrameBatch } from "../../../base/frames.ts";
import { toTensor } from "../../../backends/tensors.ts";
import { tf } from "../../../deps/tfjs.ts";
import { readBack } from "../../../ops/read_back.ts";
import { TensorScope, tidied } from "../../../ops/tensor_scope.ts";
import type { Chunk } from "../chunks.ts";
import { encoderBackward, encoderForward } from "../encoder.ts";
import { GradientSum } from "../gradient_sum.ts";
import { rowsOf } from "../inputs.ts";
import type { Gradients } from "../norm.ts";
import { trainedNames } from "./lagged_entries.ts";
import type { LatentGradients, LatentPass } from "./latent_pass.ts";
import {
  type LaggedLosses,
  laggedLosses,
  type LaggedObservations,
  meanVariance,
  totalErrors,
} from "./objective.ts";
import { type LaggedParts, LaggedPasses, type PassInput } from "./passes.ts";
import {
  type ReadoutError,
  type ReadoutGradientParts,
  readOutWithGradient,
  TRANSPOSED,
} from "./readout.ts";

/** What one step is computed from. */
export type LaggedStepInput = Omit<PassInput, "scope" | "offsets"> & {
  /** β of this step. */
  readonly klWeight: number;
};

/** Result of one step; no weight has been changed. */
export interface LaggedStepResult {
  readonly losses: LaggedLosses;
  /** By name of the trained parameters; the caller disposes them. */
  readonly gradients: Gradients;
  /** States of all frames, row t·B + b. */
  readonly walk: Pick<LatentPass, "mu" | "logVar" | "h" | "gh" | "previous" | "features">;
}

/**
 * Loss and gradients of one batch.
 *
 * @param model Only read.
 * @param batch Its frames.
 * @param input Noise, initial state and chunking.
 */
export async function laggedStep(
  model: LaggedParts,
  batch: FrameBatch,
  input: LaggedStepInput,
): Promise<LaggedStepResult> {
  const scope = new TensorScope();
  const gradients = new GradientSum();
  try {
    const step = await LaggedStep.start(model, batch, { ...input, scope, gradients });
    await step.forwards();
    const latent = step.backThroughTime();
    await step.encodeBackward(latent);
    return step.finish();
  } catch (error) {
    gradients.dispose();
    throw error;
  } finally {
    scope.dispose();
  }
}

type StepTools = LaggedStepInput & {
  readonly scope: TensorScope;
  readonly gradients: GradientSum;
};

/** What a chunk's way through the readout leaves on the host; D or 2D columns a row. */
interface Towards {
  readonly errors: FloatArray[];
  /** ∂loss/∂s, `[T, B, D]`. */
  readonly states: Float64Array;
  /** δU, `[T, B, D]`. */
  readonly previous: Float64Array;
}

/** One step in the making. */
class LaggedStep {
  readonly #reconstruction: Towards;
  readonly #prediction: Towards;

  private constructor(
    readonly model: LaggedParts,
    readonly batch: FrameBatch,
    readonly tools: StepTools,
    readonly passes: LaggedPasses,
    readonly latent: LatentPass,
    readonly host: {
      readonly logSigma: FloatArray;
      readonly table: FloatArray;
      readonly lagNorm: number;
    },
    /** a = 1/observed frames. */
    readonly scale: number,
  ) {
    const size = latent.h.length;
    const towards = () => ({
      errors: [],
      states: new Float64Array(size),
      previous: new Float64Array(size),
    });
    this.#reconstruction = towards();
    this.#prediction = towards();
  }

  static async start(
    model: LaggedParts,
    batch: FrameBatch,
    tools: StepTools,
  ): Promise<LaggedStep> {
    const { config, state } = model;
    const lag = config.lag === 1
      ? tf.tidy(() => tf.sum(tf.sum(tf.square(state.tensor("lag_decoder.weight")), 1)))
      : null;
    const read = await readBack({
      logSigma: state.tensor("log_sig_x"),
      table: state.tensor("z_vectors"),
      lag: lag ? [lag] : [],
    });
    lag?.dispose();
    const shape = state.tensor("z_vectors").shape;
    const offsets = rowsOf({ data: read.table, shape }, batch.subjects);
    const passes = new LaggedPasses(model, batch, { ...tools, offsets });
    const latent = await passes.latentPass();
    const scale = 1 / tools.observed.reduce((sum, value) => sum + value, 0);
    const host = { ...read, lagNorm: read.lag[0]?.[0] ?? 0 };
    return new LaggedStep(model, batch, tools, passes, latent, host, scale);
  }

  /** Passes 1 to 3: encodes, rolls and reads out every chunk; adds the gradients of the readout. */
  async forwards(): Promise<void> {
    const { passes, latent, tools: { scope } } = this;
    const { predictive } = this.model.config;
    const plain = passes.readoutParts();
    const parts = { ...plain, transposed: scope.hold(tf.transpose(plain.paths)) as tf.Tensor2D };
    const precision = scope.hold(this.#precision(1));
    const ahead = predictive > 0 ? scope.hold(this.#precision(predictive)) : null;
    for (const chunk of passes.chunks) {
      const frames = await passes.read(chunk);
      await passes.encode(latent, chunk, frames);
      const target = frames.values;
      const rows = this.#observedRows(chunk);
      await this.#readOut(parts, chunk, { target, rows, precision, from: "h" });
      if (ahead) {
        const pairs = this.#laterRows(chunk, rows);
        await this.#readOut(parts, chunk, { target, rows: pairs, precision: ahead, from: "gh" });
      }
      scope.free(frames.values);
      if (frames.volumes && !passes.encoder!.kept(chunk)) scope.free(frames.volumes);
    }
  }

  /** Reads a chunk out of h or gh; its squared errors and gradients towards the states come to the host. */
  async #readOut(
    parts: ReadoutGradientParts,
    chunk: Chunk,
    given: Pick<ReadoutError, "target" | "precision"> & {
      readonly rows: Float32Array | null;
      readonly from: "h" | "gh";
    },
  ): Promise<void> {
    const { passes, latent, tools: { scope, gradients } } = this;
    const { dim, batch } = latent.size;
    const byVoxel = this.host.logSigma.length > 1;
    const result = tidied(() =>
      readOutWithGradient(parts, passes.readoutStates(latent, chunk, given.from), {
        ...given,
        rows: given.rows && toTensor(given.rows, [given.rows.length, 1]),
        byVoxel,
      })
    );
    gradients.add(result.parameters);
    const { squaredErrors, towardsInputs, towardsStates } = result;
    const tensors = [squaredErrors, towardsInputs, ...(towardsStates ? [towardsStates] : [])];
    tensors.forEach((tensor) => scope.hold(tensor));
    const read = await readBack({
      squaredErrors,
      towardsInputs,
      towardsStates: towardsStates ? [towardsStates] : [],
    });
    tensors.forEach((tensor) => scope.free(tensor));
    const towards = given.from === "h" ? this.#reconstruction : this.#prediction;
    towards.errors.push(read.squaredErrors);
    const columns = parts.paths.shape[1];
    const first = chunk.start * batch * dim;
    for (let i = 0; i < chunk.count * batch * dim; i++) {
      const at = Math.floor(i / dim) * columns + i % dim;
      towards.states[first + i] = read.towardsInputs[at] + (read.towardsStates[0]?.[i] ?? 0);
      if (columns > dim) towards.previous[first + i] = read.towardsInputs[at + dim];
    }
  }

  /** Pass 4. Adds the heads' gradients, those of the offsets and of what needs whole sums. */
  backThroughTime(): LatentGradients {
    const { latent, tools: { gradients } } = this;
    const { dim, width } = latent.size;
    const found = latent.backward(this.#towardsLatents(), this.tools.klWeight * this.scale);
    const columns = width + dim;
    for (const key of TRANSPOSED) {
      const sum = gradients.release(key);
      if (!sum) continue;
      gradients.add({ [key]: tf.transpose(sum) });
      sum.dispose();
    }
    gradients.add({
      "hidden2mu.weight": toTensor(found.muWeight, [dim, columns]),
      "hidden2mu.bias": toTensor(found.muBias, [dim]),
      "hidden2log_var.weight": toTensor(found.logVarWeight, [dim, columns]),
      "hidden2log_var.bias": toTensor(found.logVarBias, [dim]),
      log_sig_x: this.#noiseGradient(),
      ...this.#lagPenaltyGradient(),
      ...this.#offsetGradient(),
    });
    return found;
  }

  /** D_t = S_t + δ_{t+1}U + Ŝ_{t+1}F + δ̂_{t+1}U. */
  #towardsLatents(): Float64Array {
    const { dim, batch } = this.latent.size;
    const { transition } = this.latent.weights;
    const result = this.#reconstruction.states.slice();
    const next = batch * dim;
    for (let i = 0; i < result.length - next; i++) {
      result[i] += this.#reconstruction.previous[i + next] + this.#prediction.previous[i + next];
      const row = i - i % dim + next;
      for (let d = 0; d < dim; d++) {
        result[i] += this.#prediction.states[row + d] * transition[d * dim + i % dim];
      }
    }
    return result;
  }

  /** Pass 5. Adds the gradients of both encoders. */
  async encodeBackward(found: LatentGradients): Promise<void> {
    const { passes, latent, model, tools: { scope, gradients } } = this;
    const { batch, dim, width } = latent.size;
    for (const chunk of passes.chunks) {
      const kept = passes.encoder?.kept(chunk);
      const frames = await passes.read(chunk, kept === undefined);
      const [first, rows] = [chunk.start * batch, chunk.count * batch];
      const slice = (values: Float64Array, columns: number) =>
        toTensor(values.slice(first * columns, (first + rows) * columns), [rows, columns]);
      gradients.add(tidied(() => {
        const towardsEncoder = {
          "linear_encoder.weight": tf.matMul(
            slice(found.mu, dim) as tf.Tensor2D,
            frames.values,
            true,
            false,
          ),
        };
        if (!model.convolutions) return towardsEncoder;
        const activations = kept ??
          encoderForward(passes.network, model.convolutions, {
            x: frames.volumes!,
            frames: chunk.count,
          });
        const towards = slice(found.features, width);
        return {
          ...towardsEncoder,
          ...Object.fromEntries(encoderBackward(passes.network, activations, towards)),
        };
      }));
      scope.free(frames.values);
      if (frames.volumes) scope.free(frames.volumes);
      if (kept) scope.free(kept.input);
    }
  }

  /** Adds up the loss in float64. */
  finish(): LaggedStepResult {
    const { latent, model: { config, state }, tools: { gradients } } = this;
    const observed: LaggedObservations = {
      latent,
      logSigma: this.host.logSigma,
      voxels: this.model.voxels.count,
      squaredErrors: this.#reconstruction.errors,
      predictionErrors: this.#prediction.errors,
      lagNorm: this.host.lagNorm,
      offsets: this.host.table,
      klWeight: this.tools.klWeight,
      scale: this.scale,
    };
    const names = trainedNames(config, [...state.parameters.keys()]);
    return {
      losses: laggedLosses(config, observed),
      gradients: gradients.take(names),
      walk: latent,
    };
  }

  /** factor·a/σ², a scalar or `[V]`. */
  #precision(factor: number): tf.Tensor {
    const { logSigma } = this.host;
    const values = Float64Array.from(
      logSigma,
      (value) => factor * this.scale / Math.exp(2 * value),
    );
    return toTensor(values, logSigma.length > 1 ? [logSigma.length] : []);
  }

  /** The rows of a chunk that count, or null when all do. */
  #observedRows({ start, count }: Chunk): Float32Array | null {
    const { batch } = this.latent.size;
    const rows = this.tools.observed.slice(start * batch, (start + count) * batch);
    return rows.includes(0) ? Float32Array.from(rows) : null;
  }

  /** The same but for the first frame, which nothing predicts. */
  #laterRows({ start, count }: Chunk, observed: Float32Array | null): Float32Array | null {
    if (start > 0) return observed;
    const { batch } = this.latent.size;
    return (observed ?? new Float32Array(count * batch).fill(1)).slice().fill(0, 0, batch);
  }

  /** d ln σ = V − a·Σ(x − r)²/σ², or by voxel 1 − a·Σ(x − r)²/σ_v². */
  #noiseGradient(): tf.Tensor {
    const { logSigma } = this.host;
    const each = this.model.voxels.count / logSigma.length;
    const gradient = totalErrors(this.#reconstruction.errors, logSigma)
      .map((total, i) => each - this.scale * total / Math.exp(2 * logSigma[i]));
    return toTensor(gradient, logSigma.length > 1 ? [logSigma.length] : []);
  }

  /** λ_U·U/σ̄². */
  #lagPenaltyGradient(): Record<string, tf.Tensor> {
    const { config: { lag, lagPenalty }, state } = this.model;
    if (lag === 0) return {};
    const factor = lagPenalty / meanVariance(this.host.logSigma);
    const scale = toTensor(Float64Array.of(factor), []);
    const gradient = tf.mul(state.tensor("lag_decoder.weight"), scale);
    scale.dispose();
    return { "lag_decoder.weight": gradient };
  }

  /** Each run's share goes to its row of the table, λ_z·sign(z) to all. */
  #offsetGradient(): Record<string, tf.Tensor> {
    const { config, state } = this.model;
    if (!config.offsets) return {};
    const { batch, dim } = this.latent.size;
    const gradient = Float64Array.from(this.host.table, (z) => config.lambdaZ * Math.sign(z));
    const { states } = this.#reconstruction;
    for (let i = 0; i < states.length; i++) {
      const row = this.batch.subjects[Math.floor(i / dim) % batch];
      gradient[row * dim + i % dim] += states[i] + this.#prediction.states[i];
    }
    return { z_vectors: toTensor(gradient, state.tensor("z_vectors").shape) };
  }
}
