/**
 * The tensors of a PyTorch file: what its pickle may ask for, and the arrays that come of it.
 *
 * The pickle is read first and whole; it gives descriptions only. Arrays are made afterwards, of the
 * tensors that are wanted.
 */
import type { NdArray, NumericArray } from "../base/arrays.ts";
import { gatherStrided, isContiguous } from "../base/strided.ts";
import { widenBfloat16, widenFloat16 } from "./half_precision.ts";
import { refusals } from "./rejection.ts";
import {
  PickleDict,
  PickleForeign,
  PickleGlobal,
  type PickleHost,
  PickleList,
  PickleObject,
  PickleTuple,
  type PickleValue,
} from "./restricted_pickle.ts";
import { TORCH_RULES } from "./torch_rules.ts";

const MAX_AXES = 32;
/** Tensors that are no plain piece of their storage are copied; together they may take this much. */
const MAX_COPY_RATIO = 4;
const MIN_COPY_LIMIT = 64 * 2 ** 20;

const ELEMENT_ARRAYS = {
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

/** Element types that are read. */
export type ElementType = keyof typeof ELEMENT_ARRAYS;

const STORAGE_TYPES = new Map<string, ElementType>([
  ["torch DoubleStorage", "F64"],
  ["torch FloatStorage", "F32"],
  ["torch HalfStorage", "F16"],
  ["torch BFloat16Storage", "BF16"],
  ["torch LongStorage", "I64"],
  ["torch IntStorage", "I32"],
  ["torch ShortStorage", "I16"],
  ["torch CharStorage", "I8"],
  ["torch ByteStorage", "U8"],
  ["torch BoolStorage", "BOOL"],
]);

/** Element types as tensors' `dtype` names them, which stand as plain values in checkpoints. */
const DTYPES = new Set(
  ["float64", "float32", "float16", "bfloat16", "int64", "int32", "int16", "int8", "uint8", "bool"]
    .map((name) => `torch ${name}`),
);

/** Calls whose result is plain data; PyTorch's own `weights_only` reader knows them too. */
const CALLS: Readonly<Record<string, keyof TensorBuilder["calls"]>> = {
  "collections OrderedDict": "dictionary",
  "collections Counter": "dictionary",
  "__builtin__ set": "set",
  "builtins set": "set",
  "torch Size": "size",
  "torch device": "device",
  "torch._utils _rebuild_tensor": "tensor",
  "torch._utils _rebuild_tensor_v2": "tensor",
  "torch._utils _rebuild_parameter": "parameter",
  "torch._utils _rebuild_parameter_with_state": "parameter",
};

/** A block of raw values that tensors are pieces of. */
export class Storage extends PickleObject {
  /**
   * Describes one.
   *
   * @param key Its name in the file.
   * @param type Element type.
   * @param count Elements.
   */
  constructor(readonly key: string, readonly type: ElementType, readonly count: number) {
    super();
  }

  /** Bytes in the file. */
  get byteLength(): number {
    return this.count * ELEMENT_ARRAYS[this.type].BYTES_PER_ELEMENT;
  }
}

/** A tensor as the pickle describes it: inside its storage, values not read yet. */
export class Tensor extends PickleObject {
  /**
   * Describes one.
   *
   * @param storage Where its values are.
   * @param view Offset, shape and strides in elements.
   */
  constructor(
    readonly storage: Storage,
    readonly view: {
      readonly offset: number;
      readonly shape: readonly number[];
      readonly strides: readonly number[];
    },
  ) {
    super();
  }
}

/** What a pickle of `torch.save` may call: dictionaries, sets, sizes, devices, tensors, storages. */
export class TensorBuilder implements PickleHost {
  /** Every storage that was mentioned, by key. */
  readonly storages = new Map<string, Storage>();
  readonly #refuse: ReturnType<typeof refusals<typeof TORCH_RULES>>;

  /**
   * Starts one for a file.
   *
   * @param source Path or label for messages.
   */
  constructor(source: string) {
    this.#refuse = refusals(TORCH_RULES, source);
  }

  /**
   * Implements the contract.
   *
   * @param name As in the pickle.
   */
  offers(name: string): boolean {
    return Object.hasOwn(CALLS, name) || STORAGE_TYPES.has(name) || DTYPES.has(name);
  }

  /**
   * Implements the contract.
   *
   * @param name As in the pickle.
   * @param args Its arguments.
   */
  call(name: string, args: readonly PickleValue[]): PickleValue {
    const value = Object.hasOwn(CALLS, name) ? this.calls[CALLS[name]](args) : undefined;
    if (value === undefined) {
      throw this.#refuse("torch.call", `${name} with ${args.length} arguments of other kinds`);
    }
    return value;
  }

  /** What the offered names do; undefined for arguments that PyTorch would not write. */
  readonly calls = {
    dictionary: (args: readonly PickleValue[]): PickleValue | undefined => {
      if (args.length === 0) return new PickleDict();
      return args.length === 1 && args[0] instanceof PickleDict ? args[0] : undefined;
    },
    set: ([items]: readonly PickleValue[]): PickleValue | undefined =>
      items instanceof PickleList ? items : undefined,
    size: ([axes]: readonly PickleValue[]): PickleValue | undefined =>
      axes instanceof PickleTuple && axes.items.every(isCount) ? axes : undefined,
    device: (args: readonly PickleValue[]): PickleValue | undefined =>
      typeof args[0] === "string" ? new PickleTuple(args) : undefined,
    /** `(tensor, requires_grad, backward hooks[, state])`. */
    parameter: ([data, requiresGrad]: readonly PickleValue[]): PickleValue | undefined =>
      (data instanceof Tensor || data instanceof PickleForeign) &&
        typeof requiresGrad === "boolean"
        ? data
        : undefined,
    /** `(storage, offset, size, stride[, requires_grad, backward hooks[, metadata]])`. */
    tensor: (args: readonly PickleValue[]): PickleValue | undefined => {
      const [storage, offset, size, stride] = args;
      if (storage instanceof PickleForeign) return storage;
      const whole = storage instanceof Storage && isCount(offset) && isCountTuple(size) &&
        isCountTuple(stride) && isRest(args.slice(4));
      return whole ? this.#tensor(storage, offset, size.items, stride.items) : undefined;
    },
  };

  /**
   * `('storage', torch.<Type>Storage, key, device, element count)`, outside a ZIP archive with a sixth value
   * that is None; there, `('module', class, file, source)` too, which stands for the class.
   *
   * @param id The parts.
   */
  persistent(id: readonly PickleValue[]): PickleValue {
    const [tag, type, key, device, count, view] = id;
    if (tag === "module" && type instanceof PickleGlobal) return type;
    const typeName = type instanceof PickleGlobal ? type.name : "";
    if (
      (id.length !== 5 && !(id.length === 6 && view === null)) || tag !== "storage" ||
      typeName === "" || typeof key !== "string" || typeof device !== "string" || !isCount(count)
    ) {
      throw this.#refuse("torch.call", "a persistent id of another form");
    }
    const element = STORAGE_TYPES.get(typeName);
    if (element === undefined) return new PickleForeign(typeName);
    const storage = this.storages.get(key) ?? new Storage(key, element, count);
    if (storage.type !== element || storage.count !== count) {
      throw this.#refuse("torch.storage", `storage "${key}" of two types or sizes`);
    }
    this.storages.set(key, storage);
    return storage;
  }

  #tensor(
    storage: Storage,
    offset: number,
    shape: readonly number[],
    strides: readonly number[],
  ): Tensor {
    const count = product(shape);
    const distinct = product(shape.filter((n, axis) => n === 0 || strides[axis] !== 0));
    const last = shape.reduce((sum, n, axis) => sum + (n - 1) * strides[axis], offset);
    const fits = shape.length === strides.length && shape.length <= MAX_AXES &&
      Number.isSafeInteger(count) && offset <= storage.count && distinct <= storage.count &&
      (count === 0 || last < storage.count);
    if (!fits) {
      throw this.#refuse(
        "torch.view",
        `size [${shape}], stride [${strides}], offset ${offset} in ${storage.count} elements`,
      );
    }
    return new Tensor(storage, { offset, shape, strides });
  }
}

/** Makes arrays of described tensors. */
export class TensorReader {
  readonly #content: (key: string) => Uint8Array | undefined;
  readonly #decoded = new Map<Storage, NumericArray>();
  readonly #refuse: ReturnType<typeof refusals<typeof TORCH_RULES>>;
  #copyBudget: number;

  /**
   * Starts one for a file.
   *
   * @param content Raw bytes of a storage, by key.
   * @param file Path or label for messages, size in bytes.
   */
  constructor(
    content: (key: string) => Uint8Array | undefined,
    file: { readonly source: string; readonly byteLength: number },
  ) {
    this.#content = content;
    this.#refuse = refusals(TORCH_RULES, file.source);
    this.#copyBudget = Math.max(MAX_COPY_RATIO * file.byteLength, MIN_COPY_LIMIT);
  }

  /**
   * The values of a tensor: a view of the file where it is a plain piece of its storage, else a copy.
   *
   * @param tensor A tensor of this file.
   */
  read({ storage, view }: Tensor): NdArray<NumericArray> {
    const values = this.#values(storage);
    const { offset, shape, strides } = view;
    const count = product(shape);
    if (isContiguous(shape, strides)) {
      return { data: values.subarray(offset, offset + count), shape };
    }
    this.#copyBudget -= count * values.BYTES_PER_ELEMENT;
    if (this.#copyBudget < 0) throw this.#refuse("torch.copies", "larger ones");
    return { data: gatherStrided(values, view), shape };
  }

  #values(storage: Storage): NumericArray {
    const known = this.#decoded.get(storage);
    if (known) return known;
    const { key, type, count, byteLength } = storage;
    const raw = this.#content(key);
    if (raw?.length !== byteLength) {
      const found = raw ? `${raw.length} bytes` : "nothing";
      throw this.#refuse(
        "torch.storage",
        `storage "${key}" as ${count} of ${type}, and ${found} in the file`,
      );
    }
    const values = decodeStorage(raw, type);
    this.#decoded.set(storage, values);
    return values;
  }
}

function product(shape: readonly number[]): number {
  return shape.reduce((total, n) => total * n, 1);
}

function isCount(value: PickleValue | undefined): value is number {
  return Number.isSafeInteger(value) && (value as number) >= 0;
}

function isCountTuple(value: PickleValue): value is PickleTuple & { items: readonly number[] } {
  return value instanceof PickleTuple && value.items.every(isCount);
}

/** What follows a tensor's stride: nothing, or `requires_grad`, hooks and perhaps metadata. */
function isRest(rest: readonly PickleValue[]): boolean {
  return rest.length === 0 ||
    rest.length <= 3 && typeof rest[0] === "boolean" && rest[1] instanceof PickleDict;
}

/** Views (or, unaligned and half-precision, copies) of raw little-endian values. */
function decodeStorage(bytes: Uint8Array, type: ElementType): NumericArray {
  const Elements = ELEMENT_ARRAYS[type];
  const width = Elements.BYTES_PER_ELEMENT;
  const aligned = bytes.byteOffset % width === 0 ? bytes : bytes.slice();
  const values = new Elements(
    aligned.buffer as ArrayBuffer,
    aligned.byteOffset,
    bytes.length / width,
  );
  if (type === "F16") return widenFloat16(values as Uint16Array);
  if (type === "BF16") return widenBfloat16(values as Uint16Array);
  return values;
}
