/**
 * Checkpoints during training: the parts of a run (run_contents.ts) as generations of a store
 * (checkpoint_store.ts), so that training goes on bit for bit after a stop, a crash or a kill.
 */
import { checkOptions } from "../base/fields.ts";
import { CheckpointStore } from "./checkpoint_store.ts";
import { decodeRun, encodeRun } from "./run_contents.ts";
import {
  applyRun,
  gatherRun,
  LOAD_OPTIONS,
  type LoadedRun,
  type LoadRunOptions,
  type SaveRunOptions,
} from "./run_folder.ts";
import type { WeightHolder, WeightSource } from "./weight_holder.ts";

/** What {@link loadCheckpoint} found. */
export interface LoadedCheckpoint extends LoadedRun {
  /** Number of the generation that was loaded. */
  readonly generation: number;
  /** Newer generations that were damaged and passed over: tell the user. */
  readonly rejected: readonly { readonly path: string; readonly reason: string }[];
}

/**
 * Saves a checkpoint as the next generation of a store.
 *
 * @param store Where.
 * @param model Whose weights.
 * @param options Further parts, as for `saveRun`.
 * @returns The number of the generation.
 * @throws {WriteError} when it cannot be written; older generations stay as they are.
 */
export async function saveCheckpoint(
  store: CheckpointStore,
  model: WeightSource,
  options: SaveRunOptions = {},
): Promise<number> {
  return await store.save(encodeRun(await gatherRun(model, options)));
}

/**
 * Loads the newest whole checkpoint into a model.
 *
 * @param store Where.
 * @param model Receives the weights, strictly.
 * @param options See `loadRun`.
 * @returns Null when the store is empty.
 * @throws {CheckpointError} when no generation is whole, or the newest whole one does not fit the model.
 */
export async function loadCheckpoint(
  store: CheckpointStore,
  model: WeightHolder,
  options: LoadRunOptions = {},
): Promise<LoadedCheckpoint | null> {
  checkOptions(options, LOAD_OPTIONS, { doing: "Cannot load the checkpoint" });
  const loaded = await store.loadNewest();
  if (!loaded) return null;
  const { generation, files, rejected } = loaded;
  const contents = decodeRun(files, `generation ${generation}`);
  return { ...await applyRun(contents, model, options), generation, rejected };
}

export { CheckpointStore } from "./checkpoint_store.ts";
