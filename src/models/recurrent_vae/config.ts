/**
 * Configuration of the recurrent VAE [recurrent-vae §1] and its validation.
 *
 * Fields carry the reference's names in camelCase and its defaults. What the reference fixes in code
 * (levels, widths, norm layers, loss variants) is configuration here. Source: [recurrent-vae §1, §3.1, §4, §5, §8].
 */
import type { SpatialShape } from "../../base/arrays.ts";
import { choice, integer, list, number, record } from "../../base/fields.ts";
import { givenFields } from "../../base/given_fields.ts";
import { checkAxes, checkFields, checkStages, refuse } from "./config_checks.ts";

/** A complete, validated configuration. Made by {@link resolveConfig}. */
export interface RecurrentVaeConfig {
  /** Width E of the encoder's feature vector. */
  readonly encOutDim: number;
  /** Width D of the latent state and of the subject offsets. */
  readonly latentDim: number;
  /** First generation's width of the offsets; they are added to the state, so it must equal `latentDim`. */
  readonly zDim: number;
  /** Frames T used of each subject. */
  readonly tolTime: number;
  /** Size of a volume in voxels, `[X, Y, Z]`; the network's sizes follow from it. */
  readonly spatialShape: SpatialShape;
  /** Fixed standard deviation of the reconstruction. */
  readonly sigX: number;
  /** Fixed standard deviation of the transition. */
  readonly sigH: number;
  /** Scale of the initial subject offsets; used nowhere else. */
  readonly sigZ: number;
  /** Ridge weight of the transition matrix F; 0 is legal. */
  readonly rho: number;
  /** L1 weight on the subject offsets. */
  readonly lambdaZ: number;
  /** Subjects per batch B. */
  readonly batchSize: number;
  /** Step size. */
  readonly learningRate: number;
  /** Passes over the data. */
  readonly epochs: number;
  /** The one seed everything random comes from. */
  readonly seed: number;
  /** `"v2"`: λ = 2·N·T·σ_h²·ρ, the exact minimiser. `"v1"`: λ = 2·σ_h²·ρ, the first package's [recurrent-vae §5]. */
  readonly ridgePenalty: "v2" | "v1";
  /** `"squared"` distance of the sampled states to their prior mean, or the closed-form `"kl"` [recurrent-vae §4]. */
  readonly temporalLoss: "squared" | "kl";
  /** Factor on loss2 when `temporalLoss` is `"kl"` (annealing); 1 is the divergence itself. */
  readonly klWeight: number;
  /** `"batch"`: statistics per time step over the batch. `"group"`: per sample, min(C, 8) groups [recurrent-vae §8]. */
  readonly normalization: "batch" | "group";
  /** Channels of the encoder's levels; their number is the number of levels. */
  readonly channels: readonly number[];
  /** Channels of the decoder's stages, coarse to fine; one per level. */
  readonly decoderChannels: readonly number[];
  /** Last step of the decoder: `"tanh"`, or `"clamp"` to [−3, 3] (the wide decoder of [recurrent-vae §8]). */
  readonly outputActivation: "tanh" | "clamp";
  /** State before the first frame: `"zeros"`, or the frozen draw of the `"notebook"` ([recurrent-vae §5], D = 10). */
  readonly initialState: "zeros" | "notebook";
}

/** What a caller may leave out: everything. */
export type RecurrentVaeOptions = Partial<RecurrentVaeConfig>;

/** Channels used when none are given; a prefix of them when the volume is too small for four levels. */
export const DEFAULT_CHANNELS: readonly number[] = [4, 8, 16, 32];

/** The reference's defaults of the fields that do not follow from others. */
const DEFAULTS = {
  encOutDim: 100,
  latentDim: 10,
  tolTime: 120,
  spatialShape: [91, 109, 91] as SpatialShape,
  sigX: 1,
  sigH: 1,
  sigZ: 1,
  rho: 0.1,
  lambdaZ: 10,
  batchSize: 4,
  learningRate: 1e-6,
  epochs: 500,
  seed: 2022,
  ridgePenalty: "v2",
  temporalLoss: "squared",
  klWeight: 1,
  normalization: "batch",
  outputActivation: "tanh",
  initialState: "zeros",
} as const;

/** Every field there is, and what it may hold; what depends on other fields is checked after these. */
export const CONFIG_FIELDS = record<RecurrentVaeConfig>({
  encOutDim: integer({ least: 1 }),
  latentDim: integer({ least: 1 }),
  zDim: integer({ least: 1 }),
  tolTime: integer({ least: 1 }),
  spatialShape: list(integer({ least: 1 })),
  sigX: number({ above: 0 }),
  sigH: number({ above: 0 }),
  sigZ: number({ above: 0 }),
  rho: number({ least: 0 }),
  lambdaZ: number({ least: 0 }),
  batchSize: integer({ least: 1 }),
  learningRate: number({ above: 0 }),
  epochs: integer({ least: 1 }),
  seed: integer(),
  ridgePenalty: choice(["v2", "v1"]),
  temporalLoss: choice(["squared", "kl"]),
  klWeight: number({ least: 0 }),
  normalization: choice(["batch", "group"]),
  channels: list(integer({ least: 1 })),
  decoderChannels: list(integer({ least: 1 })),
  outputActivation: choice(["tanh", "clamp"]),
  initialState: choice(["zeros", "notebook"]),
});

/** The frozen initial state of the last notebook [recurrent-vae §5]. */
const NOTEBOOK_STATE = [
  0.1719,
  0.1631,
  0.8127,
  0.3485,
  0.5798,
  0.9957,
  0.4949,
  0.0442,
  0.1098,
  0.7062,
];

/**
 * Fills in defaults and checks every field.
 *
 * When `channels` is absent the number of levels adapts to the volume (a level halves each axis, rounding
 * down, and must leave at least one voxel); when it is given it is taken as it stands.
 *
 * @param options Fields to set; `spatialShape` may carry a leading channel axis of 1, as the reference writes it.
 * @returns The complete configuration, frozen.
 * @throws {ConfigError} naming the field; also for one that does not exist.
 * @example
 * ```ts
 * import { resolveConfig } from "./config.ts";
 * const config = resolveConfig({ spatialShape: [6, 10, 10], tolTime: 24 });
 * console.assert(config.channels.length === 2); // 6 → 3 → 1
 * ```
 */
export function resolveConfig(options: RecurrentVaeOptions = {}): RecurrentVaeConfig {
  checkFields(options, CONFIG_FIELDS);
  const given = givenFields(options);
  const latentDim = given.latentDim ?? DEFAULTS.latentDim;
  const spatialShape = spatial(given.spatialShape ?? DEFAULTS.spatialShape);
  const channels = given.channels ?? DEFAULT_CHANNELS.slice(0, levelsThatFit(spatialShape));
  const config: RecurrentVaeConfig = {
    ...DEFAULTS,
    ...given,
    latentDim,
    zDim: given.zDim ?? latentDim,
    spatialShape,
    channels: Object.freeze([...channels]),
    decoderChannels: Object.freeze([...(given.decoderChannels ?? [...channels].reverse())]),
  };
  validateConfig(config);
  return Object.freeze(config);
}

/**
 * Number of stride-2 levels a volume allows: each halves every axis, rounding down [recurrent-vae §3.1].
 *
 * @param shape `[X, Y, Z]` in voxels.
 * @returns Levels until an axis would vanish.
 */
export function levelsThatFit(shape: SpatialShape): number {
  return Math.max(0, Math.floor(Math.log2(Math.min(...shape))));
}

/**
 * Checks a complete configuration.
 *
 * @param config Every field set.
 * @throws {ConfigError} naming the first offending field.
 */
export function validateConfig(config: RecurrentVaeConfig): void {
  checkFields(config, CONFIG_FIELDS);
  if (config.zDim !== config.latentDim) {
    refuse(
      "zDim",
      config.zDim,
      `${config.latentDim}, the latentDim: offsets are added to the state`,
    );
  }
  if (config.initialState === "notebook" && config.latentDim !== NOTEBOOK_STATE.length) {
    refuse("initialState", `"notebook" with latentDim ${config.latentDim}`, "latentDim 10");
  }
  validateLevels(config);
}

/**
 * The state before the first frame.
 *
 * @param config Its `initialState` and `latentDim`.
 * @returns `[D]`, float32.
 */
export function initialStateOf(config: RecurrentVaeConfig): Float32Array {
  return config.initialState === "notebook"
    ? Float32Array.from(NOTEBOOK_STATE)
    : new Float32Array(config.latentDim);
}

/** Groups of a group norm over `channels` channels [recurrent-vae §8]. */
export function groupCount(channels: number): number {
  return Math.min(channels, 8);
}

function validateLevels(config: RecurrentVaeConfig): void {
  const { spatialShape, channels } = config;
  checkAxes(spatialShape);
  const fitting = levelsThatFit(spatialShape);
  if (fitting === 0) {
    refuse("spatialShape", `[${spatialShape}]`, "at least 2 voxels on every axis");
  }
  if (channels.length === 0 || channels.length > fitting) {
    refuse(
      "channels",
      `${channels.length} levels for a volume of ${spatialShape.join("×")} voxels`,
      `1 to ${fitting} levels (each halves every axis), for example [${
        DEFAULT_CHANNELS.slice(0, fitting).join(", ")
      }]; leave channels unset to adapt`,
    );
  }
  checkStages(config);
  for (const field of ["channels", "decoderChannels"] as const) {
    for (const count of config[field]) {
      if (config.normalization === "group" && count % groupCount(count) !== 0) {
        refuse(field, count, "multiples of 8 (or fewer than 8) for group normalisation");
      }
    }
  }
}

function spatial(shape: readonly number[]): SpatialShape {
  return (shape.length === 4 && shape[0] === 1
    ? shape.slice(1)
    : [...shape]) as unknown as SpatialShape;
}
