/** Options of the estimators: Python's names in camelCase with the same defaults, checked at construction. */
import { ConfigError } from "../../base/errors.ts";
import {
  checkOptions,
  choice,
  flag,
  integer,
  list,
  number,
  object,
  other,
  record,
} from "../../base/fields.ts";
import { BETA_VAE_LOSS_FIELDS, type BetaVAELossOptions } from "../../losses/beta_vae_loss.ts";
import type { Network } from "../../networks/network.ts";
import type { EstimatorCallback } from "./callbacks.ts";

/** What every estimator can be told about training. */
export interface TrainerOptions {
  /** Passes over the training batches in one `fit`. Default 1000, unless `maxSteps` ends it. */
  readonly maxEpochs?: number;
  /** Updates in one `fit`; −1 (default) for no limit. */
  readonly maxSteps?: number;
  /** Validates after every n-th epoch. Default 1. */
  readonly checkValEveryNEpoch?: number;
  /** Validates after every n-th step instead. */
  readonly valCheckInterval?: number;
  /** Validation batches that are run before training, to find mistakes early; −1 for all. Default 2. */
  readonly numSanityValSteps?: number;
  /** Largest joint norm of the gradients of an update. Default: no clipping. */
  readonly gradientClipVal?: number;
  /** Training batches of an epoch at most. Default: all. */
  readonly limitTrainBatches?: number;
  /** Validation batches at most. Default: all. */
  readonly limitValBatches?: number;
  /** Steps between two calls of the callbacks' `onLog`. Default 50. */
  readonly logEveryNSteps?: number;
  /** One callback or a list. */
  readonly callbacks?: EstimatorCallback | readonly EstimatorCallback[];
  /**
   * Seed of everything random: starting values, noise of training, validation, `transform` and `sample`. Default 0; two
   * estimators of one seed are equal.
   */
  readonly randomState?: number;
  /** Ends training after the batch in progress. */
  readonly signal?: AbortSignal;
}

/** The options as a table. */
export const TRAINER_FIELDS = {
  maxEpochs: integer({ least: 1 }),
  maxSteps: integer({ least: -1 }),
  checkValEveryNEpoch: integer({ least: 1 }),
  valCheckInterval: integer({ least: 1 }),
  numSanityValSteps: integer({ least: -1 }),
  gradientClipVal: number({ above: 0 }),
  limitTrainBatches: integer({ least: 1 }),
  limitValBatches: integer({ least: 1 }),
  logEveryNSteps: integer({ least: 1 }),
  callbacks: object("a callback or a list of them"),
  randomState: integer(),
  signal: other("an AbortSignal", (value) => value instanceof AbortSignal),
} as const;

/** Options of {@link VAE}. */
export interface VAEOptions extends TrainerOptions, Omit<BetaVAELossOptions, "useScale"> {
  /** Samples to `[B, encoderOutDim]`. Without: a ready one of `shape`. */
  readonly encoder?: Network;
  /** `[B, latentDim]` to samples, or to a distribution of them. Without: a ready one of `shape`. */
  readonly decoder?: Network;
  /** Width of the encoder's output; needed with an encoder of your own that does not say it. */
  readonly encoderOutDim?: number;
  /** Width of the latent representation. */
  readonly latentDim: number;
  /** Extent of the samples for ready networks: `[F]` of a table, `[X, Y]`, `[X, Y, Z]`; a signal `[X]` with `channels`. */
  readonly shape?: readonly number[];
  /** Channels of images and signals. Default 1. */
  readonly channels?: number;
  /** Kind of the ready networks. Default `"dense"` of tables, else `"conv"`. */
  readonly network?: "dense" | "conv" | "residual";
  /** Channels or widths of their levels. */
  readonly widths?: readonly number[];
  /** Weight of the divergence. Default 1. */
  readonly beta?: number;
  /** Whether `transform` draws a sample instead of giving the mean. Default true, as in Python. */
  readonly stochasticTransform?: boolean;
  /** Learning rate. Default 1e-4. */
  readonly lr?: number;
  /** Decoupled weight decay (AdamW), biases included. Default 0.01. */
  readonly weightDecay?: number;
  /** Epochs over which the weight of the divergence rises from beta/n to beta. Default 0: at once. */
  readonly klWarmup?: number;
  /** Epochs of a cycle: the weight rises over its first half and stays for the second. Default 0: no cycles. */
  readonly klCycle?: number;
  /**
   * Standard deviation of the normal reconstruction: `"fixed"` (default: the plain squared error), or learned as one number or
   * one per value of a sample, with the whole Gaussian likelihood as the reconstruction term.
   */
  readonly noiseScale?: "fixed" | "learned" | "per-voxel";
}

/** {@link VAEOptions} with defaults where every estimator needs a value. */
export type ResolvedVaeOptions =
  & VAEOptions
  & Required<
    Pick<
      VAEOptions,
      | ("beta" | "defaultDist" | "stochasticTransform" | "lr")
      | ("weightDecay" | "klWarmup" | "klCycle" | "noiseScale")
    >
  >;

/** The options as a table. */
const { useScale: _useScale, ...LOSS_FIELDS } = BETA_VAE_LOSS_FIELDS;
const VAE_OPTIONS = record<VAEOptions>({
  ...TRAINER_FIELDS,
  ...LOSS_FIELDS,
  encoder: other("a network { entries, forward }", isNetwork),
  decoder: other("a network { entries, forward }", isNetwork),
  encoderOutDim: integer({ least: 1 }),
  latentDim: integer({ least: 1 }),
  shape: list(integer({ least: 1 })),
  channels: integer({ least: 1 }),
  network: choice(["dense", "conv", "residual"]),
  widths: list(integer({ least: 1 })),
  stochasticTransform: flag(),
  lr: number({ above: 0 }),
  weightDecay: number({ least: 0 }),
  klWarmup: integer({ least: 0 }),
  klCycle: integer({ least: 0 }),
  noiseScale: choice(["fixed", "learned", "per-voxel"]),
}, ["latentDim"]);

/**
 * Checks options and fills in defaults.
 *
 * @param options See {@link VAEOptions}.
 * @throws {ConfigError} naming the option.
 */
export function resolveOptions(options: VAEOptions): ResolvedVaeOptions {
  checkOptions(options, VAE_OPTIONS, { doing: "Cannot make the estimator" });
  const { shape, encoder, decoder } = options;
  if (!shape && !(encoder && decoder)) {
    throw new ConfigError(
      "shape",
      "Cannot make the estimator: found neither shape nor both networks, needs one of them; give shape: [91, 109, 91], " +
        "or encoder and decoder",
    );
  }
  const scale = options.noiseScale ?? "fixed";
  if (scale !== "fixed" && (options.defaultDist ?? "normal") !== "normal") {
    throw new ConfigError(
      "noiseScale",
      `Cannot make the estimator: noiseScale is "${scale}", needs "fixed" with the distribution "${options.defaultDist}"`,
    );
  }
  return {
    ...{ beta: 1, defaultDist: "normal", stochasticTransform: true, lr: 1e-4 } as const,
    ...{ weightDecay: 0.01, klWarmup: 0, klCycle: 0, noiseScale: "fixed" } as const,
    ...options,
  };
}

function isNetwork(value: unknown): boolean {
  const { entries, forward } = (value ?? {}) as Partial<Network>;
  return Array.isArray(entries) && typeof forward === "function";
}

/** Factor on beta in an epoch. */
export function klWeightAt(
  epoch: number,
  { klWarmup, klCycle }: { readonly klWarmup: number; readonly klCycle: number },
): number {
  const warm = klWarmup > 0 ? Math.min(1, (epoch + 1) / klWarmup) : 1;
  const cycle = klCycle > 0 ? Math.min(1, 2 * ((epoch % klCycle) + 1) / klCycle) : 1;
  return warm * cycle;
}
