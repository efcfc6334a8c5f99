/**
 * The one shared WebAssembly memory that tensors, workspaces and parameters live in: allocation, growth
 * on demand up to 4 GiB, typed views, and the out-of-memory error.
 *
 * A shared memory does not detach its views when it grows, so views handed out earlier stay valid; new
 * ones are made over the newest buffer.
 */
import { BackendError } from "../../base/errors.ts";
import { Allocator, type AllocatorStatistics } from "./allocator.ts";

const PAGE = 65536;
/** Memory grows by at least this many pages at a time (16 MiB), so that growth is rare. */
const GROWTH_PAGES = 256;
/** The largest memory 32-bit addresses reach: 4 GiB. */
export const MAXIMUM_PAGES = 65536;

/** Options of {@link SharedMemory}. */
export interface SharedMemoryOptions {
  /** Pages (64 KiB) the module needs for itself from address 0; tensors start behind them. */
  readonly modulePages: number;
  /** Growth limit in pages. Default {@link MAXIMUM_PAGES}. */
  readonly maximumPages?: number;
}

/** A growing shared memory and its allocator. */
export class SharedMemory {
  readonly memory: WebAssembly.Memory;
  readonly #maximumPages: number;
  readonly #allocator: Allocator;
  #buffer: ArrayBufferLike;
  #floats: Float32Array;
  #integers: Int32Array;

  /**
   * @param options See {@link SharedMemoryOptions}.
   * @throws {BackendError} when the host cannot reserve the address range.
   */
  constructor(options: SharedMemoryOptions) {
    this.#maximumPages = options.maximumPages ?? MAXIMUM_PAGES;
    const initial = Math.min(options.modulePages + GROWTH_PAGES, this.#maximumPages);
    this.memory = createMemory(initial, this.#maximumPages);
    this.#buffer = this.memory.buffer;
    this.#floats = new Float32Array(this.#buffer);
    this.#integers = new Int32Array(this.#buffer);
    this.#allocator = new Allocator(options.modulePages * PAGE, this.#buffer.byteLength);
  }

  /**
   * Reserves bytes, growing the memory if need be. The contents are whatever was there before.
   *
   * @param bytes Size.
   * @param what What it is for, as it should stand in an error: `"a tensor of shape [4,5]"`.
   * @returns A 64-byte aligned address.
   * @throws {BackendError} when the limit is reached. Nothing has changed then: freeing tensors and
   * trying again works.
   */
  allocate(bytes: number, what: string): number {
    let address = this.#allocator.allocate(bytes);
    if (address < 0 && this.#grow(bytes)) address = this.#allocator.allocate(bytes);
    if (address < 0) throw this.#outOfMemory(bytes, what);
    return address;
  }

  /** Gives the block at `address` back. */
  free(address: number): void {
    this.#allocator.free(address);
  }

  /** All of memory as float32; index = address / 4. Take it anew after every allocation. */
  get floats(): Float32Array {
    return this.#floats;
  }

  /** All of memory as int32; index = address / 4. Take it anew after every allocation. */
  get integers(): Int32Array {
    return this.#integers;
  }

  /** A view of `length` float32 values at `address`. */
  floatView(address: number, length: number): Float32Array {
    return new Float32Array(this.#buffer, address, length);
  }

  /** A view of `length` int32 values at `address`. */
  integerView(address: number, length: number): Int32Array {
    return new Int32Array(this.#buffer, address, length);
  }

  /** Counters of the allocator, in bytes. */
  statistics(): AllocatorStatistics {
    return this.#allocator.statistics();
  }

  /** Checks the allocator's invariants. For tests. */
  verify(): void {
    this.#allocator.verify();
  }

  #grow(bytes: number): boolean {
    const pages = this.#buffer.byteLength / PAGE;
    const needed = Math.ceil(this.#allocator.shortfall(bytes) / PAGE);
    const room = this.#maximumPages - pages;
    if (needed > room) return false;
    try {
      this.memory.grow(Math.min(room, Math.max(needed, GROWTH_PAGES)));
    } catch {
      return false; // The host refused; the caller reports it as out of memory.
    }
    this.#buffer = this.memory.buffer;
    this.#floats = new Float32Array(this.#buffer);
    this.#integers = new Int32Array(this.#buffer);
    this.#allocator.extend(this.#buffer.byteLength);
    return true;
  }

  #outOfMemory(bytes: number, what: string): BackendError {
    const { used, reserved, largestFree } = this.#allocator.statistics();
    return new BackendError(
      "wasm",
      `Cannot allocate ${what} (${mebibytes(bytes)} MiB): ${mebibytes(used)} MiB of ` +
        `${mebibytes(reserved)} MiB are in use, the largest free block has ` +
        `${mebibytes(largestFree)} MiB and the memory cannot grow beyond ` +
        `${mebibytes(this.#maximumPages * PAGE)} MiB; dispose tensors, or use a smaller batch or ` +
        `fewer frames per chunk`,
    );
  }
}

function createMemory(initial: number, maximum: number): WebAssembly.Memory {
  try {
    return new WebAssembly.Memory({ initial, maximum, shared: true });
  } catch (cause) {
    throw new BackendError(
      "wasm",
      `Cannot start the wasm engine: the host refused a shared memory of up to ` +
        `${mebibytes(maximum * PAGE)} MiB (${(cause as Error).message}); raise the address space ` +
        `limit (ulimit -v) or choose the cpu engine`,
    );
  }
}

function mebibytes(bytes: number): string {
  return (bytes / 2 ** 20).toFixed(1);
}
