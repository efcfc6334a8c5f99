/**
 * A best-fit allocator over one growing range of addresses: blocks of at least 64 bytes at 64-byte
 * alignment, free blocks in size classes (eight per power of two), neighbours merged at once.
 *
 * It only does arithmetic on addresses. The bytes belong to `memory.ts`, which also decides when the
 * range grows.
 */
import { RecvaeError } from "../../base/errors.ts";

/** Alignment and smallest block in bytes: a cache line, and a multiple of every SIMD vector. */
export const ALIGNMENT = 64;

const CLASSES_PER_OCTAVE = 8;
const OCTAVES = 32;

/** One stretch of the range; stretches tile it without gaps. */
interface Block {
  offset: number;
  size: number;
  free: boolean;
  /** Neighbours by address. */
  before: Block | null;
  after: Block | null;
  /** Neighbours in the list of the size class, while free. */
  newer: Block | null;
  older: Block | null;
}

/** Counters of an {@link Allocator}, in bytes. */
export interface AllocatorStatistics {
  /** Bytes in live blocks, rounding included. */
  readonly used: number;
  /** Largest `used` so far. */
  readonly peak: number;
  /** Bytes of the whole range. */
  readonly reserved: number;
  /** Live blocks. */
  readonly blocks: number;
  /** Largest free block. */
  readonly largestFree: number;
}

/** Hands out and takes back stretches of `[start, end)`. */
export class Allocator {
  readonly #start: number;
  #end: number;
  #last: Block | null = null;
  readonly #live = new Map<number, Block>();
  readonly #classes: (Block | null)[] = new Array(OCTAVES * CLASSES_PER_OCTAVE).fill(null);
  #used = 0;
  #peak = 0;

  /**
   * @param start First usable address; rounded up to {@link ALIGNMENT}.
   * @param end One past the last usable address; rounded down.
   */
  constructor(start: number, end: number) {
    this.#start = roundUp(start);
    this.#end = this.#start;
    this.extend(end);
  }

  /**
   * Reserves `bytes` (at least one aligned block).
   *
   * @returns The address, or −1 when no free block is large enough.
   */
  allocate(bytes: number): number {
    const size = Math.max(ALIGNMENT, roundUp(bytes));
    const block = this.#find(size);
    if (block === null) return -1;
    this.#unlink(block);
    block.free = false;
    this.#split(block, size);
    this.#live.set(block.offset, block);
    this.#used += block.size;
    if (this.#used > this.#peak) this.#peak = this.#used;
    return block.offset;
  }

  /**
   * Gives a block back.
   *
   * @throws {RecvaeError} when `offset` is not the address of a live block (a double free).
   */
  free(offset: number): void {
    const block = this.#live.get(offset);
    if (block === undefined) {
      throw new RecvaeError(
        `Cannot free the block at ${offset}: found no live block there, needs an address from ` +
          `allocate that was not freed before`,
      );
    }
    this.#live.delete(offset);
    this.#used -= block.size;
    this.#release(block);
  }

  /** Size in bytes of the live block at `offset`, rounding included; 0 when there is none. */
  sizeOf(offset: number): number {
    return this.#live.get(offset)?.size ?? 0;
  }

  /** Moves the end of the range to `end` (never down); the new stretch becomes free. */
  extend(end: number): void {
    const newEnd = end - end % ALIGNMENT;
    if (newEnd <= this.#end) return;
    const block = makeBlock(this.#end, newEnd - this.#end);
    block.before = this.#last;
    if (this.#last !== null) this.#last.after = block;
    this.#last = block;
    this.#end = newEnd;
    this.#release(block);
  }

  /** Bytes by which the range has to grow so that `bytes` fit, using what is free at its end. */
  shortfall(bytes: number): number {
    const tail = this.#last !== null && this.#last.free ? this.#last.size : 0;
    return Math.max(0, Math.max(ALIGNMENT, roundUp(bytes)) - tail);
  }

  /** Counters at this moment. */
  statistics(): AllocatorStatistics {
    let largestFree = 0;
    for (let block = this.#last; block !== null; block = block.before) {
      if (block.free && block.size > largestFree) largestFree = block.size;
    }
    return {
      used: this.#used,
      peak: this.#peak,
      reserved: this.#end - this.#start,
      blocks: this.#live.size,
      largestFree,
    };
  }

  /**
   * Walks all blocks and checks that they tile the range, that no two free ones touch and that the
   * counters agree. For tests.
   *
   * @throws {RecvaeError} naming the first violation.
   */
  verify(): void {
    let expectedEnd = this.#end;
    let used = 0;
    let freeAfter = false;
    for (let block = this.#last; block !== null; block = block.before) {
      if (block.offset + block.size !== expectedEnd) fail(`gap before ${expectedEnd}`);
      if (block.offset % ALIGNMENT !== 0) fail(`block at ${block.offset} is not aligned`);
      if (block.free && freeAfter) fail(`free neighbours at ${block.offset}`);
      if (!block.free && this.#live.get(block.offset) !== block) fail(`lost ${block.offset}`);
      if (!block.free) used += block.size;
      freeAfter = block.free;
      expectedEnd = block.offset;
    }
    if (expectedEnd !== this.#start) fail(`range starts at ${expectedEnd}, not ${this.#start}`);
    if (used !== this.#used) fail(`${used} bytes are live, the counter says ${this.#used}`);
  }

  /** The smallest free block of at least `size` bytes. */
  #find(size: number): Block | null {
    for (let index = classOf(size); index < this.#classes.length; index++) {
      let best: Block | null = null;
      for (let block = this.#classes[index]; block !== null; block = block.older) {
        if (block.size >= size && (best === null || block.size < best.size)) best = block;
      }
      if (best !== null) return best;
    }
    return null;
  }

  /** Cuts `block` down to `size`; the rest becomes a free block behind it. */
  #split(block: Block, size: number): void {
    if (block.size === size) return;
    const rest = makeBlock(block.offset + size, block.size - size);
    rest.before = block;
    rest.after = block.after;
    if (block.after !== null) block.after.before = rest;
    else this.#last = rest;
    block.after = rest;
    block.size = size;
    this.#release(rest);
  }

  /** Marks `block` free, merges it with free neighbours and lists it in its size class. */
  #release(block: Block): void {
    let merged = block;
    if (merged.after?.free) {
      this.#unlink(merged.after);
      this.#absorbNext(merged);
    }
    if (merged.before?.free) {
      merged = merged.before;
      this.#unlink(merged);
      this.#absorbNext(merged);
    }
    merged.free = true;
    const index = classOf(merged.size);
    merged.newer = null;
    merged.older = this.#classes[index];
    if (merged.older !== null) merged.older.newer = merged;
    this.#classes[index] = merged;
  }

  #absorbNext(block: Block): void {
    const next = block.after!;
    block.size += next.size;
    block.after = next.after;
    if (next.after !== null) next.after.before = block;
    else this.#last = block;
  }

  #unlink(block: Block): void {
    if (block.newer !== null) block.newer.older = block.older;
    else this.#classes[classOf(block.size)] = block.older;
    if (block.older !== null) block.older.newer = block.newer;
    block.newer = block.older = null;
  }
}

/** Rounds `bytes` up to a multiple of {@link ALIGNMENT}. */
export function roundUp(bytes: number): number {
  return Math.ceil(bytes / ALIGNMENT) * ALIGNMENT;
}

/** Size class: octave of the size in units of {@link ALIGNMENT}, then eighths of the octave. */
function classOf(size: number): number {
  const units = size / ALIGNMENT;
  const octave = 31 - Math.clz32(units);
  const eighth = Math.floor((units / 2 ** octave - 1) * CLASSES_PER_OCTAVE);
  return octave * CLASSES_PER_OCTAVE + eighth;
}

function makeBlock(offset: number, size: number): Block {
  return { offset, size, free: false, before: null, after: null, newer: null, older: null };
}

function fail(what: string): never {
  throw new RecvaeError(`The allocator is inconsistent: ${what}`);
}
