/**
 * The training of a run of any family: checkpoints, log and progress around the family's `fit`. Everything here is
 * determined by the run's configuration; a resumed run does exactly what an uninterrupted one does.
 */
import { CheckpointError } from "../base/errors.ts";
import { CheckpointStore, loadCheckpoint, saveCheckpoint } from "../training/checkpoint.ts";
import type { EarlyStoppingState } from "../training/early_stopping.ts";
import type { EpochMetrics, RunControls, TrainingState } from "../training/loop.ts";
import { isFile } from "../files/whats_there.ts";
import { Progress } from "../training/progress.ts";
import { RUN_FILES } from "../training/run_contents.ts";
import { readRun, type SaveRunOptions, trainingStateOf } from "../training/run_folder.ts";
import { RunLog } from "../training/run_log.ts";
import type { WeightHolder } from "../training/weight_holder.ts";
import { runConfigToJson } from "./families.ts";
import { UsageError } from "./option_table.ts";
import type { FamilyModel, OpenedData, OpenedRun, Pipeline, TrainingOutcome } from "./pipeline.ts";
import { RUN_LAYOUT } from "./run_folder.ts";
import { saveInstead } from "./safe_outputs.ts";
import { say, standardError } from "./terminal.ts";

/** Milliseconds between checkpoints unless epochs are counted. */
const CHECKPOINT_MS = 10_000;

/** How to run, as opposed to what. */
export interface TrainingRunOptions extends OpenedRun<unknown, OpenedData> {
  readonly pipeline: Pipeline;
  readonly folder: string;
  /** Go on from the newest checkpoint in the folder, or from where the run ended. */
  readonly resume: boolean;
  /** Ends the run after the batch in progress. */
  readonly signal: AbortSignal;
  readonly quiet: boolean;
  /** Options that differ from the settings the run was saved with. */
  readonly changed: readonly string[];
  /** Writes the configuration; called before a new run trains, and when a resumed one has trained something. */
  begin(): void;
}

/** A training that has ended: finished, interrupted or diverged. */
export interface TrainedRun {
  readonly model: FamilyModel;
  readonly result: TrainingOutcome;
  /** What `saveRun` needs beside the model. */
  readonly parts: SaveRunOptions;
  /** Where training stands: epochs done, and batches of the next one. */
  readonly position: TrainingState["position"];
  /** The best epoch so far and its loss; nulls when none was looked for. */
  readonly best: EarlyStoppingState;
  /** Whether there was anything left to train. */
  readonly trained: boolean;
}

/**
 * Trains until the end, an interruption or a divergence. After the latter two, and before the files of an earlier end
 * are replaced, a checkpoint is saved: of the last whole epoch, if training diverged.
 *
 * @param options See {@link TrainingRunOptions}.
 * @throws {UsageError} when more epochs are trained than the configuration wants, and for changed settings of a run that
 *   is finished; nothing is changed then.
 * @throws {CheckpointError} when no checkpoint is whole.
 * @throws {WriteError} when the log or a checkpoint cannot be written; older checkpoints are as they were.
 */
export async function trainRun(options: TrainingRunOptions): Promise<TrainedRun> {
  const { pipeline, config, data, folder } = options;
  const { epochs, checkpointEvery } = pipeline.view(config);
  const model = pipeline.build(config, data);
  const store = new CheckpointStore(`${folder}/${RUN_LAYOUT.checkpoints}`);
  const resumed = options.resume ? await resumeState(store, model, folder) : null;
  if (resumed) requireEpochsLeft(resumed, epochs);
  // A resumed run keeps its settings until something is trained with others.
  else options.begin();
  const partsOf = (state: TrainingState) => savedParts(options, state);
  const progress = startProgress(options, resumed?.position.epoch ?? 0);
  const log = await RunLog.open(`${folder}/${RUN_LAYOUT.log}`, {
    fromEpoch: resumed?.position.epoch ?? 0,
    known: resumed?.metrics,
  });
  let savedAt = performance.now();
  const isDue = (epoch: number) =>
    checkpointEvery === undefined
      ? performance.now() - savedAt > CHECKPOINT_MS
      : (epoch + 1) % checkpointEvery === 0;
  const onEpoch = async (epoch: number, metrics: EpochMetrics, controls: RunControls) => {
    const save = async () => saveCheckpoint(store, model, partsOf(await controls.state()));
    try {
      log.append(metrics);
    } catch (error) {
      await saveInstead(save, error);
      throw error;
    }
    if (!isDue(epoch)) return;
    await save();
    savedAt = performance.now();
  };
  try {
    const result = await pipeline.fit(model, { config, data }, {
      signal: options.signal,
      callbacks: [onEpoch],
      onBatch: (report) => {
        options.begin();
        progress.batch(report, report.losses.loss);
      },
      log: (line) => progress.line(line),
      ...(resumed ? { resumeFrom: resumed } : {}),
    });
    const state = await result.state();
    const parts = partsOf(state);
    const { position, earlyStopping } = state;
    const trained = !resumed || isLater(state, resumed);
    const stopped = result.ended === "interrupted" || result.ended === "diverged";
    if (!trained && !stopped) {
      requireUnchanged(options, result);
      options.begin();
    }
    if (stopped || (resumed && trained)) await saveCheckpoint(store, model, parts);
    const best = earlyStopping ?? { best: null, bestEpoch: null };
    return { model, result, parts, position, best, trained };
  } finally {
    progress.finish();
  }
}

function requireEpochsLeft({ position: { epoch, batch } }: TrainingState, epochs: number): void {
  const begun = epoch + (batch > 0 ? 1 : 0);
  if (epochs >= begun) return;
  throw new UsageError(
    `--epochs is ${epochs}, but ${begun} epochs are trained or begun already; needs at least ${begun}`,
  );
}

/** Weights must not be said to come from settings nothing was trained with. Fewer epochs may end a run where it stands. */
function requireUnchanged(
  { changed, folder }: TrainingRunOptions,
  { ended, metrics }: TrainingOutcome,
): void {
  const early = ended === "early-stopping";
  const extra = early ? changed : changed.filter((name) => name !== "--epochs");
  if (extra.length === 0) return;
  const epochs = metrics.length;
  throw new UsageError(
    `The run "${folder}" is finished after ${epochs} ${epochs === 1 ? "epoch" : "epochs"}${
      early ? ", ended by --patience" : ""
    }: ${extra.join(", ")} would change nothing; leave out ${
      extra.length === 1 ? "the option" : "the options"
    }, or train further ${
      early ? "with a larger --patience" : `by giving --epochs N with N above ${epochs} too`
    }`,
  );
}

/**
 * Puts the newest state into the model: of the newest checkpoint, or of the run's end if that is later. Null when
 * neither was ever saved: the run starts from its beginning.
 */
async function resumeState(
  store: CheckpointStore,
  model: WeightHolder,
  folder: string,
): Promise<TrainingState | null> {
  const loaded = await loadCheckpoint(store, model);
  for (const { path, reason } of loaded?.rejected ?? []) {
    say(`Passed over the damaged checkpoint "${path}": ${reason}`);
  }
  const checkpoint = loaded && trainingStateOf(loaded);
  const state = await endState(folder, model, checkpoint) ?? checkpoint;
  if (!state) say(`"${folder}" holds no checkpoint yet; starting from its beginning.`);
  return state;
}

/** The state in which a run ended, loaded into the model; null when it did not, or a checkpoint is later. */
async function endState(
  folder: string,
  model: WeightHolder,
  checkpoint: TrainingState | null,
): Promise<TrainingState | null> {
  if (!isFile(`${folder}/${RUN_FILES.weights}`)) return null;
  const run = await readRunOr(checkpoint, folder);
  const state = run && trainingStateOf(run);
  if (!state || (checkpoint && isLater(checkpoint, state))) return null;
  await model.loadStateDict(new Map(run.weights));
  return state;
}

/** The run that ended; null when its files are not whole, because saving was cut short, and there is a checkpoint instead. */
async function readRunOr(checkpoint: TrainingState | null, folder: string) {
  try {
    return await readRun(folder);
  } catch (error) {
    if (!checkpoint || !(error instanceof CheckpointError)) throw error;
    say(`Going on from the newest checkpoint: ${error.message}`);
    return null;
  }
}

function isLater({ position: a }: TrainingState, { position: b }: TrainingState): boolean {
  return a.epoch > b.epoch || (a.epoch === b.epoch && a.batch > b.batch);
}

/** What a checkpoint and the final folder hold beside the weights. */
function savedParts(
  { pipeline, config, data }: TrainingRunOptions,
  state: TrainingState,
): SaveRunOptions {
  const { epoch } = state.position;
  return {
    training: state,
    config: runConfigToJson(pipeline, config),
    epoch,
    history: state.metrics,
    random: { seed: pipeline.view(config).seed, epoch },
    ...pipeline.savedParts({ config, data }),
  };
}

interface ProgressLines {
  batch(position: { epoch: number; batch: number }, loss: number): void;
  /** A line of `fit`; about ten of them are shown. */
  line(text: string): void;
  finish(): void;
}

function startProgress(options: TrainingRunOptions, completedEpochs: number): ProgressLines {
  if (options.quiet) return { batch: () => {}, line: () => {}, finish: () => {} };
  const { epochs } = options.pipeline.view(options.config);
  const progress = new Progress({
    output: standardError(),
    epochs,
    batches: options.data.batchesPerEpoch,
    completedEpochs,
  });
  const every = Math.max(1, Math.ceil(epochs / 10));
  let seen = completedEpochs;
  return {
    batch: (position, loss) => progress.batch(position, loss),
    line(text) {
      seen++;
      if (seen === 1 || seen === epochs || seen % every === 0) progress.message(text);
    },
    finish: () => progress.finish(),
  };
}
