/**
 * A machine for the part of Python's pickle protocols 2 to 5 that holds plain data [recurrent-vae §7].
 *
 * It builds plain data and calls only what its host offers; it can neither import nor run anything. A name
 * that the host does not offer stays a name, and what would come of calling it is a record of that name
 * (`PickleForeign`); readers refuse files with such names. Every opcode outside the list and every excess is
 * refused by name. Source: the opcode table of CPython's `pickletools`.
 */
import { FormatError } from "../base/errors.ts";
import { refusals } from "./rejection.ts";

/** What a good pickle satisfies; a rejection names one of these. */
export const PICKLE_RULES = {
  "pickle.size": "a pickle of at most 64 MiB",
  "pickle.truncated": "a pickle that ends with STOP",
  "pickle.protocol": "pickle protocol 2, 3, 4 or 5",
  "pickle.opcode": "only the opcodes of plain data",
  "pickle.global":
    "only plain data and dense tensors, since nothing else is ever called: in Python, " +
    'save the state alone, torch.save(model.state_dict(), "state.pt")',
  "pickle.text": "text in valid UTF-8",
  "pickle.stack":
    "a balanced stack of at most 1,000,000 values with at most 100 marks, and at most " +
    "2,000,000 values in all",
  "pickle.memo": "memo entries that were stored before, numbered below 1,000,000",
  "pickle.key": "dictionary keys that are plain values, each once",
  "pickle.call":
    "names in text, arguments in a tuple, state in a dictionary, items for a container",
} as const;

/** Most bytes of one pickle. */
export const MAX_PICKLE_BYTES = 64 * 2 ** 20;
const MAX_STACK = 1_000_000;
const MAX_VALUES = 2_000_000;
const MAX_MARKS = 100;
const MAX_MEMO = 1_000_000;

/** A name in `module name` form, as GLOBAL pushes it. */
export class PickleGlobal {
  /** @param name Module and name, with a space between. */
  constructor(readonly name: string) {}
}

/** A `dict` or an `OrderedDict`. */
export class PickleDict {
  #entries: Map<PickleValue, PickleValue> | undefined;
  /** Set by BUILD: Python attributes, such as PyTorch's `_metadata`. */
  attributes: PickleDict | undefined;

  /** Keys in the order they were set. Made when first asked for: a small file can list very many empty ones. */
  get entries(): Map<PickleValue, PickleValue> {
    return this.#entries ??= new Map();
  }
}

/** A `list` or a set. */
export class PickleList {
  /** @param items In order. */
  constructor(readonly items: PickleValue[] = []) {}
}

/** An immutable sequence. */
export class PickleTuple {
  /** @param items In order. */
  constructor(readonly items: readonly PickleValue[]) {}
}

/** Whatever a host's functions return: opaque to the machine. */
export class PickleObject {}

/** What a call that the host does not offer would have made: a record of the name, and nothing else. */
export class PickleForeign extends PickleObject {
  /** Set by BUILD: what the object's attributes would be. */
  state: PickleValue = null;

  /** @param name Module and name, with a space between. */
  constructor(readonly name: string) {
    super();
  }
}

/** Everything the stack can hold. */
export type PickleValue =
  | null
  | string
  | number
  | bigint
  | boolean
  | Uint8Array
  | PickleGlobal
  | PickleDict
  | PickleList
  | PickleTuple
  | PickleObject;

/** What the machine may call. */
export interface PickleHost {
  /** Whether this name (`"collections OrderedDict"`) is one that the host knows. */
  offers(name: string): boolean;
  /** REDUCE and NEWOBJ, for names it offers. */
  call(name: string, args: readonly PickleValue[]): PickleValue;
  /** BINPERSID. */
  persistent(id: readonly PickleValue[]): PickleValue;
}

/** What a pickle gave. */
export interface Unpickled {
  /** The value on the stack at STOP. */
  readonly value: PickleValue;
  /** Bytes up to and with STOP. */
  readonly end: number;
  /** Names that the host does not offer, in the order of their first mention. */
  readonly foreign: readonly string[];
}

/**
 * Runs a pickle.
 *
 * @param bytes The pickle, from PROTO to STOP; bytes behind STOP are ignored, as Python does.
 * @param host What it may call.
 * @param source Path or label for messages.
 * @throws {FormatError} naming one of {@link PICKLE_RULES}, or what the host throws.
 */
export function runPickle(bytes: Uint8Array, host: PickleHost, source = "pickle"): Unpickled {
  if (bytes.length > MAX_PICKLE_BYTES) {
    throw refusals(PICKLE_RULES, source)("pickle.size", `${bytes.length} bytes`);
  }
  return new Machine(bytes, host, source).run();
}

/**
 * The refusal of a pickle that mentions names which the host does not offer.
 *
 * @param foreign The names, at least one.
 * @param source Path or label for messages.
 * @param remark Put behind the names.
 */
export function foreignRefusal(
  foreign: readonly string[],
  source: string,
  remark = "",
): FormatError {
  const shown = foreign.slice(0, 3).map((name) => JSON.stringify(name.slice(0, 120))).join(", ");
  const more = foreign.length > 3 ? ` and ${foreign.length - 3} more` : "";
  return refusals(PICKLE_RULES, source)("pickle.global", `it asks for ${shown}${more}${remark}`);
}

class Machine {
  readonly #bytes: Uint8Array;
  readonly #view: DataView;
  readonly #host: PickleHost;
  readonly #source: string;
  readonly #refuse: ReturnType<typeof refusals<typeof PICKLE_RULES>>;
  readonly #stack: PickleValue[] = [];
  readonly #marks: number[] = [];
  readonly #memo = new Map<number, PickleValue>();
  readonly #foreign = new Set<string>();
  #values = 0;
  #at = 0;

  constructor(bytes: Uint8Array, host: PickleHost, source: string) {
    this.#bytes = bytes;
    this.#view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
    this.#host = host;
    this.#source = source;
    this.#refuse = refusals(PICKLE_RULES, source);
  }

  run(): Unpickled {
    const protocol = this.#bytes[0] === 0x80 ? this.#bytes[1] : undefined;
    if (protocol === undefined || protocol < 2 || protocol > 5) {
      throw this.#refuse("pickle.protocol", `protocol ${protocol ?? "unknown"}`);
    }
    this.#at = 2;
    try {
      this.#runToStop();
    } catch (error) {
      // A name of something else says more than what went wrong for want of it.
      if (!(error instanceof FormatError) || this.#foreign.size === 0) throw error;
      throw foreignRefusal([...this.#foreign], this.#source);
    }
    return { value: this.#stack[0], end: this.#at, foreign: [...this.#foreign] };
  }

  #runToStop(): void {
    for (;;) {
      const opcode = this.#bytes[this.#take(1)];
      if (opcode === 0x2e) break; // STOP
      this.#step(opcode);
    }
    if (this.#stack.length !== 1 || this.#marks.length !== 0) {
      throw this.#refuse("pickle.stack", `${this.#stack.length} values at STOP`);
    }
  }

  #step(opcode: number): void {
    if (this.#stepMemo(opcode) || this.#stepContainer(opcode) || this.#stepCall(opcode)) return;
    const value = this.#scalar(opcode) ?? this.#bytesLike(opcode) ?? this.#sequence(opcode);
    if (value === undefined && opcode !== 0x4e /* NONE */) {
      const name = `0x${opcode.toString(16).padStart(2, "0")}`;
      throw this.#refuse("pickle.opcode", `opcode ${name} at byte ${this.#at - 1}`);
    }
    this.#push(value ?? null);
  }

  #stepMemo(opcode: number): boolean {
    switch (opcode) {
      case 0x71: // BINPUT
        this.#remember(this.#bytes[this.#take(1)]);
        return true;
      case 0x72: // LONG_BINPUT
        this.#remember(this.#view.getUint32(this.#take(4), true));
        return true;
      case 0x94: // MEMOIZE
        this.#remember(this.#memo.size);
        return true;
      case 0x68: // BINGET
        this.#recall(this.#bytes[this.#take(1)]);
        return true;
      case 0x6a: // LONG_BINGET
        this.#recall(this.#view.getUint32(this.#take(4), true));
        return true;
      default:
        return false;
    }
  }

  /** Marks, and opcodes that add to a container further down. */
  #stepContainer(opcode: number): boolean {
    switch (opcode) {
      case 0x28: // MARK
        if (this.#marks.length >= MAX_MARKS) throw this.#refuse("pickle.stack", "too many marks");
        this.#marks.push(this.#stack.length);
        return true;
      case 0x73: // SETITEM
        this.#setItems(this.#popLast(2));
        return true;
      case 0x75: // SETITEMS
        this.#setItems(this.#popMarked());
        return true;
      case 0x61: // APPEND
        this.#append(this.#popLast(1));
        return true;
      case 0x65: // APPENDS
      case 0x90: // ADDITEMS
        this.#append(this.#popMarked());
        return true;
      default:
        return false;
    }
  }

  #stepCall(opcode: number): boolean {
    switch (opcode) {
      case 0x63: // GLOBAL
        this.#pushGlobal(`${this.#line()} ${this.#line()}`);
        return true;
      case 0x93: // STACK_GLOBAL
        this.#pushGlobal([this.#popText(), this.#popText()].reverse().join(" "));
        return true;
      case 0x51: // BINPERSID
        this.#push(this.#host.persistent(this.#popTuple("a persistent id")));
        return true;
      case 0x52: // REDUCE
      case 0x81: // NEWOBJ
        this.#call();
        return true;
      case 0x62: // BUILD
        this.#build();
        return true;
      case 0x95: // FRAME
        this.#take(8);
        return true;
      default:
        return false;
    }
  }

  #scalar(opcode: number): PickleValue | undefined {
    switch (opcode) {
      case 0x4a: // BININT
        return this.#view.getInt32(this.#take(4), true);
      case 0x4b: // BININT1
        return this.#bytes[this.#take(1)];
      case 0x4d: // BININT2
        return this.#view.getUint16(this.#take(2), true);
      case 0x8a: // LONG1
        return this.#long(this.#bytes[this.#take(1)]);
      case 0x47: // BINFLOAT
        return this.#view.getFloat64(this.#take(8), false);
      case 0x88: // NEWTRUE
        return true;
      case 0x89: // NEWFALSE
        return false;
      default:
        return undefined;
    }
  }

  #bytesLike(opcode: number): PickleValue | undefined {
    switch (opcode) {
      case 0x8c: // SHORT_BINUNICODE
        return this.#text(this.#bytes[this.#take(1)]);
      case 0x58: // BINUNICODE
        return this.#text(this.#view.getUint32(this.#take(4), true));
      case 0x8d: // BINUNICODE8
        return this.#text(this.#length8());
      case 0x43: // SHORT_BINBYTES
        return this.#raw(this.#bytes[this.#take(1)]);
      case 0x42: // BINBYTES
        return this.#raw(this.#view.getUint32(this.#take(4), true));
      case 0x8e: // BINBYTES8
      case 0x96: // BYTEARRAY8
        return this.#raw(this.#length8());
      default:
        return undefined;
    }
  }

  #sequence(opcode: number): PickleValue | undefined {
    switch (opcode) {
      case 0x29: // EMPTY_TUPLE
        return new PickleTuple([]);
      case 0x85: // TUPLE1
      case 0x86: // TUPLE2
      case 0x87: // TUPLE3
        return new PickleTuple(this.#popLast(opcode - 0x84));
      case 0x74: // TUPLE
        return new PickleTuple(this.#popMarked());
      case 0x7d: // EMPTY_DICT
        return new PickleDict();
      case 0x5d: // EMPTY_LIST
      case 0x8f: // EMPTY_SET
        return new PickleList();
      case 0x91: // FROZENSET
        return new PickleList(this.#popMarked());
      default:
        return undefined;
    }
  }

  /** Moves on by `count` bytes and gives the position before. */
  #take(count: number): number {
    const at = this.#at;
    if (at + count > this.#bytes.length) throw this.#refuse("pickle.truncated", `it ends at ${at}`);
    this.#at += count;
    return at;
  }

  #length8(): number {
    return Number(this.#view.getBigUint64(this.#take(8), true));
  }

  #raw(length: number): Uint8Array {
    const at = this.#take(length);
    return this.#bytes.subarray(at, at + length);
  }

  #text(length: number): string {
    const raw = this.#raw(length);
    try {
      return new TextDecoder("utf-8", { fatal: true, ignoreBOM: true }).decode(raw);
    } catch {
      throw this.#refuse("pickle.text", `malformed characters at byte ${this.#at - length}`);
    }
  }

  /** A whole number in two's complement, a bigint where a number would not hold it. */
  #long(length: number): number | bigint {
    const digits = this.#raw(length).toReversed().toHex();
    const value = BigInt.asIntN(8 * length, BigInt(`0x0${digits}`));
    return Number.isSafeInteger(Number(value)) ? Number(value) : value;
  }

  #line(): string {
    const end = this.#bytes.indexOf(0x0a, this.#at);
    if (end < 0) throw this.#refuse("pickle.truncated", "an open line");
    const text = this.#text(end - this.#at);
    this.#at = end + 1;
    return text;
  }

  #pushGlobal(name: string): void {
    if (!this.#host.offers(name)) this.#foreign.add(name);
    this.#push(new PickleGlobal(name));
  }

  #push(value: PickleValue): void {
    if (this.#stack.length >= MAX_STACK || ++this.#values > MAX_VALUES) {
      throw this.#refuse("pickle.stack", "too many values");
    }
    this.#stack.push(value);
  }

  #pop(): PickleValue {
    return this.#popLast(1)[0];
  }

  #popLast(count: number): PickleValue[] {
    if (this.#stack.length - count < (this.#marks.at(-1) ?? 0)) {
      throw this.#refuse("pickle.stack", `nothing to take at byte ${this.#at}`);
    }
    return this.#stack.splice(this.#stack.length - count);
  }

  #popMarked(): PickleValue[] {
    const mark = this.#marks.pop();
    if (mark === undefined) throw this.#refuse("pickle.stack", `no mark at byte ${this.#at}`);
    return this.#stack.splice(mark);
  }

  #popTuple(what: string): readonly PickleValue[] {
    const value = this.#pop();
    if (!(value instanceof PickleTuple)) throw this.#refuse("pickle.call", `${what} of other kind`);
    return value.items;
  }

  #popText(): string {
    const value = this.#pop();
    if (typeof value !== "string") throw this.#refuse("pickle.call", "a name that is no text");
    return value;
  }

  #remember(index: number): void {
    if (index >= MAX_MEMO) throw this.#refuse("pickle.memo", `memo entry ${index}`);
    const value = this.#pop();
    this.#memo.set(index, value);
    this.#stack.push(value);
  }

  #recall(index: number): void {
    const value = this.#memo.get(index);
    if (value === undefined) throw this.#refuse("pickle.memo", `memo entry ${index}`);
    this.#push(value);
  }

  #call(): void {
    const args = this.#popTuple("arguments");
    const callee = this.#pop();
    if (!(callee instanceof PickleGlobal)) throw this.#refuse("pickle.call", "a call of no global");
    const { name } = callee;
    this.#push(this.#host.offers(name) ? this.#host.call(name, args) : new PickleForeign(name));
  }

  #build(): void {
    const state = this.#pop();
    const target = this.#pop();
    if (target instanceof PickleForeign) target.state = state;
    else if (state instanceof PickleDict && target instanceof PickleDict) target.attributes = state;
    else throw this.#refuse("pickle.call", "BUILD on something else");
    this.#push(target);
  }

  /** Adds elements to the list or set on top of the stack. */
  #append(items: readonly PickleValue[]): void {
    const target = this.#pop();
    if (!(target instanceof PickleList)) throw this.#refuse("pickle.call", "items for no list");
    for (const item of items) target.items.push(item);
    this.#push(target);
  }

  /** Adds key, value, key, value, … to the dictionary on top of the stack. */
  #setItems(items: readonly PickleValue[]): void {
    const target = this.#pop();
    if (!(target instanceof PickleDict)) {
      throw this.#refuse("pickle.call", "items for no dictionary");
    }
    if (items.length % 2 !== 0) throw this.#refuse("pickle.stack", "a key without value");
    for (let i = 0; i < items.length; i += 2) {
      const key = items[i];
      if (!isKey(key)) throw this.#refuse("pickle.key", "a key that is a container or an object");
      if (target.entries.has(key)) {
        throw this.#refuse("pickle.key", `key ${JSON.stringify(String(key).slice(0, 120))} twice`);
      }
      target.entries.set(key, items[i + 1]);
    }
    this.#push(target);
  }
}

/** Whether Python could have this value as a dictionary's key and it is plain data. */
function isKey(value: PickleValue): boolean {
  return value === null || typeof value !== "object" || value instanceof PickleTuple ||
    value instanceof PickleGlobal;
}
