/** `recvae train`: from scans to a run folder and a summary. */
import { writeWhole } from "../files/whole_file.ts";
import { makeFolder, remove } from "../files/whole_folder.ts";
import { readRegularText } from "../data/openers/regular_file.ts";
import { fewOf } from "../base/lists.ts";
import { resolveConfig } from "../models/recurrent_vae/config.ts";
import { isGranted } from "../deps/permissions.ts";
import { Interruption } from "../training/interruption.ts";
import { RUN_FILES } from "../training/run_contents.ts";
import { type ConfigFile, NO_CONFIG, readConfigFile } from "./config_file.ts";
import { defineCommand } from "./command.ts";
import { OWN_DATA_OPTIONS } from "./data_options.ts";
import { startEngine } from "./engine_options.ts";
import { EXIT } from "./failures.ts";
import { type Parsed, UsageError } from "./options.ts";
import { requireReadableOrNew, temporaryFolder } from "./output_permissions.ts";
import { printJson, toJson } from "./output.ts";
import { ownDataOf } from "./own_data.ts";
import { prepareData, type PreparedData } from "./prepared_data.ts";
import { writeReport, writeResults } from "./results.ts";
import { configToJson, readRunConfig, RUN_LAYOUT, type RunConfig } from "./run_folder_layout.ts";
import { nothingTrained, safeTraining, saveEnd, sayingWhatIsSafe } from "./safe_outputs.ts";
import { scoreHeldOut, scoreTrained } from "./scores.ts";
import { summarise, summaryText } from "./summary.ts";
import { planRun, TRAIN_OPTIONS, type TrainValues } from "./train_options.ts";
import { checkTraining, type TrainedRun, trainRun } from "./training_run.ts";

const MEBIBYTE = 2 ** 20;

/** Options that may accompany --resume. */
const WITH_RESUME = [
  "resume",
  "epochs",
  "backend",
  "threads",
  "memory",
  "checkpoint-every",
  "data-root",
  "accept-changed-data",
  "json",
  "quiet",
  "debug",
  "help",
];

/** The command. */
export const trainCommand = defineCommand({
  name: "train",
  summary: "Train a model on NIfTI scans and score it on held-out ones",
  usage: "train [options] [FILE…]",
  description:
    "Trains a recurrent VAE and writes a folder with weights, configuration, history, latents, the " +
    "transition matrix F, reconstructions as NIfTI, figures and a summary. Scans are NIfTI files of one size; a quarter " +
    "of the subjects is held out and scored unless --held-out says otherwise. Without any data it trains on " +
    "eight real runs that ship with the project.\n\nCtrl-C saves a checkpoint; --resume goes on from it.",
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
  positionals: [0, Infinity],
  run: (parsed) => runTrain(parsed),
});

async function runTrain({ values, positionals }: Parsed<typeof TRAIN_OPTIONS>): Promise<number> {
  const run = values.resume === undefined
    ? await startRun(values, positionals)
    : await reopenRun(values, positionals);
  const { folder, config, data } = run;
  const safe = () => safeTraining(folder, config.model.epochs);
  try {
    return await sayingWhatIsSafe(safe, () => trainAndReport(values, run));
  } finally {
    data.close();
  }
}

interface Run {
  readonly folder: string;
  readonly config: RunConfig;
  readonly data: PreparedData;
  /** Choices of the configuration file; options win over them. */
  readonly engine?: ConfigFile["engine"];
}

/** Plans a new run, opens its data, and only then makes its folder. */
async function startRun(values: TrainValues, files: readonly string[]): Promise<Run> {
  for (const { name } of OWN_DATA_OPTIONS) {
    if (values[name]) throw new UsageError(`--${name} goes with --resume`);
  }
  const file = values.config === undefined ? NO_CONFIG : readConfigFile(values.config);
  const plan = planRun(values, files, file);
  const folder = values.out ?? defaultFolder(plan.data.kind);
  requireReadableOrNew(folder);
  if (!values.force && holdsSomething(folder)) {
    throw new UsageError(
      `"${folder}" is not empty; --resume ${folder} goes on with the run in it, --force replaces it`,
    );
  }
  const { batchSize, seed } = resolveConfig({
    batchSize: plan.model.batchSize,
    seed: plan.model.seed,
  });
  const data = await prepareData(plan.data, {
    batchSize,
    seed,
    memoryBudget: memoryBudget(values),
    ...temporaryFolder(folder),
  });
  try {
    const model = resolveConfig({
      ...plan.model,
      spatialShape: data.cohort.spatialShape,
      tolTime: data.cohort.frames,
    });
    const config = { model, training: plan.training, data: data.plan };
    checkTraining(config);
    await sayingWhatIsSafe(() => nothingTrained(folder), () => {
      if (values.force) removeRun(folder);
      makeFolder(folder);
      writeWhole(`${folder}/${RUN_LAYOUT.config}`, toJson(configToJson(config)) + "\n");
    });
    return { folder, config, data, engine: file.engine };
  } catch (error) {
    data.close();
    throw error;
  }
}

/** Reads an interrupted run's configuration and opens the same data. */
async function reopenRun(values: TrainValues, files: readonly string[]): Promise<Run> {
  const folder = values.resume!.replace(/[\\/]+$/, "");
  const extra = Object.entries(values).filter(([name, value]) =>
    !WITH_RESUME.includes(name) &&
    (Array.isArray(value) ? value.length > 0 : value !== undefined && value !== false)
  ).map(([name]) => `--${name}`);
  if (extra.length > 0 || files.length > 0) {
    throw new UsageError(
      `--resume takes the settings of the run; leave out ${fewOf([...extra, ...files], 6)}`,
    );
  }
  const saved = readRunConfig(folder);
  const epochs = values.epochs ?? saved.model.epochs;
  const model = { ...saved.model, epochs };
  const own = ownDataOf({ folder, config: saved }, values);
  const data = await prepareData(own, {
    batchSize: model.batchSize,
    seed: model.seed,
    memoryBudget: memoryBudget(values),
    ...temporaryFolder(folder),
  });
  return { folder, config: { ...saved, model, data: data.plan }, data };
}

async function trainAndReport(values: TrainValues, run: Run): Promise<number> {
  const { folder, config, data } = run;
  const engine = await startEngine({
    backend: values.backend ?? run.engine?.backend,
    threads: values.threads ?? run.engine?.threads,
  });
  const started = performance.now();
  let trained: TrainedRun;
  {
    using interruption = listenForInterruption();
    trained = await trainRun({
      ...run,
      resume: values.resume !== undefined,
      ...(values["checkpoint-every"] ? { checkpointEvery: values["checkpoint-every"] } : {}),
      signal: interruption.signal,
      quiet: values.quiet || values.json,
    });
  }
  const { model, result } = trained;
  if (result.ended === "interrupted") {
    const { epoch, batch } = trained.position;
    console.error(
      `Stopped after ${epoch} epochs${batch > 0 ? ` and ${batch} batches` : ""}; ` +
        `go on with: recvae train --resume ${folder}`,
    );
    await engine.stop();
    return EXIT.interrupted;
  }
  const seconds = (performance.now() - started) / 1000;
  await saveEnd(folder, trained);
  const scores = data.heldOut && await scoreHeldOut(model, { ...data, heldOut: data.heldOut }, {
    fitOffsets: config.training.fitOffsets,
    ...(data.mask ? { mask: data.mask } : {}),
  });
  const trainedOn = await scoreTrained(model, data);
  const results = await writeResults(folder, model, data);
  const { metrics, ended } = result;
  const summary = summarise({
    ...run,
    engine,
    metrics,
    ended,
    seconds,
    scores,
    trainedOn,
    eigenvalues: results.eigenvalues,
    repetitionTime: results.repetitionTime,
  });
  const text = summaryText(summary);
  writeReport(folder, results, {
    history: metrics,
    spatialShape: config.model.spatialShape,
    summary: text,
  });
  writeWhole(`${folder}/${RUN_LAYOUT.summaryJson}`, toJson(summary) + "\n");
  writeWhole(`${folder}/${RUN_LAYOUT.summaryText}`, text);
  if (values.json) printJson(summary);
  else console.log(`\n${text.trimEnd()}`);
  model.dispose();
  await engine.stop();
  return EXIT.ok;
}

function listenForInterruption(): Interruption {
  return new Interruption({
    subscribe(listener) {
      Deno.addSignalListener("SIGINT", listener);
      return () => Deno.removeSignalListener("SIGINT", listener);
    },
    quit: () => Deno.exit(EXIT.interrupted),
    notify: (message) => console.error(`\n${message}`),
  });
}

function memoryBudget(values: TrainValues): number | undefined {
  return values.memory === undefined ? undefined : values.memory * MEBIBYTE;
}

function defaultFolder(kind: string): string {
  const name = { shipped: "haxby2001", synthetic: "synthetic" }[kind] ?? "run";
  const time = new Date().toISOString().slice(0, 19).replace("T", "-").replaceAll(":", "");
  return `runs/${name}-${time}`;
}

function holdsSomething(folder: string): boolean {
  if (!isGranted("read", folder)) return false;
  try {
    return [...Deno.readDirSync(folder)].length > 0;
  } catch (error) {
    if (error instanceof Deno.errors.NotFound) return false;
    if (error instanceof Deno.errors.NotADirectory) return false; // making the folder says so
    throw error;
  }
}

/** Removes what an earlier run wrote, and nothing else. */
function removeRun(folder: string): void {
  for (const name of [...Object.values(RUN_LAYOUT), ...Object.values(RUN_FILES)]) {
    remove(`${folder}/${name}`);
  }
}
