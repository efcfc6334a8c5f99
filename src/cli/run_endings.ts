/** What is said and done when training ends otherwise than with a fresh report. */
import { EXIT } from "./failures.ts";
import { removeUnfinished } from "../pipelines/old_run.ts";
import { printJson } from "./output.ts";
import { RUN_LAYOUT } from "../pipelines/run_folder.ts";
import { say } from "../pipelines/terminal.ts";
import { exitCodeOfSignal, type StopSignal } from "./stop_signals.ts";
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
 * After a divergence: what is kept, which scans were being trained on, and how to go on.
 *
 * @returns The exit code.
 */
export function sayDiverged(run: StartedRun, { result, position }: TrainedRun): number {
  const { folder, config, data, pipeline } = run;
  const { learningRate, clipNorm } = pipeline.view(config);
  const { message, subjects, epoch, batch } = result.divergence!;
  const scans = subjects.map((row) => data.describe(row));
  say(`recvae: ${message}`);
  say(`The scans of that batch: ${scans.join(", ")}`);
  if (epoch === 0 && batch === 0) return EXIT.diverged;
  const rate = Math.min(Number((learningRate / 10).toPrecision(3)), HIGHEST_ADVISED_RATE);
  const clip = clipNorm === undefined ? " --clip-norm 10" : "";
  if (position.epoch < epoch) {
    say(`Epoch ${epoch} was finished, but training cannot go on from its weights: not kept.`);
  }
  const kept = position.epoch === 0
    ? `No epoch ${epoch === 0 ? "was finished" : "is kept"}; start again`
    : `The last good epoch, ${position.epoch}, is kept; go on from it`;
  say(
    `${kept} with: recvae train --resume ${folder} --learning-rate ${rate}${clip}`,
  );
  return EXIT.diverged;
}

/**
 * Whether the report in the folder is of this very state, so that there is nothing to score or write.
 *
 * @param folder Of the run. @param trained A run with nothing left to train.
 */
export function reportIsWhole(folder: string, { result }: TrainedRun): boolean {
  try {
    Deno.statSync(`${folder}/${RUN_LAYOUT.summaryText}`);
    const { training } = readSummary(folder);
    return training.epochs === result.metrics.length &&
      (training.ended === "diverged") === (result.divergence !== undefined);
  } catch {
    return false;
  }
}

/**
 * Whether there is anything new to score; a run that diverged may have finished no epoch.
 *
 * @param trained A run that ended.
 * @param folder Of the run.
 */
export function isToBeReported(trained: TrainedRun, folder: string): boolean {
  const { ended, metrics } = trained.result;
  const isNew = trained.trained || !reportIsWhole(folder, trained);
  return ended !== "interrupted" && metrics.length > 0 && isNew;
}

/** Says that a run is finished and what can be done with it, and shows its summary again. */
export function showFinished(
  { folder }: StartedRun,
  { result }: TrainedRun,
  { json }: { readonly json: boolean },
): void {
  const epochs = result.metrics.length;
  const stopped = result.ended === "early-stopping";
  say(
    `The run "${folder}" is finished: ${epochs} epochs${
      stopped ? ", ended by --patience" : ""
    }. To train further: --resume ${folder} ${
      stopped ? "--patience with a larger number" : `--epochs N with N above ${epochs}`
    }; to score it again: recvae evaluate ${folder}`,
  );
  const summary = readSummary(folder);
  if (json) return printJson({ ...summary, folder });
  const text = Deno.readTextFileSync(`${folder}/${RUN_LAYOUT.summaryText}`).trimEnd();
  // The folder may have been moved or copied since.
  const here = text.replace(`Run       ${summary.folder}\n`, () => `Run       ${folder}\n`)
    .replace(`Open ${summary.folder}/`, () => `Open ${folder}/`);
  console.log(here);
}

/** Ends the program at the second Ctrl-C: what the newest checkpoint holds is safe. */
export function quitTraining({ lock }: StartedRun): never {
  lock[Symbol.dispose]();
  Deno.exit(EXIT.interrupted);
}

/** Ends the program while scores and results are made: training itself is saved. */
export function quitReporting({ folder, lock }: StartedRun, name: StopSignal): never {
  removeUnfinished(folder);
  lock[Symbol.dispose]();
  say(
    `\nStopped. Training has ended and is saved; its scores and results are not all written yet. ` +
      `Write them with: recvae train --resume ${folder}`,
  );
  Deno.exit(exitCodeOfSignal(name));
}

// deno-lint-ignore no-explicit-any
function readSummary(folder: string): any {
  return JSON.parse(Deno.readTextFileSync(`${folder}/${RUN_LAYOUT.summaryJson}`));
}

function count(number: number, noun: string, plural = "s"): string {
  return `${number} ${noun}${number === 1 ? "" : plural}`;
}
