/**
 * Named streams of random numbers. Everything random in the library comes from one seed through
 * streams such as `RandomStream.fromSeed(2022).split("noise").split(epoch)`.
 *
 * A stream is counter-based: draw number k of a stream depends on the seed, the path of names and k, and on
 * nothing else — not on other streams, on threads, or on whether a run was resumed. Each draw takes 64 bits
 * of a Philox4x32-10 sequence (philox.ts) whose key and upper counter half are a 128-bit hash of seed and path.
 * Not for cryptography. Sequences of PyTorch are in torch_random.ts.
 */
import { ConfigError } from "./errors.ts";
import { normalQuantile } from "./normal_quantile.ts";
import { philox4x32 } from "./philox.ts";

/** Kinds of path elements; they enter the hash, so that `split(1)` and `split("1")` differ. */
const KIND = { seed: 1, number: 2, text: 3 } as const;

/** A reproducible stream of random numbers; see the head of the module. */
export class RandomStream {
  /** 128-bit identity: words 0, 1 are the Philox key, words 2, 3 the upper half of its counter. */
  readonly #identity: Uint32Array;
  readonly #key: Uint32Array;
  readonly #counter: Uint32Array;
  readonly #block = new Uint32Array(4);
  /** Number of the next draw; each takes half a Philox block. */
  #position = 0;

  private constructor(identity: Uint32Array) {
    this.#identity = identity;
    this.#key = identity.slice(0, 2);
    this.#counter = new Uint32Array([0, 0, identity[2], identity[3]]);
  }

  /**
   * Starts the root stream of a seed.
   *
   * @param seed A whole number, |seed| ≤ 2⁵³ − 1.
   * @throws {ConfigError} when it is not one.
   *
   * @example
   * ```ts
   * const noise = RandomStream.fromSeed(2022).split("noise").split(0);
   * const epsilon: Float32Array = noise.normals(40);
   * if (epsilon.length !== 40) throw new Error("length");
   * ```
   */
  static fromSeed(seed: number): RandomStream {
    if (!Number.isSafeInteger(seed)) {
      throw new ConfigError(
        "seed",
        `Cannot start a random stream: seed is ${seed}, needs a whole number of at most 2^53 − 1; ` +
          "pass for example 2022",
      );
    }
    return new RandomStream(absorbNumber(new Uint32Array(4), KIND.seed, seed));
  }

  /**
   * Derives an independent stream. Pure: this stream does not advance, and the result does not depend
   * on how far it has advanced.
   *
   * @param name Name of the purpose, or a number such as an epoch. `1` and `"1"` are different names.
   * @throws {ConfigError} when a number is not finite.
   */
  split(name: string | number): RandomStream {
    if (typeof name === "string") return new RandomStream(absorbText(this.#identity, name));
    if (!Number.isFinite(name)) {
      throw new ConfigError(
        "name",
        `Cannot split a random stream: name is ${name}, needs a finite number or a string`,
      );
    }
    return new RandomStream(absorbNumber(this.#identity, KIND.number, name));
  }

  /**
   * The stream's 128 bits, for a kernel that makes the same draws: the Philox key, then the upper half of its counter.
   * Draw number k comes from block ⌊k/2⌋, words 0 and 1 when k is even, 2 and 3 when it is odd.
   */
  get identity(): Uint32Array {
    return this.#identity.slice();
  }

  /** Passes over the next `count` draws. */
  skip(count: number): void {
    this.#position += checkedCount(count);
    if (this.#position % 2 === 1) this.#loadBlock((this.#position - 1) / 2);
  }

  /** Uniform on [0, 1), a multiple of 2⁻⁵³, in float64. */
  uniform(): number {
    return this.#next(21) / 2 ** 53;
  }

  /** The next `count` values of {@link uniform}, cut to multiples of 2⁻²⁴ (so never 1), as float32. */
  uniforms(count: number): Float32Array {
    const values = new Float32Array(checkedCount(count));
    for (let i = 0; i < count; i++) values[i] = Math.floor(this.uniform() * 2 ** 24) / 2 ** 24;
    return values;
  }

  /** The next `count` values of {@link uniform}. */
  uniforms64(count: number): Float64Array {
    const values = new Float64Array(checkedCount(count));
    for (let i = 0; i < count; i++) values[i] = this.uniform();
    return values;
  }

  /** Standard normal in float64, |value| ≤ 8.3: the quantile of the midpoint of one of 2⁵² equal cells. */
  normal(): number {
    return normalQuantile((this.#next(20) + 0.5) / 2 ** 52);
  }

  /** The next `count` values of {@link normal}, rounded to float32. */
  normals(count: number): Float32Array {
    const values = new Float32Array(checkedCount(count));
    for (let i = 0; i < count; i++) values[i] = this.normal();
    return values;
  }

  /** The next `count` values of {@link normal}. */
  normals64(count: number): Float64Array {
    const values = new Float64Array(checkedCount(count));
    for (let i = 0; i < count; i++) values[i] = this.normal();
    return values;
  }

  /**
   * Whole number on [0, bound), each with exactly the same probability (draws that would favour small
   * numbers are thrown away).
   *
   * @param bound 1 … 2⁵³ − 1.
   * @throws {ConfigError} when bound is not in that range.
   */
  integer(bound: number): number {
    if (!Number.isSafeInteger(bound) || bound < 1) {
      throw new ConfigError(
        "bound",
        `Cannot draw a whole number below ${bound}: needs a bound from 1 to 2^53 − 1`,
      );
    }
    const limit = 2 ** 53 - (2 ** 53 % bound);
    for (;;) {
      const value = this.#next(21);
      if (value < limit) return value % bound;
    }
  }

  /** A random order of 0 … count − 1, every order equally likely (Fisher–Yates). */
  permutation(count: number): Int32Array {
    const order = new Int32Array(checkedCount(count)).map((_, i) => i);
    for (let i = count - 1; i > 0; i--) {
      const j = this.integer(i + 1);
      [order[i], order[j]] = [order[j], order[i]];
    }
    return order;
  }

  /** The next draw as a whole number of 32 + `highBits` bits. */
  #next(highBits: number): number {
    const half = this.#position % 2;
    if (half === 0) this.#loadBlock(this.#position / 2);
    this.#position++;
    return (this.#block[2 * half + 1] >>> (32 - highBits)) * 2 ** 32 + this.#block[2 * half];
  }

  #loadBlock(index: number): void {
    this.#counter[0] = index;
    this.#counter[1] = index / 2 ** 32;
    philox4x32(this.#counter, this.#key, this.#block);
  }
}

function checkedCount(count: number): number {
  if (Number.isSafeInteger(count) && count >= 0) return count;
  throw new ConfigError(
    "count",
    `Cannot draw ${count} random numbers: needs a whole number of at least 0`,
  );
}

/** Hash of a stream and a number: the number enters as the bits of its float64 form (−0 as 0). */
function absorbNumber(identity: Uint32Array, kind: number, value: number): Uint32Array {
  const bytes = new Uint8Array(8);
  new DataView(bytes.buffer).setFloat64(0, value + 0, true);
  return absorb(identity, kind, bytes);
}

function absorbText(identity: Uint32Array, text: string): Uint32Array {
  return absorb(identity, KIND.text, new TextEncoder().encode(text));
}

/**
 * Hashes bytes into a 128-bit identity, 16 bytes at a time: s ← P(s ⊕ m) ⊕ s ⊕ m. P is Philox under a
 * key made of the kind and of the number of bytes still to come, which keeps "a" and "a\0" apart.
 */
function absorb(identity: Uint32Array, kind: number, bytes: Uint8Array): Uint32Array {
  let state = identity;
  const blocks = Math.max(1, Math.ceil(bytes.length / 16));
  for (let block = 0; block < blocks; block++) {
    const padded = new Uint8Array(16);
    padded.set(bytes.subarray(16 * block, 16 * block + 16));
    const view = new DataView(padded.buffer);
    const mixed = state.map((word, i) => word ^ view.getUint32(4 * i, true));
    const key = new Uint32Array([kind, bytes.length - 16 * block]);
    state = philox4x32(mixed, key, new Uint32Array(4)).map((word, i) => word ^ mixed[i]);
  }
  return state;
}
