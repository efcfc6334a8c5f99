/**
 * Reader of PyTorch state dicts (`torch.save(model.state_dict(), "model.pt")`) and of checkpoints that hold
 * one, without PyTorch [recurrent-vae §7].
 *
 * Only plain data and dense CPU tensors are understood. Files that ask for anything else are refused by
 * name, and nothing a file says is ever executed.
 */
import type { NdArray, NumericArray } from "../base/arrays.ts";
import { callback, checkOptions, flag, record, text } from "../base/fields.ts";
import type { FormatError } from "../base/errors.ts";
import { refusals } from "./rejection.ts";
import {
  foreignRefusal,
  PickleDict,
  PickleForeign,
  PickleList,
  type PickleValue,
} from "./restricted_pickle.ts";
import { openTorchContainer, type TorchContainer } from "./torch_container.ts";
import { TORCH_RULES } from "./torch_rules.ts";
import { Tensor } from "./torch_tensors.ts";

/** How deep dictionaries are searched for states. */
const MAX_DEPTH = 4;
/** Most names that a note or a message lists. */
const MAX_LISTED = 8;
/** The name of the outermost dictionary, among states. */
const TOP = ".";

/** Names that stand for known kinds of values, and what makes ordinary tensors of them in Python. */
const KNOWN_FOREIGN: readonly (readonly [RegExp, string])[] = [
  [/sparse/, "a sparse tensor, which to_dense() makes an ordinary one"],
  [/_qtensor|Q\w*IntStorage|QInt/, "a quantised tensor, which dequantize() makes an ordinary one"],
  [/Complex\w*Storage/, "complex numbers, which torch.view_as_real() makes ordinary ones"],
  [/_rebuild_tensor_v3/, "an element type such as uint16, which float() makes an ordinary one"],
  [
    /^numpy/,
    "a NumPy value, which float(), or torch.from_numpy for an array, makes an ordinary one",
  ],
];

/** Options of {@link readTorchState}. */
export interface TorchStateOptions {
  /** Path or label for messages. */
  readonly source?: string;
  /** Compare entries with their CRC-32, default true; for files written with checksums switched off. */
  readonly checksums?: boolean;
  /**
   * Which part of a checkpoint to read: its key (`"model"`), keys with slashes between for a part of a part
   * (`"ema/model"`), `"."` for the outermost dictionary. Default: the only part that holds weights.
   */
  readonly state?: string;
  /** Told what was taken, left out or renamed, a sentence each time. */
  readonly onNote?: (note: string) => void;
}

const STATE_OPTIONS = record<TorchStateOptions>({
  source: text(),
  checksums: flag(),
  state: text(),
  onNote: callback(),
});

/**
 * Reads a PyTorch state dict, also one inside a checkpoint.
 *
 * Names lose a leading `module.` (DataParallel) when all have it, and `_orig_mod.` (torch.compile) anywhere.
 * Entries that are no tensors are left out.
 *
 * @param bytes The whole file. Contiguous tensors are views of it: keep it unchanged while in use.
 * @param options See {@link TorchStateOptions}.
 * @returns Name → array, in the file's order. Half-precision types become float32, booleans Uint8Array.
 * @throws {FormatError} naming a rule of `TORCH_RULES`, `PICKLE_RULES` or `ZIP_RULES`; `torch.state` when the
 * file holds several states and none was named, or not the named one.
 *
 * @example
 * ```ts
 * import { readTorchState } from "./torch_state.ts";
 *
 * const bytes = Deno.readFileSync("tests/data/torch/two_states.pt");
 * const state = readTorchState(bytes, { state: "generator" });
 * console.assert(state.get("w")!.data.length === 2);
 * ```
 */
export function readTorchState(
  bytes: Uint8Array,
  options: TorchStateOptions = {},
): Map<string, NdArray<NumericArray>> {
  checkOptions(options, STATE_OPTIONS, { doing: "Cannot read the state dictionary" });
  const { source = "PyTorch file", onNote = () => {} } = options;
  const { root, foreign, reader } = openTorchContainer(bytes, { ...options, source });
  if (foreign.length > 0) throw foreignStateRefusal(root, foreign, source);
  const { name, dict } = chooseState(root, options.state, source);
  const found = [...dict.entries].filter((entry): entry is [string, Tensor] =>
    typeof entry[0] === "string" && entry[1] instanceof Tensor
  );
  noteRest(root as PickleDict, { name, dict }, onNote);
  const names = bareNames(found.map(([name]) => name), onNote);
  return new Map(found.map(([, tensor], i) => [names[i], reader.read(tensor)]));
}

/** A dictionary that holds tensors. */
export interface TorchState {
  /** Keys that lead to it, with slashes between; `"."` for the outermost dictionary. */
  readonly name: string;
  /** What it holds. */
  readonly dict: PickleDict;
}

/**
 * The dictionaries of a file that can be meant when its state is asked for: those with floating-point arrays
 * of one axis or more, or, without such, those with any tensor. Optimisers' are left out.
 *
 * @param root What was saved.
 */
export function likelyStates(root: TorchContainer["root"]): readonly TorchState[] {
  const states = allStates(root);
  const likely = states.filter(({ dict }) => [...dict.entries.values()].some(isWeight));
  return likely.length > 0 ? likely : states;
}

function allStates(root: PickleValue): TorchState[] {
  const states: TorchState[] = [];
  const seen = new Set<PickleDict>();
  const visit = (dict: PickleDict, path: readonly string[]) => {
    if (seen.has(dict) || path.length > MAX_DEPTH || isOptimiser(dict)) return;
    seen.add(dict);
    const entries = [...dict.entries].filter(([key]) => typeof key === "string");
    if (entries.some(([, value]) => value instanceof Tensor)) {
      states.push({ name: path.join("/") || TOP, dict });
    }
    for (const [key, value] of entries) {
      const isPart = value instanceof PickleDict && !(key as string).endsWith("_extra_state");
      if (isPart) visit(value, [...path, key as string]);
    }
  };
  if (root instanceof PickleDict) visit(root, []);
  return states;
}

function isWeight(value: PickleValue): boolean {
  return value instanceof Tensor && value.view.shape.length > 0 &&
    ["F64", "F32", "F16", "BF16"].includes(value.storage.type);
}

function isOptimiser(dict: PickleDict): boolean {
  return dict.entries.has("state") && dict.entries.has("param_groups");
}

function chooseState(root: PickleValue, wanted: string | undefined, source: string): TorchState {
  const refuse = refusals(TORCH_RULES, source);
  const likely = likelyStates(root);
  const choices = likely.map(({ name }) => JSON.stringify(name)).join(", ");
  if (wanted !== undefined) {
    const named = allStates(root).find(({ name }) => name === wanted);
    if (named) return named;
    throw refuse("torch.state", `it holds no state "${wanted}", but ${choices || "none"}`);
  }
  if (likely.length === 1) return likely[0];
  if (likely.length > 1) throw refuse("torch.state", `it holds several states: ${choices}`);
  if (root instanceof PickleDict && root.entries.size === 0) return { name: TOP, dict: root };
  throw refuse("torch.root", `it holds ${nameKind(root)}`);
}

/** What was saved, in a few words, where it is no state. */
function nameKind(root: PickleValue): string {
  if (root instanceof PickleDict) {
    return `a dictionary without tensors in it (${listed([...root.entries.keys()])})`;
  }
  if (root instanceof Tensor) return `one tensor of size [${root.view.shape.join(", ")}]`;
  if (root instanceof PickleList) return `a list of ${root.items.length} values`;
  return "a single value";
}

/** Why a file that asks for more than data is refused: a whole model is named as such. */
function foreignStateRefusal(
  root: PickleValue,
  foreign: readonly string[],
  source: string,
): FormatError {
  const refuse = refusals(TORCH_RULES, source);
  if (isModule(root)) {
    return refuse("torch.root", `it holds a whole model object of class ${className(root)}`);
  }
  const parts = root instanceof PickleDict ? root.entries : [];
  for (const [key, value] of parts) {
    if (isModule(value)) {
      const found = `its part "${printable(String(key))}" is a whole model object of class`;
      return refuse("torch.root", `${found} ${className(value)}`);
    }
  }
  const known = KNOWN_FOREIGN.find(([pattern]) => pattern.test(foreign[0]));
  return foreignRefusal(foreign, source, known ? ` (${known[1]})` : "");
}

/**
 * Whether a value stands for a pickled `nn.Module`.
 *
 * @param value Part of a file.
 */
export function isModule(value: PickleValue): value is PickleForeign & { state: PickleDict } {
  return value instanceof PickleForeign && value.state instanceof PickleDict &&
    value.state.entries.has("_modules") && value.state.entries.has("_parameters");
}

/**
 * A class as Python writes it.
 *
 * @param object Stands for an instance of it.
 */
export function className({ name }: PickleForeign): string {
  return printable(name).replace(" ", ".");
}

/**
 * A text of a file, fit to be shown: at most 120 characters, none of which steers a terminal.
 *
 * @param text Anything.
 */
export function printable(text: string): string {
  return text.slice(0, 120).replaceAll(/\p{Cc}/gu, "?");
}

/** Says which entries were not taken. */
function noteRest(root: PickleDict, state: TorchState, onNote: (note: string) => void): void {
  if (state.name !== TOP) {
    const others = [...root.entries.keys()].filter((key) => key !== state.name.split("/")[0]);
    onNote(
      `Taken: "${state.name}"` + (others.length > 0 ? `, and not ${listed(others)}.` : "."),
    );
  }
  const rest = [...state.dict.entries]
    .filter(([key, value]) => typeof key !== "string" || !(value instanceof Tensor))
    .map(([key]) => key);
  if (rest.length > 0) onNote(`Left out, since they are no arrays: ${listed(rest)}.`);
}

function listed(keys: readonly PickleValue[]): string {
  const shown = keys.slice(0, MAX_LISTED).map((key) => printable(String(key))).join(", ");
  return keys.length > MAX_LISTED ? `${shown} and ${keys.length - MAX_LISTED} more` : shown;
}

/** Names without what DataParallel and torch.compile put before them, where they stay apart without it. */
function bareNames(names: readonly string[], onNote: (note: string) => void): readonly string[] {
  let bare = names.map((name) => name.replaceAll(/(^|\.)_orig_mod\./g, "$1"));
  const found = bare.some((name, i) => name !== names[i]) ? ['"_orig_mod."'] : [];
  if (bare.length > 0 && bare.every((name) => name.startsWith("module."))) {
    bare = bare.map((name) => name.slice("module.".length));
    found.push('"module."');
  }
  if (found.length === 0 || new Set(bare).size < names.length) return names;
  onNote(`Taken off the names: ${found.join(" and ")}.`);
  return bare;
}
