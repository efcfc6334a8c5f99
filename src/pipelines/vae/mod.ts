/** The VAE as a family of the program. */
import { ConfigError } from "../../base/errors.ts";
import { assemble } from "../../models/vae/assembly.ts";
import { trainableOf } from "../../models/vae/fitting.ts";
import { resolveOptions } from "../../models/vae/options.ts";
import { VAE } from "../../models/vae/vae.ts";
import { readLoader } from "../../models/vae/batches.ts";
import { readRun } from "../../training/run_folder.ts";
import { fitTrainable } from "../fitting.ts";
import type { OpenedRun, Pipeline, Plan, TrainingHooks, TrainingOutcome } from "../pipeline.ts";
import { configFromJson, configToJson, type VaeConfig } from "./config.ts";
import { listedFiles, openData, trainingBatches, type VaeData } from "./data.ts";
import { networkTable } from "./network_table.ts";
import { FOLDERS } from "./outputs.ts";
import { reportRun } from "./report.ts";
import { CHANGEABLE, planConfig, TRAIN_OPTIONS, type TrainValues } from "./train_options.ts";
import { verbs } from "./verbs.ts";

/** The row of the table. */
export const vae: Pipeline<VaeConfig, VaeData, VAE> = {
  family: "vae",
  summary: "images, frames or rows of tables: a variational autoencoder",
  model: "a variational autoencoder",
  rows: "samples",
  optionNames: { heldOut: "--held-out", defaultDist: "--distribution", lr: "--learning-rate" },
  train: {
    summary: "Train a variational autoencoder on images, frames or tables",
    description:
      "Learns a few numbers for every sample: 3-D images (a folder, files, or a .txt list of paths), frames of 4-D files " +
      "(--samples frames), rows of tables (.csv, .tsv, .npy), or images in .npy files. A share of the groups (people, runs, rows) is " +
      "held out and scored beside the training mean and PCA of the same width. Without files: the frames of the runs that " +
      "ship with the project.",
    options: [...TRAIN_OPTIONS],
    examples: [
      { line: "recvae train vae", does: "the frames that ship with the project" },
      {
        line: "recvae train vae maps --latent-dim 8 --out runs/maps",
        does: "a folder of 3-D images",
      },
      {
        line: "recvae train vae rows.tsv --target age --out runs/rows",
        does: "a table; the latents are probed for age",
      },
    ],
  },
  changeable: CHANGEABLE,
  plan,
  async reopen({ config }) {
    return { config, data: await openData(config) };
  },
  configToJson,
  configFromJson,
  change: ({ model, training, data }, values: Partial<TrainValues>) => ({
    model,
    training: {
      ...training,
      epochs: values.epochs ?? training.epochs,
      learningRate: values["learning-rate"] ?? training.learningRate,
      ...(values["clip-norm"] === undefined ? {} : { clipNorm: values["clip-norm"] }),
      ...(values["checkpoint-every"] === undefined
        ? {}
        : { checkpointEvery: values["checkpoint-every"] }),
    },
    data,
  }),
  view: ({ training }) => training,
  check: ({ model }) => void assemble(resolveOptions(model.options)),
  build: ({ model }, { training, heldOut }) => {
    const built = new VAE(model.options);
    if (model.options.defaultDist === "bernoulli") {
      for (const { x } of [training, heldOut]) requireUnit(x.data, x.shape[0]);
    }
    return built;
  },
  fit,
  savedParts: ({ data }) => ({ normalisation: { ...data.scaling } }),
  report: reportRun,
  async inspect(folder) {
    const { config: json, epoch, version, weights } = await readRun(folder);
    const { model, training, data } = configFromJson(withoutFamily(json), folder);
    const { entries } = assemble(resolveOptions(model.options));
    return {
      kind: "run of recvae train vae",
      version,
      epochs: `${epoch} of ${training.epochs}`,
      data: data.files.length === 0 ? "shipped" : `${data.files.length} files`,
      ...model.options,
      parameters: entries.reduce((sum, { key }) => sum + weights.get(key)!.data.length, 0),
    };
  },
  verbs,
  outputs: [
    { folder: FOLDERS.latents, names: /^samples\.tsv$/ },
    {
      folder: FOLDERS.reconstructions,
      names: /^(held-out|samples)\.(nii\.gz|tsv|safetensors)$/,
    },
    { folder: FOLDERS.figures, names: /^(loss|slice|traversal)\.svg$/ },
  ],
};

function plan(values: TrainValues, named: readonly string[]): Plan<VaeConfig, VaeData> {
  const planned = planConfig(values, listedFiles(named));
  return {
    name: named.length === 0 ? "vae-haxby2001" : "vae",
    async open() {
      const data = await openData(planned);
      const { shape, channels } = data.set;
      const options = {
        ...planned.options,
        shape,
        ...(channels === undefined ? {} : { channels }),
      };
      const { training } = planned;
      return {
        config: { model: { estimator: "VAE", options }, training, data: planned.data },
        data,
      };
    },
  };
}

async function fit(
  model: VAE,
  { config, data }: OpenedRun<VaeConfig, VaeData>,
  hooks: TrainingHooks,
): Promise<TrainingOutcome> {
  if (!hooks.resumeFrom) hooks.log(networkTable(model).join("\n"));
  const loader = await readLoader(trainingBatches(data, config.training));
  const { weightDecay } = config.training;
  return await fitTrainable(
    {
      ...trainableOf(model),
      exportWeights: () => model.exportWeights(),
      importWeights: (weights) => model.importWeights(weights),
    },
    loader,
    { view: config.training, hooks, optimiserOptions: { weightDecay } },
  );
}

function withoutFamily(json: Readonly<Record<string, unknown>> | undefined) {
  const { family: _family, ...rest } = json ?? {};
  return rest;
}

/** The likelihood of a Bernoulli is one of values in 0 … 1 alone. */
function requireUnit(data: Float32Array, rows: number): void {
  const bad = data.findIndex((value) => !(value >= -1e-6 && value <= 1 + 1e-6));
  if (bad < 0) return;
  throw new ConfigError(
    "distribution",
    `Cannot train: sample ${Math.floor(bad / (data.length / rows)) + 1} holds ${
      data[bad]
    }, needs values in 0 … 1 with the distribution bernoulli; give --scaling unit`,
  );
}
