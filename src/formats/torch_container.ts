/**
 * The two containers of `torch.save`: a ZIP archive with stored entries, and the older sequence of pickles
 * and raw storages (`_use_new_zipfile_serialization=False`).
 */
import { fewOf } from "../base/lists.ts";
import { FILE_KIND_NAMES, identifyFile } from "./file_kind.ts";
import { refusals } from "./rejection.ts";
import {
  MAX_PICKLE_BYTES,
  PickleDict,
  PickleList,
  type PickleValue,
  runPickle,
  type Unpickled,
} from "./restricted_pickle.ts";
import { TensorBuilder, TensorReader } from "./torch_tensors.ts";
import { TORCH_RULES } from "./torch_rules.ts";
import { listZip, readStoredZip } from "./zip_stored.ts";

/** An opened file of `torch.save`. */
export interface TorchContainer {
  /** What was saved; tensors are descriptions. */
  readonly root: PickleValue;
  /** Names it asks for that are neither plain data nor dense tensors. */
  readonly foreign: readonly string[];
  /** Makes arrays of its tensors. */
  readonly reader: TensorReader;
}

/** First bytes that tell what a file is. */
const HEAD_BYTES = 352;
/** The number that the older container begins with, inside its first pickle, as it stands in the file. */
const MAGIC = [0x6c, 0xfc, 0x9c, 0x46, 0xf9, 0x20, 0x6a, 0xa8, 0x50, 0x19];
/** Where that number may end: protocol, frame and length stand before it. */
const MAGIC_END = 32;
const LEGACY_VERSION = 1001;

/**
 * Opens a file of `torch.save` without making any array.
 *
 * @param bytes The whole file.
 * @param options Path or label for messages; whether to compare ZIP entries with their CRC-32 (default true).
 * @throws {FormatError} naming a rule of `TORCH_RULES`, `PICKLE_RULES` or `ZIP_RULES`.
 */
export function openTorchContainer(
  bytes: Uint8Array,
  options: { readonly source: string; readonly checksums?: boolean },
): TorchContainer {
  const { source } = options;
  const refuse = refusals(TORCH_RULES, source);
  const kind = identifyFile(bytes.subarray(0, HEAD_BYTES));
  if (kind === "zip") return openZip(bytes, options);
  if (kind !== "pickle") throw refuse("torch.kind", `it is ${FILE_KIND_NAMES[kind]}`);
  const head = bytes.subarray(0, MAGIC_END);
  const isLegacy = MAGIC.every((byte, i) => head[head.indexOf(MAGIC[0]) + i] === byte);
  if (isLegacy) return openLegacy(bytes, source);
  throw refuse("torch.kind", "it is a Python pickle that torch.save did not write");
}

function openZip(
  bytes: Uint8Array,
  options: { readonly source: string; readonly checksums?: boolean },
): TorchContainer {
  const { source } = options;
  const refuse = refusals(TORCH_RULES, source);
  const names = listZip(bytes, source);
  const folder = findFolder(names);
  if (folder !== undefined && names.includes(`${folder}constants.pkl`)) {
    throw refuse("torch.root", "it is a TorchScript program (torch.jit.save)");
  }
  const entries = readStoredZip(bytes, options);
  if (folder === undefined) {
    const few = fewOf(Array.from(entries.keys(), (name) => `"${name}"`));
    throw refuse("torch.layout", `it is a ZIP archive that torch.save did not write (${few})`);
  }
  const order = entries.get(`${folder}byteorder`);
  if (order && new TextDecoder().decode(order) !== "little") {
    throw refuse("torch.byteorder", "another byte order");
  }
  const { value, foreign } = runPickle(
    entries.get(`${folder}data.pkl`)!,
    new TensorBuilder(source),
    source,
  );
  const content = (key: string) => entries.get(`${folder}data/${key}`);
  const reader = new TensorReader(content, { source, byteLength: bytes.length });
  return { root: value, foreign, reader };
}

/** The one folder that holds `data.pkl`, with its slash. */
function findFolder(names: readonly string[]): string | undefined {
  const pickles = names.filter((name) => /^[^/]+\/data\.pkl$/.test(name));
  if (pickles.length !== 1) return undefined;
  const folder = pickles[0].slice(0, -"data.pkl".length);
  return names.every((name) => name.startsWith(folder)) ? folder : undefined;
}

/** Pickles of magic number, version, system, object and storage keys; then count and values per storage. */
function openLegacy(bytes: Uint8Array, source: string): TorchContainer {
  const refuse = refusals(TORCH_RULES, source);
  const builder = new TensorBuilder(source);
  let at = 0;
  const next = (): Unpickled => {
    const pickle = runPickle(bytes.subarray(at, at + MAX_PICKLE_BYTES), builder, source);
    at += pickle.end;
    return pickle;
  };
  next(); // the magic number, seen before
  const version = next().value;
  if (version !== LEGACY_VERSION) throw refuse("torch.legacy", `version ${String(version)}`);
  const system = next().value;
  if (!(system instanceof PickleDict) || system.entries.get("little_endian") !== true) {
    throw refuse("torch.byteorder", "another byte order");
  }
  const { value: root, foreign } = next();
  const keys = next().value;
  if (!(keys instanceof PickleList)) throw refuse("torch.legacy", "no list of storage keys");
  const contents = new Map<string, Uint8Array>();
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  for (const key of keys.items) {
    const storage = builder.storages.get(String(key));
    // Without the type of a storage, its size and the place of all that follow are unknown.
    if (!storage && foreign.length > 0) break;
    if (!storage || contents.has(storage.key)) {
      throw refuse("torch.legacy", `storage "${String(key).slice(0, 120)}" of no tensor, or twice`);
    }
    const begin = at + 8;
    at = begin + storage.byteLength;
    if (at > bytes.length || view.getBigInt64(begin - 8, true) !== BigInt(storage.count)) {
      throw refuse("torch.legacy", `storage "${storage.key}" of another size at byte ${begin}`);
    }
    contents.set(storage.key, bytes.subarray(begin, at));
  }
  if (at !== bytes.length && foreign.length === 0) {
    throw refuse("torch.legacy", `${bytes.length - at} bytes behind the last storage`);
  }
  const reader = new TensorReader((key) => contents.get(key), {
    source,
    byteLength: bytes.length,
  });
  return { root, foreign, reader };
}
