/** Options of `recvae train`, and the complete plan of a run they come to. */
import { givenFields } from "../../base/given_fields.ts";
import type { FileRecord } from "../../data/file_record.ts";
import type { NormalizationKind } from "../../data/normalization.ts";
import type { OptimiserKind } from "../../training/optimisers.ts";
import type { ScheduleKind } from "../../training/schedules.ts";
import { type ConfigFile, NO_CONFIG } from "./config_file.ts";
import {
  type DataPlan,
  OWN_DATA_OPTIONS,
  planData,
  shippedMask,
  SOURCE_OPTIONS,
} from "./data_options.ts";
import type { Pipeline } from "../pipeline.ts";
import { resumeOption, RUN_OPTIONS } from "../run_options.ts";
import {
  LAGGED_OPTIONS,
  MODEL_OPTIONS,
  type ModelFields,
  modelFields,
  SCHEDULE_OPTIONS,
} from "./model_options.ts";
import { type Option, UsageError, type Values } from "../option_table.ts";
import { decayOf, presetFor, requireNetwork, requireScaling } from "./network_choice.ts";
import { type Preset, PRESETS, SHIPPED_DATA_MODEL } from "./presets.ts";
import { DATA_FIELDS, foldOf, TRAINING_FIELDS } from "./settings.ts";

/** Options that may accompany --resume, beside those of every family. */
export const CHANGEABLE: readonly string[] = [
  "epochs",
  "learning-rate",
  "clip-norm",
  "patience",
  "memory",
  "data-root",
  "accept-changed-data",
];

/** All options of the command. */
export const TRAIN_OPTIONS = [
  ...SOURCE_OPTIONS,
  {
    name: "held-out",
    kind: "number",
    range: DATA_FIELDS.fields.heldOut.range,
    value: "SHARE",
    help: "Share of the subjects that is not trained on and scored; 0 trains on all",
    otherwise: "0.25",
    group: "Data",
  },
  {
    name: "fold",
    kind: "text",
    value: "I/K",
    help: "Hold out fold I of K instead, stratified by group",
    group: "Data",
  },
  {
    name: "scaling",
    kind: "choice",
    choices: [
      "run-z-score",
      "run-detrend",
      "train-residual",
      "min-max",
      "z-score",
      "train-z-score",
      "none",
    ],
    value: "KIND",
    help:
      "Normalisation of the data: run-z-score or run-detrend (each run's voxels by their own mean and trend), " +
      "train-residual, min-max, z-score, train-z-score or none",
    otherwise: "the preset's",
    group: "Data",
  },
  {
    name: "mask",
    kind: "text",
    value: "FILE",
    help: "Count only voxels inside this mask; with preset default nothing else is modelled",
    otherwise: "preset default: voxels that are bright on the mean image",
    group: "Data",
  },
  {
    name: "mask-label",
    kind: "integers",
    value: "N,…",
    help: "The mask is a label image; voxels with these labels are inside",
    group: "Data",
  },
  {
    name: "memory",
    kind: "integer",
    min: 1,
    value: "MIB",
    help: "Memory for frames; more data than fits is read from the files again and again",
    otherwise: "1024",
    group: "Data",
  },
  ...MODEL_OPTIONS,
  ...LAGGED_OPTIONS,
  ...SCHEDULE_OPTIONS,
  {
    name: "config",
    kind: "text",
    value: "FILE",
    help: "Settings from a JSON file such as another run's config.json; options win over it",
    group: "Training",
  },
  {
    name: "preset",
    kind: "choice",
    choices: ["default", "conv", "original"],
    help:
      "Settings to start from: default has linear and lag paths beside the convolutions, conv convolutions alone; " +
      "original ones are known to learn little",
    otherwise: "default",
    group: "Training",
  },
  {
    name: "optimiser",
    kind: "choice",
    choices: ["sgd", "adam", "adamw"],
    help: "Update rule",
    group: "Training",
  },
  {
    name: "momentum",
    kind: "number",
    range: TRAINING_FIELDS.fields.momentum.range,
    help: "Momentum of sgd",
    otherwise: "0",
    group: "Training",
  },
  {
    name: "weight-decay",
    kind: "number",
    range: TRAINING_FIELDS.fields.weightDecay.range,
    help: "Weight decay",
    otherwise: "0.01 with adamw, else 0",
    group: "Training",
  },
  {
    name: "schedule",
    kind: "choice",
    choices: ["constant", "cosine", "warmup-cosine"],
    help: "Learning rate over the epochs",
    group: "Training",
  },
  {
    name: "clip-norm",
    kind: "number",
    range: TRAINING_FIELDS.fields.clipNorm.range,
    help: "Largest joint norm of the gradients",
    otherwise: "10; original preset: no clipping",
    group: "Training",
  },
  {
    name: "kl-ramp",
    kind: "number",
    range: TRAINING_FIELDS.fields.klRamp.range,
    value: "SHARE",
    help: "Raise the KL weight from 0 over this share of the epochs",
    otherwise: "0",
    group: "Training",
  },
  {
    name: "patience",
    kind: "integer",
    min: 1,
    value: "N",
    help: "Stop after N epochs in which the training loss did not fall; implies --keep-best",
    group: "Training",
  },
  {
    name: "keep-best",
    kind: "flag",
    help: "End with the weights of the epoch that had the lowest training loss",
    otherwise: "the last epoch's",
    group: "Training",
  },
  {
    name: "fit-offsets",
    kind: "integer",
    range: TRAINING_FIELDS.fields.fitOffsets.range,
    value: "STEPS",
    help: "Updates of the held-out subjects' offsets in the second score; 0 leaves it out",
    otherwise: "50",
    group: "Results",
  },
  ...RUN_OPTIONS,
  resumeOption(CHANGEABLE),
  ...OWN_DATA_OPTIONS,
] as const satisfies readonly Option[];

/** The page of help. */
export const TRAIN_HELP: Pipeline["train"] = {
  summary: "Train a model on NIfTI scans and score it on held-out ones",
  description:
    "Trains a recurrent VAE and writes a folder with weights, configuration, history, latents, the " +
    "transition matrix F, reconstructions as NIfTI, figures and a summary. Scans are NIfTI files of one size; a quarter " +
    "of the subjects is held out and scored unless --held-out says otherwise. Without any data it trains on " +
    "eight real runs that ship with the project.\n\nCtrl-C, SIGTERM and SIGHUP (a closed terminal) save a checkpoint; " +
    "--resume goes on from it.",
  options: TRAIN_OPTIONS,
  examples: [
    { line: "recvae train", does: "the runs that ship with the project, in about ten seconds" },
    { line: "recvae train --cn scans/cn --ad scans/ad --out runs/first", does: "two groups" },
    {
      line: "recvae train sub-*_bold.nii.gz --latent-dim 20 --epochs 200",
      does: "a list of files, a wider latent state, longer",
    },
    { line: "recvae train --resume runs/first", does: "go on after Ctrl-C or a crash" },
    {
      line: "recvae train --config runs/first/config.json --data other/scans",
      does: "the settings of another run",
    },
    {
      line: "recvae train --synthetic --spatial 33,35,40 --tol-time 16",
      does: "made-up data, to try things",
    },
  ],
};

/** Parsed options of the command. */
export type TrainValues = Values<typeof TRAIN_OPTIONS>;

/** How a run is trained, beside the model's configuration; plain data. */
export interface TrainingPlan {
  readonly preset: keyof typeof PRESETS;
  readonly optimiser: OptimiserKind;
  readonly momentum?: number;
  readonly weightDecay?: number;
  readonly schedule: ScheduleKind;
  readonly clipNorm?: number;
  readonly klRamp?: number;
  readonly patience?: number;
  /** Whether to end with the weights of the best epoch; with patience it is so anyway. */
  readonly keepBest?: boolean;
  readonly fitOffsets: number;
  /** Epochs between checkpoints; absent: by the clock. */
  readonly checkpointEvery?: number;
}

/** Which data, and how they are divided and normalised; plain data. */
export interface TrainingDataPlan extends DataPlan {
  readonly scaling: NormalizationKind;
  readonly heldOut: number;
  readonly fold?: string;
  readonly mask?: FileRecord;
  /** Labels that are inside, where the mask is a label image. */
  readonly maskLabels?: readonly number[];
}

/** Everything a run is determined by, beside the engine. */
export interface RunPlan {
  /** Said before the data are opened. */
  readonly notes: readonly string[];
  /** Fields of the configuration; those that follow from the data are still open. */
  readonly network: "lagged" | "convolutional";
  readonly model: ModelFields;
  readonly training: TrainingPlan;
  readonly data: TrainingDataPlan;
}

/**
 * The plan the command line asks for: preset, then the configuration file, then options.
 *
 * @param values Parsed options.
 * @param files Positional arguments.
 * @param file Content of `--config`.
 * @throws {UsageError} for values out of range.
 */
export function planRun(
  values: TrainValues,
  files: readonly string[],
  file: ConfigFile = NO_CONFIG,
): RunPlan {
  const fields = { ...file.model, ...modelFields(values) };
  const { name, notes } = presetFor(values, file, fields);
  const preset: Preset = PRESETS[name];
  const { network } = preset;
  requireNetwork(values, fields, network);
  const source = planData(
    { ...values, "group-by": values["group-by"] ?? file.data.groupBy },
    files,
    {
      tolTime: fields.tolTime,
      seed: fields.seed,
      ...(name === "default" ? { mostFrames: null } : {}),
    },
  );
  const shipped = source.kind === "shipped" && name === "conv" ? SHIPPED_DATA_MODEL : {};
  const widths = fields.channels || fields.decoderChannels ? {} : shipped;
  const heldOut = values["held-out"] ?? file.data.heldOut ?? 0.25;
  if (values.fold !== undefined && values["held-out"] !== undefined) {
    throw new UsageError("--held-out and --fold both say what is held out; leave one of them out");
  }
  const fold = values.fold ?? (values["held-out"] === undefined ? file.data.fold : undefined);
  const mask = values.mask ?? file.data.mask ??
    (source.kind === "shipped" && network === "lagged" ? shippedMask() : undefined);
  const maskLabels = values["mask-label"] ??
    (values.mask === undefined ? file.data.maskLabels : undefined);
  if (values["mask-label"] && mask === undefined) {
    throw new UsageError("--mask-label says which labels of --mask FILE are inside; name the file");
  }
  if (fold !== undefined) parseFold(fold);
  if (network === "convolutional") requireKl(values, fields.temporalLoss);
  requireScaling(values, { network, output: fields.outputActivation });
  return {
    network,
    notes,
    model: { ...preset.model, ...widths, ...fields, ...decayOf(values, file, network) },
    training: planTraining(values, { ...file.training, preset: name }),
    data: {
      ...source,
      scaling: values.scaling ?? file.data.scaling ?? preset.data,
      heldOut,
      ...givenFields({ fold, maskLabels, mask: mask === undefined ? undefined : { path: mask } }),
    },
  };
}

/** Options of the KL divergence go with it. Both presets of the convolutional network have the squared distance. */
function requireKl(values: TrainValues, temporalLoss: string = "squared"): void {
  if (temporalLoss === "kl") return;
  for (const name of ["kl-weight", "kl-ramp"] as const) {
    if (values[name] === undefined) continue;
    throw new UsageError(`--${name} goes with --temporal-loss kl, found ${temporalLoss}`);
  }
}

function planTraining(
  values: TrainValues,
  file: Partial<TrainingPlan> & Pick<TrainingPlan, "preset">,
): TrainingPlan {
  const { schedule, clipNorm, ...preset }: Preset = PRESETS[file.preset];
  const optimiser = values.optimiser ?? file.optimiser ?? preset.optimiser;
  if (values.momentum !== undefined && optimiser !== "sgd") {
    throw new UsageError(`--momentum goes with --optimiser sgd, found ${optimiser}`);
  }
  // The momentum of a file goes with the optimiser of that file.
  const { momentum, ...settings } = file;
  return {
    schedule,
    fitOffsets: 50,
    ...givenFields({ clipNorm }),
    ...settings,
    optimiser,
    ...givenFields({
      schedule: values.schedule,
      fitOffsets: values["fit-offsets"],
      momentum: optimiser === "sgd" ? values.momentum ?? momentum : undefined,
      weightDecay: values["weight-decay"],
      clipNorm: values["clip-norm"],
      klRamp: values["kl-ramp"],
      patience: values.patience,
      keepBest: values["keep-best"] || undefined,
      checkpointEvery: values["checkpoint-every"],
    }),
  };
}

/**
 * A fold from text.
 *
 * @param text `"I/K"`, 1 ≤ I ≤ K, K ≥ 2.
 * @returns 0-based fold and number of folds.
 * @throws {UsageError} when it is not that.
 */
export function parseFold(text: string): { readonly fold: number; readonly folds: number } {
  const fold = foldOf(text);
  if (fold) return fold;
  throw new UsageError(`--fold is "${text}", needs I/K such as 1/5`);
}
