/** Options of `train streamlines`, and the configuration they make. */
import { STREAMLINE_KINDS, type StreamlineKind } from "../../models/streamlines/config.ts";
import { type Option, UsageError, type Values } from "../option_table.ts";
import { resumeOption, RUN_OPTIONS } from "../run_options.ts";
import { NOTHING_FOUND, type StreamlinesRun } from "./run_config.ts";

/** Options that may accompany --resume. */
export const CHANGEABLE = ["epochs", "learning-rate"];

/** The table. */
export const TRAIN_OPTIONS = [
  {
    name: "kind",
    kind: "choice",
    choices: STREAMLINE_KINDS,
    value: "NAME",
    help:
      "Model: ae, vae, conditional (bundle and length are told to the decoder), regression (the original's; " +
      "it generates one shape in different sizes) or adversarial",
    otherwise: "ae",
    group: "Model",
  },
  {
    name: "preset",
    kind: "choice",
    choices: ["original"],
    value: "NAME",
    help:
      "original: layouts, starting values, batch norm, optimiser and procedure of the GSoC 2024 project, in mm",
    group: "Model",
  },
  {
    name: "latent-dim",
    kind: "integer",
    min: 1,
    value: "N",
    help: "Width of the code",
    otherwise: "32; 8 for vae and adversarial, 12 for conditional",
    group: "Model",
  },
  {
    name: "width",
    kind: "integer",
    min: 1,
    value: "N",
    help: "Channels of the first convolution; 32 is the full network of 4.7 million weights",
    otherwise: "8; 32 with --preset original",
    group: "Model",
  },
  {
    name: "points",
    kind: "integer",
    min: 32,
    value: "N",
    help: "Points of every streamline: 32, 64, 128, 256 or 512",
    otherwise: "256; 128 with the phantoms",
    group: "Model",
  },
  {
    name: "no-shortcut",
    kind: "flag",
    help: "Leave out the linear way past the network that starts from principal axes",
    group: "Model",
  },
  {
    name: "upsampling",
    kind: "choice",
    choices: ["nearest", "linear"],
    value: "NAME",
    help: "How the decoder doubles its places",
    otherwise: "nearest",
    group: "Model",
  },
  {
    name: "epochs",
    kind: "integer",
    min: 1,
    value: "N",
    help: "Times over the streamlines",
    otherwise: "20",
    group: "Training",
  },
  {
    name: "learning-rate",
    kind: "number",
    range: { above: 0 },
    value: "X",
    help: "Highest step size",
    otherwise: "0.001; 0.002 for conditional, 0.00068 with --preset original",
    group: "Training",
  },
  {
    name: "batch-size",
    kind: "integer",
    min: 2,
    value: "N",
    help: "Streamlines per update",
    otherwise: "64; 20 with --preset original",
    group: "Training",
  },
  { name: "seed", kind: "integer", value: "N", help: "Seed", otherwise: "0", group: "Training" },
  {
    name: "beta",
    kind: "number",
    range: { least: 0 },
    value: "X",
    help: "Factor on the divergence of variational models",
    otherwise: "1",
    group: "Training",
  },
  {
    name: "sigma",
    kind: "number",
    range: { above: 0 },
    value: "MM",
    help: "Deviation of the Gaussian likelihood of variational models",
    otherwise: "8; the mean squared error with --preset original",
    group: "Training",
  },
  {
    name: "consistency",
    kind: "number",
    range: { least: 0 },
    value: "X",
    help: "conditional: factor on the squared difference of the length asked for and measured",
    otherwise: "300",
    group: "Training",
  },
  {
    name: "attribute-weight",
    kind: "number",
    range: { least: 0 },
    value: "X",
    help: "ae: ties the first value of the code to length with this factor",
    otherwise: "0",
    group: "Training",
  },
  {
    name: "weight-decay-rule",
    kind: "choice",
    choices: ["decoupled", "coupled"],
    value: "NAME",
    help: "Whether decay shrinks the weights (AdamW) or is added to the gradient (L2)",
    otherwise: "decoupled",
    group: "Training",
  },
  {
    name: "phantom",
    kind: "choice",
    choices: ["fibercup", "seven-arcs"],
    value: "NAME",
    help: "Which made-up bundles to train on when no files are named",
    otherwise: "fibercup",
    group: "Data",
  },
  {
    name: "share",
    kind: "number",
    range: { above: 0, most: 1 },
    value: "X",
    help: "Share of the phantom's streamlines",
    otherwise: "1",
    group: "Data",
  },
  {
    name: "segment",
    kind: "text",
    value: "quickbundles:MM",
    help: "Find the bundles by distance instead of taking files or groups for them",
    group: "Data",
  },
  {
    name: "reference",
    kind: "text",
    value: "FILE",
    help:
      "Image the streamlines belong to (.nii, .nii.gz): headers and points are compared with it",
    group: "Data",
  },
  {
    name: "drop-invalid",
    kind: "flag",
    help: "Leave out streamlines of one point, without length or with NaN",
    group: "Data",
  },
  {
    name: "allow-outside",
    kind: "flag",
    help: "Leave out streamlines that leave the reference image",
    group: "Data",
  },
  {
    name: "trk-origin",
    kind: "choice",
    choices: ["corner", "centre"],
    value: "NAME",
    help: "Where (0, 0, 0) of .trk files lies; centre for writers that leave out the half voxel",
    otherwise: "corner",
    group: "Data",
  },
  ...RUN_OPTIONS,
  resumeOption(CHANGEABLE),
] as const satisfies readonly Option[];

/** Parsed options. */
export type TrainValues = Values<typeof TRAIN_OPTIONS>;

const LATENTS: Readonly<Record<StreamlineKind, number>> = {
  ae: 32,
  vae: 8,
  conditional: 12,
  regression: 32,
  adversarial: 8,
};

/**
 * The configuration of options and files, before the data are open.
 *
 * @param values Parsed options.
 * @param files Tractograms; none means a phantom.
 * @throws {UsageError} for options that do not go together.
 */
export function planConfig(values: TrainValues, files: readonly string[]): StreamlinesRun {
  const kind = values.kind ?? "ae";
  const original = values.preset === "original";
  if (files.length > 0 && (values.phantom !== undefined || values.share !== undefined)) {
    throw new UsageError("--phantom and --share make streamlines; leave them out, or the files");
  }
  const phantom = files.length > 0 ? null : values.phantom ?? "fibercup";
  return {
    kind,
    model: {
      points: values.points ?? (phantom && !original ? 128 : 256),
      latentDim: values["latent-dim"] ?? (original ? 32 : LATENTS[kind]),
      width: values.width ?? (original ? 32 : 8),
      upsampling: values.upsampling ?? "nearest",
      decoderReshape: original ? "time-major" : "channel-major",
      init: original ? "original-bound" : "pytorch",
      batchNorm: original && kind !== "ae" && kind !== "adversarial",
      shortcut: !original && !values["no-shortcut"],
    },
    training: {
      epochs: values.epochs ?? 20,
      seed: values.seed ?? 0,
      learningRate: values["learning-rate"] ??
        (original ? 6.8e-4 : kind === "conditional" ? 2e-3 : 1e-3),
      batchSize: values["batch-size"] ?? (original ? 20 : 64),
      weightDecay: original ? 0.13 : 1e-4,
      weightDecayRule: values["weight-decay-rule"] ?? "decoupled",
      warmup: 50,
      cosine: !original,
      rawEpsilon: original,
      beta: values.beta ?? 1,
      klRamp: kind === "conditional" ? 0.3 : 0,
      sigma: values.sigma ?? (original ? null : 8),
      consistency: values.consistency ?? 300,
      attributeWeight: values["attribute-weight"] ?? 0,
      procedure: original ? "original" : "joint",
      checkpointEvery: values["checkpoint-every"],
    },
    data: {
      files,
      phantom,
      share: values.share ?? 1,
      segment: segmentOf(values.segment),
      dropInvalid: values["drop-invalid"],
      trkOrigin: values["trk-origin"] ?? "corner",
      reference: values.reference ?? null,
      allowOutside: values["allow-outside"],
    },
    found: NOTHING_FOUND,
  };
}

function segmentOf(text: string | undefined): number | null {
  if (text === undefined) return null;
  const threshold = Number(/^quickbundles:(\d+(?:\.\d+)?)$/.exec(text)?.[1]);
  if (threshold > 0) return threshold;
  throw new UsageError(
    `--segment is "${text}", needs quickbundles: and a distance in mm, such as quickbundles:10`,
  );
}
