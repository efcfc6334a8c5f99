/** `recvae train`: from scans to a run folder and a summary. */
import { FolderLock } from "../files/folder_lock.ts";
import { writeWhole } from "../files/whole_file.ts";
import { makeFolder } from "../files/whole_folder.ts";
import { fewOf } from "../base/lists.ts";
import { readRegularText } from "../data/openers/regular_file.ts";
import type { ActiveEngine } from "../backends/engine.ts";
import { resolveConfig } from "../models/recurrent_vae/config.ts";
import { Interruption } from "../training/interruption.ts";
import { type ConfigFile, NO_CONFIG, readConfigFile } from "./config_file.ts";
import { defineCommand } from "./command.ts";
import { OWN_DATA_OPTIONS } from "./data_options.ts";
import { startEngine } from "./engine_options.ts";
import { describeFailure, EXIT } from "./failures.ts";
import { removeRun, removeUnfinished, requireFree } from "./old_run.ts";
import { type Parsed, UsageError } from "./options.ts";
import { requireReadableOrNew, temporaryFolder } from "./output_permissions.ts";
import { printJson, toJson } from "./output.ts";
import { ownDataOf } from "./own_data.ts";
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
import { configToJson, readRunConfig, RUN_LAYOUT, type RunConfig } from "./run_folder_layout.ts";
import { nothingTrained, safeTraining, saveEnd, sayingWhatIsSafe } from "./safe_outputs.ts";
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
  const { folder, config, data } = run;
  const safe = () => safeTraining(folder, config.model.epochs);
  try {
    return await sayingWhatIsSafe(safe, () => trainAndReport(values, run));
  } finally {
    data.close();
    run.lock[Symbol.dispose]();
  }
}

interface Run {
  readonly folder: string;
  readonly lock: FolderLock;
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
  FolderLock.refuseHeld(folder);
  requireFree(folder, values.force);
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
  let lock: FolderLock | undefined;
  try {
    const model = resolveConfig({
      ...plan.model,
      spatialShape: data.cohort.spatialShape,
      tolTime: data.cohort.frames,
    });
    const config = { model, training: plan.training, data: data.plan };
    checkTraining(config);
    await sayingWhatIsSafe(() => nothingTrained(folder), () => {
      makeFolder(folder);
      lock = takeLock(folder);
      // Opening the data may have taken minutes, in which another program may have come and gone.
      requireFree(folder, values.force);
      if (values.force) removeRun(folder);
      writeWhole(`${folder}/${RUN_LAYOUT.config}`, toJson(configToJson(config)) + "\n");
    });
    return { folder, lock: lock!, config, data, engine: file.engine };
  } catch (error) {
    lock?.[Symbol.dispose]();
    data.close();
    throw error;
  }
}

/** Makes the folder this program's own. */
function takeLock(folder: string): FolderLock {
  const lock = FolderLock.take(folder);
  if (!lock.keepsOthersOut) {
    say(
      `Note: the file system of "${folder}" locks no files; see that no other program writes to this folder.`,
    );
  }
  return lock;
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
  readRunConfig(folder);
  const lock = takeLock(folder);
  let data: PreparedData | undefined;
  try {
    const saved = readRunConfig(folder);
    const changed = withChanges(saved, values);
    checkTraining(changed);
    data = await prepareData(ownDataOf({ folder, config: saved }, values), {
      batchSize: changed.model.batchSize,
      seed: changed.model.seed,
      memoryBudget: memoryBudget(values),
      ...temporaryFolder(folder),
    });
    removeUnfinished(folder);
    const config = { ...changed, data: data.plan };
    await sayingWhatIsSafe(
      () => safeTraining(folder, config.model.epochs),
      () => rewriteConfig(folder, saved, config),
    );
    return { folder, lock, config, data };
  } catch (error) {
    data?.close();
    lock[Symbol.dispose]();
    throw error;
  }
}

/** Settings that were changed on going on stay changed. The epoch that the file may hold belongs to the last save. */
function rewriteConfig(folder: string, saved: RunConfig, config: RunConfig): void {
  if (toJson(configToJson(saved)) === toJson(configToJson(config))) return;
  const path = `${folder}/${RUN_LAYOUT.config}`;
  const { __epoch__ } = JSON.parse(readRegularText(path));
  const epoch = __epoch__ === undefined ? {} : { __epoch__ };
  writeWhole(path, toJson({ ...configToJson(config), ...epoch }) + "\n");
}

/** The settings of a run with those that may change when it goes on. */
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
    if (isToBeReported(trained, folder)) await saveEnd(folder, trained);
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
