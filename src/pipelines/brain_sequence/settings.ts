/** The configuration of a run of sequence models: what its config.json holds. */
import {
  choice,
  findProblem,
  integer,
  isRecord,
  list,
  number,
  record,
  text,
} from "../../base/fields.ts";
import { CheckpointError } from "../../base/errors.ts";
import { FILE_RECORD, type FileRecord } from "../../data/file_record.ts";
import type { Orientation } from "../../data/parcellated/orientation.ts";
import {
  ARCHITECTURE_OF,
  OBJECTIVES,
  type SequenceConfig,
  sequenceConfig,
  type SequenceObjective,
  type SequenceStyle,
} from "../../models/brain_sequence/config.ts";
import type { JsonRecord } from "../../training/run_contents.ts";

/** Styles that can be trained without labels. */
export const PRETRAINING_STYLES = ["csm", "bert", "netbert", "autoencoder"] as const;

/** The section `model`. */
export interface ModelSettings {
  readonly style: (typeof PRETRAINING_STYLES)[number];
  readonly objective: SequenceObjective;
  readonly autoregression: number;
  readonly parcels: number;
  readonly embeddingDim: number;
  readonly layers: number;
  readonly heads: number;
  readonly dropout: number;
}

/** The section `training`. */
export interface TrainingSettings {
  readonly epochs: number;
  readonly batchSize: number;
  readonly learningRate: number;
  readonly weightDecay: number;
  readonly clipNorm: number;
  readonly seed: number;
  readonly least: number;
  readonly length: number;
  readonly checkpointEvery?: number;
}

/** The section `data`. */
export interface DataSettings {
  readonly files: readonly FileRecord[];
  readonly lines: Orientation;
  /** Seconds. */
  readonly repetitionTime: number;
  /** Subjects that are not trained on. */
  readonly heldOut: readonly string[];
}

/** The configuration. */
export interface SequenceRunConfig {
  readonly model: ModelSettings;
  readonly training: TrainingSettings;
  readonly data: DataSettings;
}

const whole = (least: number) => integer({ least });

const FIELDS = record<SequenceRunConfig>({
  model: record<ModelSettings>({
    style: choice(PRETRAINING_STYLES),
    objective: choice(OBJECTIVES),
    autoregression: whole(0),
    parcels: whole(1),
    embeddingDim: whole(1),
    layers: whole(1),
    heads: whole(1),
    dropout: number({ least: 0, below: 1 }),
  }, [
    "style",
    "objective",
    "autoregression",
    "parcels",
    "embeddingDim",
    "layers",
    "heads",
    "dropout",
  ]),
  training: record<TrainingSettings>({
    epochs: whole(1),
    batchSize: whole(1),
    learningRate: number({ above: 0 }),
    weightDecay: number({ least: 0 }),
    clipNorm: number({ above: 0 }),
    seed: integer(),
    least: whole(2),
    length: whole(3),
    checkpointEvery: whole(1),
  }, ["epochs", "batchSize", "learningRate", "weightDecay", "clipNorm", "seed", "least", "length"]),
  data: record<DataSettings>({
    files: list(FILE_RECORD),
    lines: choice(["volumes", "parcels"]),
    repetitionTime: number({ above: 0 }),
    heldOut: list(text()),
  }, ["files", "lines", "repetitionTime", "heldOut"]),
}, ["model", "training", "data"]);

/**
 * Reads a configuration.
 *
 * @param json Content of config.json.
 * @param folder For messages.
 * @throws {CheckpointError} naming the field that cannot be used.
 */
export function configFromJson(json: JsonRecord | undefined, folder: string): SequenceRunConfig {
  const { __epoch__: _epoch, ...config } = json ?? {};
  const problem = isRecord(config)
    ? findProblem(config, FIELDS, { noun: "field" })
    : { clause: "there are no fields" };
  if (!problem) return config as unknown as SequenceRunConfig;
  throw new CheckpointError(
    folder,
    `Cannot use the run "${folder}": in its config.json ${problem.clause}; restore the file`,
  );
}

/** The network of a run. */
export function networkOf({ model, training }: SequenceRunConfig): SequenceConfig {
  const { style, ...sizes } = model;
  return sequenceConfig({
    ...sizes,
    style: style as SequenceStyle,
    architecture: ARCHITECTURE_OF[style],
    length: training.length,
    // Pairs have two separators and CLS.
    positions: training.length + 3,
  });
}
