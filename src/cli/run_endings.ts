/** What is said and done when training has ended. */
import { describeFailure, EXIT } from "./failures.ts";
import { removeUnfinished } from "../pipelines/old_run.ts";
import { printJson } from "./output.ts";
import type { VerbResult } from "../pipelines/pipeline.ts";
import {
  isToBeReported,
  makeReport,
  readSummary,
  type ReportOptions,
} from "../pipelines/reported_run.ts";
import { say } from "../pipelines/terminal.ts";
import { exitCodeOfSignal, onStopSignals, type StopSignal } from "./stop_signals.ts";
import type { StartedRun } from "../pipelines/started_run.ts";
import type { TrainedRun } from "../pipelines/training_run.ts";

/** A tenth of a rate that is beyond all reason is so too. */
const HIGHEST_ADVISED_RATE = 0.1;

/** After a signal: how far training has come, and how to go on. */
export function sayStopped({ position: { epoch, batch } }: TrainedRun, folder: string): void {
  say(
    `Stopped after ${count(epoch, "epoch")}${
      batch > 0 ? ` and ${count(batch, "batch", "es")}` : ""
    }; ` +
      `go on with: recvae train --resume ${folder}`,
  );
}

/**
 * After a divergence: what is kept, which rows were being trained on, and how to go on.
 *
 * @returns The exit code.
 */
function sayDiverged(run: StartedRun, { result, position }: TrainedRun): number {
  const { folder, config, data, pipeline } = run;
  const { learningRate, clipNorm } = pipeline.view(config);
  const { message, rows: found, epoch, batch } = result.divergence!;
  const rows = found.map((row) => data.describe(row));
  say(`recvae: ${message}`);
  say(`The ${pipeline.rows} of that batch: ${rows.join(", ")}`);
  if (epoch === 0 && batch === 0) return EXIT.diverged;
  const may = (option: string) => pipeline.changeable.includes(option);
  const lower = Math.min(Number((learningRate / 10).toPrecision(3)), HIGHEST_ADVISED_RATE);
  const rate = may("learning-rate") ? ` --learning-rate ${lower}` : "";
  const clip = clipNorm === undefined && may("clip-norm") ? " --clip-norm 10" : "";
  if (position.epoch < epoch) {
    say(`Epoch ${epoch} was finished, but training cannot go on from its weights: not kept.`);
  }
  const kept = position.epoch === 0
    ? `No epoch ${epoch === 0 ? "was finished" : "is kept"}; start again`
    : `The last good epoch, ${position.epoch}, is kept; go on from it`;
  say(`${kept} with: recvae train --resume ${folder}${rate}${clip}`);
  return EXIT.diverged;
}

/** Says that a run is finished and what can be done with it, and shows its summary again. */
function showFinished(
  { folder, pipeline }: StartedRun,
  { result }: TrainedRun,
  { json }: { readonly json: boolean },
): void {
  const epochs = result.metrics.length;
  const stopped = result.ended === "early-stopping";
  const again = pipeline.verbs.evaluate ? `; to score it again: recvae evaluate ${folder}` : "";
  say(
    `The run "${folder}" is finished: ${epochs} epochs${
      stopped ? ", ended by --patience" : ""
    }. To train further: --resume ${folder} ${
      stopped ? "--patience with a larger number" : `--epochs N with N above ${epochs}`
    }${again}`,
  );
  showSummary(readSummary(folder), { json });
}

function showSummary(summary: VerbResult, { json }: { readonly json: boolean }): void {
  if (json) printJson(summary.json);
  else console.log(summary.text);
}

/** What is known when training has ended of itself. */
interface Ended extends ReportOptions {
  /** A signal that came during the last batch. */
  readonly stoppedBy?: StopSignal;
  /** Whether to print the summary as JSON. */
  readonly json: boolean;
}

/**
 * After training that no signal interrupted: says what became of it, makes the report and shows the summary.
 *
 * @param run The run.
 * @param ended How it ended.
 * @returns The exit code.
 */
export async function reportEnd(run: StartedRun, ended: Ended): Promise<number> {
  const { trained, stoppedBy } = ended;
  if (stoppedBy) quitReporting(run, stoppedBy);
  const unsubscribe = onStopSignals((name) => quitReporting(run, name));
  const diverged = trained.result.divergence !== undefined;
  const code = diverged ? sayDiverged(run, trained) : EXIT.ok;
  if (isToBeReported(trained, run.folder)) await showReport(run, ended);
  else if (!diverged) showFinished(run, trained, ended);
  unsubscribe();
  return code;
}

/** Makes the report and shows its summary; after a divergence as far as it goes. */
async function showReport(run: StartedRun, ended: Ended): Promise<void> {
  try {
    const { json, text } = await makeReport(run, ended);
    showSummary({ json, text: `\n${text}` }, ended);
  } catch (error) {
    if (!ended.trained.result.divergence) throw error;
    say(describeFailure(error, false));
  }
}

/** Ends the program at the second Ctrl-C: what the newest checkpoint holds is safe. */
export function quitTraining({ lock }: StartedRun): never {
  lock[Symbol.dispose]();
  Deno.exit(EXIT.interrupted);
}

/** Ends the program while scores and results are made: training itself is saved. */
function quitReporting({ folder, lock }: StartedRun, name: StopSignal): never {
  removeUnfinished(folder);
  lock[Symbol.dispose]();
  say(
    `\nStopped. Training has ended and is saved; its scores and results are not all written yet. ` +
      `Write them with: recvae train --resume ${folder}`,
  );
  Deno.exit(exitCodeOfSignal(name));
}

function count(number: number, noun: string, plural = "s"): string {
  return `${number} ${noun}${number === 1 ? "" : plural}`;
}
