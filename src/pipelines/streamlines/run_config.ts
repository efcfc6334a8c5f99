/** Everything a run of streamlines needs to be repeated and its model to be built again. */
import { CheckpointError, ConfigError } from "../../base/errors.ts";
import { isRecord } from "../../base/fields.ts";
import type { TractogramSpace } from "../../formats/tractogram.ts";
import { AdversarialAutoencoder } from "../../models/streamlines/adversarial.ts";
import { StreamlineAutoencoder } from "../../models/streamlines/autoencoder.ts";
import { ConditionalStreamlineVae } from "../../models/streamlines/conditional.ts";
import {
  completeConfig,
  STREAMLINE_KINDS,
  type StreamlineConfig,
  type StreamlineKind,
} from "../../models/streamlines/config.ts";
import type { StreamlineModel } from "../../models/streamlines/model.ts";
import { RegressionVae } from "../../models/streamlines/regression.ts";
import { StreamlineVae } from "../../models/streamlines/variational.ts";
import type { JsonRecord } from "../../training/run_contents.ts";

/** How a model is trained. */
export interface StreamlineTraining {
  readonly epochs: number;
  readonly seed: number;
  readonly learningRate: number;
  readonly batchSize: number;
  readonly weightDecay: number;
  /** Decay of the weights themselves, or added to the gradient. */
  readonly weightDecayRule: "decoupled" | "coupled";
  /** Updates over which the rate rises from 0. */
  readonly warmup: number;
  /** Whether the rate falls along a cosine. */
  readonly cosine: boolean;
  /** Keras' place for Adam's epsilon. */
  readonly rawEpsilon: boolean;
  readonly beta: number;
  /** Share of the epochs over which the divergence comes in. */
  readonly klRamp: number;
  /** mm; null: the mean squared error. */
  readonly sigma: number | null;
  readonly consistency: number;
  /** Factor on the attribute regularisation of an autoencoder; 0: none. */
  readonly attributeWeight: number;
  /** Of an adversarial model. */
  readonly procedure: "joint" | "original";
  readonly checkpointEvery?: number;
}

/** Where streamlines come from. */
export interface StreamlineData {
  /** Empty: the phantom. */
  readonly files: readonly string[];
  readonly phantom: "fibercup" | "seven-arcs" | null;
  /** Share of the phantom's sizes. */
  readonly share: number;
  /** mm of QuickBundles; null: bundles are files or groups. */
  readonly segment: number | null;
  readonly dropInvalid: boolean;
  readonly trkOrigin: "corner" | "centre";
  /** Image to which headers must belong. */
  readonly reference: string | null;
  readonly allowOutside: boolean;
}

/** What was found in the data, and the model cannot do without. */
export interface FoundInData {
  /** Grid and affine of the reference; null where there is none. */
  readonly space: TractogramSpace | null;
  /** mm: mean and deviation of lengths, and the range of each bundle. */
  readonly length: {
    readonly mean: number;
    readonly deviation: number;
    readonly ranges: readonly (readonly [least: number, most: number])[];
  };
}

/** A complete configuration. */
export interface StreamlinesRun {
  readonly kind: StreamlineKind;
  /** Of the network; classes, centre and scale come from the data. */
  readonly model: StreamlineConfig & { readonly shortcut: boolean };
  readonly training: StreamlineTraining;
  readonly data: StreamlineData;
  /** Empty until the data are open. */
  readonly found: FoundInData;
}

/** Before the data are open. */
export const NOTHING_FOUND: FoundInData = {
  space: null,
  length: { mean: 0, deviation: 1, ranges: [] },
};

/**
 * The model of a configuration, with starting values.
 *
 * @param run Whose data were opened.
 * @throws {ConfigError} naming what cannot be.
 */
export function buildModel({ kind, model, training, found }: StreamlinesRun): StreamlineModel {
  const { shortcut, ...network } = model;
  const { seed, beta, sigma, klRamp, epochs, consistency, attributeWeight } = training;
  const variational = {
    seed,
    beta,
    klRamp: klRamp * epochs,
    shortcut,
    ...(sigma === null ? {} : { sigma }),
  };
  const alone = { ...network, classes: [], attributes: 0 };
  switch (kind) {
    case "ae":
      return new StreamlineAutoencoder(alone, {
        seed,
        shortcut,
        ...(attributeWeight > 0
          ? { regularisation: { dimension: 0, weight: attributeWeight } }
          : {}),
      });
    case "vae":
      return new StreamlineVae(alone, variational);
    case "regression":
      return new RegressionVae(alone, variational);
    case "conditional":
      return new ConditionalStreamlineVae(network, {
        ...variational,
        consistency,
        length: found.length,
      });
    case "adversarial":
      return new AdversarialAutoencoder(network, {
        seed,
        shortcut,
        procedure: training.procedure,
        ...(training.procedure === "original"
          ? {
            critic: "convolutional",
            prior: "gaussian-mixture",
            conditionalDecoder: false,
          }
          : {}),
      });
  }
}

/**
 * Tries what can be tried without data.
 *
 * @param run Of any state.
 * @throws {ConfigError} naming the setting.
 */
export function checkRun(
  { model: { shortcut: _shortcut, ...network }, training }: StreamlinesRun,
): void {
  completeConfig(network);
  if (!(training.learningRate > 0)) {
    throw new ConfigError(
      "learningRate",
      `Cannot train: learningRate is ${training.learningRate}, needs a number above 0`,
    );
  }
}

/**
 * A configuration as plain data.
 *
 * @param run Complete.
 */
export function runToJson(run: StreamlinesRun): JsonRecord {
  return JSON.parse(JSON.stringify(run));
}

/**
 * Reads what {@link runToJson} gave.
 *
 * @param json Content of config.json.
 * @param folder Of the run, for the message.
 * @throws {CheckpointError} naming the part that is missing.
 */
export function runFromJson(json: JsonRecord | undefined, folder: string): StreamlinesRun {
  const parts = ["model", "training", "data", "found"] as const;
  const broken = !isRecord(json) ? "content" : parts.find((part) => !isRecord(json[part])) ??
    (STREAMLINE_KINDS.includes(json.kind as StreamlineKind) ? undefined : "kind");
  if (broken !== undefined) {
    throw new CheckpointError(
      folder,
      `Cannot use the run "${folder}": its config.json has no usable ${broken}, needs the one that training wrote`,
    );
  }
  const { __epoch__: _epoch, ...run } = json as unknown as StreamlinesRun & { __epoch__?: number };
  return run;
}
