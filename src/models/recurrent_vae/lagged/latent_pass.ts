/**
 * The recurrence of the lagged network and the way back through it, on the host in float64 [recurrent-vae §16.3, §16.5].
 * States are small: what is large (frames, features) stays on the engine, and the bits are the same on each of them.
 */
import type { FloatArray } from "../../../base/arrays.ts";
import { bound, boundSlope } from "./bound.ts";

/** Numbers of the recurrence; the heads are `[D, E + D]`, feature columns first. */
export interface LatentWeights {
  readonly muWeight: FloatArray;
  readonly muBias: FloatArray;
  readonly logVarWeight: FloatArray;
  readonly logVarBias: FloatArray;
  /** F `[D, D]`. */
  readonly transition: FloatArray;
  /** q `[D]`. */
  readonly variance: FloatArray;
}

/** Frames T, runs B, latent width D, feature width E (0 without convolutions). */
export interface LatentSize {
  readonly frames: number;
  readonly batch: number;
  readonly dim: number;
  readonly width: number;
}

/** What rolls the states, beside the weights; rows are t·B + b. */
export interface LatentInput {
  /** ε `[T, B, D]`. */
  readonly noise: FloatArray;
  /** h_0 `[B, D]`. */
  readonly initialState: FloatArray;
  /** 0 where a row's frame is missing: its posterior is its prior. */
  readonly observed: Float64Array;
}

/** Gradients of the heads, of what comes before them, and nothing else. */
export interface LatentGradients {
  /** δμ `[T, B, D]`, 0 at missing frames. */
  readonly mu: Float64Array;
  /** K = ∂loss/∂f `[T, B, E]`. */
  readonly features: Float64Array;
  readonly muWeight: Float64Array;
  readonly muBias: Float64Array;
  readonly logVarWeight: Float64Array;
  readonly logVarBias: Float64Array;
}

/** The states of one batch, filled from the first frame to the last. */
export class LatentPass {
  /** f `[T, B, E]`. */
  readonly features: Float64Array;
  /** μ, ℓ (bounded), h and gh, `[T, B, D]`. */
  readonly mu: Float64Array;
  readonly logVar: Float64Array;
  readonly h: Float64Array;
  readonly gh: Float64Array;
  /** h of the frame before, `[T, B, D]`. */
  readonly previous: Float64Array;
  readonly #slope: Float64Array;

  /**
   * @param weights Of the heads and the transition.
   * @param size T, B, D and E.
   * @param input Noise, initial state, observed frames.
   */
  constructor(
    readonly weights: LatentWeights,
    readonly size: LatentSize,
    readonly input: LatentInput,
  ) {
    const { frames, batch, dim, width } = size;
    const rows = frames * batch;
    this.features = new Float64Array(rows * width);
    [this.mu, this.logVar, this.h, this.gh, this.previous, this.#slope] = Array.from(
      { length: 6 },
      () => new Float64Array(rows * dim),
    );
  }

  /**
   * Rolls on over the frames of a chunk, which comes after those before it.
   *
   * @param start First frame.
   * @param features `[count, B, E]`.
   * @param drive P·x `[count, B, D]`.
   */
  roll(start: number, features: FloatArray, drive: FloatArray): void {
    const { batch, dim, width } = this.size;
    const first = start * batch;
    this.features.set(features, first * width);
    const { initialState } = this.input;
    for (let row = first; row < first + drive.length / dim; row++) {
      const before = row < batch
        ? initialState.subarray(row * dim, (row + 1) * dim)
        : this.h.subarray((row - batch) * dim, (row - batch + 1) * dim);
      this.previous.set(before, row * dim);
      this.#rollRow(row, drive.subarray((row - first) * dim));
    }
  }

  #rollRow(row: number, drive: FloatArray): void {
    const { dim, width } = this.size;
    const { muWeight, muBias, logVarWeight, logVarBias, transition, variance } = this.weights;
    const f = this.features.subarray(row * width, (row + 1) * width);
    const before = this.previous.subarray(row * dim, (row + 1) * dim);
    for (let d = 0; d < dim; d++) {
      const i = row * dim + d;
      this.gh[i] = dot(transition, d * dim, before);
      if (this.input.observed[row] === 0) {
        this.mu[i] = this.gh[i];
        this.logVar[i] = Math.log(variance[d]);
      } else {
        const at = d * (width + dim);
        this.mu[i] = drive[d] + dot(muWeight, at, f) + dot(muWeight, at + width, before) +
          muBias[d];
        const raw = dot(logVarWeight, at, f) + dot(logVarWeight, at + width, before) +
          logVarBias[d];
        this.logVar[i] = bound(raw);
        this.#slope[i] = boundSlope(raw);
      }
      this.h[i] = this.mu[i] + Math.exp(this.logVar[i] / 2) * this.input.noise[i];
    }
  }

  /** Rows of some frames of one of the arrays above. */
  rows(values: Float64Array, start: number, count: number): Float64Array {
    const size = this.size.batch * this.size.dim;
    return values.subarray(start * size, (start + count) * size);
  }

  /**
   * Back through time, from the last frame to the first.
   *
   * @param towardsState D = ∂loss/∂h but for the divergence and what comes back through later states, `[T, B, D]`.
   * @param klScale β·a, the factor in front of the sum of divergences.
   */
  backward(towardsState: Float64Array, klScale: number): LatentGradients {
    const { frames, batch, dim, width } = this.size;
    const { variance } = this.weights;
    const columns = width + dim;
    const gradients = {
      mu: new Float64Array(frames * batch * dim),
      features: new Float64Array(frames * batch * width),
      muWeight: new Float64Array(dim * columns),
      muBias: new Float64Array(dim),
      logVarWeight: new Float64Array(dim * columns),
      logVarBias: new Float64Array(dim),
    };
    const carry = new Float64Array(batch * dim);
    const [g, pull, deltaMu, deltaRaw] = Array.from({ length: 4 }, () => new Float64Array(dim));
    for (let row = frames * batch - 1; row >= 0; row--) {
      const b = row % batch;
      const own = carry.subarray(b * dim, (b + 1) * dim);
      for (let d = 0; d < dim; d++) g[d] = towardsState[row * dim + d] + own[d];
      own.fill(0);
      if (this.input.observed[row] === 0) {
        this.#addThroughTransition(own, g, 1);
        continue;
      }
      for (let d = 0; d < dim; d++) {
        const i = row * dim + d;
        const spread = Math.exp(this.logVar[i]);
        pull[d] = klScale * (this.mu[i] - this.gh[i]) / variance[d];
        deltaMu[d] = g[d] + pull[d];
        deltaRaw[d] = this.#slope[i] *
          (g[d] * this.input.noise[i] * Math.sqrt(spread) / 2 +
            klScale / 2 * (spread / variance[d] - 1));
      }
      gradients.mu.set(deltaMu, row * dim);
      this.#headGradients(row, { deltaMu, deltaRaw, gradients, carry: own });
      this.#addThroughTransition(own, pull, -1);
    }
    return gradients;
  }

  /** target += sign·values·F. */
  #addThroughTransition(target: Float64Array, values: Float64Array, sign: number): void {
    const { dim } = this.size;
    for (let d = 0; d < dim; d++) {
      for (let k = 0; k < dim; k++) {
        target[k] += sign * values[d] * this.weights.transition[d * dim + k];
      }
    }
  }

  #headGradients(
    row: number,
    { deltaMu, deltaRaw, gradients, carry }: {
      readonly deltaMu: Float64Array;
      readonly deltaRaw: Float64Array;
      readonly gradients: LatentGradients;
      readonly carry: Float64Array;
    },
  ): void {
    const { dim, width } = this.size;
    const { muWeight, logVarWeight } = this.weights;
    const columns = width + dim;
    const towardsFeatures = gradients.features.subarray(row * width, (row + 1) * width);
    for (let d = 0; d < dim; d++) {
      gradients.muBias[d] += deltaMu[d];
      gradients.logVarBias[d] += deltaRaw[d];
      for (let k = 0; k < columns; k++) {
        const input = k < width
          ? this.features[row * width + k]
          : this.previous[row * dim + k - width];
        const at = d * columns + k;
        gradients.muWeight[at] += deltaMu[d] * input;
        gradients.logVarWeight[at] += deltaRaw[d] * input;
        const back = deltaMu[d] * muWeight[at] + deltaRaw[d] * logVarWeight[at];
        if (k < width) towardsFeatures[k] += back;
        else carry[k - width] += back;
      }
    }
  }
}

/** Σ a[at + i]·b[i]. */
function dot(a: FloatArray, at: number, b: FloatArray): number {
  let sum = 0;
  for (let i = 0; i < b.length; i++) sum += a[at + i] * b[i];
  return sum;
}
