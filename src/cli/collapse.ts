/** Tells a model that learnt something about time from one whose dynamics would be numbers about nothing. */
import type { NdArray } from "../base/arrays.ts";
import type { RecurrentVaeConfig } from "../models/recurrent_vae/config.ts";
import { explained, type Scores } from "./scores.ts";

/** Latents that vary less over time than this share of σ_h (at most 1) are drowned by the noise they are sampled with. */
const LEAST_SPREAD = 0.01;
/** A model that explains less of the held-out variance than this has learnt nothing that holds for new scans. */
const LEAST_EXPLAINED = 0.01;

/** Why no time constants are given. */
export interface NoDynamics {
  /** The latents do not vary, or they vary and explain nothing. */
  readonly reason: "collapsed" | "nothing explained";
  /** What was found and what to change, as sentences. */
  readonly note: string;
}

/**
 * Largest standard deviation over time among the latent dimensions: the root of the variance over time, averaged over
 * scans.
 *
 * @param states `[N, T, D]`. @returns NaN for fewer than two frames.
 */
export function spreadOverTime({ data, shape: [scans, frames, width] }: NdArray): number {
  if (frames < 2) return NaN;
  const spreads = Array.from({ length: width }, (_, d) => {
    let variances = 0;
    for (let n = 0; n < scans; n++) {
      const values = Array.from({ length: frames }, (_, t) => data[(n * frames + t) * width + d]);
      const mean = values.reduce((sum, value) => sum + value, 0) / frames;
      variances += values.reduce((sum, value) => sum + (value - mean) ** 2, 0) / frames;
    }
    return Math.sqrt(variances / scans);
  });
  return Math.max(...spreads);
}

/**
 * Whether the dynamics of a trained model mean anything.
 *
 * @param states Posterior means `[N, T, D]`. @param model Its configuration.
 * @param options `scores`: on held-out scans, if there are any.
 * @returns Null when they do.
 */
export function findNoDynamics(
  states: NdArray,
  model: RecurrentVaeConfig,
  { scores }: { readonly scores: Scores | null },
): NoDynamics | null {
  const spread = spreadOverTime(states);
  if (spread < LEAST_SPREAD * Math.min(1, model.sigH)) {
    return {
      reason: "collapsed",
      note: `The latents collapsed: over time none varies by more than ${
        spread.toPrecision(2)
      }, so they say nothing about the frames. Try ${remedy(model)}.`,
    };
  }
  if (scores === null || !(explained(scores.model, scores) < LEAST_EXPLAINED)) return null;
  return {
    reason: "nothing explained",
    note:
      "The model predicts held-out scans no better than the mean image of the training scans. " +
      "Try more --epochs, and the settings of docs/training.md.",
  };
}

function remedy({ temporalLoss, klWeight, sigX, sigH }: RecurrentVaeConfig): string {
  const reconstruct = `a smaller --sig-x (it is ${sigX})`;
  return temporalLoss === "kl"
    ? `a smaller --kl-weight (it is ${klWeight}) or ${reconstruct}`
    : `${reconstruct} or a larger --sig-h (it is ${sigH})`;
}
