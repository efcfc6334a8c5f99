/** What a sequence model is: its network, its way of learning and what it does as the published code does. */
import { ConfigError } from "../../base/errors.ts";

/** How a model learns: what is hidden from it and what it predicts. */
export const STYLES = ["csm", "bert", "netbert", "autoencoder", "decoding"] as const;

/** One of {@link STYLES}. */
export type SequenceStyle = (typeof STYLES)[number];

/** The networks: a GPT-2 stack, a BERT encoder (with Sequence- or Network-masking), LSTMs, or linear maps. */
export const ARCHITECTURES = ["gpt", "bert", "netbert", "autoencoder", "linear"] as const;

/** One of {@link ARCHITECTURES}. */
export type SequenceArchitecture = (typeof ARCHITECTURES)[number];

/** Activations of the transformer stacks; `gelu_new` is GPT-2's tanh approximation. */
export const STACK_ACTIVATIONS = ["gelu", "gelu_new", "relu", "silu"] as const;

/** One of {@link STACK_ACTIVATIONS}. */
export type StackActivation = (typeof STACK_ACTIVATIONS)[number];

/** What csm predicts: one hidden volume a row as published, or after every volume the next one. */
export const OBJECTIVES = ["every", "one"] as const;

/** One of {@link OBJECTIVES}. */
export type SequenceObjective = (typeof OBJECTIVES)[number];

/** Places at which the published code deviates from its description; each `true` does as it does [brain-sequence §9]. */
export interface Compatibility {
  /**
   * CLS behind the last volume while masks and token types are extended in front, and heads that pool the first volume;
   * otherwise CLS comes first, with everything that belongs to it, and is pooled.
   */
  readonly lateCls: boolean;
  /** The LSTM's teacher input at t is volume t itself; otherwise volume t − 1. */
  readonly unshiftedTeacher: boolean;
}

/** Everything as the published code does it, which its weights need. */
export const PUBLISHED: Compatibility = { lateCls: true, unshiftedTeacher: true };

/** Everything as described. */
export const CORRECTED: Compatibility = { lateCls: false, unshiftedTeacher: false };

/** Sizes and choices of a network. */
export interface SequenceConfig {
  readonly style: SequenceStyle;
  readonly architecture: SequenceArchitecture;
  /** N, values of a volume. */
  readonly parcels: number;
  /** E. */
  readonly embeddingDim: number;
  /** L; of encoder and of decoder for the autoencoder. */
  readonly layers: number;
  /** H; divides E. */
  readonly heads: number;
  /** Width of a block's inner layer over E. */
  readonly innerFactor: number;
  /** Rows of the position table. */
  readonly positions: number;
  readonly activation: StackActivation;
  readonly dropout: number;
  /** Linear layers of the projection into E. */
  readonly embeddingLayers: number;
  /** Linear layers of the projection back. */
  readonly unembeddingLayers: number;
  /** Step of the time table, seconds. */
  readonly timePrecision: number;
  /** C, classes of decoding; 0 without. */
  readonly classes: number;
  /** Volumes of a row, which the linear baseline is built for. */
  readonly length: number;
  readonly compatibility: Compatibility;
  /** Of csm; the other styles have one each. */
  readonly objective: SequenceObjective;
  /**
   * p: the network predicts what an autoregressive model of that order leaves over; 0: the volumes themselves. With the
   * objective `every` alone.
   */
  readonly autoregression: number;
}

/** Largest time of a volume that the time table holds, seconds. */
export const LONGEST_TIME = 300;

/** The published upstream configuration (without classes). */
export const DEFAULT_CONFIG: SequenceConfig = {
  style: "csm",
  architecture: "gpt",
  parcels: 1024,
  embeddingDim: 768,
  layers: 4,
  heads: 12,
  innerFactor: 4,
  positions: 512,
  activation: "gelu_new",
  dropout: 0.1,
  embeddingLayers: 1,
  unembeddingLayers: 1,
  timePrecision: 0.2,
  classes: 0,
  length: 50,
  compatibility: CORRECTED,
  objective: "one",
  autoregression: 0,
};

/** Architecture of each style of pre-training. */
export const ARCHITECTURE_OF: Readonly<
  Record<Exclude<SequenceStyle, "decoding">, SequenceArchitecture>
> = { csm: "gpt", bert: "bert", netbert: "netbert", autoencoder: "autoencoder" };

/**
 * Fills in what is not given and checks what is.
 *
 * @param given Any fields.
 * @returns A complete configuration.
 * @throws {ConfigError} naming the field.
 */
export function sequenceConfig(given: Partial<SequenceConfig>): SequenceConfig {
  const style = given.style ?? DEFAULT_CONFIG.style;
  const architecture = given.architecture ??
    (style === "decoding" ? "gpt" : ARCHITECTURE_OF[style]);
  const embeddingDim = given.embeddingDim ?? DEFAULT_CONFIG.embeddingDim;
  const heads = given.heads ?? Math.max(1, Math.floor(embeddingDim / 64));
  const config = { ...DEFAULT_CONFIG, ...given, style, architecture, embeddingDim, heads };
  checkConfig(config);
  return config;
}

function checkConfig(config: SequenceConfig): void {
  const refuse = (field: string, needs: string): never => {
    const found = JSON.stringify(config[field as keyof SequenceConfig]);
    throw new ConfigError(field, `Cannot build the model: ${field} is ${found}, needs ${needs}`);
  };
  for (
    const field of [
      "parcels",
      "embeddingDim",
      "layers",
      "heads",
      "innerFactor",
      "positions",
      "embeddingLayers",
      "unembeddingLayers",
      "length",
    ] as const
  ) {
    if (!Number.isInteger(config[field]) || config[field] < 1) {
      refuse(field, "a whole number of at least 1");
    }
  }
  if (config.embeddingDim % config.heads !== 0) {
    refuse("heads", `a divisor of the width, ${config.embeddingDim}`);
  }
  if (!Number.isInteger(config.autoregression) || config.autoregression < 0) {
    refuse("autoregression", "a whole number of at least 0");
  }
  const every = config.style === "csm" && config.objective === "every";
  if (config.autoregression > 0 && !every) {
    refuse("autoregression", 'to be 0 unless style is "csm" and objective is "every"');
  }
  if (!(config.dropout >= 0 && config.dropout < 1)) refuse("dropout", "a number from 0 to below 1");
  if (!(config.timePrecision > 0)) refuse("timePrecision", "a number above 0, in seconds");
  const decoding = config.style === "decoding";
  if (decoding && !(Number.isInteger(config.classes) && config.classes >= 2)) {
    refuse("classes", "a whole number of at least 2 to decode");
  }
  if (!decoding && ARCHITECTURE_OF[config.style as "csm"] !== config.architecture) {
    refuse("architecture", `"${ARCHITECTURE_OF[config.style as "csm"]}" for style ${config.style}`);
  }
}
