/** An estimator as a folder: weights, options, networks, fitted flag. */
import { CheckpointError, ConfigError } from "../../base/errors.ts";
import { isRecord } from "../../base/fields.ts";
import type { NetworkDescription } from "../../networks/network.ts";
import { networkFrom } from "../../networks/ready_networks.ts";
import { readRun, saveRun } from "../../training/run_folder.ts";
import type { JsonRecord } from "../../training/run_contents.ts";
import type { NamedArrays } from "../../training/weight_holder.ts";
import type { VAEOptions } from "./options.ts";
import type { VAE } from "./vae.ts";

/** Options that are no data. */
const NOT_SAVED = ["encoder", "decoder", "callbacks", "signal"];

/** What {@link readEstimator} found. */
export interface SavedEstimator {
  readonly options: VAEOptions;
  readonly weights: NamedArrays;
  readonly fitted: boolean;
  readonly epochsTrained: number;
}

/** An estimator's options and networks as plain data, for its configuration. */
export function estimatorToJson({ options, encoder, decoder }: VAE): JsonRecord {
  const kept = Object.entries(options).filter(([name]) => !NOT_SAVED.includes(name));
  return {
    estimator: "VAE",
    options: Object.fromEntries(kept),
    encoder: encoder.description ?? null,
    decoder: decoder.description ?? null,
  };
}

/** Writes it. */
export async function writeEstimator(folder: string, estimator: VAE): Promise<void> {
  const { fitted, epochsTrained } = estimator;
  const config = { ...estimatorToJson(estimator), fitted, epochsTrained };
  await saveRun(folder, estimator, { config, epoch: epochsTrained });
}

/**
 * Reads it.
 *
 * @param folder Of {@link writeEstimator}, or of a run.
 * @param given Networks that are not in the folder, and options to change.
 * @throws {CheckpointError} naming what is missing or damaged.
 */
export async function readEstimator(
  folder: string,
  given: Partial<VAEOptions>,
): Promise<SavedEstimator> {
  const { weights, config, epoch = 0 } = await readRun(folder);
  const json = isRecord(config?.model) ? config.model : config;
  if (!isRecord(json) || json.estimator !== "VAE" || !isRecord(json.options)) {
    throw new CheckpointError(
      folder,
      `Cannot load an estimator from "${folder}": its config.json is missing or of something else, needs the folder that ` +
        "save or a training wrote",
    );
  }
  const { fitted = true, epochsTrained = epoch } = json as Partial<SavedEstimator>;
  // A run has the samples' shape alone, from which its networks follow.
  const network = (part: "encoder" | "decoder") =>
    given[part] ?? (json[part] === undefined ? undefined : described(folder, part, json[part]));
  const options = {
    ...json.options,
    ...given,
    encoder: network("encoder"),
    decoder: network("decoder"),
  };
  return { options: options as VAEOptions, weights, fitted, epochsTrained };
}

function described(folder: string, part: string, json: unknown) {
  try {
    if (isRecord(json)) return networkFrom(json as unknown as NetworkDescription);
  } catch (error) {
    if (!(error instanceof ConfigError)) throw error;
    throw new CheckpointError(folder, `Cannot use the ${part} in "${folder}": ${error.message}`);
  }
  throw new CheckpointError(
    folder,
    `Cannot load an estimator from "${folder}": its ${part} is a network of your own, which is not in the folder; give it ` +
      `with the options: { ${part} }`,
  );
}
