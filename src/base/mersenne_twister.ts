/**
 * MT19937, the 32-bit engine under PyTorch's CPU generator and Python's `random`. Only for equal seeds
 * with those [recurrent-vae §A]; what the library draws for itself comes from random.ts.
 *
 * Source: M. Matsumoto, T. Nishimura, "Mersenne Twister", ACM TOMACS 8 (1998) 3–30, and the seeding rules
 * of its 2002 revision (one integer: PyTorch; array of integers: Python).
 */

const SIZE = 624;
const SHIFT = 397;

/** A Mersenne Twister; make one with {@link MersenneTwister.fromInteger} or {@link MersenneTwister.fromArray}. */
export class MersenneTwister {
  readonly #state: Uint32Array;
  #next = SIZE;

  private constructor(state: Uint32Array) {
    this.#state = state;
  }

  /** Seeds by the single-integer rule; only the low 32 bits of `seed` count. */
  static fromInteger(seed: number): MersenneTwister {
    const state = new Uint32Array(SIZE);
    state[0] = seed;
    for (let i = 1; i < SIZE; i++) {
      const previous = state[i - 1] ^ (state[i - 1] >>> 30);
      state[i] = Math.imul(1812433253, previous) + i;
    }
    return new MersenneTwister(state);
  }

  /**
   * Seeds by the array rule.
   *
   * @param key At least one 32-bit word.
   */
  static fromArray(key: Uint32Array): MersenneTwister {
    const state = MersenneTwister.fromInteger(19650218).#state;
    let i = 1;
    const scramble = (multiplier: number) => {
      const previous = state[i - 1] ^ (state[i - 1] >>> 30);
      return state[i] ^ Math.imul(multiplier, previous);
    };
    const advance = () => {
      if (++i < SIZE) return;
      state[0] = state[SIZE - 1];
      i = 1;
    };
    for (let step = 0; step < Math.max(SIZE, key.length); step++) {
      const j = step % key.length;
      state[i] = scramble(1664525) + key[j] + j;
      advance();
    }
    for (let step = 0; step < SIZE - 1; step++) {
      state[i] = scramble(1566083941) - i;
      advance();
    }
    state[0] = 0x80000000;
    return new MersenneTwister(state);
  }

  /** The next tempered output, 0 … 2³² − 1. */
  u32(): number {
    if (this.#next === SIZE) this.#regenerate();
    let y = this.#state[this.#next++];
    y ^= y >>> 11;
    y ^= (y << 7) & 0x9d2c5680;
    y ^= (y << 15) & 0xefc60000;
    y ^= y >>> 18;
    return y >>> 0;
  }

  #regenerate(): void {
    const state = this.#state;
    for (let i = 0; i < SIZE; i++) {
      const y = (state[i] & 0x80000000) | (state[(i + 1) % SIZE] & 0x7fffffff);
      state[i] = state[(i + SHIFT) % SIZE] ^ (y >>> 1) ^ (y & 1 ? 0x9908b0df : 0);
    }
    this.#next = 0;
  }
}
