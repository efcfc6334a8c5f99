/**
 * A family of models that the program does not have: a linear autoencoder of the rows of a table. It goes through the
 * real program, so that a family that needs a line in a shared room fails a test.
 */
import { UsageError } from "../../src/pipelines/option_table.ts";
import type { NdArray } from "../../src/base/arrays.ts";
import { type NamedScore, scoreLines, scoreRows } from "../../src/evaluation/row_scores.ts";
import { writeSafetensors } from "../../src/formats/safetensors.ts";
import { readRegularText } from "../../src/data/openers/regular_file.ts";
import { writeWhole } from "../../src/files/whole_file.ts";
import { makeFolder } from "../../src/files/whole_folder.ts";
import { ENGINE_OPTIONS, startEngine } from "../../src/pipelines/engine_options.ts";
import { fitTrainable } from "../../src/pipelines/fitting.ts";
import { defineVerb, type OpenedData, type Pipeline } from "../../src/pipelines/pipeline.ts";
import { resumeOption, RUN_OPTIONS } from "../../src/pipelines/run_options.ts";
import { readSavedRun } from "../../src/pipelines/saved_run.ts";
import { LinearAutoencoder } from "./guard_model.ts";
import {
  type HeldOutRows,
  joinTables,
  madeUpTable,
  readTable,
  type Table,
  tableText,
} from "./guard_table.ts";

interface Config {
  readonly model: { readonly latentDim: number };
  readonly training: {
    readonly epochs: number;
    readonly learningRate: number;
    readonly seed: number;
    readonly checkpointEvery?: number;
  };
  readonly data: {
    readonly file: string;
    readonly heldOut?: HeldOutRows;
    /** Of each row; of a table of the user, else none. */
    readonly labels?: readonly string[];
  };
}

interface Data extends OpenedData {
  readonly training: Table;
  readonly heldOut: Table;
}

const CHANGEABLE = ["epochs", "learning-rate", "rate-factor"];
const JSON_OPTION = { name: "json", kind: "flag", help: "Print as JSON" } as const;
const OUT = { name: "out", kind: "text", value: "FILE", help: "File to write" } as const;

async function openData({ data: { file, heldOut: which } }: Pick<Config, "data">): Promise<Data> {
  const { rows, training, heldOut } = await readTable(file, which);
  return {
    training,
    heldOut,
    notes: [],
    batchesPerEpoch: Math.ceil(training.shape[0] / 4),
    describe: (row) => `row ${row + 1} of ${rows} in ${file}`,
    close() {},
  };
}

async function scoresOf(model: LinearAutoencoder, { training, heldOut }: Data) {
  const reconstruction = await model.reconstruct(heldOut);
  return await scoreRows(heldOut, { training, reconstruction, components: model.latentDim });
}

/** A run's model on the engine that the options choose, for as long as a body runs. */
async function withRun<T>(
  folder: string,
  values: Parameters<typeof startEngine>[0],
  body: (model: LinearAutoencoder, config: Config) => Promise<T>,
): Promise<T> {
  const { weights, config: json } = await readSavedRun(folder);
  const config = guardFamily.configFromJson(json, folder);
  const engine = await startEngine(values);
  const columns = weights.get("decoder.bias")!.shape[0];
  const model = new LinearAutoencoder(columns, { latentDim: config.model.latentDim, seed: 0 });
  model.loadStateDict(weights);
  try {
    return await body(model, config);
  } finally {
    model.dispose();
    await engine.stop();
  }
}

/** The row of the table. */
export const guardFamily: Pipeline<Config, Data, LinearAutoencoder> = {
  family: "guard",
  summary: "rows of a table: a linear autoencoder",
  model: "a linear autoencoder",
  rows: "rows",
  train: {
    summary: "Train a linear autoencoder on the rows of a table",
    description: "Trains on three quarters of the rows and scores the others.",
    options: [
      { name: "latent-dim", kind: "integer", min: 1, help: "Width of the code", otherwise: "2" },
      { name: "epochs", kind: "integer", min: 1, help: "Times over the rows", otherwise: "20" },
      { name: "learning-rate", kind: "number", range: { above: 0 }, help: "Step size" },
      { name: "rate-factor", kind: "number", range: { above: 0 }, help: "Factor on the step size" },
      { name: "seed", kind: "integer", help: "Seed", otherwise: "0" },
      ...RUN_OPTIONS,
      resumeOption(CHANGEABLE),
    ],
    examples: [{ line: "recvae train guard rows.tsv --out runs/rows", does: "a table" }],
  },
  changeable: CHANGEABLE,
  plan(values, [file, ...others]) {
    if (file === undefined || others.length > 0) {
      throw new UsageError("train guard needs one table");
    }
    const config: Config = {
      model: { latentDim: values["latent-dim"] ?? 2 },
      training: {
        epochs: values.epochs ?? 20,
        learningRate: (values["learning-rate"] ?? 0.02) * (values["rate-factor"] ?? 1),
        seed: values.seed ?? 0,
        checkpointEvery: values["checkpoint-every"],
      },
      data: { file, heldOut: values.heldOut, labels: values.labelsOfRows },
    };
    return { name: "guard", open: async () => ({ config, data: await openData(config) }) };
  },
  reopen: async ({ config }) => ({ config, data: await openData(config) }),
  configToJson: (config) => ({ ...config }),
  configFromJson: (json) => json as unknown as Config,
  change: (config, values) => ({
    ...config,
    training: {
      ...config.training,
      epochs: values.epochs ?? config.training.epochs,
      learningRate: (values["learning-rate"] ?? config.training.learningRate) *
        (values["rate-factor"] ?? 1),
    },
  }),
  view: ({ training }) => training,
  check() {},
  build: ({ model, training: { seed } }, { training }) =>
    new LinearAutoencoder(training.shape[1], { ...model, seed }),
  fit: (model, { config, data }, hooks) =>
    fitTrainable(model, model.loader(data.training, config.training.seed), {
      view: config.training,
      hooks,
    }),
  savedParts: () => ({}),
  async report({ folder, data, model, outcome: { metrics, ended } }) {
    const scores = await scoresOf(model, data);
    makeFolder(`${folder}/codes`);
    writeWhole(`${folder}/codes/held-out.tsv`, tableText(await model.encode(data.heldOut)));
    const json = { training: { epochs: metrics.length, ended }, scores };
    return { json, text: scoreLines(scores).join("\n") };
  },
  crossValidation: {
    reserved: [],
    fold({ values, files: [file] }, { fold, folds, repeat, labelOf }) {
      const rows = readRegularText(file).trim().split("\n").length - 1;
      return {
        files: [file],
        values: {
          ...values,
          heldOut: { fold, folds },
          seed: (values.seed ?? 0) + repeat - 1,
          labelsOfRows: labelOf &&
            Array.from({ length: rows }, (_, i) => labelOf(`row ${i + 1}`) ?? ""),
        },
      };
    },
    common: ({ model, training: { seed: _seed, ...training }, data: { file } }) => ({
      model,
      training,
      file,
    }),
    scores: ({ scores }: { scores: readonly NamedScore[] }) =>
      scores.map(({ name: method, mse: value }, index) => ({
        method,
        measure: "mean squared error",
        value,
        better: "lower" as const,
        own: index === 0,
      })),
    async features({ config: { data: { file, heldOut, labels } }, model }) {
      const { all, rows } = await readTable(file);
      const codes = await model.encode(all);
      const listed = (values: NdArray) =>
        Array.from({ length: rows }, (_, i) => {
          const [, width] = values.shape;
          return [...values.data.subarray(i * width, (i + 1) * width)];
        });
      return {
        rows: Array.from({ length: rows }, (_, i) => ({
          person: `row ${i + 1}`,
          label: labels?.[i] ?? "",
          heldOut: i % heldOut!.folds === heldOut!.fold - 1,
        })),
        sets: [
          { method: "codes", own: true, names: ["c1", "c2"], values: listed(codes) },
          { method: "columns", own: false, names: [..."abcdef"], values: listed(all) },
        ],
      };
    },
  },
  outputs: [{ folder: "codes", names: /^held-out.*\.tsv$/ }],
  async inspect(folder) {
    const { config, epoch } = await readSavedRun(folder);
    return { kind: "run of the guard", epochs: epoch, ...config };
  },
  verbs: {
    evaluate: defineVerb({
      summary: "Score a run beside the mean row and principal components",
      usage: "evaluate RUN",
      description: "Scores the rows that were held out.",
      options: [...ENGINE_OPTIONS, JSON_OPTION],
      examples: [{ line: "recvae evaluate runs/rows", does: "the rows held out" }],
      run: ({ folder, values }) =>
        withRun(folder, values, async (model, config) => {
          const scores = await scoresOf(model, await openData(config));
          return { json: { scores }, text: scoreLines(scores).join("\n") };
        }),
    }),
    encode: defineVerb({
      summary: "Write the codes of a table's rows",
      usage: "encode RUN FILE --out FILE",
      description: "Writes a line of codes for each row.",
      options: [OUT, ...ENGINE_OPTIONS],
      examples: [{ line: "recvae encode runs/rows rows.tsv --out codes.tsv", does: "a table" }],
      run: ({ folder, files: [file], values }) =>
        withRun(folder, values, async (model) => {
          writeWhole(values.out!, tableText(await model.encode((await readTable(file)).all)));
          return { json: null, text: `Codes in ${values.out}` };
        }),
    }),
  },
  synthesize: defineVerb({
    summary: "Write a table with two factors",
    usage: "synthesize --out FILE",
    description: "Makes rows of two factors and noise.",
    options: [OUT, { name: "rows", kind: "integer", min: 8, help: "Rows", otherwise: "40" }],
    examples: [{ line: "recvae synthesize guard --out rows.tsv", does: "40 rows" }],
    run({ values }) {
      if (values.out === undefined) throw new UsageError("synthesize guard needs --out FILE");
      writeWhole(values.out, tableText(madeUpTable(values.rows ?? 40)));
      return Promise.resolve({ json: null, text: `Rows in ${values.out}` });
    },
  }),
  commands: {
    "join-tables": defineVerb({
      summary: "Put the rows of several tables into one",
      usage: "join-tables FILE… --out FILE",
      description: "Writes the rows of the tables one after the other.",
      options: [OUT],
      examples: [{ line: "recvae join-tables a.tsv b.tsv --out rows.tsv", does: "two tables" }],
      async run({ files, values }) {
        const tables = await Promise.all(files.map((file) => readTable(file)));
        writeWhole(values.out!, tableText(joinTables(tables.map(({ all }) => all))));
        return { json: null, text: `${files.length} tables in ${values.out}` };
      },
    }),
  },
  fileKinds: [{
    name: "a table of rows (.tsv)",
    recognises: (head, path) => path.endsWith(".tsv") && head.includes(9),
    async facts(path) {
      const { shape } = (await readTable(path)).all;
      return { kind: "table", rows: shape[0], columns: shape[1] };
    },
    conversions: {
      ".safetensors": async (path) => {
        const { all } = await readTable(path);
        return {
          content: writeSafetensors(new Map([["rows", all]])),
          holds: `${all.shape[0]} rows`,
        };
      },
    },
  }],
};
