/**
 * The recurrence of the lagged model and its gradient, in float64 on the host: a few thousand multiplications a frame, and
 * the same bits whatever the engine's threads [recurrent-vae §14.4].
 *
 * Frames are t-major: row t·B + b. A missing frame's posterior is its prior.
 */
import type { FloatArray } from "../../../base/arrays.ts";
import { bound, boundSlope } from "./bound.ts";

/** What the states follow from. */
export interface WalkInput {
  readonly frames: number;
  readonly batch: number;
  readonly dim: number;
  /** `[T, B, 2D]`: what the frames contribute to μ and ℓ̃, biases included. */
  readonly drive: FloatArray;
  /** A and A_ℓ, `[D, D]` each: what the state before contributes. */
  readonly muFromState: FloatArray;
  readonly logVarFromState: FloatArray;
  /** F `[D, D]` and q `[D]`. */
  readonly transition: FloatArray;
  readonly transitionNoise: FloatArray;
  /** ε `[T, B, D]`. */
  readonly noise: FloatArray;
  /** h_0 `[B, D]`. */
  readonly initialState: FloatArray;
  /** `[T, B]`: 0 where a frame is missing; null: none is. */
  readonly observed: ArrayLike<number> | null;
}

/** All states, `[T, B, D]` each. */
export interface Walk {
  readonly mu: Float64Array;
  readonly logVar: Float64Array;
  readonly h: Float64Array;
  readonly gh: Float64Array;
  /** h of the step before. */
  readonly previous: Float64Array;
  /** ℓ̃, before the bound. */
  readonly raw: Float64Array;
}

/** Rolls the states forward. */
export function walkStates(input: WalkInput): Walk {
  const { frames, batch: B, dim: D, drive, noise, observed, transitionNoise: q } = input;
  const size = frames * B * D;
  const [mu, logVar, h, gh, previous, raw] = Array.from(
    { length: 6 },
    () => new Float64Array(size),
  );
  for (let row = 0; row < frames * B; row++) {
    const at = row * D;
    for (let d = 0; d < D; d++) {
      previous[at + d] = row < B ? input.initialState[at + d] : h[at - B * D + d];
    }
    for (let d = 0; d < D; d++) {
      let [m, l, g] = [drive[2 * at + d], drive[2 * at + D + d], 0];
      for (let k = 0; k < D; k++) {
        const before = previous[at + k];
        m += input.muFromState[d * D + k] * before;
        l += input.logVarFromState[d * D + k] * before;
        g += input.transition[d * D + k] * before;
      }
      const seen = isSeen(observed, row);
      gh[at + d] = g;
      raw[at + d] = seen ? l : 0;
      mu[at + d] = seen ? m : g;
      logVar[at + d] = seen ? bound(l) : Math.log(q[d]);
      h[at + d] = mu[at + d] + Math.exp(logVar[at + d] / 2) * noise[at + d];
    }
  }
  return { mu, logVar, h, gh, previous, raw };
}

/** Whether a row's frame was observed. */
export function isSeen(observed: ArrayLike<number> | null, row: number): boolean {
  return observed === null || observed[row] !== 0;
}

/** Gradients of the heads' outputs, `[T, B, 2D]`: δμ and δℓ̃ side by side, 0 at missing frames. */
export function walkBack(
  input: WalkInput,
  walk: Walk,
  { towardsStates, klScale }: {
    /** ∂/∂h of everything but the recurrence and the divergence, `[T, B, D]`. */
    readonly towardsStates: FloatArray;
    /** β·a. */
    readonly klScale: number;
  },
): Float64Array {
  const { frames, batch: B, dim: D, noise, observed, transitionNoise: q } = input;
  const delta = new Float64Array(frames * B * 2 * D);
  let carried = new Float64Array(B * D);
  for (let t = frames - 1; t >= 0; t--) {
    const next = new Float64Array(B * D);
    for (let b = 0; b < B; b++) {
      const row = t * B + b;
      const at = row * D;
      const back = next.subarray(b * D, (b + 1) * D);
      for (let d = 0; d < D; d++) {
        const towards = towardsStates[at + d] + carried[b * D + d];
        if (!isSeen(observed, row)) {
          for (let k = 0; k < D; k++) back[k] += towards * input.transition[d * D + k];
          continue;
        }
        const variance = Math.exp(walk.logVar[at + d]);
        const pull = klScale * (walk.mu[at + d] - walk.gh[at + d]) / q[d];
        const towardsMu = towards + pull;
        const towardsLogVar = (towards * noise[at + d] * Math.sqrt(variance) / 2 +
          klScale * (variance / q[d] - 1) / 2) * boundSlope(walk.raw[at + d]);
        delta[2 * at + d] = towardsMu;
        delta[2 * at + D + d] = towardsLogVar;
        for (let k = 0; k < D; k++) {
          back[k] += towardsMu * input.muFromState[d * D + k] +
            towardsLogVar * input.logVarFromState[d * D + k] - pull * input.transition[d * D + k];
        }
      }
    }
    carried = next;
  }
  return delta;
}

/** Σ over observed frames of ½[ln q − ℓ + (e^ℓ + (μ − gh)²)/q − 1]. */
export function divergence(
  { dim: D, observed, transitionNoise: q }: WalkInput,
  walk: Walk,
): number {
  let sum = 0;
  for (let i = 0; i < walk.mu.length; i++) {
    if (!isSeen(observed, Math.floor(i / D))) continue;
    const d = i % D;
    const distance = Math.exp(walk.logVar[i]) + (walk.mu[i] - walk.gh[i]) ** 2;
    sum += (Math.log(q[d]) - walk.logVar[i] + distance / q[d] - 1) / 2;
  }
  return sum;
}
