/** What lies in a folder before a run is written to it: nothing, an earlier run, or something that is nobody's business. */
import { FormatError } from "../base/errors.ts";
import { kindOf, namesIn } from "../files/whats_there.ts";
import { isGranted } from "../deps/permissions.ts";
import { readRegularText } from "../data/openers/regular_file.ts";
import { TEMPORARY_PREFIX } from "../files/whole_file.ts";
import { remove } from "../files/whole_folder.ts";
import { RUN_FILES } from "../training/run_contents.ts";
import { allFamilies, familyNamed } from "./families.ts";
import { UsageError } from "./option_table.ts";
import type { RunOutputs } from "./pipeline.ts";
import { FAMILY_KEY, RUN_LAYOUT } from "./run_folder.ts";

/** Folders of a run of any family, and the names of what a run writes into each. */
function outputsOfRuns(): readonly RunOutputs[] {
  return [
    { folder: RUN_LAYOUT.checkpoints, names: /^generation-\d{6,}$/ },
    ...allFamilies().flatMap(({ outputs = [] }) => outputs),
  ];
}

/** Names of files that a process was writing when it was killed. */
const UNFINISHED = new RegExp(`^\\${TEMPORARY_PREFIX}|\\.[0-9a-f]{8}\\.tmp$`);

/**
 * Refuses a folder that a run must not be written to.
 *
 * @param folder May not exist.
 * @param replace Whether an earlier run may be replaced.
 * @throws {UsageError} when it is a file, holds a run that may not be replaced, or anything else.
 */
export function requireFree(folder: string, replace: boolean): void {
  if (!isGranted("read", folder)) return; // then it must be new: see requireReadableOrNew
  const names = namesIn(folder);
  if (names === null) {
    if (kindOf(folder) === "below a file") return; // making the folder says so
    throw new UsageError(`"${folder}" is a file; --out needs a folder`);
  }
  if (names.every((name) => name === RUN_LAYOUT.lock)) return;
  if (!isRun(folder)) {
    throw new UsageError(
      `"${folder}" is not empty and holds no run of recvae; name another folder with --out`,
    );
  }
  if (replace) return;
  throw new UsageError(
    `"${folder}" holds a run; --resume ${folder} goes on with it, --force replaces it`,
  );
}

/**
 * Removes what an earlier run wrote, and nothing else; the configuration, by which a run is known, goes last.
 *
 * @param folder Of the run.
 */
export function removeRun(folder: string): void {
  removeUnfinished(folder);
  const outputs = outputsOfRuns();
  for (const { folder: name, names } of outputs) {
    const inside = `${folder}/${name}`;
    for (const file of namesIn(inside) ?? []) {
      if (names.test(file)) remove(`${inside}/${file}`);
    }
    if (namesIn(inside)?.length === 0) remove(inside);
  }
  const folders = outputs.map(({ folder: name }) => name);
  const kept: string[] = [...folders, RUN_LAYOUT.lock, RUN_LAYOUT.config];
  const files = [...Object.values(RUN_LAYOUT), ...Object.values(RUN_FILES)];
  for (const name of files) if (!kept.includes(name)) remove(`${folder}/${name}`);
  remove(`${folder}/${RUN_LAYOUT.config}`);
}

/**
 * Removes files that a process was writing when it was ended.
 *
 * @param folder Of the run.
 */
export function removeUnfinished(folder: string): void {
  for (
    const inside of [
      folder,
      ...outputsOfRuns().map(({ folder: name }) => `${folder}/${name}`),
    ]
  ) {
    for (const file of namesIn(inside) ?? []) {
      if (UNFINISHED.test(file)) remove(`${inside}/${file}`);
    }
  }
}

/** A run is known by its configuration: by the family it says, else by its sections, whatever the values in them. */
function isRun(folder: string): boolean {
  try {
    const config = JSON.parse(readRegularText(`${folder}/${RUN_LAYOUT.config}`));
    if (familyNamed(String(config?.[FAMILY_KEY]))) return true;
    return typeof config?.training === "object" && typeof config?.data === "object";
  } catch (error) {
    if (error instanceof FormatError || error instanceof SyntaxError) return false;
    throw error;
  }
}
