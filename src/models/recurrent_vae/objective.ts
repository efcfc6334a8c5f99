/**
 * The training objective of a configuration: which terms of src/losses apply, with which scales [recurrent-vae §4].
 */
import type { FloatArray } from "../../base/arrays.ts";
import type { tf } from "../../deps/tfjs.ts";
import { offsetPenalty, transitionPenalty } from "./losses/penalties.ts";
import { reconstructionLoss } from "./losses/reconstruction.ts";
import {
  klTemporalGradient,
  klTemporalLoss,
  squaredTemporalGradient,
  squaredTemporalLoss,
  type TemporalGradient,
  type Trajectory,
} from "./losses/temporal.ts";
import { type LossTerms, sumTerms } from "./losses/terms.ts";
import type { RecurrentVaeConfig } from "./config.ts";

/** What the loss of a batch is computed from, on the host. */
export interface Observations {
  /** Σ(x − r)² in any number of parts; added in float64. */
  readonly squaredErrors: FloatArray;
  /** States of all frames and subjects. */
  readonly states: Trajectory<FloatArray>;
  /** The whole offset table `[N, D]`. */
  readonly offsets: FloatArray;
  /** F `[D, D]`. */
  readonly transition: FloatArray;
  /** B. */
  readonly subjects: number;
  /** T; default: `tolTime`. */
  readonly frames?: number;
  /** Factor on the KL divergence; default: the configuration's. */
  readonly klWeight?: number;
}

/** All loss terms, in float64. */
export function lossTerms(config: RecurrentVaeConfig, observed: Observations): LossTerms {
  const { squaredErrors, states, offsets, transition, subjects } = observed;
  const scale = { batch: subjects, frames: observed.frames ?? config.tolTime };
  const temporalScale = { ...scale, sigma: config.sigH };
  let squaredError = 0;
  for (const part of squaredErrors) squaredError += part;
  return sumTerms({
    loss1: reconstructionLoss(squaredError, { ...scale, sigma: config.sigX }),
    loss2: config.temporalLoss === "kl"
      ? (observed.klWeight ?? config.klWeight) * klTemporalLoss(states, temporalScale)
      : squaredTemporalLoss(states, temporalScale),
    lossZ: offsetPenalty(offsets, config.lambdaZ),
    lossF: transitionPenalty(transition, config.rho),
  });
}

/** Gradient of loss2 in the states, each `[T, B, D]`. Call inside a tidy. */
export function temporalGradient(
  config: RecurrentVaeConfig,
  states: Trajectory<tf.Tensor>,
  { klWeight = config.klWeight }: { readonly klWeight?: number } = {},
): TemporalGradient {
  const [frames, batch] = states.h.shape;
  const scale = { sigma: config.sigH, frames, batch: batch as number };
  return config.temporalLoss === "kl"
    ? klTemporalGradient(states, scale, klWeight)
    : squaredTemporalGradient(states, scale);
}
