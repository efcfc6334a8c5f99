/**
 * `--config FILE`: settings from a JSON file, for example another run's config.json. Fields have the names of
 * that file; options on the command line win over them.
 */
import { ConfigError, FormatError } from "../base/errors.ts";
import { closestString } from "../deps/std_text.ts";
import type { BackendChoice } from "../backends/engine.ts";
import { type RecurrentVaeOptions, resolveConfig } from "../models/recurrent_vae/config.ts";
import type { TrainingDataPlan, TrainingPlan } from "./train_options.ts";

/** Settings a file may hold. */
export interface ConfigFile {
  /** Fields of the model's configuration; what follows from the data is left out. */
  readonly model: RecurrentVaeOptions;
  readonly training: Partial<TrainingPlan>;
  readonly data: Partial<
    Pick<TrainingDataPlan, "scaling" | "heldOut" | "fold" | "mask" | "groupBy">
  >;
  readonly engine: { readonly backend?: BackendChoice; readonly threads?: number };
}

/** No settings. */
export const NO_CONFIG: ConfigFile = { model: {}, training: {}, data: {}, engine: {} };

/** Fields of the sections. */
const SECTIONS = {
  training: [
    "preset",
    "optimiser",
    "momentum",
    "weightDecay",
    "schedule",
    "clipNorm",
    "klRamp",
    "patience",
    "keepBest",
    "fitOffsets",
    "checkpointEvery",
  ],
  data: ["scaling", "heldOut", "fold", "mask", "groupBy"],
  engine: ["backend", "threads"],
} as const;

/** Written into every config.json, but of the data and the moment, not of the settings. */
const NOT_SETTINGS = {
  model: ["spatialShape", "__epoch__"],
  data: ["kind", "files", "synthetic", "tolTime"],
};

/**
 * Reads a file of settings.
 *
 * @param path JSON.
 * @throws {FormatError} when it is not JSON. @throws {ConfigError} for a field that does not exist, with the nearest
 *   name. Values are checked where they are used.
 */
export function readConfigFile(path: string): ConfigFile {
  const json = parse(path);
  const { training = {}, data = {}, engine = {}, ...model } = json;
  const known = Object.keys(resolveConfig());
  return {
    model: fieldsOf(path, model, { known, ignored: NOT_SETTINGS.model }),
    training: fieldsOf(path, training, { known: SECTIONS.training, section: "training" }),
    data: fieldsOf(path, data, {
      known: SECTIONS.data,
      ignored: NOT_SETTINGS.data,
      section: "data",
    }),
    engine: fieldsOf(path, engine, { known: SECTIONS.engine, section: "engine" }),
  };
}

function parse(path: string): Record<string, unknown> {
  const text = Deno.readTextFileSync(path);
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
  if (!isRecord(json)) throw refuse(Array.isArray(json) ? "a list" : typeof json);
  return json;
}

function fieldsOf<T>(
  path: string,
  fields: unknown,
  names: {
    readonly known: readonly string[];
    readonly ignored?: readonly string[];
    readonly section?: string;
  },
): T {
  const where = names.section === undefined ? "" : `${names.section}.`;
  if (!isRecord(fields)) {
    throw new ConfigError(
      names.section ?? "",
      `Cannot use "${path}": ${names.section} is no object`,
    );
  }
  const kept = Object.entries(fields).filter(([name]) => !names.ignored?.includes(name));
  for (const [name] of kept) {
    if (names.known.includes(name)) continue;
    throw new ConfigError(
      where + name,
      `Cannot use "${path}": there is no setting ${where}${name}; did you mean ${where}${
        closestString(name, [...names.known])
      }?`,
    );
  }
  return Object.fromEntries(kept) as T;
}

function isRecord(value: unknown): value is Record<string, unknown> {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}
