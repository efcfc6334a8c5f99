/** What can be done with a trained sequence model. */
import { readParcelRuns } from "../../data/parcellated/parcel_run.ts";
import { makeFolder } from "../../files/whole_folder.ts";
import { writeWhole } from "../../files/whole_file.ts";
import { SequenceModel } from "../../models/brain_sequence/model.ts";
import { ENGINE_OPTIONS, startEngine } from "../engine_options.ts";
import { FORCE_OPTION, requireFreeOutputs } from "../free_outputs.ts";
import { type Option, UsageError, type Values } from "../option_table.ts";
import { defineVerb } from "../pipeline.ts";
import { readSavedRun } from "../saved_run.ts";
import { consecutiveCrops } from "./crops.ts";
import { forecastRun } from "./forecast.ts";
import { cropsOf, openAgain } from "./opened_data.ts";
import { scoreLines } from "./report.ts";
import { scoreRuns } from "./scores.ts";
import { configFromJson, networkOf, type SequenceRunConfig } from "./settings.ts";
import { findTables } from "./table_files.ts";

const JSON_OPTION = { name: "json", kind: "flag", help: "Print as JSON" } as const;

const OUT_OPTIONS = [
  {
    name: "out",
    short: "o",
    kind: "text",
    value: "DIR",
    help: "Folder to write",
    group: "Results",
  },
  FORCE_OPTION,
  ...ENGINE_OPTIONS,
  JSON_OPTION,
] as const satisfies readonly Option[];

/** A run's model on the engine that the options choose, for as long as a body runs. */
async function withModel<T>(
  folder: string,
  values: Values<typeof ENGINE_OPTIONS>,
  body: (model: SequenceModel, config: SequenceRunConfig) => Promise<T>,
): Promise<T> {
  const { weights, config: json } = await readSavedRun(folder);
  const config = configFromJson(json, folder);
  const engine = await startEngine(values);
  const model = new SequenceModel(networkOf(config), { seed: config.training.seed });
  try {
    model.loadStateDict(weights);
    return await body(model, config);
  } finally {
    model.dispose();
    await engine.stop();
  }
}

/** Tables to use, with the parcels of the run. */
function runsFor(config: SequenceRunConfig, files: readonly string[]) {
  const runs = readParcelRuns(findTables(files).files, { lines: config.data.lines });
  const { parcels } = config.model;
  const other = runs.find((run) => run.parcels !== parcels);
  if (!other) return runs;
  throw new UsageError(
    `"${other.path}" has ${other.parcels} parcels, the run was trained on ${parcels}; ` +
      "use tables of the same parcellation",
  );
}

/** `recvae evaluate`. */
export const evaluateVerb = defineVerb({
  summary: "Score a sequence model beside autoregressive models",
  usage: "evaluate RUN [TABLE…]",
  description:
    "Predicts what the model was trained to predict, for the subjects that were held out or for other tables, and " +
    "prints the error beside that of the mean, the volume before, and autoregressive models of the training runs.",
  options: [...ENGINE_OPTIONS, JSON_OPTION],
  examples: [{ line: "recvae evaluate runs/next", does: "the subjects that were held out" }],
  run: ({ folder, files, values }) =>
    withModel(folder, values, async (model, config) => {
      const { data } = await openAgain(config);
      const runs = files.length > 0 ? runsFor(config, files) : data.heldOut;
      const scores = await scoreRuns(model, data, { runs, length: config.training.length });
      return { json: { scores }, text: scoreLines(scores).join("\n") };
    }),
});

/** `recvae encode`. */
export const encodeVerb = defineVerb({
  summary: "Turn tables into features over time",
  usage: "encode RUN TABLE… --out DIR",
  description:
    "Writes what the last layer of the network makes of every volume: a line a volume, a column a feature.",
  options: OUT_OPTIONS,
  examples: [{ line: "recvae encode runs/next tables/ --out features", does: "one table a run" }],
  run: ({ folder, files, values }) =>
    withModel(folder, values, async (model, config) => {
      const runs = runsFor(config, files);
      const out = requireOut(values.out, "encode");
      const paths = runs.map(({ path }) => outputPath(out, path, "features"));
      requireFreeOutputs(paths, { force: values.force, inputs: runs.map(({ path }) => path) });
      const width = model.config.embeddingDim;
      const features = runs.map(({ volumes }) => new Float32Array(volumes * width));
      const source = cropsOf(config.data, runs, { length: config.training.length });
      for (const { batch, windows } of consecutiveCrops(source, 16)) {
        const values = await model.encode(batch);
        windows.forEach(({ run, onset, length }, b) => {
          const from = b * batch.shape[1] * width;
          features[run].set(values.subarray(from, from + length * width), onset * width);
        });
      }
      makeFolder(out);
      features.forEach((values, i) => writeTable(paths[i], values, { width, name: "feature" }));
      return {
        json: { files: paths },
        text: `${paths.length} tables of ${width} features in ${out}`,
      };
    }),
});

/** `recvae forecast`. */
export const forecastVerb = defineVerb({
  summary: "Predict the volumes that follow the end of runs",
  usage: "forecast RUN TABLE… --out DIR",
  description:
    "Predicts volume after volume, each from those before it and the predictions made so far; z-scored as the model " +
    "sees the run. For models trained with --style csm and --objective every.",
  options: [
    {
      name: "steps",
      kind: "integer",
      min: 1,
      value: "N",
      help: "Volumes to predict",
      otherwise: "10",
      group: "Results",
    },
    ...OUT_OPTIONS,
  ],
  examples: [{
    line: "recvae forecast runs/next sub-01.tsv --steps 20 --out ahead",
    does: "20 volumes",
  }],
  run: ({ folder, files, values }) =>
    withModel(folder, values, async (model, config) => {
      if (config.model.objective !== "every" || config.model.style !== "csm") {
        throw new UsageError("forecast needs a run trained with --style csm and --objective every");
      }
      const runs = runsFor(config, files);
      const out = requireOut(values.out, "forecast");
      const paths = runs.map(({ path }) => outputPath(out, path, "forecast"));
      requireFreeOutputs(paths, { force: values.force, inputs: runs.map(({ path }) => path) });
      const { length } = config.training;
      const { repetitionTime } = config.data;
      makeFolder(out);
      for (const [i, run] of runs.entries()) {
        const steps = values.steps ?? 10;
        const ahead = await forecastRun(model, run, { steps, length, repetitionTime });
        writeTable(paths[i], ahead, { width: run.parcels, name: "parcel" });
      }
      return { json: { files: paths }, text: `${paths.length} tables in ${out}` };
    }),
});

function requireOut(out: string | undefined, verb: string): string {
  if (out !== undefined) return out;
  throw new UsageError(`${verb} needs --out DIR for its tables`);
}

function outputPath(folder: string, path: string, what: string): string {
  const stem = path.split(/[\\/]/).at(-1)!.replace(/\.[^.]+(\.gz)?$/, "");
  return `${folder}/${stem}_${what}.tsv`;
}

function writeTable(
  path: string,
  values: Float32Array,
  { width, name }: { readonly width: number; readonly name: string },
): void {
  const heading = Array.from({ length: width }, (_, i) => `${name}${i + 1}`).join("\t");
  const lines = Array.from(
    { length: values.length / width },
    (_, row) => values.subarray(row * width, (row + 1) * width).join("\t"),
  );
  writeWhole(path, [heading, ...lines].join("\n") + "\n");
}
