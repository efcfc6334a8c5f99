/** The recurrent VAE as a family of the program. */
import { ConfigError } from "../../base/errors.ts";
import { normalizationToJson } from "../../data/normalization.ts";
import { type RecurrentVaeOptions, resolveConfig } from "../../models/recurrent_vae/config.ts";
import {
  type LaggedOptions,
  resolveLaggedConfig,
} from "../../models/recurrent_vae/lagged/lagged_config.ts";
import { LaggedVae } from "../../models/recurrent_vae/lagged/lagged_vae.ts";
import { RecurrentVae } from "../../models/recurrent_vae/model.ts";
import { UsageError } from "../option_table.ts";
import type { OpenedRun, OpeningLimits, Pipeline, Plan } from "../pipeline.ts";
import { OUTPUTS } from "./result_files.ts";
import { NO_CONFIG, readConfigFile } from "./config_file.ts";
import { crossValidation, type FoldValues, withLabels } from "./cross_validation.ts";
import { printNotes } from "./data_notes.ts";
import { OWN_DATA_OPTIONS } from "./data_options.ts";
import { encodeVerb } from "./encode_verb.ts";
import { evaluateVerb } from "./evaluate_verb.ts";
import { ownDataOf } from "./own_data.ts";
import { modelledVoxels, prepareData, type PreparedData } from "./prepared_data.ts";
import { reconstructVerb } from "./reconstruct_verb.ts";
import { reportRun } from "./report.ts";
import {
  configFromJson,
  configToJson,
  isLagged,
  type ModelConfig,
  type RunConfig,
} from "./run_config.ts";
import { runFacts } from "./run_facts.ts";
import { synthesizeVerb } from "./synthesize_verb.ts";
import {
  CHANGEABLE,
  planRun,
  type RunPlan,
  TRAIN_HELP,
  type TrainValues,
} from "./train_options.ts";
import type { TrainedModel } from "./trained_model.ts";
import { checkTraining, trainModel } from "./training.ts";

/** The row of the table. */
export const recurrentVae: Pipeline<RunConfig, PreparedData, TrainedModel> = {
  family: "recurrent-vae",
  summary: "fMRI volumes: a latent state carried through time, decoded to volumes",
  model: "a recurrent variational autoencoder",
  rows: "scans",
  optionNames: {
    spatialShape: "the size of the scans",
    memoryBudget: "--memory",
    testFraction: "--held-out",
    maxNorm: "--clip-norm",
    innerSteps: "--fit-offsets",
  },
  train: TRAIN_HELP,
  changeable: CHANGEABLE,
  plan,
  async reopen({ folder, config, values }, limits) {
    const data = await prepareData(ownDataOf({ folder, config }, values), {
      ...limits,
      batchSize: config.model.batchSize,
      seed: config.model.seed,
    });
    return { config: { ...config, data: data.plan }, data };
  },
  configToJson,
  configFromJson,
  change,
  view: ({ model: { epochs, seed, learningRate }, training: { clipNorm, checkpointEvery } }) => ({
    epochs,
    seed,
    learningRate,
    clipNorm,
    checkpointEvery,
  }),
  check: checkTraining,
  build: buildModel,
  fit: trainModel,
  savedParts: ({ data }) => ({ normalisation: normalizationToJson(data.train.normalization) }),
  report: reportRun,
  crossValidation,
  inspect: runFacts,
  verbs: { evaluate: evaluateVerb, encode: encodeVerb, reconstruct: reconstructVerb },
  synthesize: synthesizeVerb,
  outputs: OUTPUTS,
};

function plan(values: FoldValues, files: readonly string[]): Plan<RunConfig, PreparedData> {
  for (const { name } of OWN_DATA_OPTIONS) {
    if (values[name]) throw new UsageError(`--${name} goes with --resume`);
  }
  const file = values.config === undefined ? NO_CONFIG : readConfigFile(values.config);
  const planned = withLabels(planRun(values, files, file), values.labelOf);
  const { kind } = planned.data;
  return {
    name: kind === "files" ? "run" : kind === "shipped" ? "haxby2001" : kind,
    engine: file.engine,
    async open(limits: OpeningLimits): Promise<OpenedRun<RunConfig, PreparedData>> {
      const { batchSize, seed } = loading(planned);
      const data = await prepareData(planned.data, {
        ...limits,
        batchSize,
        seed,
        remarks: planned.notes,
      });
      try {
        const { model, notes } = modelConfig(planned, data);
        printNotes(notes);
        return {
          config: { model, training: planned.training, data: data.plan },
          data: { ...data, notes: [...data.notes, ...notes] },
        };
      } catch (error) {
        data.close();
        throw error;
      }
    },
  };
}

/** How batches are made, before the data are known. */
function loading({ network, model }: RunPlan) {
  const known = { batchSize: model.batchSize, seed: model.seed };
  return network === "lagged"
    ? resolveLaggedConfig({ ...known, spatialShape: [2, 2, 2] })
    : resolveConfig(known);
}

/** The complete configuration, and what is to be said about it. */
function modelConfig(
  { network, model }: RunPlan,
  { cohort, train }: PreparedData,
): { readonly model: ModelConfig; readonly notes: readonly string[] } {
  const fromData = { spatialShape: cohort.spatialShape, tolTime: cohort.frames };
  if (network === "convolutional") {
    return { model: resolveConfig({ ...model, ...fromData } as RecurrentVaeOptions), notes: [] };
  }
  const config = resolveLaggedConfig({ ...model, ...fromData } as LaggedOptions);
  // Mean and trend are taken from every run, and the mean frame from all.
  const dimensions = Math.min(train.subjects * (cohort.frames - 2), modelledVoxels(train).length) -
    1;
  const latentDim = Math.max(1, dimensions);
  const frames = train.subjects * cohort.frames;
  if (model.latentDim !== undefined && model.latentDim > latentDim) {
    throw new ConfigError(
      "latentDim",
      `Cannot start from principal components: --latent-dim is ${model.latentDim}, and ${frames} training frames ` +
        `allow at most ${latentDim}; lower --latent-dim, train on more frames, or use --preset conv`,
    );
  }
  if (model.latentDim !== undefined || latentDim >= config.latentDim) {
    return { model: config, notes: [] };
  }
  const note =
    `The training scans have ${
      train.subjects * cohort.frames
    } frames, enough for ${latentDim} latent ` +
    `${
      latentDim === 1 ? "dimension" : "dimensions"
    } in place of ${config.latentDim}; --latent-dim sets another number.`;
  return { model: { ...config, latentDim }, notes: [note] };
}

/** The model of a run, on the current engine. */
function buildModel({ model }: RunConfig, { train }: PreparedData): TrainedModel {
  if (!isLagged(model)) return new RecurrentVae(model, { subjects: train.subjects });
  return new LaggedVae(model, { subjects: train.subjects, voxels: modelledVoxels(train) });
}

/** Settings that may change when a run goes on; they stay changed. */
function change({ model, training, data }: RunConfig, values: TrainValues): RunConfig {
  return {
    model: {
      ...model,
      epochs: values.epochs ?? model.epochs,
      learningRate: values["learning-rate"] ?? model.learningRate,
    },
    training: {
      ...training,
      clipNorm: values["clip-norm"] ?? training.clipNorm,
      patience: values.patience ?? training.patience,
      checkpointEvery: values["checkpoint-every"] ?? training.checkpointEvery,
    },
    data,
  };
}
