/** What lies where in the folder of a run, beside the files of src/training/run_folder.ts. */
import { RUN_LAYOUT } from "../run_folder.ts";
import { CheckpointError, ConfigError } from "../../base/errors.ts";
import { findProblem, integer, isRecord, record } from "../../base/fields.ts";
import {
  CONFIG_FIELDS,
  type RecurrentVaeConfig,
  resolveConfig,
} from "../../models/recurrent_vae/config.ts";
import {
  LAGGED_FIELDS,
  type LaggedConfig,
  type LaggedOptions,
  resolveLaggedConfig,
} from "../../models/recurrent_vae/lagged/lagged_config.ts";
import type { JsonRecord } from "../../training/run_contents.ts";
import { DATA_FIELDS, TRAINING_FIELDS } from "./settings.ts";
import type { TrainingDataPlan, TrainingPlan } from "./train_options.ts";

/** Configuration of a model of the family, whichever its network. */
export type ModelConfig = RecurrentVaeConfig | LaggedConfig;

/** Whether a configuration is one of the lagged model. */
export function isLagged(config: ModelConfig): config is LaggedConfig {
  return "network" in config && config.network === "lagged";
}

/** A run's configuration, complete. */
export interface RunConfig {
  readonly model: ModelConfig;
  readonly training: TrainingPlan;
  readonly data: TrainingDataPlan;
}

const RUN_SECTIONS = {
  training: TRAINING_FIELDS,
  data: DATA_FIELDS,
  __epoch__: integer({ least: 0 }),
};

type Sections = Omit<RunConfig, "model"> & { __epoch__?: number };

/** Every field of config.json, by network. */
const RUN_FIELDS = {
  convolutional: record<RecurrentVaeConfig & Sections>({
    ...CONFIG_FIELDS.fields,
    ...RUN_SECTIONS,
  }),
  lagged: record<LaggedConfig & Sections>({ ...LAGGED_FIELDS.fields, ...RUN_SECTIONS }),
};

/**
 * The content of config.json: the model's fields at the top as the Python package has them, training and
 * data beside them.
 *
 * @param config The configuration.
 */
export function configToJson(config: RunConfig): JsonRecord {
  return { ...config.model, training: config.training, data: config.data };
}

/**
 * Reads the content of config.json.
 *
 * @param json Parsed; `__epoch__` may be there.
 * @param folder For messages.
 * @throws {CheckpointError} when training or data are missing, and naming a field that cannot be used.
 */
export function configFromJson(json: JsonRecord | undefined, folder: string): RunConfig {
  const { training: stored, data: section, __epoch__: _epoch, ...model } = json ?? {};
  const training = withPresetName(stored, model);
  const data = withMaskRecord(section);
  if (!isRecord(training) || !isRecord(data)) {
    throw new CheckpointError(
      folder,
      `Cannot use the run "${folder}": its ${RUN_LAYOUT.config} has no training and data sections, ` +
        "needs those recvae train writes; check the path",
    );
  }
  const refuse = (why: string) =>
    new CheckpointError(
      folder,
      `Cannot use the run "${folder}": in its ${RUN_LAYOUT.config} ${why}; restore the file`,
    );
  const known = RUN_FIELDS[model.network === "lagged" ? "lagged" : "convolutional"];
  const problem = findProblem({ ...json, training, data }, known, { noun: "field" });
  if (problem) throw refuse(problem.clause);
  const config = {
    model: modelOf(model, refuse),
    training: training as unknown as TrainingPlan,
    data: data as unknown as TrainingDataPlan,
  };
  const mismatch = dataProblem(config);
  if (mismatch) throw refuse(mismatch);
  return config;
}

/**
 * The section `training` with the preset's name of today: what versions before 0.2 called default is `conv`.
 *
 * @param training The section, not checked yet.
 * @param model The fields beside it.
 */
export function withPresetName(
  training: unknown,
  model: Readonly<Record<string, unknown>>,
): unknown {
  const old = isRecord(training) && training.preset === "default" && model.network === undefined;
  return old ? { ...training, preset: "conv" } : training;
}

/**
 * The data section with its mask as a record; version 0.1.0, and files written by hand, have the path alone.
 *
 * @param data The section, not checked yet.
 */
export function withMaskRecord(data: unknown): unknown {
  return isRecord(data) && typeof data.mask === "string"
    ? { ...data, mask: { path: data.mask } }
    : data;
}

function modelOf(
  fields: Readonly<Record<string, unknown>>,
  refuse: (why: string) => CheckpointError,
): ModelConfig {
  try {
    return fields.network === "lagged"
      ? resolveLaggedConfig(fields as unknown as LaggedOptions)
      : resolveConfig(fields);
  } catch (error) {
    if (!(error instanceof ConfigError)) throw error;
    throw refuse(error.message.replace("Cannot use the configuration: ", ""));
  }
}

/** What in the section `data` does not go together. */
function dataProblem({ model, data }: RunConfig): string | null {
  const needed = data.kind === "shipped" ? null : data.kind;
  if (needed === "files" && data.files?.length === 0) {
    return "data.files is an empty list, needs at least one scan";
  }
  if (needed && !data[needed]) return `data.${needed} is missing, needs the ${needed} of the run`;
  const made = data.kind === "synthetic" ? data.synthetic?.spatialShape : undefined;
  return made && made.join() !== model.spatialShape.join()
    ? `data.synthetic.spatialShape is [${made}], needs the model's [${model.spatialShape}]`
    : null;
}
