/** Options of `train vae`, and the configuration they come to. */
import { givenFields } from "../../base/given_fields.ts";
import { SAMPLE_SCALINGS } from "../../data/sample_scaling.ts";
import { isAbsolute, resolve } from "../../deps/node_path.ts";
import { DISTRIBUTION_NAMES } from "../../losses/distributions.ts";
import type { Option, Values } from "../option_table.ts";
import { UsageError } from "../option_table.ts";
import { resumeOption, RUN_OPTIONS } from "../run_options.ts";
import type { DataConfig, ModelOptions, TrainingConfig } from "./config.ts";

/** Options that may change when a run goes on. */
export const CHANGEABLE = ["epochs", "learning-rate", "clip-norm"];

/** How samples are made of files: also of the verbs. */
export const SAMPLE_OPTIONS = [
  {
    name: "samples",
    kind: "choice",
    choices: ["files", "frames"],
    help: "What a sample is: a 3-D image each, or every frame of 4-D files",
    otherwise: "files; frames of the runs that ship",
    group: "Data",
  },
  {
    name: "mask",
    kind: "text",
    value: "FILE",
    help: "Image of 0 and 1: the voxels inside become the columns of a table",
    otherwise: "whole images",
    group: "Data",
  },
  {
    name: "drop-missing",
    kind: "flag",
    help: "Leave rows of tables out that miss a value",
    group: "Data",
  },
  {
    name: "nan-to",
    kind: "choice",
    choices: ["zero"],
    help: "Take 0 for values that are NaN or infinite",
    otherwise: "refused",
    group: "Data",
  },
  {
    name: "participants",
    kind: "text",
    value: "FILE",
    help: "Table with participant_id and targets",
    group: "Data",
  },
  {
    name: "target",
    kind: "text",
    value: "COLUMN",
    help: "Column of that table (or of the samples' own) to probe the latents for",
    group: "Data",
  },
] as const satisfies readonly Option[];

/** The whole table. */
export const TRAIN_OPTIONS = [
  ...SAMPLE_OPTIONS,
  {
    name: "held-out",
    kind: "number",
    range: { above: 0, below: 1 },
    help: "Share of the groups (people, runs, rows) to score on",
    otherwise: "0.25",
    group: "Data",
  },
  {
    name: "scaling",
    kind: "choice",
    choices: SAMPLE_SCALINGS,
    help: "centre: minus the mean sample; z-score: each value; unit: to 0 … 1; none",
    otherwise: "centre; unit with bernoulli",
    group: "Data",
  },
  {
    name: "latent-dim",
    kind: "integer",
    min: 1,
    value: "N",
    help: "Width of the latent representation",
    otherwise: "16",
    group: "Model",
  },
  {
    name: "beta",
    kind: "number",
    range: { least: 0 },
    value: "X",
    help: "Weight of the divergence from the prior",
    otherwise: "1",
    group: "Model",
  },
  {
    name: "distribution",
    kind: "choice",
    choices: DISTRIBUTION_NAMES,
    help: "Of the reconstruction: squared error, absolute error, or values in 0 … 1",
    otherwise: "normal",
    group: "Model",
  },
  {
    name: "network",
    kind: "choice",
    choices: ["dense", "conv", "residual"],
    help: "Encoder and decoder",
    otherwise: "dense of tables, conv of images",
    group: "Model",
  },
  {
    name: "widths",
    kind: "integers",
    value: "N,N,…",
    help: "Channels (dense: widths) of the levels",
    otherwise: "16,32,64,128; 256 of dense",
    group: "Model",
  },
  {
    name: "noise-scale",
    kind: "choice",
    choices: ["fixed", "learned", "per-voxel"],
    help: "Standard deviation of the normal reconstruction",
    otherwise: "fixed",
    group: "Model",
  },
  {
    name: "free-bits",
    kind: "number",
    range: { least: 0 },
    value: "X",
    help: "Nats that each latent may cost for nothing",
    otherwise: "0",
    group: "Model",
  },
  {
    name: "kl-warmup",
    kind: "integer",
    value: "N",
    help: "Epochs over which the weight of the divergence rises",
    otherwise: "0",
    group: "Model",
  },
  {
    name: "epochs",
    kind: "integer",
    min: 1,
    value: "N",
    help: "Passes over the training samples",
    otherwise: "60",
    group: "Training",
  },
  {
    name: "learning-rate",
    kind: "number",
    range: { above: 0 },
    value: "X",
    help: "Step size of AdamW",
    otherwise: "0.001",
    group: "Training",
  },
  {
    name: "weight-decay",
    kind: "number",
    range: { least: 0 },
    value: "X",
    help: "Decoupled weight decay, biases included",
    otherwise: "0.01",
    group: "Training",
  },
  {
    name: "batch-size",
    kind: "integer",
    min: 1,
    value: "N",
    help: "Samples of an update",
    otherwise: "32",
    group: "Training",
  },
  {
    name: "clip-norm",
    kind: "number",
    range: { above: 0 },
    value: "X",
    help: "Largest joint norm of the gradients",
    otherwise: "no clipping",
    group: "Training",
  },
  {
    name: "seed",
    kind: "integer",
    value: "N",
    help: "Seed of everything random",
    otherwise: "2022",
    group: "Training",
  },
  ...RUN_OPTIONS,
  resumeOption(CHANGEABLE),
] as const satisfies readonly Option[];

/** Parsed. */
export type TrainValues = Values<typeof TRAIN_OPTIONS>;

/** A configuration that lacks the samples' shape. */
export interface PlannedConfig {
  readonly options: ModelOptions;
  readonly training: TrainingConfig;
  readonly data: DataConfig;
}

/**
 * What the options come to.
 *
 * @param values Parsed options.
 * @param files Absolute or relative paths, folders listed; none for the runs that ship with the project.
 * @throws {UsageError} for options that do not go together.
 */
export function planConfig(values: TrainValues, files: readonly string[]): PlannedConfig {
  const { seed = 2022, distribution = "normal" } = values;
  const { "learning-rate": learningRate = 1e-3, "weight-decay": weightDecay = 0.01 } = values;
  if (values.participants !== undefined && values.target === undefined) {
    throw new UsageError("--participants needs --target, the column to probe for");
  }
  return {
    options: givenFields({
      latentDim: values["latent-dim"] ?? 16,
      beta: values.beta,
      defaultDist: distribution,
      network: values.network,
      widths: values.widths,
      noiseScale: values["noise-scale"],
      freeBits: values["free-bits"],
      klWarmup: values["kl-warmup"],
      stochasticTransform: false,
      lr: learningRate,
      weightDecay,
      randomState: seed,
    }),
    training: givenFields({
      epochs: values.epochs ?? 60,
      learningRate,
      weightDecay,
      batchSize: values["batch-size"] ?? 32,
      seed,
      clipNorm: values["clip-norm"],
      checkpointEvery: values["checkpoint-every"],
    }),
    data: givenFields({
      files: files.map(absolute),
      samples: values.samples ?? (files.length === 0 ? "frames" as const : "files" as const),
      heldOut: values["held-out"] ?? 0.25,
      scaling: values.scaling ??
        (distribution === "bernoulli" ? "unit" as const : "centre" as const),
      mask: values.mask === undefined ? undefined : absolute(values.mask),
      participants: values.participants === undefined ? undefined : absolute(values.participants),
      target: values.target,
      dropMissing: values["drop-missing"] || undefined,
      nanToZero: values["nan-to"] === "zero" || undefined,
    }),
  };
}

function absolute(path: string): string {
  return isAbsolute(path) ? path : resolve(path);
}
