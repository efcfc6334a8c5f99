/** Streamlines as a family of the program. */
import { writeWhole } from "../../files/whole_file.ts";
import { toJson } from "../../files/json.ts";
import type { StreamlineModel } from "../../models/streamlines/model.ts";
import type { Pipeline } from "../pipeline.ts";
import { readSavedRun } from "../saved_run.ts";
import { openStreamlines, type PreparedStreamlines } from "./data.ts";
import { STREAMLINE_FILES } from "./file_kinds.ts";
import { filterVerb } from "./filter_verb.ts";
import { fitStreamlines } from "./fit.ts";
import { reportStreamlines, TRACTOGRAMS_FOLDER } from "./report.ts";
import { buildModel, checkRun, runFromJson, runToJson, type StreamlinesRun } from "./run_config.ts";
import { sampleVerb } from "./sample_verb.ts";
import { BUNDLE_NAMES } from "./saved_model.ts";
import { CHANGEABLE, planConfig, TRAIN_OPTIONS } from "./settings.ts";
import { synthesizeVerb } from "./synthesize_verb.ts";
import { encodeVerb, evaluateVerb, reconstructVerb } from "./verbs.ts";

/** The row of the table. */
export const streamlines: Pipeline<StreamlinesRun, PreparedStreamlines, StreamlineModel> = {
  family: "streamlines",
  summary: "tractography streamlines: autoencoders that compress, generate and filter",
  model: "an autoencoder of streamlines",
  rows: "streamlines",
  train: {
    summary: "Train an autoencoder of streamlines",
    description:
      "Trains on tractograms (.trk, .tck, .trx; .gz too), a bundle a file, or on the bundles that a .trx file or " +
      "--segment names; without files on a made-up phantom. A fifth of every bundle is held out. Writes weights, " +
      "densities of the bundles, tractograms (held out, reconstructed, generated) and report.html.",
    options: TRAIN_OPTIONS,
    examples: [
      { line: "recvae train streamlines --out runs/tracts", does: "the phantom" },
      {
        line: "recvae train streamlines bundles/*.trk --kind conditional --out runs/tracts",
        does: "own bundles, a file each",
      },
      {
        line: "recvae train streamlines whole.trk --segment quickbundles:10 --out runs/tracts",
        does: "bundles found by distance",
      },
    ],
  },
  changeable: CHANGEABLE,
  plan(values, files) {
    const planned = planConfig(values, files);
    return { name: `streamlines-${planned.kind}`, open: () => openStreamlines(planned) };
  },
  reopen: async ({ config }) => {
    const { data } = await openStreamlines(config);
    return { config, data };
  },
  configToJson: runToJson,
  configFromJson: runFromJson,
  change: (config, values) => ({
    ...config,
    training: {
      ...config.training,
      epochs: values.epochs ?? config.training.epochs,
      learningRate: values["learning-rate"] ?? config.training.learningRate,
      checkpointEvery: values["checkpoint-every"] ?? config.training.checkpointEvery,
    },
  }),
  view: ({ training }) => training,
  check: checkRun,
  build: (config) => buildModel(config),
  fit: fitStreamlines,
  savedParts: () => ({}),
  report(source) {
    writeWhole(`${source.folder}/${BUNDLE_NAMES}`, toJson(source.data.classes));
    return reportStreamlines(source);
  },
  async inspect(folder) {
    const { config, epoch } = await readSavedRun(folder);
    const { kind, model, data } = runFromJson(config, folder);
    return {
      kind: `run of streamlines (${kind})`,
      epochs: epoch,
      points: model.points,
      latentDim: model.latentDim,
      width: model.width,
      data: data.phantom ?? data.files,
    };
  },
  verbs: {
    encode: encodeVerb,
    reconstruct: reconstructVerb,
    evaluate: evaluateVerb,
    sample: sampleVerb,
    filter: filterVerb,
  },
  synthesize: synthesizeVerb,
  fileKinds: STREAMLINE_FILES,
  outputs: [{
    folder: TRACTOGRAMS_FOLDER,
    names: /^(held-out|reconstructed|generated)\.(trk|tck)$/,
  }],
};
