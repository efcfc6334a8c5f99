/**
 * Reader of PyTorch state dicts (`torch.save(model.state_dict(), "model.pt")`) without PyTorch: a ZIP with
 * stored entries, a pickle that lists the tensors, and their raw storages (spec section 7).
 *
 * Only what a state dict of dense CPU tensors needs is understood. Pickles that ask for anything else are
 * refused by name, and nothing a file says is ever executed.
 */
import type { NdArray, NumericArray } from "../base/arrays.ts";
import { checkOptions, flag, record, text } from "../base/fields.ts";
import { gatherStrided, isContiguous } from "../base/strided.ts";
import { FILE_KIND_NAMES, identifyFile } from "./file_kind.ts";
import { widenBfloat16, widenFloat16 } from "./half_precision.ts";
import { refusals } from "./rejection.ts";
import {
  PickleDict,
  PickleGlobal,
  type PickleHost,
  PickleObject,
  PickleTuple,
  type PickleValue,
  runPickle,
} from "./restricted_pickle.ts";
import { readStoredZip } from "./zip_stored.ts";

/** What a good state dict satisfies; a rejection names one of these (or a rule of ZIP or pickle). */
export const TORCH_RULES = {
  "torch.kind": "a file of torch.save (PyTorch 1.6 or newer), which is a ZIP archive",
  "torch.layout": "one top folder with data.pkl",
  "torch.byteorder": "little-endian storages",
  "torch.root":
    "a dictionary of tensors; save model.state_dict() instead of a model or a checkpoint",
  "torch.call": "calls as PyTorch writes them",
  "torch.storage": "a storage of the size and type the pickle says",
  "torch.view":
    "sizes, strides and an offset that stay inside the storage and take no more elements than it has",
  "torch.copies": "strided tensors of at most four times the file's size together",
} as const;

/** First bytes that tell what a file is. */
const HEAD_BYTES = 352;

const REBUILD = "torch._utils _rebuild_tensor_v2";
const ORDERED_DICT = "collections OrderedDict";
const MAX_AXES = 32;
/** Strided tensors are copied; together they may take this many times the file's size. */
const MAX_COPY_RATIO = 4;

type ElementType = "F64" | "F32" | "F16" | "BF16" | "I64" | "I32" | "I16" | "I8" | "U8" | "BOOL";

const STORAGE_TYPES: Readonly<Record<string, ElementType>> = {
  "torch DoubleStorage": "F64",
  "torch FloatStorage": "F32",
  "torch HalfStorage": "F16",
  "torch BFloat16Storage": "BF16",
  "torch LongStorage": "I64",
  "torch IntStorage": "I32",
  "torch ShortStorage": "I16",
  "torch CharStorage": "I8",
  "torch ByteStorage": "U8",
  "torch BoolStorage": "BOOL",
};

/** Options of {@link readTorchState}. */
export interface TorchStateOptions {
  /** Path or label for messages. */
  readonly source?: string;
  /** Compare entries with their CRC-32, default true; for files written with checksums switched off. */
  readonly checksums?: boolean;
}

const STATE_OPTIONS = record<TorchStateOptions>({ source: text(), checksums: flag() });

/**
 * Reads a PyTorch state dict.
 *
 * @param bytes The whole `.pt` file. Contiguous tensors are views of it: keep it unchanged while in use.
 * @param options See {@link TorchStateOptions}.
 * @returns Name → array, in the file's order. Half-precision types become float32, booleans Uint8Array.
 * @throws {FormatError} naming a rule of `TORCH_RULES`, `PICKLE_RULES` or `ZIP_RULES`.
 */
export function readTorchState(
  bytes: Uint8Array,
  options: TorchStateOptions = {},
): Map<string, NdArray<NumericArray>> {
  checkOptions(options, STATE_OPTIONS, { doing: "Cannot read the state dictionary" });
  const source = options.source ?? "PyTorch file";
  const refuse = refusals(TORCH_RULES, source);
  const kind = identifyFile(bytes.subarray(0, HEAD_BYTES));
  if (kind !== "zip") throw refuse("torch.kind", `it is ${FILE_KIND_NAMES[kind]}`);
  const entries = readStoredZip(bytes, { source, checksums: options.checksums });
  const folder = findFolder([...entries.keys()]);
  if (folder === undefined) throw refuse("torch.layout", `${entries.size} entries`);
  const order = entries.get(`${folder}byteorder`);
  if (order && new TextDecoder().decode(order) !== "little") {
    throw refuse("torch.byteorder", "another byte order");
  }
  const builder = new TensorBuilder(entries, `${folder}data/`, source, bytes.length);
  const root = runPickle(entries.get(`${folder}data.pkl`)!, builder, source);
  if (!(root instanceof PickleDict)) throw refuse("torch.root", "a pickle of something else");
  const tensors = new Map<string, NdArray<NumericArray>>();
  for (const [name, value] of root.entries) {
    if (!(value instanceof Tensor)) {
      throw refuse("torch.root", `entry "${name.slice(0, 120)}" that is no tensor`);
    }
    tensors.set(name, value.array);
  }
  return tensors;
}

/** The one folder that holds `data.pkl`, with its slash. */
function findFolder(names: readonly string[]): string | undefined {
  const pickles = names.filter((name) => /^[^/]+\/data\.pkl$/.test(name));
  if (pickles.length !== 1) return undefined;
  const folder = pickles[0].slice(0, -"data.pkl".length);
  return names.every((name) => name.startsWith(folder)) ? folder : undefined;
}

class Storage extends PickleObject {
  constructor(readonly key: string, readonly values: NumericArray) {
    super();
  }
}

class Tensor extends PickleObject {
  constructor(readonly array: NdArray<NumericArray>) {
    super();
  }
}

/** What the pickle may call: ordered dictionaries, tensors, storages. */
class TensorBuilder implements PickleHost {
  readonly #entries: ReadonlyMap<string, Uint8Array>;
  readonly #folder: string;
  readonly #storages = new Map<string, { type: string; values: NumericArray }>();
  readonly #refuse: ReturnType<typeof refusals<typeof TORCH_RULES>>;
  #copyBudget: number;

  constructor(
    entries: ReadonlyMap<string, Uint8Array>,
    folder: string,
    source: string,
    fileBytes: number,
  ) {
    this.#entries = entries;
    this.#folder = folder;
    this.#refuse = refusals(TORCH_RULES, source);
    this.#copyBudget = MAX_COPY_RATIO * fileBytes;
  }

  allows(name: string): boolean {
    return name === ORDERED_DICT || name === REBUILD || Object.hasOwn(STORAGE_TYPES, name);
  }

  call(name: string, args: readonly PickleValue[]): PickleValue {
    if (name === REBUILD) return this.#tensor(args);
    if (name === ORDERED_DICT && args.length === 0) return new PickleDict();
    throw this.#refuse("torch.call", `${name} with ${args.length} arguments`);
  }

  /** `('storage', torch.<Type>Storage, key, device, element count)`. */
  persistent(id: readonly PickleValue[]): PickleValue {
    const [tag, type, key, device, count] = id;
    const typeName = type instanceof PickleGlobal ? type.name : "";
    if (
      id.length !== 5 || tag !== "storage" || !Object.hasOwn(STORAGE_TYPES, typeName) ||
      typeof key !== "string" || typeof device !== "string" || !isCount(count)
    ) {
      throw this.#refuse("torch.call", "a persistent id of another form");
    }
    const known = this.#storages.get(key);
    const values = known?.values ?? this.#loadStorage(key, STORAGE_TYPES[typeName]);
    if ((known && known.type !== typeName) || values.length !== count) {
      throw this.#refuse(
        "torch.storage",
        `storage "${key}" as ${count} of ${typeName}, and ${values.length} in the file`,
      );
    }
    this.#storages.set(key, { type: typeName, values });
    return new Storage(key, values);
  }

  #loadStorage(key: string, type: ElementType): NumericArray {
    const bytes = this.#entries.get(this.#folder + key);
    const values = bytes && decodeStorage(bytes, type);
    if (!values) {
      throw this.#refuse("torch.storage", `storage "${key}" ${bytes ? "of odd size" : "missing"}`);
    }
    return values;
  }

  /** `(storage, offset, size, stride, requires_grad, backward hooks)`; a seventh value is metadata. */
  #tensor(args: readonly PickleValue[]): Tensor {
    const [storage, offset, size, stride] = args;
    if (
      args.length < 6 || args.length > 7 || !(storage instanceof Storage) || !isCount(offset) ||
      !isCountTuple(size) || !isCountTuple(stride) || typeof args[4] !== "boolean" ||
      !(args[5] instanceof PickleDict)
    ) {
      throw this.#refuse("torch.call", "_rebuild_tensor_v2 with other arguments");
    }
    return new Tensor(this.#view(storage, offset, size.items, stride.items));
  }

  #view(
    storage: Storage,
    offset: number,
    shape: readonly number[],
    strides: readonly number[],
  ): NdArray<NumericArray> {
    const count = shape.reduce((product, n) => product * n, 1);
    const last = shape.reduce((sum, n, axis) => sum + (n - 1) * strides[axis], offset);
    const fits = shape.length === strides.length && shape.length <= MAX_AXES &&
      offset <= storage.values.length && count <= storage.values.length &&
      (count === 0 || last < storage.values.length);
    if (!fits) {
      throw this.#refuse(
        "torch.view",
        `size [${shape}], stride [${strides}], offset ${offset} in ${storage.values.length} elements`,
      );
    }
    if (isContiguous(shape, strides)) {
      return { data: storage.values.subarray(offset, offset + count), shape };
    }
    this.#copyBudget -= count * storage.values.BYTES_PER_ELEMENT;
    if (this.#copyBudget < 0) throw this.#refuse("torch.copies", "larger ones");
    return { data: gatherStrided(storage.values, { offset, shape, strides }), shape };
  }
}

function isCount(value: PickleValue | undefined): value is number {
  return Number.isSafeInteger(value) && (value as number) >= 0;
}

function isCountTuple(value: PickleValue): value is PickleTuple & { items: readonly number[] } {
  return value instanceof PickleTuple && value.items.every(isCount);
}

/** Views (or, unaligned and half-precision, copies) of raw little-endian values; undefined at an odd size. */
function decodeStorage(bytes: Uint8Array, type: ElementType): NumericArray | undefined {
  const arrays = {
    F64: Float64Array,
    F32: Float32Array,
    F16: Uint16Array,
    BF16: Uint16Array,
    I64: BigInt64Array,
    I32: Int32Array,
    I16: Int16Array,
    I8: Int8Array,
    U8: Uint8Array,
    BOOL: Uint8Array,
  } as const;
  const width = arrays[type].BYTES_PER_ELEMENT;
  if (bytes.length % width !== 0) return undefined;
  const aligned = bytes.byteOffset % width === 0 ? bytes : bytes.slice();
  const values = new arrays[type](
    aligned.buffer as ArrayBuffer,
    aligned.byteOffset,
    bytes.length / width,
  );
  if (type === "F16") return widenFloat16(values as Uint16Array);
  if (type === "BF16") return widenBfloat16(values as Uint16Array);
  return values;
}
