/**
 * What a run consists of, as files in memory: the common content of run folders (run_folder.ts) and of checkpoints
 * (checkpoint.ts). Nothing here touches a disk. Source: [recurrent-vae §7].
 */
import type { FloatArray, NdArray } from "../base/arrays.ts";
import { CheckpointError } from "../base/errors.ts";
import {
  choice,
  type Field,
  findProblem,
  integer,
  isRecord,
  list,
  map,
  nullable,
  number,
  other,
  record,
} from "../base/fields.ts";
import { givenFields } from "../base/given_fields.ts";
import { VERSION } from "../base/version.ts";
import { readSafetensors, writeSafetensors } from "../formats/safetensors.ts";
import { EARLY_STOPPING_STATE } from "./early_stopping.ts";
import type { TrainingState } from "./training_state.ts";
import { OPTIMISER_KINDS, type OptimiserState } from "./optimisers.ts";
import type { NamedArrays } from "./weight_holder.ts";

/** Plain data as JSON can hold it; typed arrays are written as lists. */
export type JsonRecord = Readonly<Record<string, unknown>>;

/** Number of the layout of a run's files; a reader refuses larger ones. */
export const FORMAT = 1;

/** Names of the files of a run. */
export const RUN_FILES = {
  weights: "weights.safetensors",
  optimiser: "optimiser.safetensors",
  config: "config.json",
  history: "history.json",
  random: "random.json",
  normalisation: "normalisation.json",
  phases: "phases.safetensors",
  training: "training.safetensors",
  bestWeights: "best.safetensors",
  lastWeights: "last.safetensors",
  version: "version.json",
} as const;

/** Key under which config.json carries the epoch, as the Python package's does. */
const EPOCH_KEY = "__epoch__";

/** Everything random follows from these two: streams are functions of seed, name and epoch. */
export interface RandomState {
  /** The seed of the run. */
  readonly seed: number;
  /** Epochs completed. */
  readonly epoch: number;
}

/** Fields there are. */
export const RANDOM_STATE = record<RandomState>({
  seed: integer(),
  epoch: integer({ least: 0 }),
}, ["seed", "epoch"]);

/** State of the training loop; the optimiser's is kept beside it. */
export type LoopState = Omit<TrainingState, "optimiser">;

/** What the optimiser's file says beside its tensors. */
const OPTIMISER_FIELDS = record<Omit<OptimiserState, "tensors">>({
  kind: choice(OPTIMISER_KINDS),
  step: integer({ least: 0 }),
  options: map(other("a number, true or false", isHyperParameter)),
}, ["kind", "step", "options"]);

/** What the file of the training loop says beside the model's arrays. A metric that was not finite is null in JSON. */
const LOOP_FIELDS = record<Omit<LoopState, "model" | "phases" | "bestWeights" | "lastWeights">>({
  position: record<LoopState["position"]>({
    epoch: integer({ least: 0 }),
    batch: integer({ least: 0 }),
  }, ["epoch", "batch"]),
  metrics: list(map(nullable(number()))),
  totals: map(nullable(number())),
  lastIndex: nullable(list(integer({ least: 0 }))),
  validation: map(nullable(number())),
  earlyStopping: nullable(EARLY_STOPPING_STATE),
}, ["position", "metrics", "totals", "lastIndex", "earlyStopping"]);

/** Of version.json and normalisation.json, and of config.json beside the epoch: whoever uses them looks closer. */
const ANY_RECORD = other("an object", isRecord);
const EPOCH = integer({ least: 0 });

function isHyperParameter(value: unknown): boolean {
  return typeof value === "boolean" || Number.isFinite(value);
}

/** Parts of a run; only the weights are always there. */
export interface RunContents {
  /** Parameters and buffers of the model at the moment of saving, PyTorch's names and layouts. */
  readonly weights: NamedArrays;
  /** State of the optimiser. */
  readonly optimiser?: OptimiserState;
  /** The resolved configuration. */
  readonly config?: JsonRecord;
  /** Epochs completed. */
  readonly epoch?: number;
  /** Whatever the caller calls the history of the run, for example the metrics of each epoch. */
  readonly history?: unknown;
  /** Seed, and how far the run has come. */
  readonly random?: RandomState;
  /** How the data were normalised; checked when the weights are used again. */
  readonly normalisation?: JsonRecord;
  /** With `optimiser`, what training needs to go on as if it had never stopped. */
  readonly training?: LoopState;
  /** Versions of the library and its surroundings. */
  readonly version?: JsonRecord;
}

/**
 * Turns the parts of a run into files.
 *
 * @returns Content by file name; the weights come first.
 */
export function encodeRun(contents: RunContents): Map<string, Uint8Array> {
  const { weights, optimiser, config, epoch, history, random, normalisation, training } = contents;
  const stamp: Record<string, string> = epoch === undefined ? {} : { epoch: String(epoch) };
  const files = new Map<string, Uint8Array>();
  files.set(RUN_FILES.weights, writeSafetensors(weights, { metadata: stamp }));
  if (optimiser) {
    const { kind, step, options, tensors } = optimiser;
    const metadata = { ...stamp, optimiser: JSON.stringify({ kind, step, options }) };
    files.set(RUN_FILES.optimiser, writeSafetensors(tensors, { metadata }));
  }
  if (training) {
    const { model, phases, bestWeights, lastWeights, ...values } = training;
    // Before the state: where a save was cut short, a state is never found without the weights it belongs to.
    for (const [name, tensors] of Object.entries({ bestWeights, lastWeights })) {
      if (!tensors) continue;
      const file = RUN_FILES[name as "bestWeights" | "lastWeights"];
      files.set(file, writeSafetensors(tensors, { metadata: stamp }));
    }
    if (phases) files.set(RUN_FILES.phases, encodePhases(phases, stamp));
    const metadata = { ...stamp, values: toJson(values) };
    files.set(RUN_FILES.training, writeSafetensors(model, { metadata }));
  }
  const version = { recvae: VERSION, format: FORMAT, ...contents.version };
  const json: [string, unknown][] = [
    [RUN_FILES.history, history],
    [RUN_FILES.random, random],
    [RUN_FILES.normalisation, normalisation],
    [RUN_FILES.version, version],
    [RUN_FILES.config, withEpoch(config, epoch)],
  ];
  for (const [name, value] of json) {
    if (value !== undefined) files.set(name, new TextEncoder().encode(toJson(value, 2) + "\n"));
  }
  return files;
}

/**
 * Turns files back into the parts of a run; parts whose file is absent are absent.
 *
 * @param files Content by file name.
 * @param source Folder, for messages.
 * @throws {CheckpointError} when the weights are absent, a file is damaged or of a newer format, or files of different
 *   epochs lie side by side.
 */
export function decodeRun(files: ReadonlyMap<string, Uint8Array>, source: string): RunContents {
  const weightBytes = files.get(RUN_FILES.weights);
  if (!weightBytes) throw missingWeights(source);
  const version = readJson<JsonRecord>(files, RUN_FILES.version, source, ANY_RECORD);
  checkFormat(version, source);
  const weights = readTensors(weightBytes, RUN_FILES.weights, source);
  const { config, epoch } = withoutEpoch(
    readJson<JsonRecord>(files, RUN_FILES.config, source, ANY_RECORD),
    source,
  );
  const history = readJson<unknown>(files, RUN_FILES.history, source, other("anything"));
  const optimiser = decodeOptimiser(files, source);
  const best = decodeWeights(files, RUN_FILES.bestWeights, source);
  const last = decodeWeights(files, RUN_FILES.lastWeights, source);
  const phases = decodePhases(files, source);
  const training = decodeTraining(files, source);
  checkSameEpoch(source, {
    [RUN_FILES.weights]: weights.metadata.epoch,
    [RUN_FILES.optimiser]: optimiser?.epoch,
    [RUN_FILES.phases]: phases?.epoch,
    [RUN_FILES.training]: training?.epoch,
    [RUN_FILES.bestWeights]: best?.metadata.epoch,
    [RUN_FILES.lastWeights]: last?.metadata.epoch,
    [RUN_FILES.config]: epoch === undefined ? undefined : String(epoch),
  });
  return {
    weights: weights.tensors,
    ...givenFields({
      optimiser: optimiser?.state,
      training: training && {
        ...training.state,
        ...givenFields({
          phases: phases?.states,
          bestWeights: best?.tensors,
          lastWeights: last?.tensors,
        }),
      },
      config,
      epoch,
      history,
      random: readJson<RandomState>(files, RUN_FILES.random, source, RANDOM_STATE),
      normalisation: readJson<JsonRecord>(files, RUN_FILES.normalisation, source, ANY_RECORD),
      version,
    }),
  };
}

/** The error for a run without weights. */
export function missingWeights(source: string): CheckpointError {
  return new CheckpointError(
    source,
    `Cannot load the run "${source}": found no ${RUN_FILES.weights}, needs one; check the path, or train first`,
  );
}

function decodeOptimiser(files: ReadonlyMap<string, Uint8Array>, source: string) {
  const bytes = files.get(RUN_FILES.optimiser);
  if (!bytes) return undefined;
  const { tensors, metadata } = readTensors(bytes, RUN_FILES.optimiser, source);
  const values = checked<Omit<OptimiserState, "tensors">>(
    parse(metadata.optimiser ?? "", RUN_FILES.optimiser, source),
    OPTIMISER_FIELDS,
    { name: RUN_FILES.optimiser, source },
  );
  const slots = floatsOf(tensors, RUN_FILES.optimiser, source);
  return { state: { ...values, tensors: slots }, epoch: metadata.epoch };
}

/** The same tensors, once it is known that they hold floating-point numbers. */
function floatsOf(tensors: NamedArrays, name: string, source: string) {
  for (const [tensor, { data }] of tensors) {
    if (data instanceof Float32Array || data instanceof Float64Array) continue;
    throw damaged(source, name, `tensor "${tensor}" holds no floating-point numbers`);
  }
  return tensors as ReadonlyMap<string, NdArray<FloatArray>>;
}

/** The optimisers of all phases but the first in one file: tensors by `"<phase>/<slot>.<variable>"`. */
function encodePhases(
  phases: ReadonlyMap<string, OptimiserState>,
  stamp: Readonly<Record<string, string>>,
): Uint8Array {
  const all = [...phases].flatMap(([name, { tensors }]) =>
    [...tensors].map(([key, values]): [string, NdArray<FloatArray>] => [`${name}/${key}`, values])
  );
  const values = Object.fromEntries(
    [...phases].map(([name, { kind, step, options }]) => [name, { kind, step, options }]),
  );
  const metadata = { ...stamp, phases: JSON.stringify(values) };
  return writeSafetensors(new Map(all), { metadata });
}

function decodePhases(files: ReadonlyMap<string, Uint8Array>, source: string) {
  const name = RUN_FILES.phases;
  const bytes = files.get(name);
  if (!bytes) return undefined;
  const { tensors, metadata } = readTensors(bytes, name, source);
  const slots = [...floatsOf(tensors, name, source)];
  const values = checked<Record<string, Omit<OptimiserState, "tensors">>>(
    parse(metadata.phases ?? "", name, source),
    map(OPTIMISER_FIELDS),
    { name, source },
  );
  const states = Object.entries(values).map(([phase, state]): [string, OptimiserState] => {
    const own = slots.filter(([key]) => key.startsWith(`${phase}/`));
    const named = own.map(([key, slot]) => [key.slice(phase.length + 1), slot] as const);
    return [phase, { ...state, tensors: new Map(named) }];
  });
  return { states: new Map(states), epoch: metadata.epoch };
}

function decodeTraining(files: ReadonlyMap<string, Uint8Array>, source: string) {
  const bytes = files.get(RUN_FILES.training);
  if (!bytes) return undefined;
  const { tensors, metadata } = readTensors(bytes, RUN_FILES.training, source);
  const values = checked<Omit<LoopState, "model">>(
    parse(metadata.values ?? "", RUN_FILES.training, source),
    LOOP_FIELDS,
    { name: RUN_FILES.training, source },
  );
  return { state: { ...values, model: tensors }, epoch: metadata.epoch };
}

function decodeWeights(files: ReadonlyMap<string, Uint8Array>, name: string, source: string) {
  const bytes = files.get(name);
  return bytes && readTensors(bytes, name, source);
}

function readTensors(bytes: Uint8Array, name: string, source: string) {
  try {
    return readSafetensors(bytes, name);
  } catch (error) {
    throw damaged(source, name, error);
  }
}

/** A JSON file of the run, undefined where there is none. */
function readJson<T>(
  files: ReadonlyMap<string, Uint8Array>,
  name: string,
  source: string,
  field: Field,
): T | undefined {
  const bytes = files.get(name);
  if (bytes === undefined) return undefined;
  return checked<T>(parse(new TextDecoder().decode(bytes), name, source), field, { name, source });
}

/**
 * The value, once it has been looked at.
 *
 * @throws {CheckpointError} naming file and field.
 */
function checked<T>(
  value: unknown,
  field: Field,
  { name, source, path }: {
    readonly name: string;
    readonly source: string;
    readonly path?: string;
  },
): T {
  const problem = findProblem(value, field, { path, noun: "field" });
  if (problem) throw damaged(source, name, problem.clause);
  return value as T;
}

function parse(text: string, name: string, source: string): unknown {
  try {
    return JSON.parse(text);
  } catch (error) {
    throw damaged(source, name, error);
  }
}

function damaged(source: string, name: string, error: unknown): CheckpointError {
  const detail = error instanceof Error ? error.message : String(error);
  return new CheckpointError(
    source,
    `Cannot load the run "${source}": ${name} is damaged (${detail}); restore the file or resume from a checkpoint`,
  );
}

function checkFormat(version: JsonRecord | undefined, source: string): void {
  const format = version?.format ?? FORMAT;
  if (typeof format === "number" && format <= FORMAT) return;
  throw new CheckpointError(
    source,
    `Cannot load the run "${source}": its files have format ${format} (written by recvae ${version?.recvae}), needs ` +
      `format ${FORMAT} or older; update recvae`,
  );
}

/** Files of one save carry the same epoch; a save that was cut short leaves different ones side by side. */
function checkSameEpoch(
  source: string,
  epochs: Readonly<Record<string, string | undefined>>,
): void {
  const known = Object.entries(epochs).filter(([, epoch]) => epoch !== undefined);
  if (new Set(known.map(([, epoch]) => epoch)).size <= 1) return;
  throw new CheckpointError(
    source,
    `Cannot load the run "${source}": its files belong to different epochs (${
      known.map(([name, epoch]) => `${name}: ${epoch}`).join(", ")
    }), because saving was cut short or a file is of another run; put the run's own file back, or resume from its ` +
      "newest checkpoint if there is one",
  );
}

function withEpoch(config: JsonRecord | undefined, epoch: number | undefined): unknown {
  if (epoch === undefined) return config;
  return { ...config, [EPOCH_KEY]: epoch };
}

/** Splits config.json as the Python package does: the configuration is absent when only the epoch is there. */
function withoutEpoch(
  json: JsonRecord | undefined,
  source: string,
): { config?: JsonRecord; epoch?: number } {
  if (json === undefined) return {};
  const { [EPOCH_KEY]: epoch, ...config } = json;
  const where = { name: RUN_FILES.config, source, path: EPOCH_KEY };
  return givenFields({
    config: Object.keys(config).length > 0 ? config : undefined,
    epoch: epoch === undefined ? undefined : checked<number>(epoch, EPOCH, where),
  });
}

/** JSON in which typed arrays are lists. */
function toJson(value: unknown, indent?: number): string {
  const replace = (_: string, item: unknown) =>
    ArrayBuffer.isView(item) ? Array.from(item as unknown as ArrayLike<number>) : item;
  return JSON.stringify(value, replace, indent);
}
