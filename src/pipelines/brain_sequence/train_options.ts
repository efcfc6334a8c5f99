/** Options of `recvae train brain-sequence`, and the plan they come to. */
import { OBJECTIVES } from "../../models/brain_sequence/config.ts";
import { type Option, UsageError, type Values } from "../option_table.ts";
import { resumeOption, RUN_OPTIONS } from "../run_options.ts";
import { PRETRAINING_STYLES } from "./settings.ts";

/** Options that may accompany --resume. */
export const CHANGEABLE: readonly string[] = ["epochs", "learning-rate"];

/** All options. */
export const TRAIN_OPTIONS = [
  {
    name: "tr",
    kind: "number",
    range: { above: 0 },
    value: "SECONDS",
    help: "Time from one volume to the next; tables do not say it",
    group: "Data",
  },
  {
    name: "lines",
    kind: "choice",
    choices: ["volumes", "parcels"],
    value: "WHAT",
    help: "What a line of the tables is: volumes or parcels",
    otherwise: "found out and said",
    group: "Data",
  },
  {
    name: "held-out",
    kind: "number",
    range: { above: 0, below: 1 },
    value: "SHARE",
    help: "Share of the subjects that is not trained on and scored",
    otherwise: "0.25",
    group: "Data",
  },
  {
    name: "style",
    kind: "choice",
    choices: PRETRAINING_STYLES,
    help:
      "What is learned: the next volume (csm), hidden volumes and whether sequences follow (bert), hidden " +
      "parcels (netbert), or the sequence itself (autoencoder)",
    otherwise: "csm",
    group: "Model",
  },
  {
    name: "objective",
    kind: "choice",
    choices: OBJECTIVES,
    help: "Of csm: predict after every volume, or one hidden volume a sequence as published",
    otherwise: "every",
    group: "Model",
  },
  {
    name: "autoregression",
    kind: "integer",
    value: "P",
    help: "Order of the autoregressive model whose rest the network predicts; 0 for none",
    otherwise: "chosen on the training subjects, with objective every; else 0",
    group: "Model",
  },
  {
    name: "embedding-dim",
    kind: "integer",
    min: 1,
    help: "Width of the network",
    otherwise: "64",
    group: "Model",
  },
  { name: "layers", kind: "integer", min: 1, help: "Layers", otherwise: "2", group: "Model" },
  {
    name: "heads",
    kind: "integer",
    min: 1,
    help: "Heads of attention",
    otherwise: "2",
    group: "Model",
  },
  {
    name: "dropout",
    kind: "number",
    range: { least: 0, below: 1 },
    help: "Share of values dropped in training",
    otherwise: "0.1",
    group: "Model",
  },
  {
    name: "epochs",
    kind: "integer",
    min: 1,
    help: "Times over the runs",
    otherwise: "40",
    group: "Training",
  },
  {
    name: "batch-size",
    kind: "integer",
    min: 1,
    help: "Sequences of a step",
    otherwise: "8",
    group: "Training",
  },
  {
    name: "learning-rate",
    kind: "number",
    range: { above: 0 },
    help: "Step size of AdamW, falling to 0 along a cosine",
    otherwise: "0.0005",
    group: "Training",
  },
  {
    name: "weight-decay",
    kind: "number",
    range: { least: 0 },
    help: "Decay of weights, biases and norms excepted",
    otherwise: "0.1",
    group: "Training",
  },
  {
    name: "length",
    kind: "integer",
    min: 3,
    help: "Most volumes of a sequence",
    otherwise: "50",
    group: "Training",
  },
  {
    name: "least-length",
    kind: "integer",
    min: 2,
    help: "Fewest volumes of a sequence in training",
    otherwise: "10",
    group: "Training",
  },
  {
    name: "seed",
    kind: "integer",
    help: "Seed of everything random",
    otherwise: "1",
    group: "Training",
  },
  ...RUN_OPTIONS,
  resumeOption(CHANGEABLE),
] as const satisfies readonly Option[];

/** Parsed options. */
export type TrainValues = Values<typeof TRAIN_OPTIONS>;

/** Refuses options that do not go together. */
export function checkTogether(values: TrainValues): void {
  const style = values.style ?? "csm";
  if (values.objective !== undefined && style !== "csm") {
    throw new UsageError(`--objective is for --style csm, not for ${style}`);
  }
  const every = style === "csm" && (values.objective ?? "every") === "every";
  if (values.autoregression && !every) {
    throw new UsageError("--autoregression needs --style csm with --objective every");
  }
  const [width, heads] = [values["embedding-dim"] ?? 64, values.heads ?? 2];
  if (width % heads !== 0) {
    throw new UsageError(`--heads ${heads} does not divide --embedding-dim ${width}`);
  }
  const [length, least] = [values.length ?? 50, values["least-length"] ?? 10];
  if (least > length) throw new UsageError(`--least-length ${least} is above --length ${length}`);
}
