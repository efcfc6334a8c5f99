/**
 * What a family of models is to the program: how its data are planned and opened, its model built, trained, scored and
 * reported, and what can be done with a trained run. The command line and the training of runs know families only through
 * this contract and the table of families.ts.
 */
import type { ActiveEngine } from "../backends/engine.ts";
import type { DivergenceError } from "../base/errors.ts";
import type { EarlyStoppingState } from "../training/early_stopping.ts";
import type {
  BatchReport,
  EndReason,
  EpochCallback,
  EpochMetrics,
  TrainingState,
} from "../training/loop.ts";
import type { JsonRecord } from "../training/run_contents.ts";
import type { SaveRunOptions } from "../training/run_folder.ts";
import type { WeightHolder } from "../training/weight_holder.ts";
import type { ENGINE_OPTIONS } from "./engine_options.ts";
import type { Option, Values } from "./option_table.ts";

// deno-lint-ignore no-explicit-any -- the table holds families of any configuration, data and model
type Any = any;

/** One line of an example and what it does. */
export interface Example {
  readonly line: string;
  readonly does: string;
}

/** A page of help. */
export interface HelpPage {
  readonly description: string;
  readonly options: readonly Option[];
  readonly examples: readonly Example[];
}

/** What a verb prints: the one with `--json`, the other without. */
export interface VerbResult {
  /** Plain data. */
  readonly json: unknown;
  /** Lines without a final newline. */
  readonly text: string;
}

/** Something that can be done with a run (encode, evaluate, …), or a file maker that needs none (synthesize). */
export interface Verb extends HelpPage {
  /** One line for the list of commands, without a full stop. */
  readonly summary: string;
  /** Usage after `recvae`, e.g. `"encode RUN [FILE…] --out DIR"`. */
  readonly usage: string;
  /**
   * Does it. `folder` is empty for a verb that needs no run.
   *
   * @param call The run's folder, further arguments and parsed options.
   */
  run(call: { folder: string; files: readonly string[]; values: Any }): Promise<VerbResult>;
}

/**
 * Lets a verb's `run` see the types of its own options.
 *
 * @param verb The verb.
 * @returns The same object.
 */
export function defineVerb<const T extends readonly Option[]>(
  verb: Omit<Verb, "options" | "run"> & {
    readonly options: T;
    run(
      call: {
        readonly folder: string;
        readonly files: readonly string[];
        readonly values: Values<T>;
      },
    ): Promise<VerbResult>;
  },
): Verb {
  return verb;
}

/** What training of any family can be told; the rest of a configuration is the family's own. */
export interface TrainingView {
  readonly epochs: number;
  readonly seed: number;
  readonly learningRate: number;
  readonly clipNorm?: number;
  /** Epochs between checkpoints; absent: by the clock. */
  readonly checkpointEvery?: number;
}

/** Data that are open for training and scoring. */
export interface OpenedData {
  /** What was said about them before training began. */
  readonly notes: readonly string[];
  readonly batchesPerEpoch: number;
  /** A row in words, for messages: a file, `"window 17 of worm-05"`. */
  describe(row: number): string;
  close(): void;
}

/** A model in training. */
export interface FamilyModel extends WeightHolder {
  dispose(): void;
}

/** How training is watched, steered and resumed. */
export interface TrainingHooks {
  readonly signal: AbortSignal;
  readonly callbacks: readonly EpochCallback[];
  readonly onBatch: (report: BatchReport) => void;
  readonly log: (line: string) => void;
  readonly resumeFrom?: TrainingState;
}

/** A training that has ended. */
export interface TrainingOutcome {
  readonly ended: EndReason;
  readonly metrics: readonly EpochMetrics[];
  /** 0-based epoch at whose end the model's weights stood; null in the middle of an epoch and before the first. */
  readonly weightsOf: number | null;
  readonly divergence?: DivergenceError;
  state(): Promise<TrainingState>;
}

/** A complete configuration and the data it is for. */
export interface OpenedRun<Config, Data> {
  readonly config: Config;
  readonly data: Data;
}

/** What the report of a trained run is made from. */
export interface ReportSource<Config, Data, Model> extends OpenedRun<Config, Data> {
  readonly folder: string;
  readonly model: Model;
  readonly engine: ActiveEngine;
  readonly outcome: TrainingOutcome;
  readonly best: EarlyStoppingState;
  readonly seconds: number;
}

/** Limits a user sets on opening data. */
export interface OpeningLimits {
  /** Bytes for frames and the like. */
  readonly memoryBudget?: number;
  /** Folder of inflated copies that do not fit; default the system's for temporary files. */
  readonly cacheDirectory?: string;
}

/** A run that is planned, its data not yet open. */
export interface Plan<Config, Data> {
  /** What the run's folder is called when the user names none, before the time of day. */
  readonly name: string;
  /** Where the scans' inflated copies may go depends on the run's folder, so opening comes last. */
  open(limits: OpeningLimits): Promise<OpenedRun<Config, Data>>;
  /** Choices of a configuration file; options win over them. */
  readonly engine?: Partial<Values<typeof ENGINE_OPTIONS>>;
}

/** A row of the table of families. */
export interface Pipeline<Config = Any, Data extends OpenedData = Any, Model = Any> {
  /** As typed and as in a run's config.json: `"recurrent-vae"`. */
  readonly family: string;
  /** One line for lists. */
  readonly summary: string;
  /** Help of `train FAMILY`; its options beside the general ones of cli/train.ts. */
  readonly train: HelpPage;
  /** Names of its options that may accompany --resume. */
  readonly changeable: readonly string[];
  /**
   * Plans a run.
   *
   * @throws {UsageError} for options that cannot be. @throws {FormatError} for data that are not there.
   */
  plan(values: Any, files: readonly string[]): Plan<Config, Data>;
  /** Opens the data of a run again. */
  reopen(
    run: { readonly folder: string; readonly config: Config; readonly values: Any },
    limits: OpeningLimits,
  ): Promise<OpenedRun<Config, Data>>;
  configToJson(config: Config): JsonRecord;
  /** @throws {CheckpointError} naming the field that cannot be used. */
  configFromJson(json: JsonRecord | undefined, folder: string): Config;
  /** The settings with those that may change when a run goes on. */
  change(config: Config, values: Any): Config;
  view(config: Config): TrainingView;
  /** Tries every setting on its own. @throws {ConfigError} naming the setting. */
  check(config: Config): void;
  build(config: Config, data: Data): Model & FamilyModel;
  fit(
    model: Model,
    run: OpenedRun<Config, Data>,
    hooks: TrainingHooks,
  ): Promise<TrainingOutcome>;
  /** Parts of the run's folder beside weights, configuration and state of training. */
  savedParts(run: OpenedRun<Config, Data>): Pick<SaveRunOptions, "normalisation">;
  /** Scores the model, writes everything people look at, and sums it up. */
  report(source: ReportSource<Config, Data, Model>): Promise<VerbResult>;
  /** Facts about a finished run, for `inspect`. */
  inspect(folder: string): Promise<Readonly<Record<string, unknown>>>;
  /** What can be done with a run, by name. */
  readonly verbs: Readonly<Record<string, Verb>>;
  /** Makes data to try the family on. */
  readonly synthesize?: Verb;
}
