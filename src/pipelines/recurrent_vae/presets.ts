/**
 * Named settings of the command line. `default` has linear and lag paths beside the convolutions and starts from principal
 * components; `conv` is the convolutional network alone, what version 0.1.0 called default; `original` is the reference
 * package's, kept for comparison, and known to collapse. docs/settings.md has the figures.
 */
import type { RecurrentVaeOptions } from "../../models/recurrent_vae/config.ts";
import type { NormalizationKind } from "../../data/normalization.ts";
import type { OptimiserKind } from "../../training/optimisers.ts";
import type { ScheduleKind } from "../../training/schedules.ts";

/** Settings a preset fixes; options on the command line win over them. */
export interface Preset {
  /** Which network. */
  readonly network: "lagged" | "convolutional";
  readonly model: RecurrentVaeOptions;
  /** Normalisation of the data (not of the layers). */
  readonly data: NormalizationKind;
  readonly optimiser: OptimiserKind;
  readonly schedule: ScheduleKind;
  /** Largest joint norm of the gradients; absent: no clipping. */
  readonly clipNorm?: number;
}

/** All presets by name. */
export const PRESETS = {
  default: {
    network: "lagged",
    model: {},
    data: "run-z-score",
    optimiser: "adamw",
    schedule: "cosine",
    clipNorm: 10,
  },
  conv: {
    network: "convolutional",
    model: {
      normalization: "group",
      sigX: 0.1,
      sigZ: 0.01,
      lambdaZ: 0.1,
      learningRate: 5e-3,
      epochs: 60,
      batchSize: 1,
    },
    data: "train-residual",
    optimiser: "adamw",
    schedule: "cosine",
    clipNorm: 10,
  },
  original: {
    network: "convolutional",
    model: {},
    data: "min-max",
    optimiser: "sgd",
    schedule: "constant",
  },
} as const satisfies Record<string, Preset>;

/** What the shipped runs are trained with beside the preset `conv`: they are small, so levels may be wider. */
export const SHIPPED_DATA_MODEL: RecurrentVaeOptions = {
  tolTime: 120,
  channels: [8, 16],
  decoderChannels: [32, 16],
};
