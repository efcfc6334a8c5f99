/** What a PyTorch file holds, for a person to look at: also of files that are refused as weights. */
import {
  PickleDict,
  PickleForeign,
  PickleGlobal,
  PickleList,
  PickleTuple,
  type PickleValue,
} from "./restricted_pickle.ts";
import { openTorchContainer } from "./torch_container.ts";
import { className, isModule, likelyStates, printable } from "./torch_state.ts";
import { Tensor } from "./torch_tensors.ts";

/** Most entries and characters that are shown. */
const MAX_ENTRIES = 1000;
const MAX_TEXT = 60;
/** How deep modules are followed. */
const MAX_DEPTH = 32;

/** A PyTorch file in words. */
export interface TorchOutline {
  /** What was saved: `"state dictionary"`, `"checkpoint"`, `"whole model object of class Net"`, … */
  readonly kind: string;
  /** Parts that can be read as a state, by the names that `readTorchState` takes; `"."` is the whole. */
  readonly states: readonly string[];
  /** Name → what it is, of the outermost entries, or of a whole model's arrays. */
  readonly holds: Readonly<Record<string, string>>;
  /** Classes and functions it asks for, which keep it from being read. */
  readonly asksFor: readonly string[];
}

/**
 * Describes a file of `torch.save`. Nothing in it is run, and no array is read.
 *
 * @param bytes The whole file.
 * @param source Path or label for messages.
 * @throws {FormatError} naming a rule of `TORCH_RULES`, `PICKLE_RULES` or `ZIP_RULES`.
 */
export function describeTorchFile(bytes: Uint8Array, source: string): TorchOutline {
  const { root, foreign } = openTorchContainer(bytes, { source });
  const states = foreign.length > 0 ? [] : likelyStates(root).map(({ name }) => name);
  const asksFor = foreign.map((name) => printable(name).replace(" ", "."));
  const entries = isModule(root)
    ? moduleArrays(root)
    : root instanceof PickleDict
    ? [...root.entries].map(([key, value]) => [printable(String(key)), describe(value)] as const)
    : [];
  const isState = states.length === 1 && states[0] === ".";
  const kind = isState ? "state dictionary" : states.length > 0 ? "checkpoint" : describe(root);
  return { kind, states, holds: Object.fromEntries(entries.slice(0, MAX_ENTRIES)), asksFor };
}

/** A value in a few words. */
function describe(value: PickleValue): string {
  if (value instanceof Tensor) return `array [${value.view.shape.join(", ")}]`;
  if (value instanceof PickleDict) {
    const arrays = [...value.entries.values()].filter((item) => item instanceof Tensor).length;
    return `dictionary of ${arrays > 0 ? `${arrays} arrays` : `${value.entries.size} entries`}`;
  }
  if (isModule(value)) return `whole model object of class ${className(value)}`;
  if (value instanceof PickleForeign) return `object of ${className(value)}`;
  if (value instanceof PickleList) return `list of ${value.items.length}`;
  if (value instanceof PickleTuple) return `tuple of ${value.items.length}`;
  if (value instanceof PickleGlobal) return printable(value.name).replace(" ", ".");
  if (value instanceof Uint8Array) return `${value.length} bytes`;
  if (value === null) return "None";
  return typeof value === "string"
    ? JSON.stringify(value.slice(0, MAX_TEXT))
    : String(value).slice(0, MAX_TEXT);
}

/** Arrays of a pickled module and the modules inside it, by the names that its state dictionary would have. */
function moduleArrays(root: PickleForeign): (readonly [string, string])[] {
  const arrays: (readonly [string, string])[] = [];
  const seen = new Set<PickleValue>();
  const visit = (module: PickleValue, prefix: string, depth: number) => {
    if (!isModule(module) || seen.has(module) || depth > MAX_DEPTH) return;
    seen.add(module);
    for (const group of ["_parameters", "_buffers"]) {
      for (const [name, value] of entriesOf(module.state.entries.get(group))) {
        if (value instanceof Tensor) {
          arrays.push([printable(`${prefix}${String(name)}`), describe(value)]);
        }
      }
    }
    for (const [name, child] of entriesOf(module.state.entries.get("_modules"))) {
      visit(child, `${prefix}${String(name)}.`, depth + 1);
    }
  };
  visit(root, "", 0);
  return arrays;
}

function entriesOf(value: PickleValue | undefined): Iterable<[PickleValue, PickleValue]> {
  return value instanceof PickleDict ? value.entries : [];
}
