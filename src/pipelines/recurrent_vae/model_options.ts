/** Options for every field of the model's configuration, and the way back from values to a configuration. */
import type { SpatialShape } from "../../base/arrays.ts";
import { givenFields } from "../../base/given_fields.ts";
import {
  CONFIG_FIELDS,
  type RecurrentVaeConfig,
  type RecurrentVaeOptions,
} from "../../models/recurrent_vae/config.ts";
import {
  LAGGED_FIELDS,
  type LaggedConfig,
} from "../../models/recurrent_vae/lagged/lagged_config.ts";
import { type Option, UsageError, type Values } from "../option_table.ts";

const GROUP = "Model";

/** Fields of the configuration [recurrent-vae §1] as options; `spatialShape` follows from the data. */
export const MODEL_OPTIONS = [
  {
    name: "latent-dim",
    kind: "integer",
    min: 1,
    value: "D",
    help: "Width of the latent state and of the subject offsets",
    group: GROUP,
  },
  {
    name: "enc-out-dim",
    kind: "integer",
    min: 1,
    value: "E",
    help: "Width of the encoder's feature vector",
    group: GROUP,
  },
  {
    name: "tol-time",
    kind: "integer",
    min: 1,
    value: "T",
    help: "Frames used of each run",
    otherwise: "as many as the shortest run has, at most 120",
    group: GROUP,
  },
  {
    name: "channels",
    kind: "integers",
    min: 1,
    value: "N,N,…",
    help: "Channels of the encoder's levels; their number is the number of levels",
    otherwise: "4,8,16,32, fewer for small volumes",
    group: GROUP,
  },
  {
    name: "decoder-channels",
    kind: "integers",
    min: 1,
    value: "N,N,…",
    help: "Channels of the decoder's stages, coarse to fine",
    otherwise: "the encoder's, reversed",
    group: GROUP,
  },
  {
    name: "normalization",
    kind: "choice",
    choices: ["batch", "group"],
    help: "Norm layers: statistics of the batch at each time step, or of each sample",
    group: GROUP,
  },
  {
    name: "output-activation",
    kind: "choice",
    choices: ["tanh", "clamp"],
    help: "Last step of the decoder",
    group: GROUP,
  },
  {
    name: "temporal-loss",
    kind: "choice",
    choices: ["squared", "kl"],
    help: "Squared distance of the sampled states to their prediction, or the KL divergence",
    group: GROUP,
  },
  {
    name: "kl-weight",
    kind: "number",
    range: CONFIG_FIELDS.fields.klWeight.range,
    help: "Factor on the KL divergence",
    group: GROUP,
  },
  {
    name: "sig-x",
    kind: "number",
    range: CONFIG_FIELDS.fields.sigX.range,
    help: "Standard deviation of the reconstruction error",
    group: GROUP,
  },
  {
    name: "sig-h",
    kind: "number",
    range: CONFIG_FIELDS.fields.sigH.range,
    help: "Standard deviation of the transition",
    group: GROUP,
  },
  {
    name: "sig-z",
    kind: "number",
    range: CONFIG_FIELDS.fields.sigZ.range,
    help: "Scale of the subject offsets at the start",
    group: GROUP,
  },
  {
    name: "rho",
    kind: "number",
    range: CONFIG_FIELDS.fields.rho.range,
    help: "Ridge weight of the transition matrix F",
    group: GROUP,
  },
  {
    name: "ridge-penalty",
    kind: "choice",
    choices: ["v2", "v1"],
    help: "Ridge penalty of the current package or of its first version",
    group: GROUP,
  },
  {
    name: "lambda-z",
    kind: "number",
    range: CONFIG_FIELDS.fields.lambdaZ.range,
    help: "L1 weight on the subject offsets",
    group: GROUP,
  },
  {
    name: "initial-state",
    kind: "choice",
    choices: ["zeros", "notebook"],
    help: "State before the first frame",
    group: GROUP,
  },
] as const satisfies readonly Option[];

/** Options of the lagged model alone [recurrent-vae §16.1]. */
export const LAGGED_OPTIONS = [
  {
    name: "lag",
    kind: "integer",
    value: "0|1",
    help: "Preset default: whether a frame is seen through the state before as well",
    otherwise: "1",
    group: GROUP,
  },
  {
    name: "lag-penalty",
    kind: "number",
    range: LAGGED_FIELDS.fields.lagPenalty.range,
    help: "Preset default: weight of the penalty on that path",
    otherwise: "0.5",
    group: GROUP,
  },
  {
    name: "no-convolutions",
    kind: "flag",
    help: "Preset default: linear and lag paths alone",
    group: GROUP,
  },
  {
    name: "noise",
    kind: "choice",
    choices: ["scalar", "voxel"],
    help: "Preset default: one learned noise level, or one a voxel",
    otherwise: "scalar",
    group: GROUP,
  },
  {
    name: "predictive",
    kind: "number",
    range: LAGGED_FIELDS.fields.predictive.range,
    help: "Preset default: weight of the error of predictions one frame ahead",
    otherwise: "0",
    group: GROUP,
  },
  {
    name: "offsets",
    kind: "flag",
    help: "Preset default: an offset z of every run, as the other presets have",
    group: GROUP,
  },
] as const satisfies readonly Option[];

/** Options for what belongs to the configuration and steers training. */
export const SCHEDULE_OPTIONS = [
  {
    name: "epochs",
    kind: "integer",
    min: 1,
    value: "N",
    help: "Passes over the data",
    group: "Training",
  },
  {
    name: "batch-size",
    kind: "integer",
    min: 1,
    value: "B",
    help: "Runs per batch",
    group: "Training",
  },
  {
    name: "learning-rate",
    kind: "number",
    range: CONFIG_FIELDS.fields.learningRate.range,
    help: "Step size; of preset default for all but the linear paths",
    group: "Training",
  },
  {
    name: "fast-rate",
    kind: "number",
    range: LAGGED_FIELDS.fields.fastRate.range,
    help: "Preset default: step size of the linear paths",
    otherwise: "0.005",
    group: "Training",
  },
  {
    name: "seed",
    kind: "integer",
    value: "N",
    help: "The seed everything random comes from",
    group: "Training",
  },
] as const satisfies readonly Option[];

/** Fields of either network's configuration. */
export type ModelFields =
  & RecurrentVaeOptions
  & Partial<Omit<LaggedConfig, keyof RecurrentVaeConfig>>;

/** Fields that only the convolutional network has. */
export const CONVOLUTIONAL_FIELDS: readonly string[] = Object.keys(CONFIG_FIELDS.fields)
  .filter((name) => !(name in LAGGED_FIELDS.fields));

/** Fields that only the lagged one has. */
export const LAGGED_ONLY_FIELDS: readonly string[] = Object.keys(LAGGED_FIELDS.fields)
  .filter((name) =>
    !(name in CONFIG_FIELDS.fields) && name !== "network" && name !== "weightDecay"
  );

/** The values of both tables. */
export type ModelValues =
  & Values<typeof MODEL_OPTIONS>
  & Values<typeof LAGGED_OPTIONS>
  & Values<typeof SCHEDULE_OPTIONS>;

/**
 * The configuration fields that were given on the command line.
 *
 * @param values Parsed options.
 * @returns Only fields that were given.
 */
export function modelFields(values: ModelValues): ModelFields {
  const fields: ModelFields = {
    lag: values["lag"] as 0 | 1 | undefined,
    lagPenalty: values["lag-penalty"],
    noise: values["noise"],
    predictive: values["predictive"],
    offsets: values["offsets"] || undefined,
    fastRate: values["fast-rate"],
    latentDim: values["latent-dim"],
    encOutDim: values["enc-out-dim"],
    tolTime: values["tol-time"],
    channels: values["no-convolutions"] ? [] : values["channels"],
    decoderChannels: values["decoder-channels"],
    normalization: values["normalization"],
    outputActivation: values["output-activation"],
    temporalLoss: values["temporal-loss"],
    klWeight: values["kl-weight"],
    sigX: values["sig-x"],
    sigH: values["sig-h"],
    sigZ: values["sig-z"],
    rho: values["rho"],
    ridgePenalty: values["ridge-penalty"],
    lambdaZ: values["lambda-z"],
    initialState: values["initial-state"],
    epochs: values["epochs"],
    batchSize: values["batch-size"],
    learningRate: values["learning-rate"],
    seed: values["seed"],
  };
  return givenFields(fields);
}

/**
 * A volume size from text.
 *
 * @param text `"X,Y,Z"` in voxels.
 * @throws {UsageError} when it is not three whole numbers above 0.
 */
export function spatialShapeOf(text: string): SpatialShape {
  const sizes = text.split(/[,x×]/).map((size) => /^\s*\d+\s*$/.test(size) ? Number(size) : 0);
  if (sizes.length === 3 && sizes.every((n) => Number.isSafeInteger(n) && n > 0)) {
    return sizes as unknown as SpatialShape;
  }
  throw new UsageError(`--spatial is "${text}", needs three whole numbers such as 91,109,91`);
}
