/** Sequence models of parcellated BOLD as a family of the program. */
import { UsageError } from "../option_table.ts";
import { fitTrainable } from "../fitting.ts";
import type { Pipeline, TrainingHooks } from "../pipeline.ts";
import { createSchedule } from "../../training/schedules.ts";
import { fitAutoregression } from "../../linalg/autoregression.ts";
import { SequenceModel } from "../../models/brain_sequence/model.ts";
import { findTables } from "./table_files.ts";
import { randomCrops } from "./crops.ts";
import { encodeVerb, evaluateVerb, forecastVerb } from "./verbs.ts";
import {
  blocksOf,
  cropsOf,
  openAgain,
  openNew,
  residualsOf,
  type SequenceData,
} from "./opened_data.ts";
import { reportRun, runFacts } from "./report.ts";
import { bestShare, scoreRuns } from "./scores.ts";
import { configFromJson, networkOf, type SequenceRunConfig } from "./settings.ts";
import { CHANGEABLE, checkTogether, TRAIN_OPTIONS, type TrainValues } from "./train_options.ts";

/** The row of the table. */
export const brainSequence: Pipeline<SequenceRunConfig, SequenceData, SequenceModel> = {
  family: "brain-sequence",
  summary: "parcellated BOLD: sequences predicted by transformers or LSTMs",
  model: "a sequence model",
  rows: "runs",
  train: {
    summary: "Train a sequence model on tables of parcels over time",
    description:
      "Pre-trains a GPT, BERT or LSTM on tables of parcellated BOLD (text: a run a file, volumes in " +
      "lines and parcels in columns, or the other way round), scores it on subjects that it has not seen and prints " +
      "the error beside autoregressive models of the same subjects. Whose a table is, its name says (sub-…).",
    options: TRAIN_OPTIONS,
    examples: [
      {
        line: "recvae train brain-sequence tables/ --tr 2 --out runs/next",
        does: "every table of a folder",
      },
      {
        line: "recvae train brain-sequence sub-*.tsv --tr 0.72 --style bert --out runs/bert",
        does: "hidden volumes",
      },
    ],
  },
  changeable: CHANGEABLE,
  plan(values: TrainValues, given) {
    const tables = findTables(given);
    if (values.tr === undefined) {
      throw new UsageError("tables do not say the time between volumes; give it with --tr SECONDS");
    }
    checkTogether(values);
    return { name: "brain-sequence", open: () => openNew(values, tables) };
  },
  reopen: ({ config }) => openAgain(config),
  configToJson: ({ model, training, data }) => ({ model, training, data }),
  configFromJson,
  change: ({ model, training, data }, values: TrainValues) => ({
    model,
    data,
    training: {
      ...training,
      epochs: values.epochs ?? training.epochs,
      learningRate: values["learning-rate"] ?? training.learningRate,
      checkpointEvery: values["checkpoint-every"] ?? training.checkpointEvery,
    },
  }),
  view: ({ training }) => training,
  check: (config) => void networkOf(config),
  build: buildModel,
  fit: trainModel,
  savedParts: () => ({}),
  report: reportRun,
  inspect: runFacts,
  verbs: { evaluate: evaluateVerb, encode: encodeVerb, forecast: forecastVerb },
};

/** Nothing under the network. */
const NO_BASE = { order: 0, coefficients: new Float64Array(0), scale: 1 };

function buildModel(config: SequenceRunConfig, data: SequenceData): SequenceModel {
  const network = networkOf(config);
  const model = new SequenceModel(network, { seed: config.training.seed });
  const { autoregression: order, parcels } = network;
  if (order === 0) return model;
  const train = [...data.train, ...data.validation];
  const { coefficients } = fitAutoregression(blocksOf(train), { series: parcels, order });
  let [sum, count] = [0, 0];
  for (const residual of residualsOf(train, { order, coefficients })) {
    for (const value of residual) sum += Math.abs(value);
    count += residual.length;
  }
  model.setBase({ coefficients, scale: sum / count || 1 });
  return model;
}

async function trainModel(
  model: SequenceModel,
  { config, data }: { readonly config: SequenceRunConfig; readonly data: SequenceData },
  hooks: TrainingHooks,
) {
  const { training } = config;
  const { length, epochs, learningRate } = training;
  const following = model.config.style === "csm" && model.config.objective === "every";
  const base = model.base ?? NO_BASE;
  const residuals = following ? residualsOf(data.train, base, base.scale) : undefined;
  const source = cropsOf(data, data.train, { length, ...(residuals && { residuals }) });
  const pairs = model.config.style === "bert" || model.config.style === "netbert";
  const validated = data.validation.length > 0;
  const outcome = await fitTrainable(model, randomCrops(source, { ...training, pairs }), {
    view: training,
    hooks,
    optimiser: "adamw",
    optimiserOptions: {
      weightDecay: training.weightDecay,
      groups: [{ match: /bias$|norm|\.ln_|LayerNorm/i, weightDecay: 0 }],
    },
    schedule: createSchedule("cosine", { learningRate, epochs }),
    ...(validated && {
      validate: async () => {
        const { rows } = await scoreRuns(model, data, { runs: data.validation, length });
        return { validation_error: rows[0].error };
      },
      earlyStopping: { patience: Infinity, monitor: "validation_error" },
      keepBest: true,
    }),
  });
  if (model.base && validated) {
    model.setShare(await bestShare(model, data, { runs: data.validation, length }));
  }
  return outcome;
}
