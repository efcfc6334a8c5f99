/** What lies where in the folder of a run, beside the files of src/training/run_folder.ts. */
import { CheckpointError } from "../base/errors.ts";
import { type RecurrentVaeConfig, resolveConfig } from "../models/recurrent_vae/config.ts";
import type { JsonRecord } from "../training/run_contents.ts";
import type { TrainingDataPlan, TrainingPlan } from "./train_options.ts";

/** Names inside a run folder. */
export const RUN_LAYOUT = {
  config: "config.json",
  lock: "run.lock",
  checkpoints: "checkpoints",
  log: "log.jsonl",
  subjects: "subjects.tsv",
  transition: "transition.json",
  latents: "latents",
  reconstructions: "reconstructions",
  figures: "figures",
  report: "report.html",
  summaryText: "summary.txt",
  summaryJson: "summary.json",
} as const;

/** A run's configuration, complete. */
export interface RunConfig {
  readonly model: RecurrentVaeConfig;
  readonly training: TrainingPlan;
  readonly data: TrainingDataPlan;
}

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
 * @param json Parsed; `__epoch__` may be there. @param folder For messages.
 * @throws {CheckpointError} when training or data are missing. @throws {ConfigError} for bad fields.
 */
export function configFromJson(json: JsonRecord | undefined, folder: string): RunConfig {
  const { training, data, __epoch__: _epoch, ...model } = json ?? {};
  if (!isRecord(training) || !isRecord(data)) {
    throw new CheckpointError(
      folder,
      `Cannot use the run "${folder}": its ${RUN_LAYOUT.config} has no training and data sections, ` +
        "needs those recvae train writes; check the path",
    );
  }
  return {
    model: resolveConfig(model),
    training: training as unknown as TrainingPlan,
    data: data as unknown as TrainingDataPlan,
  };
}

function isRecord(value: unknown): value is Record<string, unknown> {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}
