/** The configuration of a run of the VAE, and its way into config.json and back. */
import { CheckpointError } from "../../base/errors.ts";
import {
  choice,
  findProblem,
  flag,
  integer,
  list,
  number,
  other,
  record,
  text,
} from "../../base/fields.ts";
import { SAMPLE_SCALINGS, type SampleScalingKind } from "../../data/sample_scaling.ts";
import type { VAEOptions } from "../../models/vae/options.ts";
import type { JsonRecord } from "../../training/run_contents.ts";

/** Options of the model that are data. */
export type ModelOptions = Omit<VAEOptions, "encoder" | "decoder" | "callbacks" | "signal">;

/** How it is trained. */
export interface TrainingConfig {
  readonly epochs: number;
  readonly learningRate: number;
  readonly batchSize: number;
  readonly weightDecay: number;
  readonly seed: number;
  readonly clipNorm?: number;
  readonly checkpointEvery?: number;
}

/** Which samples. */
export interface DataConfig {
  /** Absolute paths; none for the runs that ship with the project. */
  readonly files: readonly string[];
  readonly samples: "files" | "frames";
  readonly heldOut: number;
  readonly scaling: SampleScalingKind;
  readonly mask?: string;
  readonly participants?: string;
  readonly target?: string;
  readonly dropMissing?: boolean;
  readonly nanToZero?: boolean;
}

/** All of it. */
export interface VaeConfig {
  readonly model: { readonly estimator: "VAE"; readonly options: ModelOptions };
  readonly training: TrainingConfig;
  readonly data: DataConfig;
}

const TRAINING = record<TrainingConfig>({
  epochs: integer({ least: 1 }),
  learningRate: number({ above: 0 }),
  batchSize: integer({ least: 1 }),
  weightDecay: number({ least: 0 }),
  seed: integer(),
  clipNorm: number({ above: 0 }),
  checkpointEvery: integer({ least: 1 }),
}, ["epochs", "learningRate", "batchSize", "weightDecay", "seed"]);

const DATA = record<DataConfig>({
  files: list(text()),
  samples: choice(["files", "frames"]),
  heldOut: number({ above: 0, below: 1 }),
  scaling: choice(SAMPLE_SCALINGS),
  mask: text(),
  participants: text(),
  target: text(),
  dropMissing: flag(),
  nanToZero: flag(),
}, ["files", "samples", "heldOut", "scaling"]);

const CONFIG = record<VaeConfig & { readonly __epoch__?: number }>({
  model: record({
    estimator: choice(["VAE"]),
    options: other(
      "the options of the model, with its shape",
      (value) => Array.isArray((value as Partial<ModelOptions> | null)?.shape),
    ),
  }, ["estimator", "options"]),
  training: TRAINING,
  data: DATA,
  __epoch__: integer({ least: 0 }),
}, ["model", "training", "data"]);

/** As saved. */
export function configToJson({ model, training, data }: VaeConfig): JsonRecord {
  return { model, training: { ...training }, data: { ...data } };
}

/**
 * Reads what {@link configToJson} gave.
 *
 * @param json Of config.json.
 * @param folder Of the run, for the message.
 * @throws {CheckpointError} naming the field that cannot be used.
 */
export function configFromJson(json: JsonRecord | undefined, folder: string): VaeConfig {
  const problem = findProblem(json, CONFIG, { noun: "setting" });
  if (problem) {
    throw new CheckpointError(
      folder,
      `Cannot use the run "${folder}": in its config.json ${problem.clause}; restore the file`,
    );
  }
  const { model, training, data } = json as unknown as VaeConfig;
  return { model, training, data };
}
