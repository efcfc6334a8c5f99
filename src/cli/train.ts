/** `recvae train [FAMILY]`: from data to a run folder and a summary. */
import { allFamilies } from "../pipelines/families.ts";
import { startEngine } from "../pipelines/engine_options.ts";
import type { Pipeline } from "../pipelines/pipeline.ts";
import { isToBeReported } from "../pipelines/reported_run.ts";
import { safeTraining, saveEnd, sayingWhatIsSafe } from "../pipelines/safe_outputs.ts";
import type { RunValues } from "../pipelines/run_options.ts";
import { reopenRun, type StartedRun, startRun } from "../pipelines/started_run.ts";
import { say } from "../pipelines/terminal.ts";
import { trainRun } from "../pipelines/training_run.ts";
import { Interruption } from "../training/interruption.ts";
import type { Command } from "./command.ts";
import { resumedFamily, withFamilies } from "./family_commands.ts";
import { quitTraining, reportEnd, sayStopped } from "./run_endings.ts";
import { exitCodeOfSignal, onStopSignals, type StopSignal } from "./stop_signals.ts";

/**
 * The command.
 *
 * @param pipeline The family that is meant when none is named.
 */
export function trainCommand(pipeline: Pipeline): Command {
  return withFamilies(familyCommand(pipeline), {
    families: allFamilies(),
    command: (named) => familyCommand(named, named),
    summary: "Train a model and score it on data that were held out",
    familyOf: resumedFamily,
  });
}

function familyCommand(pipeline: Pipeline, named?: Pipeline): Command {
  return {
    name: "train",
    usage: "train [options] [FILE…]",
    ...pipeline.train,
    positionals: [0, Infinity],
    async run(parsed) {
      const values = parsed.values as unknown as RunValues;
      const typed = { values, files: parsed.positionals };
      using run = values.resume === undefined
        ? await startRun(pipeline, typed)
        : await reopenRun(typed, named);
      const safe = () => safeTraining(run.folder, run.pipeline.view(run.config).epochs);
      return await sayingWhatIsSafe(safe, () => trainAndReport(run, values));
    },
  };
}

async function trainAndReport(run: StartedRun, values: RunValues): Promise<number> {
  const engine = await startEngine({
    backend: values.backend ?? run.engine?.backend,
    threads: values.threads ?? run.engine?.threads,
  });
  const started = performance.now();
  const { trained, stoppedBy } = await train(run, values);
  const seconds = (performance.now() - started) / 1000;
  const interrupted = trained.result.ended === "interrupted";
  if (interrupted) sayStopped(trained, run.folder);
  const code = interrupted
    ? exitCodeOfSignal(stoppedBy!)
    : await reportEnd(run, { trained, engine, seconds, stoppedBy, json: values.json });
  trained.model.dispose();
  await engine.stop();
  return code;
}

/** Trains until the end or a signal, and saves what was learnt. */
async function train(run: StartedRun, { json, quiet, resume }: RunValues) {
  using interruption = new Interruption({
    subscribe: (listener) => onStopSignals(listener),
    quit: () => quitTraining(run),
    notify: (message) => say(`\n${message}`),
  });
  const { signal } = interruption;
  const resumed = resume !== undefined;
  const trained = await trainRun({ ...run, resume: resumed, signal, quiet: quiet || json });
  if (isToBeReported(trained, run.folder)) await saveEnd(run.folder, trained);
  return { trained, stoppedBy: signal.reason as StopSignal | undefined };
}
