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

/** A kind of file that a family knows beside those of every family. */
export interface FamilyFileKind {
  /** A noun with its article: `"a table of rows (.tsv)"`. */
  readonly name: string;
  /**
   * Whether a file is of this kind.
   *
   * @param head Its first bytes.
   * @param path Its path.
   */
  recognises(head: Uint8Array, path: string): boolean;
  /**
   * Facts by name for `inspect`, in the order in which they are shown.
   *
   * @throws {FormatError} when the file is damaged.
   */
  facts(path: string): Promise<Readonly<Record<string, unknown>>>;
  /** What `convert` can make of it, by the ending of the output's name: `".safetensors"`. */
  readonly conversions?: Readonly<Record<string, (path: string) => Promise<Conversion>>>;
}

/** A file in another format. */
export interface Conversion {
  readonly content: Uint8Array;
  /** What is in it, for the line that says so: `"3 arrays"`. */
  readonly holds: string;
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

/** A folder inside that of a run, and which of the files in it the run's report wrote. */
export interface RunOutputs {
  readonly folder: string;
  readonly names: RegExp;
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

/** A summary of a trained run: plain data, and the page of text people read. */
export interface RunSummary extends VerbResult {
  readonly json: { readonly training: { readonly epochs: number; readonly ended: EndReason } };
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

/** A score of a fold's held-out data. */
export interface FoldScore {
  /** What was scored: `"PCA with 10 components"`. */
  readonly method: string;
  /** What the number is, with its unit: `"variance explained (%)"`. */
  readonly measure: string;
  readonly value: number;
  readonly better: "higher" | "lower";
  /** Whether it is the model's; of several the first is compared with the other methods. */
  readonly own: boolean;
  /** Whether the method has seen what it is scored on. */
  readonly seen?: boolean;
}

/** Numbers that characterise each person, by one method. */
export interface FeatureSet {
  /** `"latent states"`, `"PCA with 10 components"`. */
  readonly method: string;
  /** Whether they are the model's. */
  readonly own: boolean;
  /** Names of the numbers. */
  readonly names: readonly string[];
  /** A list of numbers for each row. */
  readonly values: readonly (readonly number[])[];
}

/** What a fold's model says of everyone, computed alike for those it was trained on and those it never saw. */
export interface FoldFeatures {
  /** One a recording. */
  readonly rows: readonly {
    /** What never straddles folds: a person, usually. */
    readonly person: string;
    /** Group of the person; empty when there is none. */
    readonly label: string;
    readonly heldOut: boolean;
  }[];
  readonly sets: readonly FeatureSet[];
}

/** Data and options of one fold, as `plan` takes them. */
export interface FoldArguments {
  readonly values: Any;
  readonly files: readonly string[];
}

/** Which part is held out. */
export interface FoldPlace {
  /** Counted from 1. */
  readonly fold: number;
  readonly folds: number;
  /** Counted from 1; each repeat divides otherwise and starts from other weights. */
  readonly repeat: number;
  /** Group of a person by a table of the user, if there is one: folds get equal shares of each. */
  readonly labelOf?: (person: string) => string | undefined;
}

/** How a family is cross-validated. */
export interface CrossValidation<Config, Data, Model> {
  /** Names of those options of train that say what is held out: here the folds do. */
  readonly reserved: readonly string[];
  /**
   * What `plan` is to be given for a fold.
   *
   * @throws {UsageError} for options that cannot be.
   */
  fold(typed: FoldArguments, place: FoldPlace): FoldArguments;
  /** What the folds of a cross-validation must have in common: the configuration without the part held out and the seed. */
  common(config: Config): JsonRecord;
  /**
   * The scores of a fold.
   *
   * @param summary The `json` that the family's report gave.
   */
  scores(summary: Any): readonly FoldScore[];
  /** Numbers of every person, to tell groups apart by. */
  features?(
    run: OpenedRun<Config, Data> & { readonly model: Model },
  ): Promise<FoldFeatures>;
}

/** A row of the table of families. */
export interface Pipeline<Config = Any, Data extends OpenedData = Any, Model = Any> {
  /** As typed and as in a run's config.json: `"recurrent-vae"`. */
  readonly family: string;
  /** One line for lists. */
  readonly summary: string;
  /** The model as a noun with its article: `"a recurrent variational autoencoder"`. */
  readonly model: string;
  /** What the rows of its data are called in messages: `"scans"`. */
  readonly rows: string;
  /** Options whose name is not the setting's own in kebab-case, by setting; for messages. */
  readonly optionNames?: Readonly<Record<string, string>>;
  /** Help of `train FAMILY`, and its line in the list of commands; the options include those of run_options.ts. */
  readonly train: HelpPage & { readonly summary: string };
  /** Names of its options that may accompany --resume. */
  readonly changeable: readonly string[];
  /**
   * Plans a run.
   *
   * @throws {UsageError} for options that cannot be.
   * @throws {FormatError} for data that are not there.
   */
  plan(values: Any, files: readonly string[]): Plan<Config, Data>;
  /** Opens the data of a run again. */
  reopen(
    run: { readonly folder: string; readonly config: Config; readonly values: Any },
    limits: OpeningLimits,
  ): Promise<OpenedRun<Config, Data>>;
  configToJson(config: Config): JsonRecord;
  /**
   * Reads what {@link configToJson} gave; `__epoch__` may be there too.
   *
   * @throws {CheckpointError} naming the field that cannot be used.
   */
  configFromJson(json: JsonRecord | undefined, folder: string): Config;
  /** The settings with those that may change when a run goes on. */
  change(config: Config, values: Any): Config;
  view(config: Config): TrainingView;
  /**
   * Tries every setting on its own.
   *
   * @throws {ConfigError} naming the setting.
   */
  check(config: Config): void;
  build(config: Config, data: Data): Model & FamilyModel;
  fit(
    model: Model,
    run: OpenedRun<Config, Data>,
    hooks: TrainingHooks,
  ): Promise<TrainingOutcome>;
  /** Parts of the run's folder beside weights, configuration and state of training. */
  savedParts(run: OpenedRun<Config, Data>): Pick<SaveRunOptions, "normalisation">;
  /** Scores the model, writes what people look at beside the summary, and sums it up. */
  report(source: ReportSource<Config, Data, Model>): Promise<RunSummary>;
  /** Facts about a finished run, for `inspect`. */
  inspect(folder: string): Promise<Readonly<Record<string, unknown>>>;
  /** How it is cross-validated; a family without cannot be. */
  readonly crossValidation?: CrossValidation<Config, Data, Model>;
  /** What can be done with a run, by name. */
  readonly verbs: Readonly<Record<string, Verb>>;
  /** Makes data to try the family on. */
  readonly synthesize?: Verb;
  /** Commands that prepare data before there is a run, by name: `"import-recordings"`. */
  readonly commands?: Readonly<Record<string, Verb>>;
  /** Files for `inspect` and `convert`. */
  readonly fileKinds?: readonly FamilyFileKind[];
  /** Folders of a run that its report fills, and the names of what it writes there: what --force removes. */
  readonly outputs?: readonly RunOutputs[];
}
