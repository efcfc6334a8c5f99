/** From a command line to a run that can be trained: planned, its folder taken, its data open. */
import { readRegularText } from "../data/openers/regular_file.ts";
import { FolderLock } from "../files/folder_lock.ts";
import { toJson } from "../files/json.ts";
import { isGranted } from "../deps/permissions.ts";
import { kindOf, namesIn } from "../files/whats_there.ts";
import { removeQuietly, writeWhole } from "../files/whole_file.ts";
import { makeFolder } from "../files/whole_folder.ts";
import { fewOf } from "../base/lists.ts";
import { familyOfRun, readRunOnDisk, runConfigToJson, type RunOnDisk } from "./families.ts";
import { removeRun, removeUnfinished, requireFree } from "./old_run.ts";
import { UsageError } from "./option_table.ts";
import { requireReadableOrNew, temporaryFolder } from "./output_permissions.ts";
import type { OpenedData, OpenedRun, Pipeline, Plan } from "./pipeline.ts";
import { RUN_LAYOUT } from "./run_folder.ts";
import { CHANGEABLE_RUN_OPTIONS, type RunValues } from "./run_options.ts";
import { nothingTrained, sayingWhatIsSafe } from "./safe_outputs.ts";
import { say } from "./terminal.ts";

const MEBIBYTE = 2 ** 20;

/** A run that is this process's own until it is disposed. */
export interface StartedRun extends OpenedRun<unknown, OpenedData>, Disposable {
  readonly pipeline: Pipeline;
  readonly folder: string;
  readonly lock: FolderLock;
  /** Choices of a configuration file; options win over them. */
  readonly engine?: Plan<unknown, OpenedData>["engine"];
  /** Options that differ from the settings the run was saved with. */
  readonly changed: readonly string[];
  /** Writes the configuration: called once nothing is left that can be refused. A second time does nothing. */
  begin(): void;
}

/** What was typed: the values of the family's table. */
export interface TrainArguments {
  readonly values: RunValues & { readonly memory?: number };
  readonly files: readonly string[];
}

/**
 * Plans a new run, opens its data, and only then makes its folder; the folder is a run's from `begin` on.
 *
 * @param pipeline The family.
 * @param typed Options and files.
 * @throws {UsageError} {FormatError} {ConfigError} as the family's plan does, or when the folder is not free.
 * @throws {CheckpointError} when another program is at work in the folder.
 * @throws {WriteError} when it cannot be written to.
 */
export async function startRun(
  pipeline: Pipeline,
  { values, files }: TrainArguments,
): Promise<StartedRun> {
  const plan: Plan<unknown, OpenedData> = pipeline.plan(values, files);
  const folder = values.out ?? defaultFolder(plan.name);
  requireReadableOrNew(folder);
  FolderLock.refuseHeld(folder);
  requireFree(folder, values.force);
  const isNew = isGranted("read", folder) && kindOf(folder) === "nothing";
  const { config, data } = await plan.open(limitsOf(values, folder));
  let lock: FolderLock | undefined;
  try {
    pipeline.check(config);
    await sayingWhatIsSafe(() => nothingTrained(folder), () => {
      makeFolder(folder);
      lock = takeLock(folder);
      // Opening the data may have taken minutes, in which another program may have come and gone.
      requireFree(folder, values.force);
    });
    const begin = () => {
      if (values.force) removeRun(folder);
      writeConfig(folder, toJson(runConfigToJson(pipeline, config)));
    };
    const { engine } = plan;
    return started({
      pipeline,
      folder,
      lock: lock!,
      config,
      data,
      engine,
      changed: [],
      begin,
      isNew,
    });
  } catch (error) {
    lock?.[Symbol.dispose]();
    data.close();
    throw error;
  }
}

/**
 * Reads the configuration of a run that was begun and opens the same data.
 *
 * @param typed Options, `resume` among them.
 * @param named `family`: the one that was named, if any was.
 * @throws {UsageError} for options that cannot be changed.
 * @throws as {@link startRun}.
 */
export async function reopenRun(
  { values, files }: TrainArguments,
  { family }: { readonly family?: string } = {},
): Promise<StartedRun> {
  const folder = values.resume!.replace(/[\\/]+$/, "");
  requireFamily(folder, family);
  requireChangeable(familyOfRun(folder), { values, files });
  readRunOnDisk(folder);
  const lock = takeLock(folder);
  let data: OpenedData | undefined;
  try {
    const saved = readRunOnDisk(folder);
    const { pipeline } = saved;
    const changed = pipeline.change(saved.config, values);
    pipeline.check(changed);
    const limits = limitsOf(values, folder);
    const opened = await pipeline.reopen({ folder, config: changed, values }, limits);
    data = opened.data as OpenedData;
    removeUnfinished(folder);
    return started({
      pipeline,
      folder,
      lock,
      ...opened,
      changed: changedOptions(saved, values),
      begin: () => rewriteConfig(folder, saved, opened.config),
    });
  } catch (error) {
    data?.close();
    lock[Symbol.dispose]();
    throw error;
  }
}

/** `isNew`: the folder was made for this run, and goes again if training does not begin. */
function started(
  { isNew = false, ...run }: Omit<StartedRun, typeof Symbol.dispose> & { isNew?: boolean },
): StartedRun {
  let begun = false;
  return {
    ...run,
    begin() {
      if (!begun) run.begin();
      begun = true;
    },
    [Symbol.dispose]() {
      run.data.close();
      run.lock[Symbol.dispose]();
      if (isNew && namesIn(run.folder)?.length === 0) removeQuietly(run.folder);
    },
  };
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

/** The run says its family; another one that is named is a mistake. */
function requireFamily(folder: string, family: string | undefined): void {
  const own = familyOfRun(folder).family;
  if (family === undefined || family === own) return;
  throw new UsageError(
    `"${folder}" is a run of ${own}, found ${family}; go on with: recvae train ${own} --resume ${folder}`,
  );
}

function requireChangeable(pipeline: Pipeline, { values, files }: TrainArguments): void {
  const allowed = [...CHANGEABLE_RUN_OPTIONS, ...pipeline.changeable, "debug", "help"];
  const extra = Object.entries(values).filter(([name, value]) =>
    !allowed.includes(name) &&
    (Array.isArray(value) ? value.length > 0 : value !== undefined && value !== false)
  ).map(([name]) => `--${name}`);
  if (extra.length === 0 && files.length === 0) return;
  throw new UsageError(
    `--resume takes the settings of the run; leave out ${fewOf([...extra, ...files], 6)}`,
  );
}

/** Which of the options given with --resume are not what the run has already. */
function changedOptions({ pipeline, config }: RunOnDisk, values: TrainArguments["values"]) {
  const json = (of: unknown) => toJson(runConfigToJson(pipeline, of));
  const given = [...CHANGEABLE_RUN_OPTIONS, ...pipeline.changeable].map((name) =>
    [name, (values as Record<string, unknown>)[name]] as const
  ).filter(([, value]) => value !== undefined);
  return given.filter(([name, value]) =>
    json(pipeline.change(config, { [name]: value })) !== json(config)
  ).map(([name]) => `--${name}`);
}

/** Settings that were changed on going on stay changed. The epoch that the file may hold belongs to the last save. */
function rewriteConfig(folder: string, { pipeline, config: before }: RunOnDisk, config: unknown) {
  const json = runConfigToJson(pipeline, config);
  if (toJson(runConfigToJson(pipeline, before)) === toJson(json)) return;
  const { __epoch__ } = JSON.parse(readRegularText(`${folder}/${RUN_LAYOUT.config}`));
  writeConfig(folder, toJson({ ...json, ...(__epoch__ === undefined ? {} : { __epoch__ }) }));
}

function writeConfig(folder: string, text: string): void {
  writeWhole(`${folder}/${RUN_LAYOUT.config}`, text + "\n");
}

function limitsOf({ memory }: TrainArguments["values"], folder: string) {
  return {
    ...(memory === undefined ? {} : { memoryBudget: memory * MEBIBYTE }),
    ...temporaryFolder(folder),
  };
}

function defaultFolder(name: string): string {
  const time = new Date().toISOString().slice(0, 19).replace("T", "-").replaceAll(":", "");
  return `runs/${name}-${time}`;
}
