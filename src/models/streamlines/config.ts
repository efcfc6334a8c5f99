/** What a streamline model is built from [streamlines §3]. */
import { ConfigError } from "../../base/errors.ts";
import {
  checkOptions,
  choice,
  flag,
  integer,
  list,
  number,
  record,
  text,
} from "../../base/fields.ts";

/** Kinds of models. */
export const STREAMLINE_KINDS = [
  "ae",
  "vae",
  "conditional",
  "regression",
  "adversarial",
] as const;

/** A kind of model. */
export type StreamlineKind = (typeof STREAMLINE_KINDS)[number];

/** Order in which a map of 8 × C values is a vector: channels one behind the other, or places. */
export type FlattenOrder = "channel-major" | "time-major";

/** Configuration of a streamline network. */
export interface StreamlineConfig {
  /** P, points of a streamline: 32, 64, 128, 256 or 512. Default 256. */
  readonly points?: number;
  /** Width of the code. Default 32. */
  readonly latentDim?: number;
  /** Channels of the first convolution; every level has twice as many as the one before. Default 32. */
  readonly width?: number;
  /** Taps of every convolution; 3 alone gives as many points back as went in. */
  readonly kernel?: number;
  /** How the decoder doubles its places. Default `"nearest"`. */
  readonly upsampling?: "nearest" | "linear";
  /** Vector order behind the encoder's convolutions. Default `"channel-major"`. */
  readonly encoderFlatten?: FlattenOrder;
  /** Vector order before the decoder's convolutions. Default `"channel-major"`; the original has `"time-major"`. */
  readonly decoderReshape?: FlattenOrder;
  /** Starting values: PyTorch's, or the original's bound √(1/9) for every encoder convolution. Default `"pytorch"`. */
  readonly init?: "pytorch" | "original-bound";
  /** Batch norm behind every encoder convolution. Default false; the original's variational models have it. */
  readonly batchNorm?: boolean;
  /** Names of bundles, for models that are told them. Default none. */
  readonly classes?: readonly string[];
  /** Numbers beside the streamlines that the conditional decoder receives, z-scored. Default 0. */
  readonly attributes?: number;
  /** mm: subtracted from x, y and z before anything else. Default 0 0 0. */
  readonly centre?: readonly number[];
  /** mm: one unit of the network's coordinates. Default 1. */
  readonly scale?: number;
}

/** The same with everything filled in. */
export type CompleteConfig = Required<StreamlineConfig>;

const FIELDS = record<StreamlineConfig>({
  points: integer({ least: 32, most: 512 }),
  latentDim: integer({ least: 1 }),
  width: integer({ least: 1 }),
  kernel: integer({ least: 1 }),
  upsampling: choice(["nearest", "linear"]),
  encoderFlatten: choice(["channel-major", "time-major"]),
  decoderReshape: choice(["channel-major", "time-major"]),
  init: choice(["pytorch", "original-bound"]),
  batchNorm: flag(),
  classes: list(text()),
  attributes: integer({ least: 0 }),
  centre: list(number({ above: -Infinity, below: Infinity })),
  scale: number({ above: 0 }),
});

/** Places that are left at the narrowest level. */
export const INNER_PLACES = 8;

/**
 * Fills in what is not given.
 *
 * @param config Any subset.
 * @throws {ConfigError} naming the field that cannot be used.
 */
export function completeConfig(config: StreamlineConfig = {}): CompleteConfig {
  checkOptions(config, FIELDS, { doing: "Cannot make a streamline model" });
  const complete: CompleteConfig = {
    points: 256,
    latentDim: 32,
    width: 32,
    kernel: 3,
    upsampling: "nearest",
    encoderFlatten: "channel-major",
    decoderReshape: "channel-major",
    init: "pytorch",
    batchNorm: false,
    classes: [],
    attributes: 0,
    centre: [0, 0, 0],
    scale: 1,
    ...config,
  };
  if (![32, 64, 128, 256, 512].includes(complete.points)) {
    throw problem("points", complete.points, "32, 64, 128, 256 or 512");
  }
  if (complete.kernel !== 3) {
    throw problem(
      "kernel",
      complete.kernel,
      "3: with any other the decoder does not return as many points as went in",
    );
  }
  if (complete.centre.length !== 3) throw problem("centre", complete.centre, "three numbers");
  return complete;
}

function problem(field: string, found: unknown, needs: string): ConfigError {
  return new ConfigError(
    field,
    `Cannot make a streamline model: ${field} is ${found}, needs ${needs}`,
  );
}

/** Levels of the network: convolutions that halve the number of places. */
export function levelsOf({ points }: Pick<CompleteConfig, "points">): number {
  return Math.log2(points / INNER_PLACES);
}

/** Channels behind every encoder convolution, the last without a stride. */
export function channelsOf(config: Pick<CompleteConfig, "points" | "width">): number[] {
  return Array.from({ length: levelsOf(config) + 1 }, (_, i) => config.width * 2 ** i);
}
