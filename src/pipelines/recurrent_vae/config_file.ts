/**
 * `--config FILE`: settings from a JSON file, for example another run's config.json. Fields have the names of
 * that file; options on the command line win over them.
 */
import { ConfigError, FormatError } from "../../base/errors.ts";
import { type Field, findProblem, isRecord, shown } from "../../base/fields.ts";
import { CONFIG_FIELDS } from "../../models/recurrent_vae/config.ts";
import { LAGGED_FIELDS } from "../../models/recurrent_vae/lagged/lagged_config.ts";
import { DATA_FIELDS, ENGINE_FIELDS, type EngineSettings, TRAINING_FIELDS } from "./settings.ts";
import { readRegularText } from "../../data/openers/regular_file.ts";
import { locatedFile } from "./data_options.ts";
import type { ModelFields } from "./model_options.ts";
import { withMaskRecord, withPresetName } from "./run_config.ts";
import type { TrainingDataPlan, TrainingPlan } from "./train_options.ts";

/** Fields of the section `data` that are settings; the others say which data a run was trained on. */
const DATA_SETTINGS = ["scaling", "heldOut", "fold", "mask", "maskLabels", "groupBy"] as const;

/** Settings a file may hold. */
export interface ConfigFile {
  /** Fields of the model's configuration; what follows from the data is left out. */
  readonly model: ModelFields;
  readonly training: Partial<TrainingPlan>;
  readonly data:
    & Partial<Pick<TrainingDataPlan, "scaling" | "heldOut" | "fold" | "groupBy" | "maskLabels">>
    & {
      /** Path. */
      readonly mask?: string;
    };
  readonly engine: EngineSettings;
}

/** No settings. */
export const NO_CONFIG: ConfigFile = { model: {}, training: {}, data: {}, engine: {} };

/** Written into every config.json, but of the data and the moment, not of the settings. */
const NOT_SETTINGS = {
  model: ["spatialShape", "__epoch__"],
  data: Object.keys(DATA_FIELDS.fields).filter((name) =>
    !(DATA_SETTINGS as readonly string[]).includes(name)
  ),
};

/**
 * Reads a file of settings.
 *
 * @param path JSON.
 * @throws {FormatError} when it is not JSON.
 * @throws {ConfigError} for a field that does not exist, with the nearest
 *   name, and for a value of the wrong kind or out of range.
 */
export function readConfigFile(path: string): ConfigFile {
  const { training: stored = {}, data = {}, engine = {}, ...model } = parse(path);
  const training = withPresetName(stored, model);
  const known = model.network === "lagged"
    ? LAGGED_FIELDS
    : { ...CONFIG_FIELDS, fields: { ...LAGGED_FIELDS.fields, ...CONFIG_FIELDS.fields } };
  const { mask, ...choices } = settings<Partial<TrainingDataPlan>>(path, withMaskRecord(data), {
    known: DATA_FIELDS,
    ignored: NOT_SETTINGS.data,
    section: "data",
  });
  return {
    model: settings(path, model, { known, ignored: NOT_SETTINGS.model }),
    training: settings(path, training, { known: TRAINING_FIELDS, section: "training" }),
    data: { ...choices, ...(mask === undefined ? {} : { mask: locatedFile(mask).path }) },
    engine: settings(path, engine, { known: ENGINE_FIELDS, section: "engine" }),
  };
}

function parse(path: string): Record<string, unknown> {
  const text = readRegularText(path);
  const refuse = (found: string) =>
    new FormatError(
      path,
      "config.json",
      `Cannot read "${path}": found ${found}, needs a JSON object`,
    );
  let json: unknown;
  try {
    json = JSON.parse(text);
  } catch {
    throw refuse("no JSON");
  }
  if (!isRecord(json)) throw refuse(Array.isArray(json) ? "a list" : shown(json));
  return json;
}

/** The settings of a section; any of them may be absent. */
function settings<T>(
  path: string,
  values: unknown,
  options: {
    readonly known: Field;
    readonly ignored?: readonly string[];
    readonly section?: string;
  },
): T {
  const { known, ignored = [], section = "" } = options;
  const without = (fields: object) =>
    Object.fromEntries(Object.entries(fields).filter(([name]) => !ignored.includes(name)));
  const kept = isRecord(values) ? without(values) : values;
  const fields = { ...known, fields: without(known.fields!), required: [] };
  const problem = findProblem(kept, fields, { path: section, noun: "setting" });
  if (problem) throw new ConfigError(problem.field, `Cannot use "${path}": ${problem.clause}`);
  return kept as T;
}
