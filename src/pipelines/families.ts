/** The table of families: adding one is a row. */
import { CheckpointError, FormatError } from "../base/errors.ts";
import { isRecord } from "../base/fields.ts";
import { nearestName } from "../base/nearest_name.ts";
import { readRegularText } from "../data/openers/regular_file.ts";
import type { JsonRecord } from "../training/run_contents.ts";
import type { Pipeline } from "./pipeline.ts";
import { brainSequence } from "./brain_sequence/mod.ts";
import { recurrentVae } from "./recurrent_vae/mod.ts";
import { FAMILY_KEY, RUN_LAYOUT } from "./run_folder.ts";
import { streamlines } from "./streamlines/mod.ts";
import { vae } from "./vae/mod.ts";

/** All families; the first is the one that is meant when none is named. */
const families: Pipeline[] = [recurrentVae, brainSequence, streamlines, vae];

/** All families, the default first. */
export function allFamilies(): readonly Pipeline[] {
  return families;
}

/** The family that is meant when none is named. */
export function defaultFamily(): Pipeline {
  return families[0];
}

/**
 * Adds a family for as long as a body runs.
 *
 * @param pipeline The row.
 * @param body Uses it.
 */
export async function withFamily<T>(pipeline: Pipeline, body: () => Promise<T>): Promise<T> {
  families.push(pipeline);
  try {
    return await body();
  } finally {
    families.splice(families.indexOf(pipeline), 1);
  }
}

/**
 * A family by the name that is typed.
 *
 * @param name E.g. `"recurrent-vae"`.
 * @returns Undefined when there is none of that name.
 */
export function familyNamed(name: string): Pipeline | undefined {
  return families.find(({ family }) => family === name);
}

/**
 * The content of a run's config.json.
 *
 * @param pipeline Of the run.
 * @param config Its configuration.
 */
export function runConfigToJson(pipeline: Pipeline, config: unknown): JsonRecord {
  const json = pipeline.configToJson(config);
  return pipeline === defaultFamily() ? json : { [FAMILY_KEY]: pipeline.family, ...json };
}

/** A run as its folder says: of which family, and its configuration. */
export interface RunOnDisk {
  readonly pipeline: Pipeline;
  readonly config: unknown;
  /** Content of config.json. */
  readonly json: JsonRecord;
}

/**
 * Reads the config.json of a run, finished or not.
 *
 * @param folder Of the run.
 * @param who Needs it, for the message.
 * @throws {CheckpointError} when there is none, it is damaged, or of a family this version does not know.
 */
export function readRunOnDisk(folder: string, who = "--resume"): RunOnDisk {
  const json = readJson(folder, who);
  const pipeline = pipelineOf(json, folder);
  const { [FAMILY_KEY]: _family, ...config } = json;
  return { pipeline, config: pipeline.configFromJson(config, folder), json };
}

/**
 * The family of a run.
 *
 * @param folder Of the run; one that holds no readable configuration is taken for one of the default family, whose
 *   reader says what is wrong.
 */
export function familyOfRun(folder: string): Pipeline {
  let json: JsonRecord;
  try {
    json = readJson(folder);
  } catch (error) {
    if (error instanceof CheckpointError) return defaultFamily();
    throw error;
  }
  return pipelineOf(json, folder);
}

function readJson(folder: string, who = "--resume"): JsonRecord {
  const path = `${folder}/${RUN_LAYOUT.config}`;
  let json: unknown;
  try {
    json = JSON.parse(readRegularText(path));
  } catch (error) {
    if (!(error instanceof FormatError || error instanceof SyntaxError)) throw error;
    const why = error instanceof FormatError
      ? error.message
      : `Cannot read "${path}": it is no JSON`;
    throw new CheckpointError(folder, `${why}; ${who} needs the folder of a run`);
  }
  return isRecord(json) ? json : {};
}

function pipelineOf(json: JsonRecord, folder: string): Pipeline {
  const name = json[FAMILY_KEY] ?? defaultFamily().family;
  const found = familyNamed(String(name));
  if (found) return found;
  const known = families.map(({ family }) => family);
  throw new CheckpointError(
    folder,
    `Cannot use the run "${folder}": its ${RUN_LAYOUT.config} says family ${
      JSON.stringify(name)
    }, needs one of ${known.join(", ")}; did you mean "${
      nearestName(String(name), known)
    }", or is it of a later version?`,
  );
}
