/**
 * Run folders: `saveRun` and `loadRun` of the Python package [recurrent-vae §7], with safetensors in place of pickles.
 *
 * | file | content |
 * | --- | --- |
 * | weights.safetensors | PyTorch's names and layouts; loads with `load_state_dict` |
 * | optimiser.safetensors | slots, step and options of the optimiser, if given |
 * | config.json | configuration and `__epoch__`, if given |
 * | history.json | as given |
 * | random.json | seed and epoch, if given |
 * | normalisation.json | how the data were normalised, if given |
 * | phases.safetensors | the optimisers of further phases, where a model has several |
 * | training.safetensors | what the training loop needs to go on, if given |
 * | last.safetensors | weights to go on from, where weights.safetensors holds those of an earlier, the best epoch |
 * | best.safetensors | weights of the best epoch, where weights.safetensors holds later ones |
 * | version.json | versions of library, Deno and platform |
 */
import { CheckpointError } from "../base/errors.ts";
import { joinPath, removeQuietly } from "../files/whole_file.ts";
import { makeFolder, writeFilesWhole } from "../files/whole_folder.ts";
import { folderExists, readIfPresent, runtimeVersions } from "./checkpoint_files.ts";
import { checkOptions, integer, object, other, record } from "../base/fields.ts";
import type { TrainingState } from "./training_state.ts";
import type { Optimiser } from "./optimiser.ts";
import {
  decodeRun,
  encodeRun,
  type LoopState,
  missingWeights,
  RANDOM_STATE,
  RUN_FILES,
  type RunContents,
} from "./run_contents.ts";
import type { WeightHolder, WeightSource } from "./weight_holder.ts";

/** Parts of a run beside the weights; see {@link RunContents}. */
export interface SaveRunOptions
  extends Omit<RunContents, "weights" | "optimiser" | "training" | "version"> {
  /** Its state is saved. */
  readonly optimiser?: Optimiser;
  /** State of the training loop, which includes the optimiser's; `optimiser` is not needed then. */
  readonly training?: TrainingState;
}

/** Options there are. */
const SAVE_OPTIONS = record<SaveRunOptions>({
  config: object("the configuration, an object"),
  epoch: integer({ least: 0 }),
  history: other("anything that JSON can hold"),
  random: RANDOM_STATE,
  normalisation: object("what normalizationToJson gives"),
  optimiser: object("an optimiser"),
  training: object("a training state"),
});

/** Options of {@link loadRun}. */
export interface LoadRunOptions {
  /** Receives its state, if one was saved. */
  readonly optimiser?: Optimiser;
}

/** Options there are. */
export const LOAD_OPTIONS = record<LoadRunOptions>({ optimiser: object("an optimiser") });

/** What {@link loadRun} found beside the weights; parts that were not saved are absent. */
export type LoadedRun = Omit<RunContents, "weights">;

/**
 * Saves a run: all files are on the disk before the first replaces one of an earlier save, and those that this save does
 * not have are removed.
 *
 * @param dir Folder; made if need be.
 * @param model Whose weights.
 * @param options Further parts.
 * @returns `dir`.
 * @throws {WriteError} when the disk refuses.
 */
export async function saveRun(
  dir: string,
  model: WeightSource,
  options: SaveRunOptions = {},
): Promise<string> {
  const files = encodeRun(await gatherRun(model, options));
  makeFolder(dir);
  writeFilesWhole(dir, files);
  for (const name of Object.values(RUN_FILES)) {
    if (!files.has(name)) removeQuietly(joinPath(dir, name));
  }
  return dir;
}

/**
 * Loads a run into a model.
 *
 * @param dir Folder written by {@link saveRun}.
 * @param model Receives the weights, strictly.
 * @param options See {@link LoadRunOptions}.
 * @returns The other parts, as far as they were saved.
 * @throws {CheckpointError} when the folder or the weights are missing, damaged, or do not fit the model.
 */
export async function loadRun(
  dir: string,
  model: WeightHolder,
  options: LoadRunOptions = {},
): Promise<LoadedRun> {
  checkOptions(options, LOAD_OPTIONS, { doing: "Cannot load the run" });
  return await applyRun(await readRun(dir), model, options);
}

/**
 * Reads a run without a model, for example to build one from its configuration.
 *
 * @param dir Folder written by {@link saveRun}.
 * @throws {CheckpointError} as {@link loadRun}.
 */
export async function readRun(dir: string): Promise<RunContents> {
  if (!(await folderExists(dir))) {
    throw new CheckpointError(
      dir,
      `Cannot load the run "${dir}": found no such folder, needs one that training wrote; check the path`,
    );
  }
  const files = new Map<string, Uint8Array>();
  for (const name of Object.values(RUN_FILES)) {
    const bytes = await readIfPresent(joinPath(dir, name));
    if (bytes) files.set(name, bytes);
  }
  if (!files.has(RUN_FILES.weights)) throw missingWeights(dir);
  return decodeRun(files, dir);
}

/** Copies everything that is saved to the host. */
export async function gatherRun(
  model: WeightSource,
  options: SaveRunOptions,
): Promise<RunContents> {
  checkOptions(options, SAVE_OPTIONS, { doing: "Cannot save the run" });
  const { optimiser, training, ...parts } = options;
  const { optimiser: optimiserState = await optimiser?.state(), ...loop } = training ?? {};
  return {
    ...parts,
    weights: await model.stateDict(),
    optimiser: optimiserState,
    training: training && loop as LoopState,
    version: runtimeVersions(),
  };
}

/**
 * The state `fit` resumes from, out of what was loaded.
 *
 * @returns Null when the run holds no state of the training loop or the optimiser.
 */
export function trainingStateOf(run: LoadedRun): TrainingState | null {
  return run.training && run.optimiser ? { ...run.training, optimiser: run.optimiser } : null;
}

/** Puts a run into a model and an optimiser; gives the other parts. */
export async function applyRun(
  contents: RunContents,
  model: WeightHolder,
  { optimiser }: LoadRunOptions,
): Promise<LoadedRun> {
  const { weights, ...rest } = contents;
  await model.loadStateDict(weights);
  if (optimiser && rest.optimiser) optimiser.loadState(rest.optimiser);
  return rest;
}
