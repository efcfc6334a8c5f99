/**
 * A machine for the part of Python's pickle protocol 2 that PyTorch state dicts use (spec section 7).
 *
 * It builds plain data and calls only what its host offers; it can neither import nor run anything. Every
 * opcode outside the list, every unknown global and every excess is refused by name. Source: the opcode
 * table of CPython's `pickletools`.
 */
import { refusals } from "./rejection.ts";

/** What a good pickle satisfies; a rejection names one of these. */
export const PICKLE_RULES = {
  "pickle.size": "a pickle of at most 64 MiB",
  "pickle.truncated": "a pickle that ends with STOP",
  "pickle.protocol": "pickle protocol 2",
  "pickle.opcode": "only the opcodes a state dict uses",
  "pickle.global": "only the globals a state dict uses; nothing else is ever called",
  "pickle.text": "text in valid UTF-8",
  "pickle.stack": "a balanced stack of at most 1,000,000 values with at most 100 marks",
  "pickle.memo": "memo entries that were stored before, numbered below 1,000,000",
  "pickle.key": "dictionary keys that are text, each once",
  "pickle.call": "arguments in a tuple, state in a dictionary",
} as const;

const MAX_BYTES = 64 * 2 ** 20;
const MAX_STACK = 1_000_000;
const MAX_MARKS = 100;
const MAX_MEMO = 1_000_000;

/** A name in `module name` form, as GLOBAL pushes it. */
export class PickleGlobal {
  /** Names a global. @param name Module and name, with a space between. */
  constructor(readonly name: string) {}
}

/** A `dict` or an `OrderedDict`. */
export class PickleDict {
  /** Keys in the order they were set. */
  readonly entries = new Map<string, PickleValue>();
  /** Set by BUILD: Python attributes, such as PyTorch's `_metadata`. */
  attributes: PickleDict | undefined;
}

/** An immutable sequence. */
export class PickleTuple {
  /** Keeps the elements. @param items In order. */
  constructor(readonly items: readonly PickleValue[]) {}
}

/** Whatever a host's functions return: opaque to the machine. */
export class PickleObject {}

/** Everything the stack can hold. */
export type PickleValue =
  | string
  | number
  | boolean
  | PickleGlobal
  | PickleDict
  | PickleTuple
  | PickleObject;

/** What the machine may call. */
export interface PickleHost {
  /** Whether GLOBAL may push this name (`"collections OrderedDict"`). */
  allows(name: string): boolean;
  /** REDUCE. */
  call(name: string, args: readonly PickleValue[]): PickleValue;
  /** BINPERSID. */
  persistent(id: readonly PickleValue[]): PickleValue;
}

/**
 * Runs a pickle.
 *
 * @param bytes The pickle, from PROTO to STOP; bytes behind STOP are ignored, as Python does.
 * @param host What it may call. @param source Path or label for messages.
 * @returns The value on the stack at STOP.
 * @throws {FormatError} naming one of {@link PICKLE_RULES}, or what the host throws.
 */
export function runPickle(bytes: Uint8Array, host: PickleHost, source = "pickle"): PickleValue {
  if (bytes.length > MAX_BYTES) {
    throw refusals(PICKLE_RULES, source)("pickle.size", `${bytes.length} bytes`);
  }
  return new Machine(bytes, host, source).run();
}

class Machine {
  readonly #bytes: Uint8Array;
  readonly #view: DataView;
  readonly #host: PickleHost;
  readonly #refuse: ReturnType<typeof refusals<typeof PICKLE_RULES>>;
  readonly #stack: PickleValue[] = [];
  readonly #marks: number[] = [];
  readonly #memo = new Map<number, PickleValue>();
  #at = 0;

  constructor(bytes: Uint8Array, host: PickleHost, source: string) {
    this.#bytes = bytes;
    this.#view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
    this.#host = host;
    this.#refuse = refusals(PICKLE_RULES, source);
  }

  run(): PickleValue {
    const protocol = this.#bytes[0] === 0x80 ? this.#bytes[1] : undefined;
    if (protocol !== 2) throw this.#refuse("pickle.protocol", `protocol ${protocol ?? "unknown"}`);
    this.#at = 2;
    for (;;) {
      const opcode = this.#bytes[this.#take(1)];
      if (opcode === 0x2e) break; // STOP
      this.#step(opcode);
    }
    if (this.#stack.length !== 1 || this.#marks.length !== 0) {
      throw this.#refuse("pickle.stack", `${this.#stack.length} values at STOP`);
    }
    return this.#stack[0];
  }

  #step(opcode: number): void {
    switch (opcode) {
      case 0x28: // MARK
        if (this.#marks.length >= MAX_MARKS) throw this.#refuse("pickle.stack", "too many marks");
        this.#marks.push(this.#stack.length);
        return;
      case 0x63: // GLOBAL
        return this.#push(this.#global());
      case 0x51: // BINPERSID
        return this.#push(this.#host.persistent(this.#popTuple("a persistent id")));
      case 0x52: // REDUCE
        return this.#reduce();
      case 0x62: // BUILD
        return this.#build();
      case 0x73: // SETITEM
        return this.#setItems([this.#pop(), this.#pop()].reverse());
      case 0x75: // SETITEMS
        return this.#setItems(this.#popMarked());
      default:
        if (!this.#stepMemo(opcode) && !this.#stepLiteral(opcode)) {
          const name = `0x${opcode.toString(16).padStart(2, "0")}`;
          throw this.#refuse("pickle.opcode", `opcode ${name} at byte ${this.#at - 1}`);
        }
    }
  }

  #stepMemo(opcode: number): boolean {
    switch (opcode) {
      case 0x71: // BINPUT
        this.#remember(this.#bytes[this.#take(1)]);
        return true;
      case 0x72: // LONG_BINPUT
        this.#remember(this.#view.getUint32(this.#take(4), true));
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

  #stepLiteral(opcode: number): boolean {
    const value = this.#literal(opcode);
    if (value === undefined) return false;
    this.#push(value);
    return true;
  }

  #literal(opcode: number): PickleValue | undefined {
    switch (opcode) {
      case 0x29: // EMPTY_TUPLE
        return new PickleTuple([]);
      case 0x85: // TUPLE1
      case 0x86: // TUPLE2
      case 0x87: // TUPLE3
        return new PickleTuple(
          Array.from({ length: opcode - 0x84 }, () => this.#pop()).reverse(),
        );
      case 0x74: // TUPLE
        return new PickleTuple(this.#popMarked());
      case 0x7d: // EMPTY_DICT
        return new PickleDict();
      case 0x58: // BINUNICODE
        return this.#text(this.#view.getUint32(this.#take(4), true));
      case 0x4a: // BININT
        return this.#view.getInt32(this.#take(4), true);
      case 0x4b: // BININT1
        return this.#bytes[this.#take(1)];
      case 0x4d: // BININT2
        return this.#view.getUint16(this.#take(2), true);
      case 0x88: // NEWTRUE
        return true;
      case 0x89: // NEWFALSE
        return false;
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

  #text(length: number): string {
    const at = this.#take(length);
    try {
      return new TextDecoder("utf-8", { fatal: true, ignoreBOM: true })
        .decode(this.#bytes.subarray(at, at + length));
    } catch {
      throw this.#refuse("pickle.text", `malformed characters at byte ${at}`);
    }
  }

  #line(): string {
    const end = this.#bytes.indexOf(0x0a, this.#at);
    if (end < 0) throw this.#refuse("pickle.truncated", "an open line");
    const text = this.#text(end - this.#at);
    this.#at = end + 1;
    return text;
  }

  #global(): PickleGlobal {
    const name = `${this.#line()} ${this.#line()}`;
    if (!this.#host.allows(name)) {
      throw this.#refuse("pickle.global", `it asks for ${JSON.stringify(name.slice(0, 120))}`);
    }
    return new PickleGlobal(name);
  }

  #push(value: PickleValue): void {
    if (this.#stack.length >= MAX_STACK) throw this.#refuse("pickle.stack", "too many values");
    this.#stack.push(value);
  }

  #pop(): PickleValue {
    if (this.#stack.length <= (this.#marks.at(-1) ?? 0)) {
      throw this.#refuse("pickle.stack", `nothing to take at byte ${this.#at}`);
    }
    return this.#stack.pop()!;
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

  #reduce(): void {
    const args = this.#popTuple("arguments");
    const callee = this.#pop();
    if (!(callee instanceof PickleGlobal)) throw this.#refuse("pickle.call", "a call of no global");
    this.#push(this.#host.call(callee.name, args));
  }

  #build(): void {
    const state = this.#pop();
    const target = this.#pop();
    if (!(state instanceof PickleDict && target instanceof PickleDict)) {
      throw this.#refuse("pickle.call", "BUILD on something else");
    }
    target.attributes = state;
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
      if (typeof key !== "string") throw this.#refuse("pickle.key", `a key of type ${typeof key}`);
      if (target.entries.has(key)) {
        throw this.#refuse("pickle.key", `key ${JSON.stringify(key.slice(0, 120))} twice`);
      }
      target.entries.set(key, items[i + 1]);
    }
    this.#push(target);
  }
}
