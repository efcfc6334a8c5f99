/**
 * PyTorch's CPU random numbers for equal seeds: [recurrent-vae §A], checked against PyTorch 1.13. Use it for
 * parity with runs of the Python package (shuffles, initial weights); the library's own streams are in random.ts.
 */
import { ConfigError } from "./errors.ts";
import { MersenneTwister } from "./mersenne_twister.ts";

/** Length from which PyTorch fills normal numbers in blocks, and the length of a block. */
const BLOCK = 16;

/** The generator behind `torch.manual_seed(seed)`: each method advances it as PyTorch does. */
export class TorchGenerator {
  readonly #engine: MersenneTwister;
  #spareNormal: number | null = null;

  /**
   * Seeds a generator.
   *
   * @param seed Whole number; PyTorch uses its low 32 bits.
   * @throws {ConfigError} when it is not a whole number from −2⁵³+1 to 2⁵³−1.
   *
   * @example
   * ```ts
   * const generator = new TorchGenerator(2022);
   * const order: Int32Array = generator.permutation(10);
   * if (order.length !== 10) throw new Error("length");
   * ```
   */
  constructor(seed: number) {
    this.#engine = MersenneTwister.fromInteger(checkedSeed(seed));
  }

  /** The next raw output, 0 … 2³² − 1. */
  u32(): number {
    return this.#engine.u32();
  }

  /** (first u32)·2³² + second u32. */
  u64(): bigint {
    const high = this.u32();
    return (BigInt(high) << 32n) | BigInt(this.u32());
  }

  /** Uniform on [0, 1) in float64: (u64 mod 2⁵³)·2⁻⁵³, as for `torch.float64`. */
  uniform64(): number {
    const high = this.u32() % 2 ** 21;
    return (high * 2 ** 32 + this.u32()) / 2 ** 53;
  }

  /**
   * `torch.empty(count).uniform_(from, to)`; `uniformFloat32(0, 1, n)` is `torch.rand(n)`.
   *
   * value = (u32 mod 2²⁴)·2⁻²⁴·w + from, w = float32(to − from), rounded to float32 once: the product of
   * two 24-bit numbers is exact in float64. (Rounding the product too would be off in half of the cases.)
   *
   * @param from Lower end, rounded to float32.
   * @param to Upper end, rounded to float32.
   * @param count Number of values.
   */
  uniformFloat32(from: number, to: number, count: number): Float32Array {
    const start = Math.fround(from);
    const width = Math.fround(Math.fround(to) - start);
    const values = new Float32Array(checkedCount(count));
    for (let i = 0; i < count; i++) values[i] = (this.u32() % 2 ** 24) / 2 ** 24 * width + start;
    return values;
  }

  /** One standard normal number in float64; every second call returns the cached spare. */
  normal(): number {
    if (this.#spareNormal !== null) {
      const spare = this.#spareNormal;
      this.#spareNormal = null;
      return spare;
    }
    const u1 = this.uniform64();
    const u2 = this.uniform64();
    const radius = Math.sqrt(-2 * Math.log1p(-u2));
    const angle = 2 * Math.PI * u1;
    this.#spareNormal = radius * Math.sin(angle);
    return radius * Math.cos(angle);
  }

  /**
   * `torch.randn(count)` in float32: scalars below 16 values, blocks of 16 from there on (equal to PyTorch within 1.2e-7).
   *
   * @param count Number of values.
   */
  normals(count: number): Float32Array {
    if (count < BLOCK) return new Float32Array(checkedCount(count)).map(() => this.normal());
    const values = this.uniformFloat32(0, 1, count);
    for (let start = 0; start + BLOCK <= count; start += BLOCK) toNormalBlock(values, start);
    if (count % BLOCK !== 0) {
      values.set(this.uniformFloat32(0, 1, BLOCK), count - BLOCK);
      toNormalBlock(values, count - BLOCK);
    }
    return values;
  }

  /** `torch.randperm(count)`: for i = 0 … count − 2, swap i with i + (u32 mod (count − i)). */
  permutation(count: number): Int32Array {
    const order = new Int32Array(checkedCount(count)).map((_, i) => i);
    for (let i = 0; i < count - 1; i++) {
      const j = i + (this.u32() % (count - i));
      [order[i], order[j]] = [order[j], order[i]];
    }
    return order;
  }

  /**
   * The order in which PyTorch's seeded shuffling loader visits `count` items in its next epoch, once it is read to the end:
   * one u64 is discarded, the order drawn, and a second order discarded. Keep one generator for all epochs.
   *
   * @param count Number of items, for example subjects.
   */
  loaderOrder(count: number): Int32Array {
    this.u64();
    const order = this.permutation(count);
    this.permutation(count);
    return order;
  }
}

/**
 * Python's `random.Random(seed).shuffle(list(range(count)))`, which the reference's subject folds use.
 *
 * @param count Number of items.
 * @param seed Whole number; Python uses its absolute value.
 * @returns A permutation of 0 … count − 1.
 */
export function pythonShuffle(count: number, seed: number): Int32Array {
  const magnitude = Math.abs(checkedSeed(seed));
  const high = Math.floor(magnitude / 2 ** 32);
  const key = high > 0 ? [magnitude % 2 ** 32, high] : [magnitude];
  const engine = MersenneTwister.fromArray(Uint32Array.from(key));
  const order = new Int32Array(checkedCount(count)).map((_, i) => i);
  for (let i = count - 1; i > 0; i--) {
    const bits = 32 - Math.clz32(i + 1);
    let j = engine.u32() >>> (32 - bits);
    while (j > i) j = engine.u32() >>> (32 - bits);
    [order[i], order[j]] = [order[j], order[i]];
  }
  return order;
}

/** Box–Muller on `values[start … start + 15]`: j pairs with j + 8. */
function toNormalBlock(values: Float32Array, start: number): void {
  for (let j = start; j < start + BLOCK / 2; j++) {
    const radius = Math.sqrt(-2 * Math.log(1 - values[j]));
    const angle = 2 * Math.PI * values[j + BLOCK / 2];
    values[j] = radius * Math.cos(angle);
    values[j + BLOCK / 2] = radius * Math.sin(angle);
  }
}

function checkedSeed(seed: number): number {
  if (Number.isSafeInteger(seed)) return seed;
  throw new ConfigError(
    "seed",
    `Cannot seed a generator: seed is ${seed}, needs a whole number of at most 2^53 − 1`,
  );
}

function checkedCount(count: number): number {
  if (Number.isSafeInteger(count) && count >= 0) return count;
  throw new ConfigError(
    "count",
    `Cannot draw ${count} random numbers: needs a whole number of at least 0`,
  );
}
