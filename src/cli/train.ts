/** `recvae train [FAMILY]`: from data to a run folder and a summary. */
import { familyNamed } from "../pipelines/families.ts";
import { startEngine } from "../pipelines/engine_options.ts";
import type { Pipeline } from "../pipelines/pipeline.ts";
import { safeTraining, saveEnd, sayingWhatIsSafe } from "../pipelines/safe_outputs.ts";
import type { RunValues } from "../pipelines/run_options.ts";
import { reopenRun, type StartedRun, startRun } from "../pipelines/started_run.ts";
import { say } from "../pipelines/terminal.ts";
import { type TrainedRun, trainRun } from "../pipelines/training_run.ts";
import { Interruption } from "../training/interruption.ts";
import type { Command } from "./command.ts";
import { describeFailure, EXIT } from "./failures.ts";
import { printJson } from "./output.ts";
import * as endings from "./run_endings.ts";
import { exitCodeOfSignal, onStopSignals, type StopSignal } from "./stop_signals.ts";

/** The command for one family; `named` when its name was typed. */
export function trainCommand(pipeline: Pipeline, named: boolean): Command {
  return {
    name: "train",
    summary: "Train a model on NIfTI scans and score it on held-out ones",
    usage: named ? `train ${pipeline.family} [options] [FILE…]` : "train [options] [FILE…]",
    ...pipeline.train,
    positionals: [0, Infinity],
    family: (name) => {
      const other = familyNamed(name);
      return other && trainCommand(other, true);
    },
    async run(parsed) {
      const values = parsed.values as unknown as RunValues;
      const typed = { values, files: parsed.positionals };
      using run = values.resume === undefined
        ? await startRun(pipeline, typed)
        : await reopenRun(typed);
      const safe = () => safeTraining(run.folder, run.pipeline.view(run.config).epochs);
      return await sayingWhatIsSafe(safe, () => trainAndReport(run, values));
    },
  };
}

async function trainAndReport(run: StartedRun, values: RunValues): Promise<number> {
  const { folder } = run;
  const engine = await startEngine({
    backend: values.backend ?? run.engine?.backend,
    threads: values.threads ?? run.engine?.threads,
  });
  const started = performance.now();
  const { trained, stoppedBy } = await train(run, values);
  const seconds = (performance.now() - started) / 1000;
  const { result, best } = trained;
  let code: number = EXIT.ok;
  if (result.ended === "interrupted") {
    endings.sayStopped(trained, folder);
    code = exitCodeOfSignal(stoppedBy!);
  } else {
    if (stoppedBy) endings.quitReporting(run, stoppedBy);
    const unsubscribe = onStopSignals((name) => endings.quitReporting(run, name));
    if (result.divergence) code = endings.sayDiverged(run, trained);
    if (endings.isToBeReported(trained, folder)) {
      const source = { ...run, model: trained.model, engine, outcome: result, best, seconds };
      await report(trained, values, () => run.pipeline.report(source));
    } else if (!result.divergence) endings.showFinished(run, trained, { json: values.json });
    unsubscribe();
  }
  trained.model.dispose();
  await engine.stop();
  return code;
}

/** Trains until the end or a signal, and saves what was learnt. */
async function train(run: StartedRun, { json, quiet, resume }: RunValues) {
  using interruption = new Interruption({
    subscribe: (listener) => onStopSignals(listener),
    quit: () => endings.quitTraining(run),
    notify: (message) => say(`\n${message}`),
  });
  const trained = await trainRun({
    ...run,
    resume: resume !== undefined,
    signal: interruption.signal,
    quiet: quiet || json,
  });
  if (endings.isToBeReported(trained, run.folder)) await saveEnd(run.folder, trained);
  return { trained, stoppedBy: interruption.signal.reason as StopSignal | undefined };
}

/** Scores the model and writes everything people look at; after a divergence as far as it goes. */
async function report(
  { result }: TrainedRun,
  { json }: RunValues,
  make: () => ReturnType<Pipeline["report"]>,
): Promise<void> {
  try {
    const summary = await make();
    if (json) printJson(summary.json);
    else console.log(`\n${summary.text}`);
  } catch (error) {
    if (!result.divergence) throw error;
    say(describeFailure(error, false));
  }
}
