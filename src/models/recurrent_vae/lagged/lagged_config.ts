/** Configuration of the lagged model: linear and lag paths beside the convolutions [recurrent-vae §16]. */
import type { SpatialShape } from "../../../base/arrays.ts";
import { choice, flag, integer, list, number, record } from "../../../base/fields.ts";
import { givenFields } from "../../../base/given_fields.ts";
import { groupCount, levelsThatFit } from "../config.ts";
import { checkAxes, checkFields, checkStages, refuse } from "../config_checks.ts";

/** A complete configuration. Made by {@link resolveLaggedConfig}. */
export interface LaggedConfig {
  /** What tells this configuration from one of the convolutional network alone. */
  readonly network: "lagged";
  /** Width E of the encoder's feature vector. */
  readonly encOutDim: number;
  /** Width D of the latent state. */
  readonly latentDim: number;
  /** Frames T used of each run. */
  readonly tolTime: number;
  /** `[X, Y, Z]` in voxels. */
  readonly spatialShape: SpatialShape;
  /** 1: a frame is seen through its state and the one before; 0: through its state alone. */
  readonly lag: 0 | 1;
  /** Channels of the encoder's levels; none: no convolutions. */
  readonly channels: readonly number[];
  /** Channels of the decoder's stages, coarse to fine. */
  readonly decoderChannels: readonly number[];
  /** λ_U, weight of the penalty on the lag path. */
  readonly lagPenalty: number;
  /** β, weight of the KL divergence; 1 is the proper bound. */
  readonly klWeight: number;
  /** Whether the noise σ_x is one number or one a voxel. */
  readonly noise: "scalar" | "voxel";
  /** κ, weight of the loss of predictions one step ahead. */
  readonly predictive: number;
  /** Whether every run has an offset z of its own. */
  readonly offsets: boolean;
  /** λ_z, L1 weight on the offsets. */
  readonly lambdaZ: number;
  /** Ridge weight of F. */
  readonly rho: number;
  /** Runs per batch. */
  readonly batchSize: number;
  /** Step size of linear paths and noise; that of the linear encoder is less with many voxels. */
  readonly fastRate: number;
  /** Step size of everything else. */
  readonly learningRate: number;
  /** Decay of everything else. */
  readonly weightDecay: number;
  readonly epochs: number;
  /** The one seed everything random comes from. */
  readonly seed: number;
}

/** What a caller may leave out: everything but the size of the volumes. */
export type LaggedOptions = Partial<LaggedConfig> & Pick<LaggedConfig, "spatialShape">;

/** Every field there is, and what it may hold. */
export const LAGGED_FIELDS = record<LaggedConfig>({
  network: choice(["lagged"]),
  encOutDim: integer({ least: 1 }),
  latentDim: integer({ least: 1, most: 64 }),
  tolTime: integer({ least: 3 }),
  spatialShape: list(integer({ least: 1 })),
  lag: integer({ least: 0, most: 1 }),
  channels: list(integer({ least: 1 })),
  decoderChannels: list(integer({ least: 1 })),
  lagPenalty: number({ least: 0 }),
  klWeight: number({ least: 0 }),
  noise: choice(["scalar", "voxel"]),
  predictive: number({ least: 0 }),
  offsets: flag(),
  lambdaZ: number({ least: 0 }),
  rho: number({ least: 0 }),
  batchSize: integer({ least: 1 }),
  fastRate: number({ above: 0 }),
  learningRate: number({ above: 0 }),
  weightDecay: number({ least: 0 }),
  epochs: integer({ least: 1 }),
  seed: integer(),
}, ["spatialShape"]);

/** Fewest voxels at the bottom of automatic levels: fewer cannot hold a volume under group norm. */
const LEAST_BOTTOM = 8;

/** Channels by number of levels. */
const CHANNELS: readonly (readonly number[])[] = [[], [8], [8, 16], [4, 8, 16], [4, 8, 16, 32]];

const DEFAULTS = {
  network: "lagged",
  encOutDim: 32,
  latentDim: 10,
  tolTime: 120,
  lag: 1,
  lagPenalty: 0.5,
  klWeight: 0.1,
  noise: "scalar",
  predictive: 0,
  offsets: false,
  lambdaZ: 0.1,
  rho: 1e-3,
  batchSize: 1,
  fastRate: 5e-3,
  learningRate: 3e-4,
  weightDecay: 0.3,
  epochs: 40,
  seed: 2022,
} as const;

/**
 * Fills in defaults and checks every field. Without `channels` there are as many levels as leave at least 8 voxels at the
 * bottom; where one would leave fewer, there are no convolutions.
 *
 * @param options Fields to set.
 * @throws {ConfigError} naming the field.
 */
export function resolveLaggedConfig(options: LaggedOptions): LaggedConfig {
  checkFields(options, LAGGED_FIELDS);
  const given = givenFields(options);
  const channels = given.channels ?? CHANNELS[automaticLevels(given.spatialShape)];
  const decoderChannels = given.decoderChannels ?? channels.toReversed();
  const config = { ...DEFAULTS, ...given, channels, decoderChannels };
  checkLevels(config);
  return Object.freeze(config);
}

/** Levels of a volume when none are asked for. */
export function automaticLevels(shape: SpatialShape): number {
  for (let levels = Math.min(4, levelsThatFit(shape)); levels > 0; levels--) {
    if (bottomVoxels(shape, levels) >= LEAST_BOTTOM) return levels;
  }
  return 0;
}

function bottomVoxels(shape: SpatialShape, levels: number): number {
  return shape.reduce((product, n) => product * Math.floor(n / 2 ** levels), 1);
}

function checkLevels(config: LaggedConfig): void {
  const { spatialShape, channels } = config;
  checkAxes(spatialShape);
  const fitting = levelsThatFit(spatialShape);
  if (channels.length > fitting) {
    refuse(
      "channels",
      `${channels.length} levels for a volume of ${spatialShape.join("×")} voxels`,
      fitting === 0 ? "none: an axis has a single voxel" : `at most ${fitting}`,
    );
  }
  checkStages(config);
  for (const field of ["channels", "decoderChannels"] as const) {
    config[field].forEach((count, l) => {
      const groups = groupCount(count);
      if (count % groups !== 0) refuse(field, count, "multiples of 8, or fewer than 8");
      const levels = field === "channels" ? l + 1 : channels.length - l;
      const values = bottomVoxels(spatialShape, levels) * count / groups;
      if (values >= LEAST_BOTTOM) return;
      refuse(
        field,
        `${count} at a level of ${bottomVoxels(spatialShape, levels)} voxels`,
        `at least ${LEAST_BOTTOM} values in a group of its normalisation: fewer levels, or more channels a group`,
      );
    });
  }
}
