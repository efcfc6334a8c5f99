/** Tells a model that learnt something about time from one whose dynamics would be numbers about nothing. */
import type { NdArray } from "../../base/arrays.ts";
import { collapseNote, isLaggedScores } from "./lagged_scores.ts";
import { isLagged, type ModelConfig } from "./run_config.ts";
import { type AnyScores, explained } from "./scores.ts";

/** Latents that vary less over time than this share of the noise they are sampled with carry nothing. */
const LEAST_SPREAD = 0.05;
/** A model that explains less of the held-out variance than this has learnt nothing that holds for new scans. */
const LEAST_EXPLAINED = 0.01;

/** Latent trajectories of some scans, `[N, T, D]`. */
export interface Latents {
  /** Posterior means. */
  readonly states: NdArray;
  /** Posterior log-variances. */
  readonly logVar: NdArray;
}

/** Why no time constants are given. */
export interface NoDynamics {
  /** The latents do not vary, or they vary and explain nothing. */
  readonly reason: "collapsed" | "nothing explained";
  /** What was found and what to change, as sentences. */
  readonly note: string;
}

/**
 * How much latents vary over time, against the noise they are sampled with: for each dimension the standard deviation over
 * time by that of the posterior (both as roots of mean variances), and of these the largest.
 *
 * @param latents Of any scans.
 * @returns NaN for fewer than two frames.
 */
export function spreadOverTime({ states, logVar }: Latents): number {
  const [scans, frames, width] = states.shape;
  if (frames < 2) return NaN;
  const ratios = Array.from({ length: width }, (_, d) => {
    let signal = 0;
    let noise = 0;
    for (let n = 0; n < scans; n++) {
      const at = Array.from({ length: frames }, (_, t) => (n * frames + t) * width + d);
      const mean = at.reduce((sum, i) => sum + states.data[i], 0) / frames;
      signal += at.reduce((sum, i) => sum + (states.data[i] - mean) ** 2, 0);
      noise += at.reduce((sum, i) => sum + Math.exp(logVar.data[i]), 0);
    }
    return Math.sqrt(signal / noise);
  });
  return Math.max(...ratios);
}

/**
 * Whether the dynamics of a trained model mean anything.
 *
 * @param latents Of scans, held-out ones if there are any.
 * @param model The configuration.
 * @param options `scores`: on held-out scans, if there are any.
 * @returns Null when they do.
 */
export function findNoDynamics(
  latents: Latents,
  model: ModelConfig,
  { scores }: { readonly scores: AnyScores | null },
): NoDynamics | null {
  const spread = spreadOverTime(latents);
  if (spread < LEAST_SPREAD) {
    return {
      reason: "collapsed",
      note: `The latents collapsed: over time they vary by ${
        (100 * spread).toPrecision(2)
      } % of the noise they are sampled with, so they say nothing about the frames. Try ${
        remedy(model)
      }.`,
    };
  }
  if (scores === null) return null;
  const note = isLaggedScores(scores) ? collapseNote(scores) : null;
  if (note !== null) return { reason: "collapsed", note };
  const share = isLaggedScores(scores) ? scores.model.model.share : explained(scores.model, scores);
  if (!(share < LEAST_EXPLAINED)) return null;
  return {
    reason: "nothing explained",
    note:
      "The model predicts held-out scans no better than the mean image of the training scans. " +
      "Try more --epochs, and the settings of docs/training.md.",
  };
}

function remedy(model: ModelConfig): string {
  if (isLagged(model)) return `a smaller --kl-weight (it is ${model.klWeight})`;
  const { temporalLoss, klWeight, sigX, sigH } = model;
  const reconstruct = `a smaller --sig-x (it is ${sigX})`;
  return temporalLoss === "kl"
    ? `a smaller --kl-weight (it is ${klWeight}) or ${reconstruct}`
    : `${reconstruct} or a larger --sig-h (it is ${sigH})`;
}
