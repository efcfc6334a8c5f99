/** `recvae train`: from scans to a run folder and a summary. */
import type { ActiveEngine } from "../backends/engine.ts";
import { CheckpointError } from "../base/errors.ts";
import { resolveConfig } from "../models/recurrent_vae/config.ts";
import { Interruption } from "../training/interruption.ts";
import type { JsonRecord } from "../training/run_contents.ts";
import { saveRun } from "../training/run_folder.ts";
import { type ConfigFile, NO_CONFIG, readConfigFile } from "./config_file.ts";
import { defineCommand } from "./command.ts";
import { startEngine } from "./engine_options.ts";
import { describeFailure, EXIT } from "./failures.ts";
import { removeRun, removeUnfinished, requireFree } from "./old_run.ts";
import { type Parsed, UsageError } from "./options.ts";
import { printJson, toJson, writeWhole } from "./output.ts";
import { prepareData, type PreparedData } from "./prepared_data.ts";
import { writeReport, writeResults } from "./results.ts";
import {
  quitReporting,
  quitTraining,
  reportIsWhole,
  sayDiverged,
  sayStopped,
  showFinished,
} from "./run_endings.ts";
import { configFromJson, configToJson, RUN_LAYOUT, type RunConfig } from "./run_folder_layout.ts";
import { RunLock } from "./run_lock.ts";
import { scoreHeldOut, scoreTrained } from "./scores.ts";
import { exitCodeOfSignal, onStopSignals, type StopSignal } from "./stop_signals.ts";
import { say } from "./terminal.ts";
import { summarise, summaryText } from "./summary.ts";
import { planRun, TRAIN_OPTIONS, type TrainValues } from "./train_options.ts";
import { checkTraining, type TrainedRun, trainRun } from "./training_run.ts";

const MEBIBYTE = 2 ** 20;

/** Options that may accompany --resume. */
const WITH_RESUME = [
  "resume",
  "epochs",
  "learning-rate",
  "clip-norm",
  "patience",
  "backend",
  "threads",
  "memory",
  "checkpoint-every",
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
  positionals: [0, Infinity],
  run: (parsed) => runTrain(parsed),
});

async function runTrain({ values, positionals }: Parsed<typeof TRAIN_OPTIONS>): Promise<number> {
  const run = values.resume === undefined
    ? await startRun(values, positionals)
    : await reopenRun(values, positionals);
  try {
    return await trainAndReport(values, run);
  } finally {
    run.data.close();
    run.lock[Symbol.dispose]();
  }
}

interface Run {
  readonly folder: string;
  readonly lock: RunLock;
  readonly config: RunConfig;
  readonly data: PreparedData;
  /** Choices of the configuration file; options win over them. */
  readonly engine?: ConfigFile["engine"];
}

/** Plans a new run, opens its data, and only then makes its folder. */
async function startRun(values: TrainValues, files: readonly string[]): Promise<Run> {
  const file = values.config === undefined ? NO_CONFIG : readConfigFile(values.config);
  const plan = planRun(values, files, file);
  const folder = values.out ?? defaultFolder(plan.data.kind);
  RunLock.refuseHeld(folder);
  requireFree(folder, values.force);
  const { batchSize, seed } = resolveConfig({
    batchSize: plan.model.batchSize,
    seed: plan.model.seed,
  });
  const data = await prepareData(plan.data, {
    batchSize,
    seed,
    memoryBudget: memoryBudget(values),
  });
  let lock: RunLock | undefined;
  try {
    const model = resolveConfig({
      ...plan.model,
      spatialShape: data.cohort.spatialShape,
      tolTime: data.cohort.frames,
    });
    const config = { model, training: plan.training, data: plan.data };
    checkTraining(config);
    Deno.mkdirSync(folder, { recursive: true });
    lock = RunLock.take(folder);
    // Opening the data may have taken minutes, in which another program may have come and gone.
    requireFree(folder, values.force);
    if (values.force) removeRun(folder);
    writeWhole(`${folder}/${RUN_LAYOUT.config}`, toJson(configToJson(config)) + "\n");
    return { folder, lock, config, data, engine: file.engine };
  } catch (error) {
    lock?.[Symbol.dispose]();
    data.close();
    throw error;
  }
}

/** Reads an interrupted run's configuration and opens the same data. */
async function reopenRun(values: TrainValues, files: readonly string[]): Promise<Run> {
  const folder = values.resume!.replace(/[\\/]+$/, "");
  const extra = Object.entries(values).filter(([name, value]) =>
    !WITH_RESUME.includes(name) && (Array.isArray(value) ? value.length > 0 : Boolean(value))
  ).map(([name]) => `--${name}`);
  if (extra.length > 0 || files.length > 0) {
    throw new UsageError(
      `--resume takes the settings of the run; leave out ${[...extra, ...files].join(", ")}`,
    );
  }
  readConfig(folder);
  const lock = RunLock.take(folder);
  let data: PreparedData | undefined;
  try {
    const json = readConfig(folder);
    const saved = configFromJson(json, folder);
    const config = withChanges(saved, values);
    checkTraining(config);
    data = await prepareData(config.data, {
      batchSize: config.model.batchSize,
      seed: config.model.seed,
      memoryBudget: memoryBudget(values),
    });
    removeUnfinished(folder);
    const { __epoch__ } = json;
    const text = toJson({
      ...configToJson(config),
      ...(__epoch__ === undefined ? {} : { __epoch__ }),
    });
    if (toJson(configToJson(saved)) !== toJson(configToJson(config))) {
      writeWhole(`${folder}/${RUN_LAYOUT.config}`, text + "\n");
    }
    return { folder, lock, config, data };
  } catch (error) {
    data?.close();
    lock[Symbol.dispose]();
    throw error;
  }
}

/** Content of a run's config.json. @throws {CheckpointError} when there is none, or it is damaged. */
function readConfig(folder: string): JsonRecord {
  const path = `${folder}/${RUN_LAYOUT.config}`;
  const refuse = (found: string) =>
    new CheckpointError(
      folder,
      `Cannot read "${path}": ${found}; --resume needs the folder of a run`,
    );
  try {
    const json = JSON.parse(Deno.readTextFileSync(path));
    if (typeof json === "object" && json !== null && !Array.isArray(json)) return json;
  } catch (error) {
    if (error instanceof Deno.errors.NotFound || error instanceof Deno.errors.NotADirectory) {
      throw refuse("there is no such file or folder");
    }
    if (!(error instanceof SyntaxError)) throw error;
  }
  throw refuse("it is damaged, found no JSON object");
}

/** The settings of a run with those that may change when it goes on; they stay changed. */
function withChanges({ model, training, data }: RunConfig, values: TrainValues): RunConfig {
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

async function trainAndReport(values: TrainValues, run: Run): Promise<number> {
  const { folder } = run;
  const engine = await startEngine({
    backend: values.backend ?? run.engine?.backend,
    threads: values.threads ?? run.engine?.threads,
  });
  const started = performance.now();
  let trained: TrainedRun;
  let stoppedBy: StopSignal | undefined;
  {
    using interruption = new Interruption({
      subscribe: (listener) => onStopSignals(listener),
      quit: () => quitTraining(run),
      notify: (message) => say(`\n${message}`),
    });
    trained = await trainRun({
      ...run,
      resume: values.resume !== undefined,
      signal: interruption.signal,
      quiet: values.quiet || values.json,
    });
    if (isToBeReported(trained, folder)) await saveRun(folder, trained.model, trained.parts);
    stoppedBy = interruption.signal.reason;
  }
  const seconds = (performance.now() - started) / 1000;
  const { result } = trained;
  let code: number = EXIT.ok;
  if (result.ended === "interrupted") {
    sayStopped(trained, folder);
    code = exitCodeOfSignal(stoppedBy!);
  } else {
    if (stoppedBy) quitReporting(run, stoppedBy);
    const unsubscribe = onStopSignals((name) => quitReporting(run, name));
    if (result.divergence) code = sayDiverged(run, trained);
    if (isToBeReported(trained, folder)) {
      await report(values, { ...run, activeEngine: engine, trained, seconds });
    } else if (!result.divergence) showFinished(run, trained, { json: values.json });
    unsubscribe();
  }
  trained.model.dispose();
  await engine.stop();
  return code;
}

/** Whether there is anything new to score; a run that diverged may have finished no epoch. */
function isToBeReported(trained: TrainedRun, folder: string): boolean {
  const { ended, metrics } = trained.result;
  const isNew = trained.trained || !reportIsWhole(folder, trained);
  return ended !== "interrupted" && metrics.length > 0 && isNew;
}

/** Scores the model and writes everything people look at; after a divergence as far as it goes. */
async function report(values: TrainValues, run: ReportedRun): Promise<void> {
  try {
    await writeAndScore(values, run);
  } catch (error) {
    if (!run.trained.result.divergence) throw error;
    say(describeFailure(error, false));
  }
}

interface ReportedRun extends Run {
  readonly activeEngine: ActiveEngine;
  readonly trained: TrainedRun;
  readonly seconds: number;
}

async function writeAndScore(
  values: TrainValues,
  run: ReportedRun,
): Promise<void> {
  const { folder, config, data, trained } = run;
  const { model, result, best } = trained;
  const scores = data.heldOut && await scoreHeldOut(model, { ...data, heldOut: data.heldOut }, {
    fitOffsets: config.training.fitOffsets,
    ...(data.mask ? { mask: data.mask } : {}),
  });
  const trainedOn = await scoreTrained(model, data);
  const results = await writeResults(folder, model, data);
  const { metrics, ended, weightsOf, divergence } = result;
  const summary = summarise({
    ...run,
    engine: run.activeEngine,
    metrics,
    ended,
    divergedIn: divergence?.epoch ?? null,
    weightsOf,
    best,
    scores,
    trainedOn,
    latents: results,
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
}

function memoryBudget(values: TrainValues): number | undefined {
  return values.memory === undefined ? undefined : values.memory * MEBIBYTE;
}

function defaultFolder(kind: string): string {
  const name = { shipped: "haxby2001", synthetic: "synthetic" }[kind] ?? "run";
  const time = new Date().toISOString().slice(0, 19).replace("T", "-").replaceAll(":", "");
  return `runs/${name}-${time}`;
}
